"""The soul: everything a model needs to go on being the user's friend, in one readable file.  Format: docs/soul.md.

Lines of JSON: a header; then prompt versions, memories and whole conversations; last, the SHA-256 of all lines before.
Import believes only a whole, undamaged file, is one transaction, and merges: what is there already, by content, stays.
Of a fact with two values the newer one wins.  So importing twice changes nothing.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipulate.chat.memory import identity
from pipulate.engine.errors import Corrupt, Incompatible, Invalid, Unknown
from pipulate.engine.store import Store, now

FORMAT, VERSION = "pipulate-soul", 1
Row = dict[str, Any]


def export(store: Store, path: Path) -> dict[str, int]:
    """Write the soul to `path`, whole or not at all, readable by its owner only; returns how many of what."""
    body = [*_rows(store)]
    counts = dict(Counter(row["type"] for row in body))
    header = {
        "type": "header",
        "format": FORMAT,
        "version": VERSION,
        "created": now(),
        "counts": counts,
    }
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [header, *body]).encode()
    end = {"type": "end", "sha256": hashlib.sha256(text).hexdigest()}
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text + json.dumps(end).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise Invalid(
            f"{path} cannot be written: {error.strerror}. Choose another place."
        ) from error
    return counts


def _rows(store: Store) -> list[Row]:
    with store.transaction():  # one moment for all tables
        prompts = store.read("SELECT text, at, author FROM prompt ORDER BY version")
        memories = store.read(
            "SELECT kind AS type, key, content, source, at, pinned, state FROM memory ORDER BY at, id"
        )
        conversations = store.read("SELECT * FROM conversation ORDER BY id")
        messages = store.read("SELECT * FROM message ORDER BY id")
    spoken: dict[int, list[Row]] = {row["id"]: [] for row in conversations}
    for row in messages:
        spoken[row["conversation_id"]].append(
            {key: row[key] for key in ("role", "content", "at", "about")}
        )
    return [
        *({"type": "prompt", **row} for row in prompts),
        *({key: value for key, value in row.items() if value is not None} for row in memories),
        *(
            {
                "type": "conversation",
                "title": row["title"],
                "created": row["created"],
                "messages": spoken[row["id"]],
            }
            for row in conversations
            if spoken[row["id"]]
        ),
    ]


def import_(store: Store, path: Path) -> dict[str, int]:
    """Take up the soul at `path`; returns how many of what were new.

    Raises Unknown (no such file), Corrupt (damaged, cut off or edited) or Incompatible (written by a newer version);
    then nothing was imported.
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
            f"{path} holds a line that is not as docs/soul.md says ({error!r}). Nothing was imported."
        ) from error
    return dict(new)


def _read(path: Path) -> list[Row]:
    """Return the lines between header and end of a file that is whole."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
        header, *body, end = [json.loads(line) for line in lines]
        if header["format"] == FORMAT and header["version"] != VERSION:
            raise Incompatible(
                f"{path} was written by a newer Pipulate (format {header['version']}). Upgrade this one."
            )
        whole = header["format"] == FORMAT and header["counts"] == dict(
            Counter(row["type"] for row in body)
        )
        if not whole or end["sha256"] != hashlib.sha256(b"".join(lines[:-1])).hexdigest():
            raise ValueError("its checksum does not fit")
    except OSError as error:
        raise Unknown(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(
            f"{path} is not a whole, undamaged soul file ({error}). Nothing was imported. "
            "Export it again, or take another copy; a soul is edited in the app, not in the file."
        ) from error
    return body


def _texts(row: Row, *keys: str) -> list[str]:
    """Return these values; raises KeyError or TypeError if one is missing or no text."""
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
    """Add the messages that are missing; a conversation is known by when and with what it began.

    `taken` holds those found for earlier lines: two may have begun alike in the same second.
    """
    title, created = _texts(row, "title", "created")
    said = [tuple(_texts(message, "role", "content", "at", "about")) for message in row["messages"]]
    began = store.read(
        """SELECT c.id FROM conversation c JOIN message m ON m.id = (SELECT min(id) FROM message
           WHERE conversation_id = c.id) WHERE c.created = ? AND m.role = ? AND m.content = ? AND m.at = ? ORDER BY c.id""",
        created,
        *said[0][:3],
    )
    id = next((found["id"] for found in began if found["id"] not in taken), None)
    if id is None:
        id = store.write("INSERT INTO conversation (title, created) VALUES (?, ?)", title, created)
    taken.add(id)
    present = store.read(
        "SELECT role, content, at, about FROM message WHERE conversation_id = ?", id
    )
    missing = Counter(said) - Counter(tuple(message.values()) for message in present)
    new = bool(missing)
    for message in said:
        if missing[message]:
            missing[message] -= 1
            sql = "INSERT INTO message (conversation_id, role, content, at, about) VALUES (?, ?, ?, ?, ?)"
            store.write(sql, id, *message)
    return new
