"""The real models: Qwen 0.5B answers in its child process, MiniLM finds what was meant.

`make test-model` runs these.  PIPULATE_MODEL names the GGUF file (default: data/models); what
is missing is fetched as `pipulate model get` does.  They print what the model said: whether
that is good is for a reader to judge.
"""

import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from pipulate.chat.embedded import Embedded
from pipulate.chat.embedder import Embedder
from pipulate.chat.providers import Message
from pipulate.chat.weights import get, named
from pipulate.workflows import bridge

pytestmark = pytest.mark.model
FOLDER = Path("data/models")
SYSTEM: Message = {
    "role": "system",
    "content": "You are the helper inside a local web app. Answer in one or two sentences.",
}


def file(recipe: str) -> Path:
    """Return the weights, fetched if need be."""
    given = os.environ.get("PIPULATE_MODEL")
    return get(named(recipe), Path(given).parent if given else FOLDER)


@pytest.fixture(scope="module")
def weights() -> Path:
    """Give the GGUF file."""
    given = os.environ.get("PIPULATE_MODEL")
    return Path(given) if given else file("qwen-0.5b")


@pytest.fixture
async def model(weights: Path) -> AsyncIterator[Embedded]:
    """Give the embedded model and end its child."""
    model = Embedded(weights, 4096)
    yield model
    await model.stop()


async def told(model: Embedded, messages: list[Message], **ask: object) -> str:
    """Return an answer, and print it with its speed."""
    start, first, count, text = time.perf_counter(), 0.0, 0, ""
    async for piece in model.stream(messages, **ask):  # type: ignore[arg-type]
        first = first or time.perf_counter() - start
        count += 1
        text += str(piece)
    rate = (count - 1) / max(time.perf_counter() - start - first, 1e-9)
    print(
        f"\n> {messages[-1]['content'][-90:]!r}\n{text}\n"
        f"  (first token {first:.2f} s, then {rate:.1f} tokens/s)"
    )
    return text


async def test_chat(model: Embedded) -> None:
    """It answers, in words, and remembers within the conversation."""
    talk = [SYSTEM, {"role": "user", "content": "Hello! My name is Arthur."}]
    talk.append({"role": "assistant", "content": await told(model, talk, max_tokens=60)})
    talk.append({"role": "user", "content": "What is my name?"})
    assert "Arthur" in await told(model, talk, max_tokens=40)


async def test_explain(model: Embedded) -> None:
    """It explains a workflow from its docstring."""
    ask = f"This page's workflow is described so:\n{bridge.__doc__}\nTell the user what it does."
    said = await told(model, [SYSTEM, {"role": "user", "content": ask}], max_tokens=80)
    assert any(word in said.lower() for word in ("bridge", "question", "workflow"))


async def test_a_choice(model: Embedded) -> None:
    """A schema makes it choose among given names."""
    schema = {
        "type": "object",
        "properties": {"tool": {"enum": ["add_task", "list_tasks", "reply"]}},
        "required": ["tool"],
    }
    ask = (
        "Choose the tool.\n'remind me to buy tea' -> add_task\n'hi there' -> reply\n"
        "'what is open?' -> list_tasks\n"
        "'note down: call Ann tomorrow' ->"
    )
    said = await told(model, [SYSTEM, {"role": "user", "content": ask}], schema=schema)
    assert json.loads(said)["tool"] == "add_task"


async def test_an_unchanged_beginning_is_not_read_again(model: Embedded) -> None:
    """The second question with the same long beginning gets its first token much sooner."""
    talk = [
        {"role": "system", "content": "Remember this list. " + "one two three four five. " * 60},
        {"role": "user", "content": "How many words?"},
    ]
    await model.start()
    times = []
    for question in ("How many words?", "And in French?"):
        start = time.perf_counter()
        async for _ in model.stream([talk[0], {"role": "user", "content": question}], max_tokens=1):
            times.append(time.perf_counter() - start)
    print(f"\nfirst token: {times[0]:.2f} s, then {times[1]:.2f} s")
    assert times[1] < times[0] / 3


def test_vectors_find_what_was_meant() -> None:
    """Paraphrased questions find their sentence, in English."""
    facts = [
        "The client's site is www.shoes.example.",
        "I work in Graz, Austria.",
        "My dog is called Rex.",
        "Reports are due on Fridays.",
        "I prefer short answers.",
        "Our crawl limit is one million links.",
    ]
    asked = [
        "Which web address does the customer have?",
        "Where is my office?",
        "What's my pet's name?",
        "When must I deliver?",
        "How verbose should you be?",
        "How many URLs may be exported?",
    ]
    embedder = Embedder(file("minilm").parent)
    best = np.argmax(embedder.embed(asked) @ embedder.embed(facts).T, axis=1)
    print(f"\n{[facts[index] for index in best]}")
    assert (best == np.arange(len(facts))).sum() >= 5
