"""What a workflow can say and ask, without knowing of a chat.

`Run.say` and `Run.ask`, in hand-written workflows `chatq` and
`chat_with_llm`, speak with the voice of the present request or job.
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


class Whichever(str):
    """The name of the model that answers, standing for whichever will."""


async def chatq(prompt: str, role: str = "user") -> None:
    """Have the model say something about `prompt` in the chat panel.

    Returns at once; while no model answers, nothing is said.  The prompt
    itself is not shown; with the role "system" it is an instruction.
    """
    await voice.get().remark(prompt, role)


async def chat_with_llm(model: str, messages: Sequence[Message]) -> AsyncIterator[str]:
    """Stream the answer of the model of that name to `messages`.

    "" is whichever model answers, and so is the `model` that the app gives.
    Raises PipulateError if that model is not there.
    """
    turns = [{"role": "user", "content": "", **message} for message in messages]
    wanted = "" if isinstance(model, Whichever) else model
    if turns:
        async for text in voice.get().answer(turns, wanted):
            yield text
