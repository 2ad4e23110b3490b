"""Ctrl+K: finds pages, runs, tasks, profiles, sections of the manual."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlencode

from fasthtml.common import A, FastHTML, Li, Request, Response, Small, Span

from pipulate import docs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from pipulate.pages.lists import Table
from pipulate.pages.profiles import PROFILES
from pipulate.pages.tasks import TASKS
from pipulate.web.components import fragment
from pipulate.web.state import State

MOST = 20  #: hits that are shown
MOST_RUNS = 8  #: and sections of the manual
MOST_ROWS = 5  #: of tasks, and of profiles


class Hit(NamedTuple):
    """Something that was found."""

    title: str
    kind: str
    address: str


def hits(state: State, search: str) -> list[Hit]:
    """What has `search` in its name, places first."""
    found = _fitting(_places(state), search)
    found += _runs(state.store, search)
    if search:
        found += _rows(state.store, search, TASKS, "/tasks")
        found += _rows(state.store, search, PROFILES, "/profiles")
        manual = (Hit(it.title, "Manual", it.address) for it in docs.sections())
        found += _fitting(manual, search)[:MOST_RUNS]
    return found[:MOST]


def _fitting(every: Iterable[Hit], search: str) -> list[Hit]:
    return [hit for hit in every if search.lower() in hit.title.lower()]


def _places(state: State) -> Iterator[Hit]:
    for flow in state.workflows:
        yield Hit(flow.title, "Workflow", f"/{flow.name}")
    for pages in state.menu.values():
        for title, address in pages:
            yield Hit(title, "Page", address)


def _runs(store: Store, search: str) -> Iterator[Hit]:
    for row in Pipulate(store).runs(search, limit=MOST_RUNS):
        address = f"/{row['workflow']}?{urlencode({'id': row['id']})}"
        yield Hit(row["id"], f"Run of {row['workflow']}", address)


def _rows(store: Store, search: str, table: Table, address: str) -> Iterator[Hit]:
    names = (row["name"] for row in table.rows(store))
    fitting = (name for name in names if search.lower() in name.lower())
    for name in islice(fitting, MOST_ROWS):
        yield Hit(name, table.noun.capitalize(), address)


def routes(app: FastHTML) -> None:
    """Add the finder's address."""

    @app.get("/find")
    def find(request: Request) -> Response:
        search = request.query_params.get("q", "").strip()
        items = [
            Li(A(Span(title), Small(kind), href=address))
            for title, kind, address in hits(app.state, search)
        ]
        nothing = Li("Nothing has that in its name.", cls="empty")
        return fragment(*items or [nothing])
