"""Memories: added once, found by meaning and by word, edited, switched off, and forgotten
without a trace.
"""

import json
from pathlib import Path

import pytest

from pipulate.chat.conversation import Conversations
from pipulate.chat.memory import FORGOTTEN, Memory, clean, identity, text
from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.store import Store
from tests.chat.fakes import FakeEmbedder, dump


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Give an empty memory with an embedder."""
    return Memory(Store(tmp_path / "pipulate.db"), FakeEmbedder())


def said(rows: list[dict]) -> list[str]:
    """Return what the memories say."""
    return [text(row) for row in rows]


def test_a_sentence_and_a_fact(memory: Memory) -> None:
    """A fact stands in every prompt, a sentence does not; both know their source and date."""
    sentence = memory.add("I live near the harbour.", source="chat")
    fact = memory.add("Sam", key="name", source="memory page")
    assert (sentence["pinned"], fact["pinned"]) == (0, 1)
    assert (sentence["source"], fact["source"]) == ("chat", "memory page")
    assert sentence["at"].endswith("+00:00")
    assert said(memory.pinned()) == ["name: Sam"]
    assert said(memory.all()) == ["name: Sam", "I live near the harbour."]


def test_adding_twice_changes_nothing(memory: Memory) -> None:
    """The same memory has the same id, in every data folder."""
    first = memory.add("I like tea.", source="a")
    assert memory.add("  I like\ttea. ", source="b") == first
    assert first["id"] == identity("I like tea.")


def test_a_new_value_replaces_the_old_one(memory: Memory) -> None:
    """A fact's key has one value, however it is spelled."""
    memory.add("Graz", key="City")
    memory.add("Linz", key="city")
    assert said(memory.all()) == ["City: Linz"]
    assert said(memory.recall("Graz")) == []


@pytest.mark.parametrize("bad", ["", "  \n", "\x00", "x" * 2001])
def test_what_cannot_be_remembered(memory: Memory, bad: str) -> None:
    """Nothing, and too much, are refused in words."""
    with pytest.raises(Invalid, match="characters"):
        memory.add(bad)
    assert memory.all() == []


def test_clean_makes_one_line_of_anything() -> None:
    """Line breaks, control characters and decomposed accents do not survive."""
    assert clean(" a\r\n b\x00c  u\u0308 ") == "a b c ü"


def test_recall_by_meaning_best_first(memory: Memory) -> None:
    """The nearest memory comes first; what has nothing to do with the question does not come."""
    for sentence in ("the dog is called Bella", "the dog sleeps", "deploys happen on Monday"):
        memory.add(sentence)
    assert said(memory.recall("how is the dog called"))[:2] == [
        "the dog is called Bella",
        "the dog sleeps",
    ]
    assert memory.recall("quantum physics") == []


def test_the_best_keyword_hit_is_an_extra(memory: Memory) -> None:
    """A rare word finds its memory even when the vectors favour others."""
    memory.add("Northwind pays late")
    for number in range(5):
        memory.add(f"what is the status of invoice {number}")
    found = said(memory.recall("what is the status of the invoice of Northwind", limit=3))
    assert len(found) == 4 and found[3] == "Northwind pays late"


def test_without_an_embedder_keywords_find(tmp_path: Path) -> None:
    """Other forms of a word are found, quotes and operators are harmless."""
    memory = Memory(Store(tmp_path / "pipulate.db"))
    memory.add("My invoices are paid late")
    assert said(memory.recall('invoice" OR * NEAR(')) == ["My invoices are paid late"]
    assert memory.recall("") == [] == memory.recall("?!") == memory.recall("bicycle")


def test_vectors_are_made_once_and_again_for_another_embedder(memory: Memory) -> None:
    """The cache follows the embedder's name and each memory's text."""
    first = memory.add("one red apple")
    memory.add("two green pears")
    memory.recall("apple")
    memory.recall("pears")
    assert isinstance(memory.embedder, FakeEmbedder) and memory.embedder.embedded == 2 + 2
    memory.edit(first["id"], "one ripe apple")
    memory.recall("apple")
    assert memory.embedder.embedded == 4 + 2
    memory.embedder = FakeEmbedder("fake-2", 64)
    assert said(memory.recall("pears"))[0] == "two green pears"
    rows = memory.store.read("SELECT embedder, length(vector) AS bytes FROM memory_vector")
    assert rows == [{"embedder": "fake-2", "bytes": 64 * 4}] * 2


