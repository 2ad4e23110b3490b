"""A question about a link graph, for a small model: it fills in WHERE and ORDER BY, and cannot write them wrong.

A 0.5B model left free writes wrong SQL more often than not: joins for nothing, columns that are not there.  So it gets
a few examples, and a JSON schema whose patterns allow nothing but comparisons of this graph's own columns.
"""

import json
import re
from typing import Any

from pipulate.chat.providers import Message

LINKING = "url IN (SELECT source FROM links WHERE target = '{}')"

#: Question, what to show, WHERE, ORDER BY; an example is given if the graph has its columns.
EXAMPLES = (
    (
        "blog pages with clicks but few outlinks",
        "pages",
        "pagetype = 'blog' AND clicks > 0 AND outlinks < 5",
        "clicks",
    ),
    ("which pages are orphans?", "pages", "orphan = 1", ""),
    ("the twenty most linked pages", "pages", "", "inlinks"),
    ("how many pages are deeper than four?", "count", "depth > 4", ""),
    (
        "which pages have one inlink but many impressions?",
        "pages",
        "inlinks = 1 AND impressions > 100",
        "impressions",
    ),
    (
        "which pages link to https://a.example/b?",
        "pages",
        LINKING.format("https://a.example/b"),
        "",
    ),
    ("listing pages without traffic", "pages", "pagetype = 'listing' AND clicks = 0", "inlinks"),
    ("pages to which no other page links", "pages", "inlinks = 0", ""),
    (
        "help pages more than five clicks from home",
        "pages",
        "pagetype = 'help' AND depth > 5",
        "depth",
    ),
    ("top pages by PageRank", "pages", "", "pagerank"),
)


def columns(tables: str) -> dict[str, str]:
    """Return {column: what is said of it} of the table `pages`, from the description of the tables."""
    return dict(re.findall(r"^  (\w+) (.*)$", tables.partition("\nlinks:")[0], re.MULTILINE))


def shape(known: dict[str, str]) -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    texts = "|".join(name for name, said in known.items() if said.startswith("TEXT"))
    numbers = [name for name, said in known.items() if not said.startswith("TEXT")]
    one = rf"({texts}) = '[^'\"]{{1,60}}'|({'|'.join(numbers)}) (=|<|>|<=|>=) [0-9]{{1,7}}"
    linking = re.sub(r"([()])", r"\\\1", LINKING).format("[^'\"]{1,200}")
    properties = {
        "show": {"enum": ["pages", "count"]},
        "where": {"type": "string", "pattern": f"^(({one})( AND ({one})){{0,3}}|{linking})?$"},
        "order": {"enum": ["", *numbers]},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def lesson(known: dict[str, str]) -> list[Message]:
    """Return the columns, and examples that use them."""
    about = "\n".join(f"  {name} {said}" for name, said in known.items())
    told = f"Write WHERE and ORDER BY of an SQLite query over this table:\npages: one row a page\n{about}"
    messages = [{"role": "system", "content": told}]
    for question, show, where, order in EXAMPLES:
        used = [*re.findall(r"(\w+) [=<>]", where.partition("url IN")[0]), order or "url"]
        if set(used) <= set(known):
            answer = json.dumps({"show": show, "where": where, "order": order})
            messages += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
    return messages


def to_sql(answer: dict[str, Any], known: dict[str, str]) -> str:
    """Return the query that an answer means, with the columns it speaks of; "?" if it does not obey the schema."""
    allowed = shape(known)["properties"]
    show, where, order = (str(answer.get(key, "?")) for key in ("show", "where", "order"))
    if (
        not re.fullmatch(allowed["where"]["pattern"], where)
        or order not in allowed["order"]["enum"]
    ):
        return "?"
    spoken = [*re.findall(r"\w+", re.sub("'.*?'", "", where)), order]
    shown = ", ".join(dict.fromkeys(["url", *(word for word in spoken if word in known)]))
    statement = f"SELECT {'count(*) AS pages' if show == 'count' else shown} FROM pages"  # noqa: S608 - our columns
    return (
        statement
        + (f" WHERE {where}" if where else "")
        + (f" ORDER BY {order} DESC" if order and show != "count" else "")
    )
