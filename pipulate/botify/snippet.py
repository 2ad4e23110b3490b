"""The calls of an export as a short program to run, read and change.

It holds no token.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipulate.botify import queries

if TYPE_CHECKING:
    from pipulate.botify.export import Plan, Wanted
    from pipulate.botify.urls import Address

TEMPLATE = Path(__file__).with_name("snippet.txt")


def snippet(address: Address, plan: Plan, wanted: Wanted) -> str:
    """The program that asks for what an export asks for."""
    org, project, _ = address
    bodies = {}
    for kind, query in plan.asked(wanted).items():
        name = f"by-hand-{kind}-{plan.analysis}"
        bodies[kind] = queries.export_body(org, project, query, name, plan.limit)
    exports = json.dumps(bodies, indent=2)
    template = TEMPLATE.read_text(encoding="utf-8")
    return template.format(org=org, project=project, analysis=plan.analysis, exports=exports)
