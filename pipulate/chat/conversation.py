"""Conversations: rows of `conversation` and `message`, and what of them a model gets to read.

ROLES      "user", "assistant", and "note": what the app added (a page's training text, a tool's result).
WINDOW     When the oldest turns no longer fit a model's window, the model condenses them into the conversation's
           `summary`; `summarised` is the id of the last message in it.  The messages themselves stay.
TEMPORARY  conversations have negative ids and live in this object alone: nothing of them is ever written.
TRASH      A deleted conversation goes to the `trash` table whole, from where `restore` brings it back.
"""

import asyncio
import itertools
import json
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Any

from pipulate.chat.prompts import LIMITER, assemble
from pipulate.chat.providers import Message, Model, fit, tokens
from pipulate.engine.errors import Unknown
from pipulate.engine.store import Store, now

Row = dict[str, Any]


class Conversations:
    """All conversations of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._temporary: dict[int, tuple[Row, list[Row]]] = {}
        self._numbers = itertools.count(1)

    # ---------------------------------------------------------------- conversations

    def new(self, title: str = "", temporary: bool = False) -> int:
        """Begin a conversation; returns its id, which is negative for a temporary one."""
        if temporary:
            id = -next(self._numbers)
            self._temporary[id] = (
                {"id": id, "title": title, "created": now(), "summary": "", "summarised": 0},
                [],
            )
            return id
        return self.store.write(
            "INSERT INTO conversation (title, created) VALUES (?, ?)", title.strip(), now()
        )

    def get(self, id: int) -> Row:
        """Return a conversation's row; raises Unknown."""
        temporary = self._temporary.get(id)
        row = (
            temporary[0]
            if temporary
            else self.store.one("SELECT * FROM conversation WHERE id = ?", id)
        )
        if row is None:
            raise Unknown("This conversation does not exist (any more).")
        return row

    def all(self) -> list[Row]:
        """Return the stored conversations, the one spoken in last first; `title` falls back to the first words."""
        return self.store.read(
            """SELECT id, created, coalesce(nullif(title, ''), (SELECT substr(content, 1, 60) FROM message
               WHERE conversation_id = c.id AND role = 'user' ORDER BY id LIMIT 1), 'New conversation') AS title
               FROM conversation c ORDER BY (SELECT max(id) FROM message WHERE conversation_id = c.id) DESC, id DESC"""
        )

    def rename(self, id: int, title: str) -> None:
        """Give a conversation a title; an empty one brings back the first words."""
        if id in self._temporary:
            self.get(id)["title"] = title.strip()
        self.store.write(
            "UPDATE conversation SET title = ? WHERE id = ?", title.strip(), self.get(id)["id"]
        )

    def delete(self, id: int) -> int:
        """Move a conversation to the trash; returns the number for `restore` (0: it was temporary, and is gone)."""
        row, messages = self.get(id), self.messages(id)
        if self._temporary.pop(id, None):
            return 0
        with self.store.transaction() as db:
            data = json.dumps({"conversation": row, "messages": messages}, ensure_ascii=False)
            seq = self.store.write(
                "INSERT INTO trash (at, kind, data) VALUES (?, 'conversation', ?)", now(), data
            )
            db.execute("DELETE FROM message WHERE conversation_id = ?", (id,))
            db.execute("DELETE FROM conversation WHERE id = ?", (id,))
        return seq

    def restore(self, seq: int) -> int:
        """Bring a deleted conversation back from the trash; returns its id."""
        with self.store.transaction() as db:
            row = self.store.one(
                "SELECT data FROM trash WHERE seq = ? AND kind = 'conversation'", seq
            )
            if row is None:
                raise Unknown("This conversation is no longer in the trash.")
            data = json.loads(row["data"])
            self.store.db.t.conversation.insert(data["conversation"])
            self.store.db.t.message.insert_all(data["messages"])
            db.execute("DELETE FROM trash WHERE seq = ?", (seq,))
        return int(data["conversation"]["id"])

    # ---------------------------------------------------------------- messages

    def messages(self, id: int) -> list[Row]:
        """Return a conversation's messages, oldest first."""
        if id in self._temporary:
            return list(self._temporary[id][1])
        return self.store.read("SELECT * FROM message WHERE conversation_id = ? ORDER BY id", id)

    def append(self, id: int, role: str, content: str, about: str = "") -> int:
        """Add a message; returns its id.  `about` says what a note is about."""
        self.get(id)
        if id in self._temporary:
            number = next(self._numbers)
            row = {
                "id": number,
                "conversation_id": id,
                "role": role,
                "content": content,
                "at": now(),
                "about": about,
            }
            self._temporary[id][1].append(row)
            return number
        sql = (
            "INSERT INTO message (conversation_id, role, content, at, about) VALUES (?, ?, ?, ?, ?)"
        )
        return self.store.write(sql, id, role, content, now(), about)

    def truncate(self, id: int, message: int) -> list[Row]:
        """Remove a message and all later ones (to answer again, or to edit and resend); returns them."""
        gone = [row for row in self.messages(id) if row["id"] >= message]
        if id in self._temporary:
            del self._temporary[id][1][-len(gone) or len(self._temporary[id][1]) :]
        with self.store.transaction() as db:
            db.execute("DELETE FROM message WHERE conversation_id = ? AND id >= ?", (id, message))
            if self.get(id)["summarised"] >= message:
                self._summarise(id, "", 0)
        return gone

    def search(self, text: str, limit: int = 50) -> list[Row]:
        """Return the newest messages of people and models that contain `text`, each with its conversation."""
        pattern = "%" + "".join("\\" + c if c in "\\%_" else c for c in text.strip()) + "%"
        sql = "SELECT * FROM message WHERE content LIKE ? ESCAPE '\\' AND role != 'note' ORDER BY id DESC LIMIT ?"
        return self.store.read(sql, pattern, limit)

    # ---------------------------------------------------------------- for a model

    def _summarise(self, id: int, summary: str, last: int) -> None:
        if id in self._temporary:
            self.get(id).update(summary=summary, summarised=last)
        self.store.write(
            "UPDATE conversation SET summary = ?, summarised = ? WHERE id = ?", summary, last, id
        )

    async def for_model(
        self,
        id: int,
        model: Model,
        beginning: str,
        recalled: Sequence[str] = (),
        secrets: Iterable[str] = (),
    ) -> list[Message]:
        """Return what to send so that `model` answers the last message, within its window (see `prompts.assemble`).

        Older turns that do not fit are summarised by the model first, and the summary is kept.  Raises ModelError.
        """
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
            await asyncio.to_thread(self._summarise, id, summary, ends[len(left) - 1])


async def summarise(model: Model, messages: Sequence[Message], summary: str = "") -> str:
    """Return a summary of `summary` and `messages`, however long they are, in a tenth of the model's window."""
    text = "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
    size = max(1, len(text) * (model.window // 2) // tokens(text))  # characters in half a window
    for start in range(0, len(text), size):
        told = f"Summary so far: {summary or '(nothing)'}\n\nThe conversation goes on:\n{text[start : start + size]}"
        ask = f"{told}\n\nWrite the new summary: who wants what, what was found and decided. {LIMITER}"
        pieces = []
        async with aclosing(
            model.stream([{"role": "user", "content": ask}], max_tokens=model.window // 10)
        ) as stream:
            async for piece in stream:
                pieces.append(piece if isinstance(piece, str) else "")
        summary = (
            "".join(pieces).strip()
            or summary
            or "(An earlier part of the conversation could not be summarised.)"
        )
    return summary
