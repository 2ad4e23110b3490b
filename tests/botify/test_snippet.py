"""The program that the user gets: it runs, asks for the same, and holds no token."""

import json
from typing import Any

from pipulate.botify import queries
from pipulate.botify.export import Plan, Wanted
from pipulate.botify.snippet import snippet
from pipulate.botify.urls import Address
from tests.botify.test_export import KEPT

WANTED = Wanted(1, ["compliant", "clicks"])


def exports(program: str) -> dict[str, Any]:
    """The bodies that it posts."""
    statement = program.partition("EXPORTS = ")[2].partition("\n\n")[0]
    names: dict[str, Any] = {"json": json}
    exec(f"EXPORTS = {statement}", names)
    found: dict[str, Any] = names["EXPORTS"]
    return found


def test_it_asks_for_what_the_export_asks_for() -> None:
    """The same queries and limit, under names of its own."""
    plan = Plan.read(KEPT)
    program = snippet(Address("acme", "shop"), plan, WANTED)
    compile(program, "snippet", "exec")
    asked = plan.asked(WANTED)
    assert exports(program) == {
        kind: queries.export_body("acme", "shop", query, f"by-hand-{kind}-20240301", 1000)
        for kind, query in asked.items()
    }
    assert list(exports(program)) == ["links", "pages"]


def test_it_reads_the_token_from_the_environment() -> None:
    """And sends it to the API alone; no line is wider than a page."""
    program = snippet(Address("acme", "shop"), Plan.read(KEPT), WANTED)
    assert program.count("BOTIFY_TOKEN") == 1
    assert max(map(len, program.splitlines())) <= 100
