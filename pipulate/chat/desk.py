"""What tools act upon, and how they change a row so that it can be undone.

DESK  Made for each request, with the profile of the page: no model can
      choose to work for another client.
ROWS  Tools write by `put` and `drop` alone, which return how to undo it:
      [table, key, row before, row after].
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipulate import docs
from pipulate.chat.memory import Memory
from pipulate.engine.errors import Unknown
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow

Row = dict[str, Any]

#: The tables that tools change, and their keys.
KEYS = {"task": "id", "profile": "id", "memory": "id", "prompt": "version"}
#: Words that tell no name from another.
FILLERS = set(Path(__file__).with_name("fillers.txt").read_text().split())
STEM = 5  # letters by which words are compared
LISTED = 10  # names told when it is not clear which is meant


@dataclass
class Desk:
    """What the tools work on, for one request."""

    store: Store
    memory: Memory
    flows: Mapping[str, Workflow] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    profile: int = 1
    docs: Path = docs.FOLDER
    source: str = "chat"  #: noted with what is remembered


def row_of(store: Store, table: str, key: Any) -> Row | None:
    """The row as it is now; `table` is one of KEYS."""
    return store.one(f"SELECT * FROM {table} WHERE {KEYS[table]} = ?", key)  # noqa: S608


def put(desk: Desk, table: str, row: Row) -> list[Any]:
    """Insert a row, or change the one of its key; returns how to undo it."""
    rows = desk.store.db.t[table]
    key = row.get(KEYS[table])
    if key is None:
        made = rows.insert(row)[KEYS[table]]
        return [table, made, None, row_of(desk.store, table, made)]
    before = row_of(desk.store, table, key)
    if before is None:
        raise Unknown(f"This {table} was deleted meanwhile.")
    rows.update(row)
    return [table, key, before, row_of(desk.store, table, key)]


def drop(desk: Desk, table: str, key: Any) -> list[Any]:
    """Delete a row; returns how to undo it."""
    before = row_of(desk.store, table, key)
    desk.store.db.t[table].delete(key)
    return [table, key, before, None]


def find(rows: list[Row], wanted: str, what: str) -> Row:
    """The row of that number or name, or rare words; raises Unknown."""
    exact = [row for row in rows if wanted.casefold() in (str(row["id"]), row["name"].casefold())]
    meant = exact or _likeliest(rows, wanted)
    if len(meant) == 1:
        return meant[0]
    names = [f"{row['id']}. {row['name']}" for row in (meant or rows)[:LISTED]]
    raise Unknown(
        f"Which {what} is meant by “{wanted}”? There are: "
        f"{'; '.join(names) or 'none yet'}. Name one by its number."
    )


def _likeliest(rows: list[Row], wanted: str) -> list[Row]:
    # a word that many names have counts less
    stems = [_stems(row["name"]) for row in rows]
    count = Counter(stem for each in stems for stem in each)
    asked = _stems(wanted)
    scores = [sum(1 / count[stem] for stem in each & asked) for each in stems]
    best = max(scores, default=0)
    return [row for row, score in zip(rows, scores, strict=True) if 0 < score == best]


def _stems(text: str) -> set[str]:
    return {word[:STEM] for word in re.findall(r"\w+", text.casefold())} - FILLERS
