"""The voice: what a workflow says and asks reaches whoever serves it, and nobody else."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from pipulate.engine.errors import Unknown
from pipulate.engine.voice import Silent, chat_with_llm, chatq, voice


class Parrot:
    """A voice that remembers what was said, and answers with what it was asked."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def say(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Answer in two pieces."""
        yield prompt[:3]
        yield prompt[3:]


@pytest.fixture
def parrot() -> Iterator[Parrot]:
    """Give the voice of this test."""
    made = Parrot()
    token = voice.set(made)
    yield made
    voice.reset(token)


async def answered(messages: list[dict[str, str]]) -> str:
    """Return what a hand-written workflow gets for its messages."""
    return "".join([text async for text in chat_with_llm("", messages)])


async def test_hand_written_workflows_speak_with_it(parrot: Parrot) -> None:
    """`chatq` says, `chat_with_llm` asks and streams what comes back."""
    await chatq("The bridge is open.")
    assert parrot.said == ["The bridge is open."]
    assert await answered([{"role": "user", "content": "Who goes there?"}]) == "Who goes there?"


async def test_several_messages_are_asked_as_turns(parrot: Parrot) -> None:
    """Each with who said it; a message without a role is the user's."""
    turns = [{"role": "system", "content": "Be brief."}, {"content": "Who?"}]
    assert await answered(turns) == "system: Be brief.\n\nuser: Who?"


async def test_where_nobody_listens() -> None:
    """What is said is lost without harm; what is asked is refused with the way out."""
    voice.set(Silent())
    await chatq("Hello?")
    with pytest.raises(Unknown, match="No model answers yet"):
        await answered([{"content": "Hello?"}])


async def test_each_task_has_its_own(parrot: Parrot) -> None:
    """The voice set in one request is not that of another one at the same time."""
    other = Parrot()

    async def elsewhere() -> None:
        voice.set(other)
        await chatq("there")

    await asyncio.gather(elsewhere(), chatq("here"))
    assert (parrot.said, other.said) == (["here"], ["there"])
