"""Which tool a request asks for: a small model picks well among few.

EXAMPLES   of requests and the right call, "talk" for none: examples.txt.
           Of the three tools whose examples share most, and the rarest,
           words with the request, the model chooses by a JSON schema.
SHORT CUT  If a tool is far ahead, only its arguments are asked for; if
           "talk" is ahead, nothing is.
PROMPT     The same but for its last line: the rest is not read again.

Measured by bench/bench_tools.py with Qwen2.5-Coder-0.5B.
"""

import asyncio
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipulate.chat import filters
from pipulate.chat.desk import Desk
from pipulate.chat.providers import Message, Model, ToolCall, whole
from pipulate.chat.questions import describe_data, query_links
from pipulate.chat.tools import TOOLS, schema
from pipulate.engine import foreign
from pipulate.engine.errors import Unknown

TALK = "talk"
TALK_MEANS = "Anything else: greetings, general knowledge, explanations, advice, texts"
CHOICE = 3  # tools that the model chooses from
# Similarity by which a tool, or "talk", must lead to be taken without asking.
AHEAD = 0.15
SURELY_TALK = 0.05
SHOWN = 2  # examples of each tool in a prompt
LONGEST = 200  # tokens of a choice
UNKNOWN_QUERY = "?"  # a statement of which the tool itself will say what is wrong


@dataclass(frozen=True)
class Example:
    """A request and the right call."""

    text: str
    tool: str
    arguments: dict[str, str]
    marks: frozenset[str]


def _marks(text: str) -> frozenset[str]:
    words = [word[:4] for word in re.findall(r"\w+", text.casefold())]
    return frozenset(words + [f"^{word}" for word in words[:1]])


def _example(line: str) -> Example:
    tool, _, rest = line.partition(": ")
    text, _, values = rest.partition(" => ")
    arguments: dict[str, str] = {}
    if values:
        keys = schema(TOOLS[tool])["properties"]
        arguments = dict(zip(keys, values.split(" | "), strict=False))
    return Example(text, tool, arguments, _marks(text))


@lru_cache(maxsize=1)
def examples() -> tuple[list[Example], dict[str, float]]:
    """The examples, and of each mark the weight: of rare ones more."""
    lines = Path(__file__).with_name("examples.txt").read_text(encoding="utf-8").splitlines()
    found = [_example(line) for line in lines]
    counts = Counter(mark for example in found for mark in example.marks)
    return found, {mark: math.log((len(found) + 1) / count) for mark, count in counts.items()}


def rank(text: str) -> list[tuple[str, float]]:
    """Return (tool or "talk", nearness, 0 to 1, of its best example)s."""
    found, weights = examples()
    marks = _marks(text)
    rare = math.log(len(found) + 1)  # a word that no example has
    total = sum(weights.get(mark, rare) for mark in marks) or 1
    best: dict[str, float] = {}
    for one in found:
        shared = sum(weights[mark] for mark in marks & one.marks)
        similarity = shared / math.sqrt(total * sum(weights[mark] for mark in one.marks))
        best[one.tool] = max(best.get(one.tool, 0), similarity)
    return sorted(best.items(), key=lambda pair: -pair[1])


async def choose(model: Model, text: str, desk: Desk | None = None) -> ToolCall | None:
    """The call that the request asks for, or None if it is just talk.

    With a `desk`, the model writes the SQL of queries.  Raises ModelError.
    """
    ranked = rank(text)
    (first, score), (_, second) = ranked[:2]
    lead = score - second
    if not score or (first == TALK and lead >= SURELY_TALK):
        return None
    names = [first] if lead >= AHEAD else [name for name, _ in ranked[:CHOICE]]
    answer: dict[str, Any] = {"tool": first}
    if len(names) > 1 or _taught(first):
        asked = {"role": "user", "content": text}
        answer = await _ask(model, [*_lesson(), asked], {"anyOf": [*map(_shape, names)]})
    name = answer.pop("tool", TALK)
    if name not in TOOLS:
        return None
    if desk and "statement" in schema(TOOLS[name])["properties"]:
        answer = {"statement": await _select(model, text, desk, name)}
    return ToolCall(name, {key: value for key, value in answer.items() if value})


def _taught(tool: str) -> list[str]:
    # the arguments that the examples have: no others are asked for
    found, _ = examples()
    return list(dict.fromkeys(key for one in found if one.tool == tool for key in one.arguments))


def _shape(tool: str) -> dict[str, Any]:
    texts = {key: {"type": "string"} for key in _taught(tool)}
    return filters.whole({"tool": {"const": tool}, **texts})


@lru_cache(maxsize=1)
def _lesson() -> tuple[Message, ...]:
    lines = ["Choose the tool for the user's request. Answer in JSON."]
    about = {name: (tool.__doc__ or "").split(".")[0] for name, tool in TOOLS.items()}
    about[TALK] = TALK_MEANS
    for name in dict.fromkeys(one.tool for one in examples()[0]):
        lines.append(f"{name}({', '.join(_taught(name))}): {about[name]}")
    messages: list[Message] = [{"role": "system", "content": "\n".join(lines)}]
    for one in _shown():
        given = {key: one.arguments.get(key, "") for key in _taught(one.tool)}
        call = json.dumps({"tool": one.tool, **given}, ensure_ascii=False)
        messages.append({"role": "user", "content": one.text})
        messages.append({"role": "assistant", "content": call})
    return tuple(messages)


def _shown() -> Iterator[Example]:
    of_tool: dict[str, list[Example]] = {}
    for one in examples()[0]:
        of_tool.setdefault(one.tool, []).append(one)
    for place in range(SHOWN):
        for some in of_tool.values():
            yield from some[place : place + 1]


async def _select(model: Model, text: str, desk: Desk, tool: str) -> str:
    try:
        tables = await asyncio.to_thread(describe_data, desk, tool)
    except Unknown:
        return UNKNOWN_QUERY  # no graph yet
    asked = {"role": "user", "content": text}
    if tool == query_links.__name__:
        known = filters.columns(tables)
        answer = await _ask(model, [*filters.lesson(known), asked], filters.shape(known))
        return filters.to_sql(answer, known)
    told = f"Write one SQLite SELECT that answers the question. Tables:\n{tables}"
    wanted = filters.whole({"statement": {"type": "string"}})
    answer = await _ask(model, [{"role": "system", "content": told}, asked], wanted)
    return str(answer.get("statement", UNKNOWN_QUERY))


async def _ask(model: Model, messages: Sequence[Message], wanted: dict[str, Any]) -> dict[str, Any]:
    said = await whole(model, messages, schema=wanted, max_tokens=LONGEST)
    try:
        return dict(foreign.loads(said))
    except (ValueError, TypeError):  # it went on and on, or disobeyed
        return {}
