"""Stand-ins that the tests of memory, tools and conversations share: an embedder and a
model without weights, a desk.
"""

import json
import re
import zlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipulate.chat.desk import Desk
from pipulate.chat.memory import Memory
from pipulate.chat.providers import Message, ToolCall
from pipulate.engine import discovery
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow


class FakeEmbedder:
    """Texts that share words are near each other; counts how many texts it embedded."""

    present = True

    def __init__(self, name: str = "fake-1", size: int = 512) -> None:
        self.name, self.size, self.embedded = name, size, 0

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return a unit vector for each text: its words, hashed."""
        self.embedded += len(texts)
        vectors = np.zeros((len(texts), self.size), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % self.size] += 1
            row[0] += 1e-3  # no text is the zero vector
            row /= np.linalg.norm(row)
        return vectors


class FakeModel:
    """Says what the test wrote down, a piece after the other, and keeps what it was asked."""

    place = "here"

    def __init__(
        self, *answers: str | list[str | ToolCall], window: int = 4096, tools: bool = False
    ) -> None:
        self.name, self.answers, self.window, self.tools = "fake", list(answers), window, tools
        self.asked: list[list[Message]] = []
        self.options: list[dict[str, Any]] = []

    async def stream(
        self, messages: Sequence[Message], **ask: Any
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Yield the next answer; JSON objects may be given as such."""
        self.asked.append([dict(message) for message in messages])
        self.options.append(ask)
        answer = self.answers.pop(0)
        for piece in [answer] if isinstance(answer, str) else answer:
            yield piece

    @property
    def prompts(self) -> str:
        """All that it ever read."""
        return json.dumps(self.asked, ensure_ascii=False)


def make_desk(folder: Path, tasks: Iterable[str] = ()) -> Desk:
    """Return a desk on a new store with these tasks and the Bridge."""
    store = Store(folder / "pipulate.db")
    for place, name in enumerate(tasks, 1):
        store.db.t.task.insert({"name": name, "priority": place})
    (bridge,) = discovery.load(PACKAGE / "workflows" / "bridge.py")
    assert isinstance(bridge, Workflow)
    return Desk(store, Memory(store), {"bridge": bridge}, docs=folder / "docs")


def dump(store: Store, *left_out: str) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables of our own, but of those left out."""
    tables = store.read(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'memory_text_%'"
    )
    names = [
        row["name"]
        for row in tables
        if row["name"] not in (*left_out, "sqlite_sequence", "sqlite_stat1")
    ]
    return {name: store.read(f"SELECT * FROM {name}") for name in names}
