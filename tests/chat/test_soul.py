"""The soul file: everything comes over, twice is once, and what is damaged is refused whole."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.chat import prompts, soul
from pipulate.chat.conversation import Conversations
from pipulate.chat.memory import Memory
from pipulate.chat.proposals import call
from pipulate.engine.errors import CannotWrite, Corrupt, Incompatible, Unknown
from pipulate.engine.store import Store
from tests.chat.fakes import dump, make_desk


def lived(folder: Path) -> Store:
    """Return a store with something of everything."""
    store = Store(folder / "pipulate.db")
    memory, talk = Memory(store), Conversations(store)
    memory.add("Sam", key="name", source="memory page")
    memory.add("I like tea — and “cake”.", source="chat", pinned=True)
    memory.switch(memory.add("I wear size 43\u2028shoes")["id"], False)
    prompts.accept(store, "Be a pirate.\nAlways.", "model")
    prompts.accept(store, "Be kind.")
    for title in ("", "Plans"):
        id = talk.new(title)
        for role in ("user", "assistant", "user", "assistant"):
            talk.append(id, role, f"{role} says ok", "page x" if role == "user" else "")
    talk.new("empty")
    return store


def essence(store: Store) -> str:
    """Return all that a soul holds, without the numbers that a store gives."""
    memories = sorted(json.dumps(row) for row in store.read("SELECT * FROM memory"))
    prompt_rows = store.read("SELECT text, at, author FROM prompt ORDER BY version")
    said = store.read(
        "SELECT title, created, role, content, m.at, about FROM message m"
        " JOIN conversation c ON c.id = conversation_id ORDER BY m.id"
    )
    return json.dumps([memories, prompt_rows, said])


def test_everything_comes_over(tmp_path: Path) -> None:
    """A new data folder knows what the old one knew, and says the same about the user."""
    old, path = lived(tmp_path / "old"), tmp_path / "me.jsonl"
    counts = soul.export(old, path)
    assert counts == {"prompt": 2, "fact": 1, "memory": 2, "conversation": 2}
    new = Store(tmp_path / "new" / "pipulate.db")
    assert soul.import_(new, path) == counts
    assert essence(new) == essence(old)
    assert prompts.current(new) == prompts.current(old)
    desks = [make_desk(tmp_path / name) for name in ("old", "new")]
    assert call(desks[0], "recall", {}) == call(desks[1], "recall", {})
    assert (
        [r["content"] for r in Memory(new).recall("tea")]
        == [r["content"] for r in Memory(old).recall("tea")]
        != []
    )


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    """Not in the new store, and not in the one it came from."""
    old, path = lived(tmp_path / "old"), tmp_path / "me.jsonl"
    counts = soul.export(old, path)
    new = Store(tmp_path / "new" / "pipulate.db")
    soul.import_(new, path)
    for store in (old, new):
        before = dump(store)
        assert soul.import_(store, path) == dict.fromkeys(counts, 0)
        assert dump(store) == before


def test_what_is_newer_here_stays(tmp_path: Path) -> None:
    """An old copy of the file takes nothing back, and adds only what is missing."""
    store, path = lived(tmp_path), tmp_path / "me.jsonl"
    soul.export(store, path)
    store.write(
        "UPDATE memory SET content = 'Samantha', at = '2999-01-01T00:00:00+00:00'"
        " WHERE key = 'name'"
    )
    talk = Conversations(store)
    talk.append(1, "user", "later")
    talk.rename(2, "Better plans")
    before = dump(store)
    soul.import_(store, path)
    assert dump(store) == before
    talk.truncate(1, talk.messages(1)[-2]["id"])
    assert soul.import_(store, path)["conversation"] == 1
    assert [m["content"] for m in talk.messages(1)][-1] == "assistant says ok"


def test_the_file_is_private_and_readable(tmp_path: Path) -> None:
    """Only its owner reads it; its first line says what it is, its last holds the checksum
    of all before.
    """
    path = tmp_path / "deep" / "me.jsonl"
    soul.export(lived(tmp_path), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and not list(path.parent.glob("*.part"))
    *lines, last = path.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    assert (header["format"], header["version"], header["counts"]["fact"]) == (
        "pipulate-soul",
        1,
        1,
    )
    assert json.loads(last)["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest()
    assert any("“cake”".encode() in line for line in lines)


def sealed(*rows: dict) -> bytes:
    """Return a file with these lines and the right checksum."""
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return (
        text
        + json.dumps({"type": "end", "sha256": hashlib.sha256(text).hexdigest()}).encode()
        + b"\n"
    )


HEADER = {"type": "header", "format": "pipulate-soul", "version": 1, "created": "", "counts": {}}
FACT = {
    "type": "fact",
    "key": "a",
    "content": "b",
    "source": "",
    "at": "2026-01-01T00:00:00+00:00",
    "pinned": 1,
    "state": "active",
}
DAMAGED = {
    "empty": b"",
    "not ours": b'{"a": 1}\n',
    "binary": b"\xff\xfe\x00",
    "a list": b"[]\n[]\n",
    "wrong format": sealed(HEADER | {"format": "other"}),
    "wrong counts": sealed(HEADER | {"counts": {"fact": 2}}, FACT),
    "unknown kind": sealed(HEADER | {"counts": {"spell": 1}}, {"type": "spell"}),
    "missing field": sealed(HEADER | {"counts": {"fact": 1}}, {"type": "fact", "key": "a"}),
    "wrong type": sealed(HEADER | {"counts": {"fact": 1}}, FACT | {"content": 5}),
    "a null": sealed(HEADER | {"counts": {"fact": 1}}, FACT | {"source": None}),
    "second line bad": sealed(
        HEADER | {"counts": {"fact": 2}}, FACT, FACT | {"key": "b", "at": None}
    ),
    "no messages": sealed(
        HEADER | {"counts": {"conversation": 1}},
        {"type": "conversation", "title": "", "created": "", "messages": []},
    ),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_whole(tmp_path: Path, name: str) -> None:
    """The message says that nothing was imported, and nothing was."""
    store, path = lived(tmp_path), tmp_path / "bad.jsonl"
    path.write_bytes(DAMAGED[name])
    before = dump(store)
    with pytest.raises(Corrupt, match="Nothing was imported"):
        soul.import_(store, path)
    assert dump(store) == before


def test_any_cut_or_changed_byte_is_noticed(tmp_path: Path) -> None:
    """Wherever the file was cut off, or a byte of it was changed, it is refused."""
    store, path, empty = (
        lived(tmp_path),
        tmp_path / "me.jsonl",
        Store(tmp_path / "new" / "pipulate.db"),
    )
    soul.export(store, path)
    whole = path.read_bytes()
    before = dump(empty)
    for at in range(0, len(whole) - 1, 41):
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            path.write_bytes(bad)
            with pytest.raises(Corrupt):
                soul.import_(empty, path)
    assert dump(empty) == before


def test_a_newer_format_and_a_missing_file(tmp_path: Path) -> None:
    """Each is its own message."""
    store, path = lived(tmp_path), tmp_path / "new.jsonl"
    path.write_bytes(sealed(HEADER | {"version": 2}))
    with pytest.raises(Incompatible, match="Upgrade"):
        soul.import_(store, path)
    with pytest.raises(Unknown, match="cannot be read"):
        soul.import_(store, tmp_path / "nowhere.jsonl")
    with pytest.raises(CannotWrite, match="could not be written"):
        soul.export(store, tmp_path / "pipulate.db" / "me.jsonl")


def test_what_was_forgotten_is_not_in_it(tmp_path: Path) -> None:
    """Forgetting takes the words out of the soul as well."""
    store, path = lived(tmp_path), tmp_path / "me.jsonl"
    memory, talk = Memory(store), Conversations(store)
    talk.append(1, "user", "Remember that I keep bees.")
    memory.forget(memory.add("I keep bees.")["id"])
    soul.export(store, path)
    assert "bees" not in path.read_text("utf-8")


def test_the_example_in_the_manual_is_a_soul(tmp_path: Path) -> None:
    """Its format page shows a file that can be imported."""
    page = (Path(__file__).parents[2] / "pipulate" / "docs" / "soul.md").read_text("utf-8")
    (tmp_path / "me.jsonl").write_text(page.split("```json\n")[1].split("```")[0], "utf-8")
    store = Store(tmp_path / "pipulate.db")
    assert soul.import_(store, tmp_path / "me.jsonl") == {
        "prompt": 1,
        "memory": 1,
        "fact": 1,
        "conversation": 1,
    }
    assert soul.export(store, tmp_path / "again.jsonl") == {
        "prompt": 1,
        "memory": 1,
        "fact": 1,
        "conversation": 1,
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["user", "assistant", "note"]),
            st.text(st.characters(codec="utf-8"), max_size=30),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_conversation_round_trips(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]
) -> None:
    """Whatever was said, repeated or odd, comes over in order, once."""
    folder = tmp_path_factory.mktemp("soul")
    old, new = Store(folder / "a.db"), Store(folder / "b.db")
    talk = Conversations(old)
    id = talk.new()
    for role, content in said:
        talk.append(id, role, content)
    soul.export(old, folder / "me.jsonl")
    for _ in range(2):
        soul.import_(new, folder / "me.jsonl")
    assert [(m["role"], m["content"]) for m in Conversations(new).messages(1)] == said
    assert len(Conversations(new).all()) == 1
    for store in (old, new):
        store.close()
