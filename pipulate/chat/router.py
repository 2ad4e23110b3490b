"""Which tool a request asks for: the choice of a small model, which cannot call tools by itself but picks well among few.

EXAMPLES   examples.txt holds requests and the right call, "talk" for none.  The three tools whose examples share most (and
           the rarest) words with the request are the choice; the model makes it and fills in the arguments, forced to
           obey a JSON schema of just these three.
SHORT CUT  If one tool is far ahead, only its arguments are asked for; if "talk" is ahead, nothing is, so that small talk
           begins at once.
PROMPT     The same but for its last line, so that the runtime need not read it again.

Measured by bench/bench_tools.py with Qwen2.5-Coder-0.5B.
"""

import asyncio
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipulate.chat import filters
from pipulate.chat.providers import Message, Model, ToolCall
from pipulate.chat.tools import TOOLS, Desk, describe_data, schema
from pipulate.engine.errors import Unknown

TALK = "talk"
CHOICE = 3  # tools that the model chooses from
AHEAD, SURELY_TALK = (
    0.15,
    0.05,
)  # similarity by which a tool, or "talk", must lead to be taken without asking


@dataclass(frozen=True)
class Example:
    """A request and the right call."""

    text: str
    tool: str
    arguments: dict[str, str]
    marks: frozenset[str]


def _marks(text: str) -> frozenset[str]:
    """Return what requests are compared by: the beginnings of words, and which comes first."""
    words = [word[:4] for word in re.findall(r"\w+", text.casefold())]
    return frozenset(words + [f"^{word}" for word in words[:1]])


@lru_cache(maxsize=1)
def examples() -> tuple[list[Example], dict[str, float]]:
    """Return the examples, and the weight of each mark: the rarer, the more it tells."""
    found = []
    for line in Path(__file__).with_name("examples.txt").read_text(encoding="utf-8").splitlines():
        tool, _, rest = line.partition(": ")
        text, _, values = rest.partition(" => ")
        names = list(schema(TOOLS[tool])["properties"]) if tool != TALK else []
        arguments = dict(zip(names, values.split(" | "), strict=False)) if values else {}
        found.append(Example(text, tool, arguments, _marks(text)))
    counts = Counter(mark for example in found for mark in example.marks)
    return found, {mark: math.log((len(found) + 1) / count) for mark, count in counts.items()}


def rank(text: str) -> list[tuple[str, float]]:
    """Return the tools (and "talk") with the similarity, 0 to 1, of their nearest example; best first."""
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
    """Return the call that the request asks for, or None if it is just talk.

    With a `desk`, queries come with their SQL, written by the model for the tables there.  Raises ModelError.
    """
    (first, score), (_, second), *_ = ranked = rank(text)
    if not score or (first == TALK and score - second >= SURELY_TALK):
        return None
    names = [first] if score - second >= AHEAD else [name for name, _ in ranked[:CHOICE]]
    answer: dict[str, Any] = {"tool": first}
    if len(names) > 1 or _taught(first):
        answer = await _ask(
            model, [*_lesson(), {"role": "user", "content": text}], {"anyOf": [*map(_shape, names)]}
        )
    name = answer.pop("tool", TALK)
    if name not in TOOLS:
        return None
    if desk and "statement" in schema(TOOLS[name])["properties"]:
        answer = {"statement": await _select(model, text, desk, name)}
    return ToolCall(name, {key: value for key, value in answer.items() if value})


def _taught(tool: str) -> list[str]:
    """Return the arguments that the examples teach; a small model is not asked for others."""
    found, _ = examples()
    return list(dict.fromkeys(key for one in found if one.tool == tool for key in one.arguments))


def _shape(tool: str) -> dict[str, Any]:
    properties = {"tool": {"const": tool}} | {key: {"type": "string"} for key in _taught(tool)}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@lru_cache(maxsize=1)
def _lesson() -> tuple[Message, ...]:
    """Return the stable beginning of every choice: all tools in a line each, then an example or two of each."""
    found, _ = examples()
    tools = dict.fromkeys(one.tool for one in found)
    about = {name: (tool.__doc__ or "").split(".")[0] for name, tool in TOOLS.items()}
    about[TALK] = "Anything else: greetings, general knowledge, explanations, advice, texts"
    lines = [f"{name}({', '.join(_taught(name))}): {about[name]}" for name in tools]
    shown = [
        one
        for place in (0, 1)
        for name in tools
        for one in [e for e in found if e.tool == name][place : place + 1]
    ]
    messages = [
        {
            "role": "system",
            "content": "Choose the tool for the user's request. Answer in JSON.\n"
            + "\n".join(lines),
        }
    ]
    for one in shown:
        call = {"tool": one.tool} | {key: one.arguments.get(key, "") for key in _taught(one.tool)}
        messages += [
            {"role": "user", "content": one.text},
            {"role": "assistant", "content": json.dumps(call, ensure_ascii=False)},
        ]
    return tuple(messages)


async def _select(model: Model, text: str, desk: Desk, tool: str) -> str:
    """Let the model write the query, with the tables before its eyes; of a link graph, as a filter."""
    try:
        tables = await asyncio.to_thread(describe_data, desk, tool)
    except Unknown:
        return "?"  # no graph yet: the tool itself will say so
    asked = {"role": "user", "content": text}
    if tool == "query_links":
        known = filters.columns(tables)
        return filters.to_sql(
            await _ask(model, [*filters.lesson(known), asked], filters.shape(known)), known
        )
    told = {
        "role": "system",
        "content": f"Write one SQLite SELECT that answers the question. Tables:\n{tables}",
    }
    wanted = {
        "type": "object",
        "properties": {"statement": {"type": "string"}},
        "required": ["statement"],
    }
    return str((await _ask(model, [told, asked], wanted)).get("statement", "?"))


async def _ask(model: Model, messages: Sequence[Message], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object that the model answers; {} if it went on and on, or disobeyed the schema."""
    async with aclosing(model.stream(messages, schema=wanted, max_tokens=200)) as stream:
        said = "".join([piece async for piece in stream if isinstance(piece, str)])
    try:
        return dict(json.loads(said))
    except (ValueError, TypeError):
        return {}
