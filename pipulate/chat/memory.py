"""What the app knows about its user, whichever model answers.

A MEMORY   is a row: a fact if it has a `key` ("city": "Graz"), else a sentence; `source` and `at` say where and when it
           came from.  `id` is made from the key, or the sentence: a memory has the same id on every machine, adding it
           twice changes nothing, and a fact's new value takes the old one's place.
PINNED     memories stand in every prompt (facts are, unless unpinned); others come back when they fit the question.
STATE      "active", or "off": kept, but told to no model.  What a model would remember is first a proposal.
RECALL     Cosine of the query's vector with each memory's (brute force: 10,000 take milliseconds), best first, and the
           best keyword hit as an extra.  Without an embedder, keywords alone.
VECTORS    are a cache, made when first needed and again when the embedder changes.  The text is the truth.
FORGET     removes the memory from every table, its words from conversations, proposals and the trash, and the bytes from
           the file (VACUUM, log truncated).  It cannot be undone; "off" can.

All methods may take milliseconds (disk, embedder): call them in a thread.
"""

import hashlib
import json
import re
import unicodedata
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.store import Store, now

Row = dict[str, Any]

BATCH = 64  # texts embedded between two writes
LIMIT = 3  # recalled for a prompt; more distracts a small model
FLOOR = (
    0.2  # cosine below which a memory has nothing to do with the question (bench/bench_memory.py)
)
FORGOTTEN = "[forgotten]"


class Embedder(Protocol):
    """Turns texts into unit vectors; `name` changes whenever its vectors do."""

    name: str

    @property
    def present(self) -> bool:
        """Whether it can be used now."""
        ...

    def embed(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Return one row for each text: float32, shape (n, d), length 1."""
        ...


def identity(content: str, key: str | None = None) -> str:
    """Return a memory's id."""
    return hashlib.sha256(
        f"fact {key.casefold()}".encode() if key else content.encode()
    ).hexdigest()[:16]


def text(row: Row) -> str:
    """Return a memory as one line: "city: Graz", or the sentence."""
    return f"{row['key']}: {row['content']}" if row["key"] else str(row["content"])


def clean(content: str, field: str = "content", most: int = 2000) -> str:
    """Return the text in one line, NFC, without control characters; raises Invalid if it is empty or too long."""
    normal = unicodedata.normalize("NFC", content)
    content = " ".join(
        "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in normal).split()
    )
    if 1 <= len(content) <= most:
        return content
    raise Invalid(
        f"Between 1 and {most:,} characters are expected here, not {len(content):,}.", field
    )


class Memory:
    """The memories in a store; while no `embedder` is present they are found by keywords alone."""

    def __init__(self, store: Store, embedder: Embedder | None = None) -> None:
        self.store = store
        self.embedder = embedder

    @property
    def enabled(self) -> bool:
        """Whether memories are told to models at all (the user's switch)."""
        return bool(self.store.get("memory_enabled", True))

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self.store["memory_enabled"] = on

    def get(self, id: str) -> Row:
        """Return a memory; raises Unknown."""
        if row := self.store.one("SELECT * FROM memory WHERE id = ?", id):
            return row
        raise Unknown("There is no such memory (any more).")

    def all(self, search: str = "") -> list[Row]:
        """Return the memories that contain `search`, in any state: pinned first, then newest first."""
        rows = self.store.read("SELECT * FROM memory ORDER BY pinned DESC, at DESC, id")
        return [row for row in rows if search.casefold() in text(row).casefold()]

    def pinned(self) -> list[Row]:
        """Return what stands in every prompt, in an order that stays as it is while others are added."""
        sql = "SELECT * FROM memory WHERE pinned AND state = 'active' ORDER BY at, id"
        return self.store.read(sql) if self.enabled else []

    # ---------------------------------------------------------------- recall

    def recall(self, query: str, limit: int = LIMIT, floor: float = FLOOR) -> list[Row]:
        """Return the active memories that fit `query`, best first: at most `limit`, and one keyword hit more."""
        if not self.enabled:
            return []
        if not self.embedder or not self.embedder.present:
            return self._by_keyword(query, limit)
        found = self._by_meaning(self.embedder, query, limit, floor)
        return found + [row for row in self._by_keyword(query, 1) if row not in found]

    def _by_meaning(self, embedder: Embedder, query: str, limit: int, floor: float) -> list[Row]:
        self._embed_missing(embedder)
        sql = "SELECT id, vector FROM memory_vector JOIN memory USING (id) WHERE state = 'active' AND embedder = ?"
        rows: list[tuple[Any, ...]] = self.store.connection.execute(
            sql, (embedder.name,)
        ).fetchall()
        if not rows:
            return []
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), np.float32).reshape(
            len(rows), -1
        )
        cosines = vectors @ embedder.embed([query])[0]
        return [
            self.get(rows[i][0])
            for i in np.argsort(-cosines, kind="stable")[:limit]
            if cosines[i] >= floor
        ]

    def _embed_missing(self, embedder: Embedder) -> None:
        sql = (
            "SELECT * FROM memory WHERE id NOT IN (SELECT id FROM memory_vector WHERE embedder = ?)"
        )
        rows = self.store.read(sql, embedder.name)
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            vectors = np.asarray(embedder.embed([text(row) for row in batch]), np.float32)
            with self.store.transaction() as db:
                db.execute("DELETE FROM memory_vector WHERE embedder != ?", (embedder.name,))
                db.executemany(  # FROM memory: one forgotten or edited meanwhile must not leave a vector
                    "INSERT OR REPLACE INTO memory_vector SELECT id, ?3, ?4 FROM memory WHERE id = ?1 AND content = ?2",
                    [
                        (r["id"], r["content"], embedder.name, v.tobytes())
                        for r, v in zip(batch, vectors, strict=True)
                    ],
                )

    def _by_keyword(self, query: str, limit: int) -> list[Row]:
        words = re.findall(r"\w+", query)[:64]
        telling = [
            word for word in words if len(word) > 3 or word.isdigit()
        ] or words  # a stop list for any language
        return self.store.read(
            "SELECT memory.* FROM memory_text JOIN memory USING (id) "
            "WHERE memory_text MATCH ? AND state = 'active' ORDER BY rank LIMIT ?",
            " OR ".join(f'"{word}"' for word in telling) or '""',
            limit,
        )

    # ---------------------------------------------------------------- changing

    def add(
        self, content: str, *, key: str = "", source: str = "", pinned: bool | None = None
    ) -> Row:
        """Remember a sentence, or a fact under `key` (pinned unless told otherwise); returns the memory.

        What is already remembered stays as it is.  Raises Invalid.
        """
        content, name = clean(content), clean(key, "key", 100) if key.strip() else None
        id, pin = identity(content, name), bool(name) if pinned is None else pinned
        self.store.write(
            "INSERT INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, 'active') ON CONFLICT DO UPDATE SET content = excluded.content,"
            " source = excluded.source, at = excluded.at, state = 'active'"
            " WHERE content != excluded.content OR state != 'active'",
            id,
            "fact" if name else "memory",
            name,
            content,
            source,
            now(),
            pin,
        )
        return self.get(id)

    def edit(self, id: str, content: str) -> Row:
        """Reword a memory; returns it (a sentence gets another id)."""
        key, content = self.get(id)["key"], clean(content)
        new = identity(content, key)
        with self.store.transaction() as db:
            db.execute("DELETE FROM memory WHERE id = ? AND id != ?", (new, id))
            db.execute(
                "UPDATE memory SET id = ?, content = ?, at = ? WHERE id = ?",
                (new, content, now(), id),
            )
        return self.get(new)

    def pin(self, id: str, on: bool = True) -> None:
        """Put a memory into every prompt, or no longer."""
        self.store.write("UPDATE memory SET pinned = ? WHERE id = ?", on, self.get(id)["id"])

    def switch(self, id: str, on: bool = True) -> None:
        """Make a memory active, or keep it to ourselves."""
        self.store.write(
            "UPDATE memory SET state = ? WHERE id = ?",
            "active" if on else "off",
            self.get(id)["id"],
        )

    def forget(self, id: str) -> None:
        """Remove a memory and its words for good (see FORGET)."""
        said = self.get(id)["content"]
        with self.store.transaction() as db:
            db.execute("DELETE FROM memory WHERE id = ?", (id,))
            _scrub(db, said)
        erase(self.store)


