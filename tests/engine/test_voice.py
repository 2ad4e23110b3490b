"""The voice: what a workflow says and asks reaches whoever serves it, and nobody else."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from pipulate.engine.byhand import Whichever, chat_with_llm, chatq
from pipulate.engine.errors import Unknown
from pipulate.engine.voice import Message, Silent, voice


class Parrot(Silent):
    """A voice that remembers what it heard, and answers with what it was asked."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.remarked: list[tuple[str, str]] = []
        self.wanted: list[str] = []

    async def say(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)

    async def remark(self, prompt: str, role: str) -> None:
        """Remember it."""
        self.remarked.append((prompt, role))

    async def answer(self, messages: Sequence[Message], model: str) -> AsyncIterator[str]:
        """Answer with each message."""
        self.wanted.append(model)
        for message in messages:
            yield f"{message['role']}: {message['content']}\n"


@pytest.fixture
def parrot() -> Iterator[Parrot]:
    """Give the voice of this test."""
    made = Parrot()
    token = voice.set(made)
    yield made
    voice.reset(token)


async def answered(messages: list[dict[str, str]], model: str = "") -> str:
    """Return what a hand-written workflow gets for its messages."""
    return "".join([text async for text in chat_with_llm(model, messages)])


async def test_a_remark_is_asked_of_the_model(parrot: Parrot) -> None:
    """`chatq` says nothing itself; it has the model say something about the prompt."""
    await chatq("The bridge is open.")
    await chatq("Be brief.", role="system")
    assert parrot.said == []
    assert parrot.remarked == [("The bridge is open.", "user"), ("Be brief.", "system")]


async def test_messages_are_asked_as_they_are(parrot: Parrot) -> None:
    """Each with who said it; a message without a role is the user's; of none, nothing comes."""
    turns = [{"role": "system", "content": "Be brief."}, {"content": "Who?"}]
    assert await answered(turns) == "system: Be brief.\nuser: Who?\n"
    assert await answered([]) == "" and parrot.wanted == [""]


async def test_the_model_that_is_asked(parrot: Parrot) -> None:
    """The one of that name; the name that the app gives stands for whichever answers."""
    for model in ("gemma3", "", Whichever("gemma3")):
        await answered([{"content": "Who?"}], model)
    assert parrot.wanted == ["gemma3", "", ""]


async def test_where_nobody_listens() -> None:
    """What is said is lost without harm; what is asked is refused with the way out."""
    voice.set(Silent())
    await chatq("Hello?")
    await voice.get().say("Hello?")
    with pytest.raises(Unknown, match="No model answers yet"):
        await answered([{"content": "Hello?"}])
    with pytest.raises(Unknown, match="No model answers yet"):
        [text async for text in voice.get().ask("Hello?")]


async def test_each_task_has_its_own(parrot: Parrot) -> None:
    """The voice set in one request is not that of another one at the same time."""
    other = Parrot()

    async def elsewhere() -> None:
        voice.set(other)
        await chatq("there")

    await asyncio.gather(elsewhere(), chatq("here"))
    assert (parrot.remarked, other.remarked) == ([("here", "user")], [("there", "user")])
