"""Conversations: kept, searched, cut, restored, temporary; and always within a model's window."""

from pathlib import Path

import pytest

from pipulate.chat.conversation import Conversations
from pipulate.chat.providers import ModelError
from pipulate.chat.window import tokens
from pipulate.engine.errors import Unknown
from pipulate.engine.store import Store
from tests.chat.fakes import FakeModel, dump


@pytest.fixture
def talk(tmp_path: Path) -> Conversations:
    """Give the conversations of an empty store."""
    return Conversations(Store(tmp_path / "pipulate.db"))


def fill(talk: Conversations, id: int, turns: int, words: int = 60) -> None:
    """Add so many turns of so many words."""
    for number in range(turns):
        talk.append(id, "user", f"question {number}: " + "why " * words)
        talk.append(id, "assistant", f"answer {number}: " + "so " * words)


def contents(talk: Conversations, id: int) -> list[str]:
    """Return what was said."""
    return [row["content"] for row in talk.messages(id)]


def test_history_survives_and_titles_fall_back(talk: Conversations) -> None:
    """A conversation is called by its first words until it gets a title; the last one
    spoken in comes first.
    """
    first, second = talk.new(), talk.new(" Plans ")
    talk.append(first, "note", "You opened Tasks.", "page Tasks")
    talk.append(first, "user", "What is open?")
    assert [(r["id"], r["title"]) for r in talk.all()] == [
        (first, "What is open?"),
        (second, "Plans"),
    ]
    talk.rename(first, "Tasks")
    again = Conversations(Store(talk.store.path))
    assert again.get(first)["title"] == "Tasks"
    assert [(m["role"], m["about"]) for m in again.messages(first)] == [
        ("note", "page Tasks"),
        ("user", ""),
    ]
    with pytest.raises(Unknown):
        talk.append(99, "user", "lost")


def test_delete_and_restore(talk: Conversations) -> None:
    """A deleted conversation comes back whole, even when others began meanwhile."""
    id = talk.new("Plans")
    talk.append(id, "user", "One")
    before = dump(talk.store, "trash")
    seq = talk.delete(id)
    assert talk.all() == [] and talk.messages(id) == []
    other = talk.new()
    talk.append(other, "user", "Two")
    assert talk.restore(seq) == id and contents(talk, id) == ["One"]
    talk.delete(other)
    assert dump(talk.store, "trash") == before
    with pytest.raises(Unknown):
        talk.restore(seq)


def test_truncate_for_answering_again(talk: Conversations) -> None:
    """The message and all after it go; a summary that covered them goes too."""
    id = talk.new()
    ids = [talk.append(id, role, role[0]) for role in ("user", "assistant", "user", "assistant")]
    talk.store.write(
        "UPDATE conversation SET summary = 's', summarised = ? WHERE id = ?", ids[1], id
    )
    assert [row["id"] for row in talk.truncate(id, ids[3])] == [ids[3]]
    assert talk.get(id)["summary"] == "s"
    talk.truncate(id, ids[1])
    assert contents(talk, id) == ["u"] and talk.get(id)["summary"] == ""


def test_search(talk: Conversations) -> None:
    """Any part of a message is found; what the app noted is not, and % is just a sign."""
    id = talk.new()
    talk.append(id, "user", "100% of the Sitemap")
    talk.append(id, "note", "sitemap")
    assert [r["content"] for r in talk.search("SITEMAP")] == ["100% of the Sitemap"]
    assert len(talk.search("100%")) == 1 and talk.search("1%o") == [] and talk.search("_") == []


def test_a_temporary_conversation_is_never_written(talk: Conversations) -> None:
    """All works as with others, but nothing is in the store."""
    before = dump(talk.store)
    id = talk.new(temporary=True)
    first = talk.append(id, "user", "hush")
    talk.append(id, "assistant", "of course")
    talk.rename(id, "Secret")
    assert talk.get(id)["title"] == "Secret" and contents(talk, id) == ["hush", "of course"]
    assert dump(talk.store) == before and talk.search("hush") == []
    assert [r["content"] for r in talk.truncate(id, first + 1)] == ["of course"] and contents(
        talk, id
    ) == ["hush"]
    with pytest.raises(Unknown):
        talk.truncate(id, first + 5)
    assert contents(talk, id) == ["hush"] and talk.delete(id) == 0
    with pytest.raises(Unknown):
        talk.get(id)


async def test_a_short_conversation_goes_whole(talk: Conversations) -> None:
    """No summary is made while all fits."""
    id, model = talk.new(), FakeModel()
    fill(talk, id, 2)
    talk.append(id, "user", "and?")
    sent = await talk.for_model(id, model, "Be kind.", ["likes tea"], ["secret"])
    assert [m["role"] for m in sent] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ] and model.asked == []
    assert sent[-1]["content"].endswith("and?") and "likes tea" in sent[-1]["content"]


@pytest.mark.parametrize("temporary", [False, True])
async def test_the_oldest_turns_are_summarised(talk: Conversations, temporary: bool) -> None:
    """What does not fit is in the summary, which is kept; the messages themselves stay."""
    id, model = (
        talk.new(temporary=temporary),
        FakeModel(*["They talked of numbers."] * 9, window=1000),
    )
    fill(talk, id, 12)
    talk.append(id, "user", "What now?")
    sent = await talk.for_model(id, model, "Be kind.")
    assert (
        sent[0]["content"]
        == "Be kind.\n\nSummary of the earlier conversation:\nThey talked of numbers."
    )
    assert sent[-1]["content"] == "What now?" and sum(tokens(m["content"]) for m in sent) <= 750
    assert "question 0" in model.prompts and len(talk.messages(id)) == 25
    calls = len(model.asked)
    assert (
        await talk.for_model(id, model, "Be kind.") == sent and len(model.asked) == calls
    )  # kept, not made again
    read = "".join(m["content"] for m in sent) + model.prompts
    assert all(
        f"question {n}:" in read and f"answer {n}:" in read for n in range(12)
    )  # nothing silently cut


async def test_a_summary_grows_with_the_conversation(talk: Conversations) -> None:
    """Later turns are added to the summary there is."""
    id, model = talk.new(), FakeModel(*[f"summary {n}" for n in range(20)], window=1000)
    fill(talk, id, 8)
    await talk.for_model(id, model, "")
    first = talk.get(id)
    fill(talk, id, 8)
    await talk.for_model(id, model, "")
    assert talk.get(id)["summarised"] > first["summarised"] > 0
    assert f"Summary so far: {first['summary']}" in model.prompts


async def test_a_last_message_that_cannot_fit_is_said(talk: Conversations) -> None:
    """It is an error in words, not a silent cut."""
    id = talk.new()
    talk.append(id, "user", "why " * 5000)
    with pytest.raises(ModelError, match="too long"):
        await talk.for_model(id, FakeModel(window=500), "")
