"""What a workflow can say and ask, without knowing of a chat.

`Run.say` and `Run.ask`, in hand-written workflows `chatq` and
`chat_with_llm`, speak with the voice of the present request or job.
"""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Protocol

from pipulate.engine.errors import Unknown


class Voice(Protocol):
    """The chat panel in the browser, the terminal in headless runs."""

    async def say(self, text: str) -> None: ...

    def ask(self, prompt: str) -> AsyncIterator[str]: ...


class Silent:
    """The voice where nobody listens and no model answers."""

    async def say(self, text: str) -> None:
        """Say nothing."""

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Refuse kindly."""
        raise Unknown(
            "No model answers yet. Get one in the chat panel, or write the text yourself."
        )
        yield ""


#: Of the present request or job; set by `app` and `jobs`.
voice: ContextVar[Voice] = ContextVar("voice", default=Silent())  # noqa: B039


async def chatq(text: str) -> None:
    """Say `text` in the chat panel."""
    await voice.get().say(text)


async def chat_with_llm(model: str, messages: list[dict[str, str]]) -> AsyncIterator[str]:
    """Stream an answer to `messages` of whichever model answers."""
    prompt = messages[0]["content"]
    if len(messages) > 1:
        turns = (f"{turn.get('role', 'user')}: {turn.get('content', '')}" for turn in messages)
        prompt = "\n\n".join(turns)
    async for text in voice.get().ask(prompt):
        yield text
