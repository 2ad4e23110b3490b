"""A conversation without a page: what a listener is told, in which order, and what is kept."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pipulate.chat.providers import ModelError, ToolCall
from pipulate.chat.talk import FAILED, NO_MODEL, Listener, Talk
from pipulate.engine.errors import Refused, Unknown
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from tests.chat.fakes import FakeModel

SECRET = "canary0123456789"


class Heard(Listener):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def said(self, row: dict[str, Any]) -> None:
        self.events.append(f"{row['role']}: {row['content']}")

    async def unsaid(self, id: int) -> None:
        self.events.append(f"unsaid {id}")

    async def thinking(self) -> None:
        self.events.append("thinking")

    async def live(self, text: str) -> None:
        self.events.append(f"live {text}")

    async def over(self) -> None:
        self.events.append("over")

    async def turned(self) -> None:
        self.events.append("turned")


class Endless(FakeModel):
    """Begins an answer, and says no more."""

    async def stream(self, messages: Any, **ask: Any) -> Any:
        yield "Half"
        await asyncio.sleep(60)


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    """Give a talk on an empty store."""
    settings = Settings(data=tmp_path)
    made = Talk(Store(settings.database), settings, secrets=lambda: [SECRET])
    made.listener = Heard()
    return made


def answers(talk: Talk, model: FakeModel | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this model answer."""

    async def found(fresh: bool = False) -> list[FakeModel]:
        return [model] if model else []

    monkeypatch.setattr(talk.models, "found", found)


async def told(talk: Talk, said: str) -> list[str]:
    """Say something; return what the listener was told from then on."""
    assert isinstance(talk.listener, Heard)
    talk.listener.events.clear()
    await talk.send(said)
    await talk.settled()
    return talk.listener.events


def kept(talk: Talk) -> list[str]:
    """Return what is stored of all conversations."""
    return [row["content"] for row in talk.store.read("SELECT content FROM message ORDER BY id")]


async def test_an_answer_comes_word_by_word_and_is_then_said(talk: Talk, monkeypatch) -> None:
    """The listener can show each state; in between nothing is stored."""
    answers(talk, FakeModel(["One ", "two."], tools=True), monkeypatch)
    assert await told(talk, "  Count ") == [
        "user: Count",
        "thinking",
        "live One ",
        "live One two.",
        "over",
        "assistant: One two.",
    ]
    assert kept(talk) == ["Count", "One two."] and talk.live is None and not talk.busy


async def test_a_broken_answer_keeps_what_came(talk: Talk, monkeypatch) -> None:
    """The half answer is a message, the reason a note after it."""

    class Broken(FakeModel):
        async def stream(self, messages: Any, **ask: Any) -> Any:
            yield "Half"
            raise ModelError("It broke off.")

    answers(talk, Broken(tools=True), monkeypatch)
    assert (await told(talk, "Go"))[-2:] == ["assistant: Half", "note: It broke off."]


async def test_stopping_keeps_what_came(talk: Talk, monkeypatch) -> None:
    """While an answer comes no other question is taken; stopped, the half of it is kept."""
    ends = asyncio.Event()

    class Slow(FakeModel):
        async def stream(self, messages: Any, **ask: Any) -> Any:
            try:
                yield "Half"
                await asyncio.sleep(60)
            finally:
                ends.set()

    answers(talk, Slow(tools=True), monkeypatch)
    await talk.send("Go")
    while talk.live != "Half":
        await asyncio.sleep(0)
    with pytest.raises(Refused, match="still coming"):
        await talk.send("And?")
    await talk.stop()
    assert ends.is_set() and not talk.busy and kept(talk) == ["Go", "Half"]


@pytest.mark.parametrize("first", ["Go", "/tasks"])
async def test_whoever_sees_the_last_words_may_go_on(talk: Talk, monkeypatch, first: str) -> None:
    """What is sent the moment they are told is not refused; it comes after them."""
    going: list[asyncio.Task[None]] = []

    class Quick(Heard):
        async def said(self, row: dict[str, Any]) -> None:
            if row["role"] != "user" and not going:
                going.append(asyncio.create_task(talk.send("And?")))
                await asyncio.sleep(0)  # it has been asked for

    talk.listener = Quick()
    answers(talk, FakeModel(["Said."], ["More."], tools=True), monkeypatch)
    await talk.send(first)
    await talk.settled()
    await asyncio.gather(*going)
    await talk.settled()
    assert kept(talk)[0] == first
    assert kept(talk)[2] == "And?"
    assert len(kept(talk)) == 4


