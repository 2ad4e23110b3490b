"""Ctrl+K: find any page, workflow, run, task, profile, or section of the manual."""

from typing import Any
from urllib.parse import urlencode

from fasthtml.common import FT, A, FastHTML, Li, Small, Span
from starlette.requests import Request

from pipulate import docs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from pipulate.web.components import fragment

Hit = tuple[str, str, str]  #: title, kind, address


def hits(app: FastHTML, search: str) -> list[Hit]:
    """Return what has `search` in its name: pages and workflows first, then runs, tasks, profiles."""
    state, store = app.state, app.state.store
    assert isinstance(store, Store)
    pages: list[Hit] = [(flow.title, "Workflow", f"/{flow.name}") for flow in state.found.values()]
    pages += [(title, "Page", href) for group in state.menu.values() for title, href in group]
    found = [hit for hit in pages if search.lower() in hit[0].lower()]
    for row in Pipulate(store).runs(search, limit=8):
        found.append(
            (
                row["id"],
                f"Run of {row['workflow']}",
                f"/{row['workflow']}?{urlencode({'id': row['id']})}",
            )
        )
    if search:
        for table, href in (("task", "/tasks"), ("profile", "/profiles")):
            sql = f"SELECT name FROM {table} WHERE instr(lower(name), lower(?)) ORDER BY id DESC LIMIT 5"  # noqa: S608
            found += [(row["name"], table.capitalize(), href) for row in store.read(sql, search)]
        found += manual(search)
    return found[:20]


def manual(search: str) -> list[Hit]:
    """Return the sections of the manual with `search` in their titles."""
    every = docs.sections()
    hits = [section for section in every if search.lower() in section.title.lower()]
    return [(section.title, "Manual", section.address) for section in hits[:8]]


def _row(hit: Hit) -> FT:
    title, kind, href = hit
    return Li(A(Span(title), Small(kind), href=href))


def routes(app: FastHTML) -> None:
    """Add the finder's address."""

    @app.route("/find", methods=["GET"])
    def find(request: Request) -> Any:
        found = hits(app, request.query_params.get("q", "").strip())
        return fragment(
            *[_row(hit) for hit in found] or [Li("Nothing has that in its name.", cls="empty")]
        )
