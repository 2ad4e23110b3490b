"""How well and how fast are memories found?  Recall on our own facts and questions, with MiniLM and
by keywords alone.

    python -m bench.bench_memory [folder of weights]

Recall@n: the share of questions whose fact is among the first n memories recalled.  "floor": the
cosine of the right fact in the worst 2 and 5 of 100 questions, and of the nearest memory for
requests that no memory answers: `memory.FLOOR` lies between.  Speed: one recall from 1,000 and
10,000 memories, with the embedding of the question.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipulate.chat.embedder import SIZE, Embedder
from pipulate.chat.memory import Memory
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

FACTS = Path(__file__).parent.parent / "tests" / "chat" / "facts.json"
LANGUAGES = ("en", "de", "fr")
IDLE = (
    "hello, how are you?",
    "add a task to call the client",
    "what's on my list?",
    "thanks a lot",
    "what is PageRank?",
)


class Quick:
    """Vectors without meaning, for filling a large memory quickly."""

    name = Embedder.name

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return equal unit vectors."""
        return np.full((len(texts), SIZE), SIZE**-0.5, np.float32)


def filled(folder: Path, facts: list[str], embedder: Any) -> Memory:
    """Return a memory with these facts in a new store."""
    memory = Memory(Store(folder / f"{time.monotonic_ns()}.db"), embedder)
    with memory.store.transaction():
        for fact in facts:
            memory.add(fact)
    return memory


def recall(
    memory: Memory, questions: list[tuple[str, int]], facts: list[str]
) -> tuple[float, float]:
    """Return recall@1 and recall@3."""
    found = [[row["content"] for row in memory.recall(question)][:3] for question, _ in questions]
    wanted = [facts[index] for _, index in questions]
    first = np.mean([rows[:1] == [fact] for rows, fact in zip(found, wanted, strict=True)])
    return float(first), float(
        np.mean([fact in rows for rows, fact in zip(found, wanted, strict=True)])
    )


def measure(weights: Path) -> list[str]:
    """Return the table, line by line."""
    data, embedder = json.loads(FACTS.read_text("utf-8")), Embedder(weights)
    lines = ["language questions   MiniLM @1   @3   keywords @1   @3"]
    with tempfile.TemporaryDirectory() as scratch:
        for language in LANGUAGES:
            facts, questions = data[language]["facts"], data[language]["questions"]
            first, third = recall(filled(Path(scratch), facts, embedder), questions, facts)
            plain_first, plain_third = recall(filled(Path(scratch), facts, None), questions, facts)
            by_meaning = f"{first:9.3f} {third:.3f}"
            by_words = f"{plain_first:11.3f} {plain_third:.3f}"
            lines.append(f"{language:8} {len(questions):9}   {by_meaning}   {by_words}")
        facts, questions = data["en"]["facts"], data["en"]["questions"]
        vectors = embedder.embed(facts)
        right = [float(embedder.embed([q])[0] @ vectors[index]) for q, index in questions]
        idle = [float((embedder.embed([text]) @ vectors.T).max()) for text in IDLE]
        floor = np.percentile(right, [2, 5]).round(2)
        lines.append(f"floor: right facts {floor}, idle requests {np.sort(idle).round(2)}")
        for count in (1000, 10_000):
            memory = filled(
                Path(scratch), [f"{facts[i % len(facts)]} ({i})" for i in range(count)], Quick()
            )
            memory.recall("fill the cache")
            memory.embedder = embedder
            begin = time.perf_counter()
            for question, _ in questions:
                memory.recall(question)
            each = (time.perf_counter() - begin) / len(questions) * 1000
            lines.append(f"{count:,} memories: {each:.1f} ms a recall")
    return lines


if __name__ == "__main__":
    print(
        "\n".join(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else Settings().data / "models"))
    )
