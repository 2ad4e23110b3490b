"""The soul: all that makes a model the user's friend, in one readable file.

FORMAT  Lines of JSON: see docs/soul.md.
IMPORT  believes only a whole file, is one transaction, and merges: what is
        there stays; of a fact with two values the newer one wins.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pipulate.chat.memory import identity
from pipulate.engine import files, foreign
from pipulate.engine.errors import Corrupt, Incompatible, Unknown
from pipulate.engine.store import Store, now

FORMAT = "pipulate-soul"
VERSION = 1
MOST = 256 << 20  #: bytes
LONGEST = 32 << 20  #: bytes of a conversation

Row = dict[str, Any]


def export(store: Store, path: Path) -> dict[str, int]:
    """Write the soul, whole or not at all; returns how many of what."""
    with store.connection:  # a savepoint: one moment for all tables, and no wait
        body = [*_prompts(store), *_memories(store), *_conversations(store)]
    counts = dict(Counter(row["type"] for row in body))
    header = {"type": "header", "format": FORMAT, "version": VERSION}
    header |= {"created": now(), "counts": counts}
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in [header, *body]]
    text = "".join(lines).encode()
    end = {"type": "end", "sha256": hashlib.sha256(text).hexdigest()}
    files.write(path, text + json.dumps(end).encode() + b"\n")
    return counts


def _prompts(store: Store) -> Iterator[Row]:
    for row in store.read("SELECT text, at, author FROM prompt ORDER BY version"):
        yield {"type": "prompt", **row}


def _memories(store: Store) -> Iterator[Row]:
    query = """SELECT kind AS type, key, content, source, at, pinned, state
        FROM memory ORDER BY at, id"""
    for row in store.read(query):
        yield {key: value for key, value in row.items() if value is not None}


def _conversations(store: Store) -> Iterator[Row]:
    spoken: dict[int, list[Row]] = {}
    for row in store.read("SELECT * FROM message ORDER BY id"):
        message = {key: row[key] for key in ("role", "content", "at", "about")}
        spoken.setdefault(row["conversation_id"], []).append(message)
    for row in store.read("SELECT id, title, created FROM conversation ORDER BY id"):
        messages = spoken.get(row.pop("id"))
        if messages:
            yield {"type": "conversation", **row, "messages": messages}


def import_(store: Store, path: Path) -> dict[str, int]:
    """How many of what were new.

    Raises Unknown, Corrupt or Incompatible; then nothing was imported.
    """
    rows = _read(path)
    taken: set[int] = set()
    take: dict[str, Callable[[Store, Row], bool]] = {
        "prompt": _prompt,
        "fact": _memory,
        "memory": _memory,
        "conversation": partial(_conversation, taken),
    }
    new: Counter[str] = Counter()
    try:
        with store.transaction():
            for row in rows:
                new[row["type"]] += take[row["type"]](store, row)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(
            f"{path} holds a line that is not as docs/soul.md says ({error!r}). "
            "Nothing was imported."
        ) from error
    return dict(new)


def _read(path: Path) -> list[Row]:
    try:
        return _checked(path)
    except OSError as error:
        raise Unknown(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(
            f"{path} is not a whole, undamaged soul file ({error}). "
            "Nothing was imported. Export it again, or take another copy; "
            "a soul is edited in the app, not in the file."
        ) from error


def _checked(path: Path) -> list[Row]:
    digest = hashlib.sha256()
    rows = []
    last = b""
    if path.stat().st_size > MOST:
        raise ValueError(f"it has more than {MOST >> 20} MB")
    with path.open("rb") as file:
        for line in foreign.lines(file, LONGEST):
            digest.update(last)
            last = line
            rows.append(foreign.loads(line, LONGEST))
    header, *body, end = rows
    if header["format"] != FORMAT:
        raise ValueError("it is no soul")
    if header["version"] != VERSION:
        raise Incompatible(
            f"{path} was written by a newer Pipulate (format {header['version']}). "
            "Upgrade this one."
        )
    counted = header["counts"] == dict(Counter(row["type"] for row in body))
    if not counted or end["sha256"] != digest.hexdigest():
        raise ValueError("its checksum does not fit")
    return body


def _texts(row: Row, *keys: str) -> list[str]:
    if not all(isinstance(row[key], str) for key in keys):
        raise TypeError(f"texts expected in {', '.join(keys)}")
    return [row[key] for key in keys]


def _prompt(store: Store, row: Row) -> bool:
    values = _texts(row, "text", "at", "author")
    if store.one("SELECT 1 FROM prompt WHERE text = ? AND at = ? AND author = ?", *values):
        return False
    store.write("INSERT INTO prompt (text, at, author) VALUES (?, ?, ?)", *values)
    return True


def _memory(store: Store, row: Row) -> bool:
    kind, content, source, at, state = _texts(row, "type", "content", "source", "at", "state")
    key = _texts(row, "key")[0] if kind == "fact" else None
    id = identity(content, key)
    known = store.one("SELECT at FROM memory WHERE id = ?", id)
    if known and known["at"] >= at:
        return False
    store.write("DELETE FROM memory WHERE id = ?", id)
    values = (id, kind, key, content, source, at, bool(row["pinned"]), state)
    store.write("INSERT INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)
    return True


def _conversation(taken: set[int], store: Store, row: Row) -> bool:
    # What began alike is the same conversation, unless `taken` by an earlier
    # line: two may begin in one second.
    title, created = _texts(row, "title", "created")
    parts = ("role", "content", "at", "about")
    said = [tuple(_texts(message, *parts)) for message in row["messages"]]
    begun = """SELECT c.id FROM conversation c JOIN message m
        ON m.id = (SELECT min(id) FROM message WHERE conversation_id = c.id)
        WHERE c.created = ? AND m.role = ? AND m.content = ? AND m.at = ? ORDER BY c.id"""
    alike = [row["id"] for row in store.read(begun, created, *said[0][:3])]
    id = next((id for id in alike if id not in taken), 0)
    if not id:
        insert = "INSERT INTO conversation (title, created) VALUES (?, ?)"
        id = store.write(insert, title, created)
    taken.add(id)
    query = "SELECT role, content, at, about FROM message WHERE conversation_id = ?"
    present = Counter(tuple(message.values()) for message in store.read(query, id))
    missing = Counter(said) - present
    new = bool(missing)
    insert = """INSERT INTO message (conversation_id, role, content, at, about)
        VALUES (?, ?, ?, ?, ?)"""
    for message in said:
        if missing[message]:
            missing[message] -= 1
            store.write(insert, id, *message)
    return new
