"""What a workflow can say and ask, without knowing of a chat.

`Run.say` and `Run.ask` speak with the voice of the present request or job, and
so does what `byhand` has.
"""

from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Protocol

from pipulate.engine.errors import Unknown

Message = dict[str, str]  #: "role" and "content"


class Voice(Protocol):
    """The chat panel in the browser, the terminal in headless runs."""

    async def say(self, text: str) -> None: ...

    async def remark(self, prompt: str, role: str) -> None: ...

    def ask(self, prompt: str) -> AsyncIterator[str]: ...

    def answer(self, messages: Sequence[Message], model: str) -> AsyncIterator[str]: ...


class Silent:
    """The voice where nobody listens and no model answers."""

    why = "No model answers yet. Get one in the chat panel, or write the text yourself."

    async def say(self, text: str) -> None:
        """Say nothing."""

    async def remark(self, prompt: str, role: str) -> None:
        """Say nothing."""

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Refuse kindly."""
        raise Unknown(self.why)
        yield ""

    async def answer(self, messages: Sequence[Message], model: str) -> AsyncIterator[str]:
        """Refuse kindly."""
        raise Unknown(self.why)
        yield ""


#: Of the present request or job; set by `app` and `jobs`.
voice: ContextVar[Voice] = ContextVar("voice", default=Silent())  # noqa: B039
