"""What the app knows about its user, whichever model answers.

A MEMORY  is a fact if it has a `key` ("city": "Graz"), else a sentence.
          Its `id` is the hash of either: adding it twice changes nothing, a
          fact's new value takes the old one's place.
PINNED    memories stand in every prompt (facts are, unless unpinned);
          others come back when they fit the question.
STATE     "active", or "off": kept, but told to no model.
RECALL    By cosine (brute force: 10,000 take milliseconds), and the best
          keyword hit; without weights by keywords alone.
FORGET    removes it from every table, its words from conversations,
          proposals and the trash, and the bytes from the file (VACUUM, log
          truncated).  It cannot be undone; "off" can.

All methods may take milliseconds: call them in a thread.
"""

import hashlib
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.store import Store, now

if TYPE_CHECKING:
    from pipulate.chat.embedder import Embedder

Row = dict[str, Any]

BATCH = 64  # texts embedded between two writes
LIMIT = 3  # recalled for a prompt; more distracts a small model
FLOOR = 0.2  # cosine below which a memory has nothing to do with the question (bench_memory.py)
LONGEST = 2000  # characters
LONGEST_KEY = 100
MOST_WORDS = 64  # of a question that are looked up
FORGOTTEN = "[forgotten]"


def identity(content: str, key: str | None = None) -> str:
    """A memory's id."""
    named = f"fact {key.casefold()}" if key else content
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def text(row: Row) -> str:
    """A memory as one line: "city: Graz", or the sentence."""
    return f"{row['key']}: {row['content']}" if row["key"] else str(row["content"])


def clean(content: str, field: str = "content", most: int = LONGEST) -> str:
    """Return one line, NFC.  Raises Invalid if empty or too long."""
    chars = list(unicodedata.normalize("NFC", content))
    for place, char in enumerate(chars):
        if unicodedata.category(char) in ("Cc", "Cs"):
            chars[place] = " "
    content = " ".join("".join(chars).split())
    if 1 <= len(content) <= most:
        return content
    raise Invalid(
        f"Between 1 and {most:,} characters are expected here, not {len(content):,}.",
        field,
    )