def erase(store: Store) -> None:
    """Make what was deleted unreadable in the file as well; within a transaction, call it again after that."""
    if not store.connection.in_transaction:
        store.connection.execute("VACUUM")
        store.connection.pragma("wal_checkpoint", "truncate")


def _scrub(db: Any, said: str) -> None:
    """Take the words out of messages; remove the summaries, proposals and trash that may hold them."""
    said = said.rstrip(".!?… ") or said
    plain = re.compile(rf"(?<!\w){re.escape(said)}(?!\w)", re.IGNORECASE)
    touched = set()
    for id, conversation, content in db.execute(
        "SELECT id, conversation_id, content FROM message"
    ).fetchall():
        if plain.search(content):
            touched.add(conversation)
            db.execute(
                "UPDATE message SET content = ? WHERE id = ?", (plain.sub(FORGOTTEN, content), id)
            )
    for id, title, summary in db.execute("SELECT id, title, summary FROM conversation").fetchall():
        if id in touched or plain.search(title + summary):
            values = (plain.sub(FORGOTTEN, title), id)
            db.execute(
                "UPDATE conversation SET title = ?, summary = '', summarised = 0 WHERE id = ?",
                values,
            )
    spellings = (said, json.dumps(said)[1:-1], json.dumps(said, ensure_ascii=False)[1:-1])
    any_spelling = re.compile("|".join(map(re.escape, spellings)), re.IGNORECASE)
    for table, key, held in (
        ("proposal", "id", "words || arguments || undo"),
        ("trash", "seq", "data"),
    ):
        for id, content in db.execute(f"SELECT {key}, {held} FROM {table}").fetchall():  # noqa: S608 - our names
            if any_spelling.search(content):
                db.execute(f"DELETE FROM {table} WHERE {key} = ?", (id,))  # noqa: S608
