"""Conversations, and what of them a model gets to read.

ROLES      "user", "assistant", and "note": what the app added.
WINDOW     Turns that no longer fit a model's window, it condenses into the
           `summary`; `summarised` is the id of the last message in it.
TEMPORARY  conversations have negative ids, and are never written.
"""

import asyncio
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pipulate.chat.prompts import assemble
from pipulate.chat.providers import Message, Model
from pipulate.chat.window import fit, summarise
from pipulate.engine.errors import Unknown
from pipulate.engine.store import Store, now

Row = dict[str, Any]


class Conversations:
    """All conversations of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._temporary: dict[int, Row] = {}
        self._unstored: dict[int, list[Row]] = {}  # their messages
        self._numbers = itertools.count(1)

    # --- conversations

    def new(self, title: str = "", temporary: bool = False) -> int:
        """Begin a conversation; returns its id, negative if temporary."""
        if not temporary:
            insert = "INSERT INTO conversation (title, created) VALUES (?, ?)"
            return self.store.write(insert, title.strip(), now())
        id = -next(self._numbers)
        row = {
            "id": id,
            "title": title,
            "created": now(),
            "summary": "",
            "summarised": 0,
        }
        self._temporary[id] = row
        self._unstored[id] = []
        return id

    def get(self, id: int) -> Row:
        """The row; raises Unknown."""
        row = self._temporary.get(id)
        row = row or self.store.one("SELECT * FROM conversation WHERE id = ?", id)
        if row is None:
            raise Unknown("This conversation does not exist (any more).")
        return row

    def all(self) -> list[Row]:
        """The stored ones, last spoken in first."""
        return self.store.read(
            """SELECT id, created, coalesce(
                nullif(title, ''),
                (SELECT substr(content, 1, 60) FROM message
                 WHERE conversation_id = c.id AND role = 'user' ORDER BY id LIMIT 1),
                'New conversation') AS title
            FROM conversation c
            ORDER BY (SELECT max(id) FROM message WHERE conversation_id = c.id) DESC, id DESC"""
        )

    def rename(self, id: int, title: str) -> None:
        """Set a title; an empty one brings back the first words."""
        self._update(id, title=title.strip())

    def delete(self, id: int) -> int:
        """The number for `restore`, 0 of a temporary one."""
        held = {"conversation": self.get(id), "messages": self.messages(id)}
        if self._temporary.pop(id, None):
            return 0
        with self.store.transaction() as db:
            insert = "INSERT INTO trash (at, kind, data) VALUES (?, 'conversation', ?)"
            seq = self.store.write(insert, now(), json.dumps(held, ensure_ascii=False))
            db.execute("DELETE FROM message WHERE conversation_id = ?", (id,))
            db.execute("DELETE FROM conversation WHERE id = ?", (id,))
        return seq

    def restore(self, seq: int) -> int:
        """The id of one brought back from the trash; raises Unknown."""
        with self.store.transaction() as db:
            query = "SELECT data FROM trash WHERE seq = ? AND kind = 'conversation'"
            row = self.store.one(query, seq)
            if row is None:
                raise Unknown("This conversation is no longer in the trash.")
            held = json.loads(row["data"])
            self.store.db.t.conversation.insert(held["conversation"])
            self.store.db.t.message.insert_all(held["messages"])
            db.execute("DELETE FROM trash WHERE seq = ?", (seq,))
        return int(held["conversation"]["id"])

    def _update(self, id: int, **columns: Any) -> None:
        row = self.get(id)
        if id in self._temporary:
            row.update(columns)
        else:
            self.store.db.t.conversation.update({"id": id, **columns})

    # --- messages

    def messages(self, id: int) -> list[Row]:
        """The messages, oldest first."""
        if id in self._temporary:
            return list(self._unstored[id])
        return self.store.read("SELECT * FROM message WHERE conversation_id = ? ORDER BY id", id)

    def append(self, id: int, role: str, content: str, about: str = "") -> int:
        """Add a message; returns its id.  Raises Unknown."""
        self.get(id)
        row = {"role": role, "content": content, "at": now(), "about": about}
        if id in self._temporary:
            number = next(self._numbers)
            self._unstored[id].append({"id": number, **row})
            return number
        insert = """INSERT INTO message (conversation_id, role, content, at, about)
            VALUES (?, ?, ?, ?, ?)"""
        return self.store.write(insert, id, *row.values())

    def truncate(self, id: int, message: int) -> list[Row]:
        """Remove a message and all later ones; returns them.  Raises Unknown."""
        rows = self.messages(id)
        if message not in [row["id"] for row in rows]:
            raise Unknown("This message is no longer there.")
        gone = [row for row in rows if row["id"] >= message]
        with self.store.transaction() as db:
            if id in self._temporary:
                self._unstored[id] = [row for row in rows if row["id"] < message]
            else:
                delete = "DELETE FROM message WHERE conversation_id = ? AND id >= ?"
                db.execute(delete, (id, message))
            if gone and self.get(id)["summarised"] >= message:
                self._update(id, summary="", summarised=0)
        return gone

    def search(self, text: str, limit: int = 50) -> list[Row]:
        """The newest messages, but notes, with `text` in them."""
        pattern = "".join("\\" + char if char in "\\%_" else char for char in text.strip())
        query = """SELECT * FROM message WHERE content LIKE ? ESCAPE '\\' AND role != 'note'
            ORDER BY id DESC LIMIT ?"""
        return self.store.read(query, f"%{pattern}%", limit)

    # --- for a model

    async def for_model(
        self,
        id: int,
        model: Model,
        beginning: str,
        recalled: Sequence[str] = (),
        secrets: Iterable[str] = (),
    ) -> list[Message]:
        """What fits the model's window; raises ModelError."""
        secrets = list(secrets)
        while True:
            row = await asyncio.to_thread(self.get, id)
            rows = await asyncio.to_thread(self.messages, id)
            rest = [message for message in rows if message["id"] > row["summarised"]]
            messages, ends = assemble(beginning, rest, recalled, secrets)
            fitting, left = fit(messages, model.window, row["summary"])
            if not left:
                return fitting
            summary = await summarise(model, left, row["summary"])
            last = ends[len(left) - 1]
            await asyncio.to_thread(self._update, id, summary=summary, summarised=last)
