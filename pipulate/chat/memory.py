"""What the app knows about its user, whichever model answers.

A MEMORY   is a row: a fact if it has a `key` ("city": "Graz"), else a sentence; `source` and `at` say where and when it
           came from.  `id` is made from key and content: the same memory has the same id on every machine, and adding
           it twice changes nothing.  A fact's new value takes the old one's place.
PINNED     memories stand in every prompt (facts are pinned unless unpinned); the others come back when they fit.
STATE      "proposed" by a model until the user confirms it, "active", or "off".  Only active ones are ever told.
RECALL     Cosine of the query's vector with each memory's (brute force: 10,000 take milliseconds), best first, and the
           best keyword hit as an extra.  Without an embedder, keywords alone.
VECTORS    are a cache, made when first needed and again when the embedder changes.  The text is the truth.
FORGET     removes the memory from every table, the words from conversations and proposals, and the bytes from the file
           (SQLite's secure_delete, FTS5's secure-delete, log truncated).  It cannot be undone; "off" can.

All methods may take milliseconds (disk, embedder): call them in a thread.
"""

import hashlib
import json
import re
import unicodedata
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipulate.errors import Invalid, Unknown
from pipulate.store import Store, now

Row = dict[str, Any]

LONGEST = 2000  # characters of a memory: it must fit a small model's prompt several times
BATCH = 64  # texts embedded between two writes
LIMIT = 3  # recalled for a prompt; more distracts a small model
FLOOR = 0.25  # cosine below which a memory has nothing to do with the question (bench/bench_memory.py)
FORGOTTEN = "[forgotten]"