class Memory:
    """The memories in a store."""

    def __init__(self, store: Store, embedder: "Embedder | None" = None) -> None:
        self.store = store
        self.embedder = embedder

    @property
    def enabled(self) -> bool:
        """Whether memories are told to models at all."""
        return bool(self.store.get("memory_enabled", True))

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self.store["memory_enabled"] = on

    def get(self, id: str) -> Row:
        """A memory; raises Unknown."""
        row = self.store.one("SELECT * FROM memory WHERE id = ?", id)
        if row is None:
            raise Unknown("There is no such memory (any more).")
        return row

    def all(self, search: str = "") -> list[Row]:
        """Return those that contain `search`: pinned, then newest."""
        rows = self.store.read("SELECT * FROM memory ORDER BY pinned DESC, at DESC, id")
        return [row for row in rows if search.casefold() in text(row).casefold()]

    def active(self) -> list[Row]:
        """What a model may be told."""
        return [row for row in self.all() if self.enabled and row["state"] == "active"]

    def pinned(self) -> list[Row]:
        """What stands in every prompt; what is new comes last."""
        query = "SELECT * FROM memory WHERE pinned AND state = 'active' ORDER BY at, id"
        return self.store.read(query) if self.enabled else []

    # --- recall

    def recall(self, query: str, limit: int = LIMIT, floor: float = FLOOR) -> list[Row]:
        """The active memories that fit, and one keyword hit more."""
        if not self.enabled:
            return []
        if not self.embedder or not self.embedder.present:
            return self._by_keyword(query, limit)
        found = self._by_meaning(self.embedder, query, limit, floor)
        return found + [row for row in self._by_keyword(query, 1) if row not in found]

    def _by_meaning(self, embedder: "Embedder", query: str, limit: int, floor: float) -> list[Row]:
        import numpy as np  # here: 0.3 s at start, and few have an embedder

        self._embed_missing(embedder)
        known = """SELECT memory.*, vector FROM memory_vector JOIN memory USING (id)
            WHERE state = 'active' AND embedder = ?"""
        rows = self.store.read(known, embedder.name)
        if not rows:
            return []
        packed = b"".join(row.pop("vector") for row in rows)
        vectors = np.frombuffer(packed, np.float32).reshape(len(rows), -1)
        cosines = vectors @ embedder.embed([query])[0]
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [rows[place] for place in best if cosines[place] >= floor]

    def _embed_missing(self, embedder: "Embedder") -> None:
        query = """SELECT * FROM memory
            WHERE id NOT IN (SELECT id FROM memory_vector WHERE embedder = ?)"""
        # FROM memory: one forgotten or edited meanwhile gets no vector.
        insert = """INSERT OR REPLACE INTO memory_vector
            SELECT id, ?3, ?4 FROM memory WHERE id = ?1 AND content = ?2"""
        rows = self.store.read(query, embedder.name)
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            vectors = embedder.embed([text(row) for row in batch])
            with self.store.transaction() as db:
                db.execute(
                    "DELETE FROM memory_vector WHERE embedder != ?",
                    (embedder.name,),
                )
                for row, vector in zip(batch, vectors, strict=True):
                    values = (
                        row["id"],
                        row["content"],
                        embedder.name,
                        vector.tobytes(),
                    )
                    db.execute(insert, values)

    def _by_keyword(self, query: str, limit: int) -> list[Row]:
        words = re.findall(r"\w+", query)[:MOST_WORDS]
        # Long words tell: a stop list for any language.
        telling = [word for word in words if len(word) > 3 or word.isdecimal()] or words
        wanted = " OR ".join(f'"{word}"' for word in telling) or '""'
        found = """SELECT memory.* FROM memory_text JOIN memory USING (id)
            WHERE memory_text MATCH ? AND state = 'active' ORDER BY rank LIMIT ?"""
        return self.store.read(found, wanted, limit)

    # --- changing

    def add(
        self,
        content: str,
        *,
        key: str = "",
        source: str = "",
        pinned: bool | None = None,
    ) -> Row:
        """Remember a sentence, or a fact under `key`, once.  Raises Invalid."""
        content = clean(content)
        kind = "memory"
        name = None
        if key.strip():
            kind = "fact"
            name = clean(key, "key", LONGEST_KEY)
        id = identity(content, name)
        if pinned is None:
            pinned = kind == "fact"
        insert = """INSERT INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, 'active')
            ON CONFLICT DO UPDATE SET content = excluded.content, source = excluded.source,
            at = excluded.at, state = 'active'
            WHERE content != excluded.content OR state != 'active'"""
        self.store.write(insert, id, kind, name, content, source, now(), pinned)
        return self.get(id)

    def edit(self, id: str, content: str) -> Row:
        """Reword a memory; returns it (a sentence gets another id)."""
        content = clean(content)
        new = identity(content, self.get(id)["key"])
        with self.store.transaction() as db:
            db.execute("DELETE FROM memory WHERE id = ? AND id != ?", (new, id))
            update = "UPDATE memory SET id = ?, content = ?, at = ? WHERE id = ?"
            db.execute(update, (new, content, now(), id))
        return self.get(new)

    def pin(self, id: str, on: bool = True) -> None:
        """Put a memory into every prompt, or no longer."""
        self.store.write("UPDATE memory SET pinned = ? WHERE id = ?", on, self.get(id)["id"])

    def switch(self, id: str, on: bool = True) -> None:
        """Make a memory active, or keep it to ourselves."""
        state = "active" if on else "off"
        self.store.write("UPDATE memory SET state = ? WHERE id = ?", state, self.get(id)["id"])

    def forget(self, id: str) -> None:
        """Remove a memory and its words for good."""
        said = self.get(id)["content"]
        with self.store.transaction():
            self.store.write("DELETE FROM memory WHERE id = ?", id)
            _scrub(self.store, said.rstrip(".!?… ") or said)
        erase(self.store)


def erase(store: Store) -> None:
    """Make what was deleted unreadable in the file: after a transaction."""
    if not store.connection.in_transaction:
        store.connection.execute("VACUUM")
        store.connection.pragma("wal_checkpoint", "truncate")


def _scrub(store: Store, said: str) -> None:
    plain = re.compile(rf"(?<!\w){re.escape(said)}(?!\w)", re.IGNORECASE)
    touched = _scrub_messages(store, plain)
    update = "UPDATE conversation SET title = ?, summary = '', summarised = 0 WHERE id = ?"
    for row in store.read("SELECT id, title, summary FROM conversation"):
        if row["id"] in touched or plain.search(row["title"] + row["summary"]):
            store.write(update, plain.sub(FORGOTTEN, row["title"]), row["id"])
    spellings = (
        said,
        json.dumps(said)[1:-1],
        json.dumps(said, ensure_ascii=False)[1:-1],
    )
    any_spelling = re.compile("|".join(map(re.escape, spellings)), re.IGNORECASE)
    _drop_held(store, "proposal", "id", "words || arguments || undo", any_spelling)
    _drop_held(store, "trash", "seq", "data", any_spelling)


def _scrub_messages(store: Store, plain: re.Pattern[str]) -> set[int]:
    touched = set()
    for row in store.read("SELECT id, conversation_id, content FROM message"):
        scrubbed = plain.sub(FORGOTTEN, row["content"])
        if scrubbed != row["content"]:
            touched.add(row["conversation_id"])
            store.write("UPDATE message SET content = ? WHERE id = ?", scrubbed, row["id"])
    return touched


def _drop_held(store: Store, table: str, key: str, held: str, words: re.Pattern[str]) -> None:
    for row in store.read(f"SELECT {key} AS key, {held} AS held FROM {table}"):  # noqa: S608 - ours
        if words.search(row["held"]):
            store.write(f"DELETE FROM {table} WHERE {key} = ?", row["key"])  # noqa: S608