async def test_a_tools_result_goes_back_to_the_model_without_secrets(
    talk: Talk, monkeypatch
) -> None:
    """The model is asked again with what its tool said, fenced and struck."""
    talk.store.db.t.task.insert({"name": f"Buy {SECRET}", "profile_id": 1})
    model = FakeModel([ToolCall("list_tasks", {}, "c1")], "One task.", tools=True)
    answers(talk, model, monkeypatch)
    assert (await told(talk, "What is to do?"))[-1] == "assistant: One task."
    *_, called, result = model.asked[-1]
    assert called["tool_calls"][0]["id"] == result["tool_call_id"] == "c1"
    assert "Buy [secret]" in result["content"] and SECRET not in json.dumps(model.asked)


async def test_no_model_and_a_bug_are_told_in_words(talk: Talk, monkeypatch) -> None:
    """Commands work without a model; what fails is a note, never silence."""
    answers(talk, None, monkeypatch)
    assert await told(talk, "Hello") == ["user: Hello", f"note: {NO_MODEL}"]
    assert (await told(talk, "/tasks"))[-1] == "note: There are no tasks."

    async def broken(fresh: bool = False) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(talk.models, "found", broken)
    assert (await told(talk, "Hello"))[-1] == f"note: {FAILED}"


async def test_pages_passed_through_leave_nothing(talk: Talk) -> None:
    """Only the page on which something is said becomes a note, once until another one does."""
    heard = talk.listener
    assert isinstance(heard, Heard)
    await talk.visit("Tasks", "A list.")
    await talk.visit("Tasks", "A list.")
    await talk.visit("Nothing", "")
    await talk.visit("Runs", "All runs.")
    assert heard.events == ["note: A list.", "unsaid 0", "note: All runs."]
    assert [row["about"] for row in talk.messages()] == ["page Runs"] and kept(talk) == []
    await told(talk, "/tasks")
    assert kept(talk) == ["All runs.", "/tasks", "There are no tasks."]
    await talk.visit("Tasks", "A list.")
    await talk.visit("Runs", "All runs.")
    assert [row["about"] for row in talk.messages()] == ["page Runs", "", "tool list_tasks"]


async def test_answering_again_and_editing_take_back_what_followed(talk: Talk, monkeypatch) -> None:
    """The old answer is gone, the question stays or is the new one."""
    answers(talk, FakeModel("No.", "Yes.", "Perhaps.", tools=True), monkeypatch)
    await told(talk, "Is it?")
    await talk.again(talk.messages()[-1]["id"])
    await talk.settled()
    assert kept(talk) == ["Is it?", "Yes."]
    await talk.edit(talk.messages()[0]["id"], "Was it?")
    await talk.settled()
    assert kept(talk) == ["Was it?", "Perhaps."]


async def test_of_two_messages_at_once_one_is_refused(talk: Talk, monkeypatch) -> None:
    """As if one had come after the other; the answer that comes can be stopped."""
    answers(talk, Endless(tools=True), monkeypatch)
    done = await asyncio.gather(talk.send("one"), talk.send("two"), return_exceptions=True)
    assert done[0] is None and isinstance(done[1], Refused)
    while talk.live != "Half":
        await asyncio.sleep(0)
    assert talk.busy
    await talk.stop()
    assert not talk.busy and talk.live is None and kept(talk) == ["one", "Half"]


ACTS: dict[str, Callable[[Talk, int], Awaitable[None]]] = {
    "send": lambda talk, first: talk.send("two"),
    "again": lambda talk, first: talk.again(first + 1),
    "edit": lambda talk, first: talk.edit(first, "other"),
    "begin": lambda talk, first: talk.begin(),
    "temporary": lambda talk, first: talk.begin_temporary(),
    "delete": lambda talk, first: talk.delete(talk.conversation),
    "stop": lambda talk, first: talk.stop(),
}