class Embedder(Protocol):
    """Turns texts into unit vectors; `name` changes whenever its vectors do."""

    name: str

    def embed(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Return one row for each text: float32, shape (n, d), length 1."""
        ...


def identity(content: str, key: str = "") -> str:
    """Return a memory's id: the same for the same key and content, everywhere."""
    return hashlib.sha256(f"{key.casefold()}\0{content}".encode()).hexdigest()[:16]


class Memory:
    """The memories in a store; without an `embedder` they are found by keywords alone."""

    def __init__(self, store: Store, embedder: Embedder | None = None) -> None:
        self.store, self.embedder = store, embedder

    @property
    def enabled(self) -> bool:
        """Whether memories are told to models at all (the user's switch)."""
        return bool(self.store.get("memory_enabled", True))

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self.store["memory_enabled"] = on

    # ---------------------------------------------------------------- reading

    def get(self, id: str) -> Row:
        """Return a memory; raises Unknown."""
        if row := self.store.one("SELECT * FROM memory WHERE id = ?", id):
            return row
        raise Unknown("There is no such memory (any more).")

    def all(self, search: str = "", state: str = "") -> list[Row]:
        """Return memories, pinned first, then newest first; all states unless one is named."""
        rows = self.store.read("SELECT * FROM memory ORDER BY pinned DESC, at DESC, rowid DESC")
        wanted = search.casefold()
        return [r for r in rows if state in ("", r["state"]) and wanted in text(r).casefold()]

    def pinned(self) -> list[Row]:
        """Return what stands in every prompt, in an order that stays as it is while others are added."""
        sql = "SELECT * FROM memory WHERE pinned AND state = 'active' ORDER BY at, id"
        return self.store.read(sql) if self.enabled else []

    def recall(self, query: str, limit: int = LIMIT, floor: float = FLOOR) -> list[Row]:
        """Return the active memories that fit `query`, best first: at most `limit`, and one keyword hit more."""
        if not (self.enabled and query.strip()):
            return []
        found = self._by_meaning(query, limit, floor)
        extra = self._by_keyword(query, 1 if self.embedder else limit)
        return found + [row for row in extra if row["id"] not in {r["id"] for r in found}]

    def _by_meaning(self, query: str, limit: int, floor: float) -> list[Row]:
        if self.embedder is None:
            return []
        self._embed_missing(self.embedder)
        rows = self.store.read(
            "SELECT memory.*, vector FROM memory JOIN memory_vector USING (id) WHERE state = 'active' AND embedder = ?",
            self.embedder.name,
        )
        if not rows:
            return []
        vectors = np.frombuffer(b"".join(row.pop("vector") for row in rows), np.float32).reshape(len(rows), -1)
        cosines = vectors @ self.embedder.embed([query])[0]
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [rows[i] for i in best if cosines[i] >= floor]

    def _embed_missing(self, embedder: Embedder) -> None:
        """Bring the cache up to date: vectors of another embedder go, missing ones are made."""
        rows = self.store.read(
            "SELECT * FROM memory WHERE state = 'active' "
            "AND id NOT IN (SELECT id FROM memory_vector WHERE embedder = ?)",
            embedder.name,
        )
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            vectors = np.asarray(embedder.embed([text(row) for row in batch]), np.float32)
            with self.store.transaction() as db:
                db.execute("DELETE FROM memory_vector WHERE embedder != ?", (embedder.name,))
                db.executemany(  # a memory forgotten meanwhile must not leave its vector
                    "INSERT OR REPLACE INTO memory_vector SELECT id, ?2, ?3 FROM memory WHERE id = ?1",
                    [(row["id"], embedder.name, vector.tobytes()) for row, vector in zip(batch, vectors, strict=True)],
                )

    def _by_keyword(self, query: str, limit: int) -> list[Row]:
        words = re.findall(r"\w+", query)[:64]
        telling = [word for word in words if len(word) > 3 or word.isdigit()] or words  # a stop list for any language
        return self.store.read(
            "SELECT memory.* FROM memory_text JOIN memory USING (id) "
            "WHERE memory_text MATCH ? AND state = 'active' ORDER BY rank LIMIT ?",
            " OR ".join(f'"{word}"' for word in telling) or '""', limit,
        )  # fmt: skip

    # ---------------------------------------------------------------- changing

    def add(
        self, content: str, *, key: str = "", source: str = "", pinned: bool | None = None, state: str = "active"
    ) -> Row:
        """Remember a sentence, or a fact under `key` (pinned unless told otherwise); returns the memory.

        Raises Invalid for an empty or overlong text.  What is already remembered stays as it is.
        """
        content, key = clean(content), clean(key, "key") if key.strip() else ""
        id = identity(content, key)
        with self.store.transaction() as db:
            db.execute(
                "INSERT INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET state = 'active' WHERE excluded.state = 'active'",
                (id, "fact" if key else "memory", key or None, content, source, now(),
                 bool(key) if pinned is None else pinned, state),
            )  # fmt: skip
            self._one_value(id)
        return self.get(id)

    def _one_value(self, id: str) -> None:
        """An active fact takes the place of those with the same key."""
        row = self.get(id)
        if row["state"] == "active":
            for other in self.same_key(row["key"]):
                if other["id"] != id:
                    self.store.write("DELETE FROM memory WHERE id = ?", other["id"])

    def same_key(self, key: str | None) -> list[Row]:
        """Return the active facts under `key` (one at most, except in the middle of a change)."""
        rows = self.store.read("SELECT * FROM memory WHERE key IS NOT NULL AND state = 'active'") if key else []
        return [row for row in rows if key and row["key"].casefold() == key.casefold()]

    def edit(self, id: str, content: str, key: str | None = None) -> Row:
        """Reword a memory, and rename a fact if `key` is given; returns it (its id changes with its text)."""
        row = self.get(id)
        content, key = clean(content), clean(key, "key") if key and key.strip() else row["key"]
        new = identity(content, key or "")
        if new != id:
            with self.store.transaction() as db:
                db.execute("DELETE FROM memory WHERE id = ?", (new,))
                values = (new, key, content, now(), id)
                db.execute("UPDATE memory SET id = ?, key = ?, content = ?, at = ? WHERE id = ?", values)
                self._one_value(new)
        return self.get(new)

    def pin(self, id: str, on: bool = True) -> None:
        """Put a memory into every prompt, or no longer."""
        self.store.write("UPDATE memory SET pinned = ? WHERE id = ?", on, self.get(id)["id"])

    def set_state(self, id: str, state: str) -> None:
        """Confirm a proposed memory ("active"), or switch one "off" and on again."""
        if state not in ("proposed", "active", "off"):
            raise Invalid(f"A memory is proposed, active or off, not {state!r}.")
        with self.store.transaction() as db:
            db.execute("UPDATE memory SET state = ? WHERE id = ?", (state, self.get(id)["id"]))
            self._one_value(id)

    def forget(self, id: str) -> None:
        """Remove a memory and its words for good (see FORGET)."""
        said = self.get(id)["content"]
        connection = self.store.connection
        connection.pragma("secure_delete", True)
        with self.store.transaction() as db:
            db.execute("DELETE FROM memory WHERE id = ?", (id,))
            _scrub(db, said)
        connection.pragma("wal_checkpoint(truncate)")


def _scrub(db: Any, said: str) -> None:
    """Take the words out of messages, and remove the summaries and proposals that may hold them."""
    pattern = re.compile(re.escape(said), re.IGNORECASE)
    touched = set()
    for id, conversation, content in db.execute("SELECT id, conversation_id, content FROM message").fetchall():
        if pattern.search(content):
            touched.add(conversation)
            db.execute("UPDATE message SET content = ? WHERE id = ?", (pattern.sub(FORGOTTEN, content), id))
    for id, title, summary in db.execute("SELECT id, title, summary FROM conversation").fetchall():
        if id in touched or pattern.search(title + summary):
            values = (pattern.sub(FORGOTTEN, title), id)
            db.execute("UPDATE conversation SET title = ?, summary = '', summarised = 0 WHERE id = ?", values)
    written = re.compile(re.escape(json.dumps(said, ensure_ascii=False)[1:-1]), re.IGNORECASE)
    for id, both in db.execute("SELECT id, words || char(0) || arguments || undo FROM proposal").fetchall():
        if pattern.search(both) or written.search(both):
            db.execute("DELETE FROM proposal WHERE id = ?", (id,))


def text(row: Row) -> str:
    """Return a memory as one line: "city: Graz", or the sentence."""
    return f"{row['key']}: {row['content']}" if row["key"] else str(row["content"])


def clean(content: str, field: str = "content") -> str:
    """Return a memory's text in one line, NFC, without control characters; raises Invalid."""
    printable = (" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in unicodedata.normalize("NFC", content))
    content = " ".join("".join(printable).split())
    if not content:
        raise Invalid("There is nothing to remember: write a sentence, or a value.", field)
    if len(content) > LONGEST:
        raise Invalid(f"{len(content):,} characters are too many to remember; {LONGEST:,} are allowed.", field)
    return content