def test_edit_pin_switch(memory: Memory) -> None:
    """A reworded memory is found by its new words; off means told to nobody, but kept."""
    id = memory.add("I drink coffee")["id"]
    id = memory.edit(id, "I drink cocoa")["id"]
    assert (
        said(memory.recall("cocoa")) == ["I drink cocoa"]
        and memory.recall("coffee", floor=0.9) == []
    )
    memory.pin(id)
    assert said(memory.pinned()) == ["I drink cocoa"]
    memory.switch(id, False)
    assert memory.pinned() == [] == memory.recall("cocoa") and said(memory.all()) == [
        "I drink cocoa"
    ]
    memory.switch(id)
    memory.enabled = False
    assert memory.pinned() == [] == memory.recall("cocoa")
    with pytest.raises(Unknown):
        memory.pin("nothing")


def test_editing_into_an_existing_memory_leaves_one(memory: Memory) -> None:
    """Two memories that come to say the same are one."""
    memory.add("I like tea")
    id = memory.add("I like cocoa")["id"]
    memory.edit(id, "I like tea")
    assert said(memory.all()) == ["I like tea"]


def test_forget_leaves_nothing(memory: Memory) -> None:
    """Not in a table, a vector, a conversation, its summary, the trash, a proposal, nor in
    the bytes of the file.
    """
    secret = 'I collect "Zanzibar" stamps.'
    store, talk = memory.store, Conversations(memory.store)
    id = memory.add(secret)["id"]
    other = memory.add("I like tea")
    memory.recall("stamps")
    for conversation in (talk.new("about stamps"), talk.new()):
        talk.append(conversation, "user", f"Remember that {secret[:-1].lower()}!")
    store.write("UPDATE conversation SET summary = ?, summarised = 1", f"The user said: {secret}")
    talk.delete(2)
    store.write(
        "INSERT INTO proposal (at, tool, arguments, profile_id, words)"
        " VALUES ('', 'remember', ?, 1, 'Remember it.')",
        json.dumps({"sentence": secret}),
    )
    memory.forget(id)
    for table, rows in dump(store).items():
        assert "zanzibar" not in repr(rows).lower(), table
    assert [row["content"] for row in talk.messages(1)] == [f"Remember that {FORGOTTEN}!"]
    assert [r["id"] for r in store.read("SELECT id FROM memory_vector")] == [other["id"]]
    assert store.read("SELECT id FROM memory_text WHERE memory_text MATCH 'zanzibar'") == []
    store.close()
    for path in store.folder.iterdir():
        assert b"zanzibar" not in path.read_bytes().lower(), path


def test_forget_takes_whole_words_only(memory: Memory) -> None:
    """Forgetting "tea" leaves "steam" alone."""
    talk = Conversations(memory.store)
    talk.append(talk.new(), "user", "Tea, steam, tea-pot")
    memory.forget(memory.add("tea", key="drink")["id"])
    assert talk.messages(1)[0]["content"] == f"{FORGOTTEN}, steam, {FORGOTTEN}-pot"
    with pytest.raises(Unknown):
        memory.forget("tea")


@pytest.mark.model
def test_the_real_embedder_finds_what_is_meant(tmp_path: Path) -> None:
    """On our English facts and paraphrased questions: recall@1 at least 0.85, recall@3 at
    least 0.92.
    """
    from bench.bench_memory import FACTS, filled, recall
    from pipulate.chat.embedder import Embedder
    from tests.chat.test_real_model import file

    data = json.loads(FACTS.read_text("utf-8"))["en"]
    memory = filled(tmp_path, data["facts"], Embedder(file("minilm").parent))
    first, third = recall(memory, data["questions"], data["facts"])
    print(f"recall@1 {first:.3f}, recall@3 {third:.3f}")
    assert first >= 0.85 and third >= 0.92