@pytest.mark.parametrize("pair", list(itertools.product(ACTS, ACTS)), ids="+".join)
async def test_acts_at_once_end_as_if_one_came_after_the_other(
    talk: Talk, monkeypatch, pair: tuple[str, str]
) -> None:
    """At most one answer comes, who is busy can be stopped, and each answer has its question."""
    answers(talk, FakeModel("One.", tools=True), monkeypatch)
    await told(talk, "one")
    first = talk.messages()[0]["id"]
    answers(talk, Endless(tools=True), monkeypatch)
    acts = [ACTS[name](talk, first) for name in pair]
    for failed in await asyncio.gather(*acts, return_exceptions=True):
        assert failed is None or isinstance(failed, (Refused, Unknown)), failed
    while talk.busy and talk.live is None:
        await asyncio.sleep(0)
    assert talk.busy == (talk.live is not None)
    await talk.stop()
    assert not talk.busy and talk.live is None
    roles = [row["role"] for row in talk.messages()]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    await talk.close()


async def test_a_message_is_not_edited_away(talk: Talk, monkeypatch) -> None:
    """Blanks say nothing; what no longer is there takes nothing else along."""
    answers(talk, FakeModel("Yes.", tools=True), monkeypatch)
    await told(talk, "Is it?")
    first = talk.messages()[0]["id"]
    with pytest.raises(Refused, match="needs words"):
        await talk.edit(first, " \n ")
    for act in (talk.edit(first - 1, "Was it?"), talk.again(first + 2)):
        with pytest.raises(Unknown, match="no longer there"):
            await act
    assert kept(talk) == ["Is it?", "Yes."]


async def test_conversations_are_begun_by_their_first_message(talk: Talk) -> None:
    """A temporary one is never stored, a deleted one can be had back."""
    await talk.begin()
    assert talk.conversation == 0 and talk.conversations.all() == []
    await told(talk, "/tasks")
    first = talk.conversation
    await talk.begin_temporary()
    await told(talk, "/help")
    assert talk.conversation < 0 and kept(talk) == ["/tasks", "There are no tasks."]
    await talk.open(first)
    assert len(talk.messages()) == 2
    await talk.delete(first)
    assert talk.messages() == [] and kept(talk) == []
    (trashed,) = talk.store.read("SELECT seq FROM trash")
    await talk.restore(trashed["seq"])
    assert (talk.conversation, len(talk.messages())) == (first, 2)
    with pytest.raises(Unknown):
        await talk.open(99)


async def test_closing_ends_what_runs(talk: Talk) -> None:
    """No task outlives the app."""
    task = talk.background(asyncio.sleep(60))
    await asyncio.sleep(0)
    await talk.close()
    assert task.cancelled()


async def test_a_workflows_remark_is_the_models_and_comes_in_the_background(
    talk: Talk, monkeypatch
) -> None:
    """The prompt is not shown; an instruction goes before the user's turn; secrets stay here."""
    model = FakeModel("Well met.", "Indeed.")
    answers(talk, model, monkeypatch)
    await talk.remark(f"Arthur came with {SECRET}.")
    assert kept(talk) == []
    await talk.settled()
    await talk.remark("Praise him.", "system")
    await talk.settled()
    assert kept(talk) == ["Well met.", "Indeed."]
    first, second = model.asked
    assert first[-1] == {"role": "user", "content": "Arthur came with [secret]."}
    assert [message["role"] for message in second] == ["system", "user"]
    assert second[0]["content"].endswith("Praise him.")


async def test_without_a_model_there_is_no_remark(talk: Talk, monkeypatch) -> None:
    """Not even that there is none."""
    answers(talk, None, monkeypatch)
    await talk.remark("Arthur came.")
    await talk.settled()
    assert kept(talk) == []


async def test_a_workflow_asks_the_model_that_it_names(talk: Talk, monkeypatch) -> None:
    """Another is not asked in its place; the refusal says which there are."""
    model = FakeModel("Yes.")
    answers(talk, model, monkeypatch)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well?"}]
    assert [piece async for piece in talk.answer(turns, "fake")] == ["Yes."]
    assert model.asked == [turns]
    with pytest.raises(ModelError, match=r"no model 'gemma3'.*: fake\."):
        [piece async for piece in talk.answer(turns, "gemma3")]
    answers(talk, None, monkeypatch)
    with pytest.raises(ModelError, match="No model answers yet"):
        [piece async for piece in talk.answer(turns, "gemma3")]
