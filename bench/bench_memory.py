"""How well and how fast are memories found?  On our own facts and questions, by MiniLM and without.

    python -m bench.bench_memory [folder of weights]

Recall@n: the share of questions whose fact is among the first n memories recalled, with MiniLM and
by keywords alone.  "floor": the cosine of the right fact in the worst 2 and 5 of 100 questions, and
of the nearest memory for requests that no memory answers: `memory.FLOOR` lies between.  Speed: one
recall from 1,000 and 10,000 memories, with the embedding of the question.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.outcome import not_run
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
Question = tuple[str, int]  #: its words, and the number of the fact that answers it


class Quick:
    """Vectors without meaning, for filling a large memory quickly."""

    name = Embedder.name
    present = True

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


def recall(memory: Memory, questions: list[Question], facts: list[str]) -> tuple[float, float]:
    """Return recall@1 and recall@3."""
    first = third = 0
    for question, index in questions:
        found = [row["content"] for row in memory.recall(question)][:3]
        first += found[:1] == [facts[index]]
        third += facts[index] in found
    return first / len(questions), third / len(questions)


def compare(folder: Path, data: dict[str, Any], embedder: Embedder) -> None:
    """Print recall with MiniLM and by keywords, in each language."""
    print("language questions   MiniLM @1   @3   keywords @1   @3")
    for language in LANGUAGES:
        facts = data[language]["facts"]
        questions = data[language]["questions"]
        first, third = recall(filled(folder, facts, embedder), questions, facts)
        plain_first, plain_third = recall(filled(folder, facts, None), questions, facts)
        print(
            f"{language:8} {len(questions):9}   {first:9.3f} {third:.3f}   "
            f"{plain_first:11.3f} {plain_third:.3f}"
        )


def floor(facts: list[str], questions: list[Question], embedder: Embedder) -> None:
    """Print how near right facts are, and how near the nearest fact is to what needs none."""
    vectors = embedder.embed(facts)
    asked = embedder.embed([question for question, _ in questions])
    right = (asked * vectors[[index for _, index in questions]]).sum(axis=1)
    idle = (embedder.embed(list(IDLE)) @ vectors.T).max(axis=1)
    worst = np.percentile(right, [2, 5]).round(2)
    print(f"floor: right facts {worst}, idle requests {np.sort(idle).round(2)}")


def speed(folder: Path, facts: list[str], questions: list[Question], embedder: Embedder) -> None:
    """Print how long one recall takes."""
    for count in (1000, 10_000):
        many = [f"{facts[number % len(facts)]} ({number})" for number in range(count)]
        memory = filled(folder, many, Quick())
        memory.recall("fill the cache")
        memory.embedder = embedder
        began = time.perf_counter()
        for question, _ in questions:
            memory.recall(question)
        each = (time.perf_counter() - began) / len(questions) * 1000
        print(f"{count:,} memories: {each:.1f} ms a recall")


def main() -> None:
    """Print the table."""
    folder = Settings().data / "models"
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
    embedder = Embedder(folder)
    if not embedder.present:
        not_run(f"{folder} lacks the weights of MiniLM: pipulate model get minilm")
    data = json.loads(FACTS.read_text("utf-8"))
    english = data["en"]["facts"], data["en"]["questions"]
    with tempfile.TemporaryDirectory() as scratch:
        compare(Path(scratch), data, embedder)
        floor(*english, embedder)
        speed(Path(scratch), *english, embedder)


if __name__ == "__main__":
    main()
