"""A question about a link graph, for a small model, as WHERE and ORDER BY.

A 0.5B model left free writes wrong SQL more often than not: joins for
nothing, columns that are not there.  So it gets a few examples, and a
schema that allows nothing but comparisons of this graph's own columns.
"""

import json
import re
from pathlib import Path
from typing import Any

from pipulate.chat.providers import Message

LINKING = "url IN (SELECT source FROM links WHERE target = '{}')"


#: {question: answer}; one is given if the graph has its columns.
EXAMPLES = json.loads(Path(__file__).with_name("filters.json").read_text("utf-8"))


def columns(tables: str) -> dict[str, str]:
    """Return {column: what is said of it} of `pages`."""
    return dict(re.findall(r"^  (\w+) (.*)$", tables.partition("\nlinks:")[0], re.MULTILINE))


def shape(known: dict[str, str]) -> dict[str, Any]:
    """The JSON schema of an answer."""
    texts = "|".join(name for name, said in known.items() if said.startswith("TEXT"))
    numbers = [name for name, said in known.items() if not said.startswith("TEXT")]
    one = rf"({texts}) = '[^'\"]{{1,60}}'|({'|'.join(numbers)}) (=|<|>|<=|>=) [0-9]{{1,7}}"
    linking = re.sub(r"([()])", r"\\\1", LINKING).format("[^'\"]{1,200}")
    pattern = f"^(({one})( AND ({one})){{0,3}}|{linking})?$"
    return whole(
        {
            "show": {"enum": ["pages", "count"]},
            "where": {"type": "string", "pattern": pattern},
            "order": {"enum": ["", *numbers]},
        }
    )


def whole(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with all of these, and no others."""
    required = list(properties)
    of_object = {"type": "object", "properties": properties, "required": required}
    return {**of_object, "additionalProperties": False}


def lesson(known: dict[str, str]) -> list[Message]:
    """The columns, and the examples that use them."""
    told = "\n".join(
        [
            "Write WHERE and ORDER BY of an SQLite query over this table:",
            "pages: one row a page",
            *[f"  {name} {said}" for name, said in known.items()],
        ]
    )
    messages = [{"role": "system", "content": told}]
    for question, answer in EXAMPLES.items():
        own = answer["where"].partition("url IN")[0]
        if {*re.findall(r"(\w+) [=<>]", own), answer["order"] or "url"} <= set(known):
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": json.dumps(answer)})
    return messages


def to_sql(answer: dict[str, Any], known: dict[str, str]) -> str:
    """The query that is meant, "?" if the schema is disobeyed."""
    allowed = shape(known)["properties"]
    where = str(answer.get("where", "?"))
    order = str(answer.get("order", "?"))
    if not re.fullmatch(allowed["where"]["pattern"], where):
        return "?"
    if order not in allowed["order"]["enum"]:
        return "?"
    counted = answer.get("show") == "count"
    shown = "count(*) AS pages" if counted else ", ".join(_spoken_of(where, order, known))
    statement = f"SELECT {shown} FROM pages"  # noqa: S608 - our columns
    if where:
        statement += f" WHERE {where}"
    if order and not counted:
        statement += f" ORDER BY {order} DESC"
    return statement


def _spoken_of(where: str, order: str, known: dict[str, str]) -> list[str]:
    words = ["url", *re.findall(r"\w+", re.sub("'.*?'", "", where)), order]
    return [word for word in dict.fromkeys(words) if word in known or word == "url"]
