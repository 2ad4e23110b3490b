"""The link graph's pages: picture, report, comparison, and their files.

All is made from the CSVs when first looked at, and again when they change.
`background` computes, threads read; what brings Polars (`graph_report`) is
imported there.  `graph.shelf` says what an address can name: else a 404.
A graph and a comparison have the same addresses below their own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from fasthtml.common import (
    FT,
    H2,
    A,
    Div,
    FastHTML,
    FileResponse,
    HTTPException,
    Li,
    Link,
    P,
    Progress,
    RedirectResponse,
    Request,
    Response,
    Small,
    Ul,
)
from starlette.responses import JSONResponse

from pipulate.engine.errors import Unknown
from pipulate.graph import shelf
from pipulate.graph.shelf import Place, Shelf
from pipulate.graph.tasks import Background, Task
from pipulate.pages import graph_cards
from pipulate.web.components import failure, fragment, page

GRAPH = "/graph/{org}/{project}/{analysis}"
COMPARISON = f"{GRAPH}/with/{{earlier}}"
FILE_KINDS = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}
MOST_COMPARISONS = 3  # that are offered with a picture
MAKING = {
    "picture": "Drawing the picture",
    "report": "Writing the report",
    "comparison": "Comparing",
}
ABOUT_PICTURE = (
    "The picture of a site's internal links. Each dot is a page, larger with "
    "more inlinks; each disc is a section, its hubs in the middle; colours are "
    "page types. The user can colour and size by any column, hide classes, limit "
    "click depth, search, click a page for its links and its click path from "
    "home, and switch to the Force layout."
)
ABOUT_REPORT = (
    "The report on a site's internal links: click depth, inlinks, PageRank, flow "
    "between page types, wanted pages with few links, orphans, dead ends, links "
    "to bad pages, islands. Each chapter says what it means and what to do."
)
ABOUT_COMPARISON = (
    "What changed in a site's internal links between two analyses: pages and "
    "links. Colours: new, gone, changed, same."
)


@dataclass(frozen=True)
class Shown:
    """What an address names: a graph, or its comparison with an earlier."""

    place: Place
    earlier: Place | None = None

    @classmethod
    def named(cls, home: Shelf, names: dict[str, Any]) -> "Shown":
        """From a route's parts; HTTPException(404) if there is none."""
        analyses = [names["analysis"]]
        if earlier := names.get("earlier"):
            analyses.append(earlier)
        try:
            places = [home.place(names["org"], names["project"], name) for name in analyses]
        except Unknown:
            raise HTTPException(404) from None
        if not all(place.exists() for place in places):
            raise HTTPException(404)
        return cls(*places)

    @property
    def folder(self) -> Path:
        """Where its picture and its report are."""
        if self.earlier:
            return shelf.comparison(self.place.graph, self.earlier.graph)
        return self.place.graph

    @property
    def address(self) -> str:
        """Where it is seen."""
        address = graph_cards.address(self.place)
        return f"{address}/with/{self.earlier.analysis}" if self.earlier else address

    @property
    def title(self) -> str:
        """What it is called."""
        title = f"{self.place.project} {self.place.analysis}"
        return f"{title} and {self.earlier.analysis}" if self.earlier else title


#: What has to be made, of which kind, and what its maker is given.
Order = tuple[Shown, str, dict[str, str | None]]


def _missing_picture(place: Place) -> Order | None:
    files = (place.exported, place.pages, place.graph)
    if shelf.picture_is_fresh(*files):
        return None
    shown = Shown(place)
    links, pages, folder = (str(path) if path else None for path in files)
    given = {
        "folder": folder,
        "links": links,
        "pages": pages,
        "title": shown.title,
    }
    return shown, "picture", given


def _missing_columnar(place: Place) -> Order | None:
    if shelf.columnar_is_fresh(place.exported, place.pages, place.graph):
        return None
    return _missing_picture(place)  # it comes with the picture


def _missing_report(place: Place) -> Order | None:
    if order := _missing_columnar(place):
        return order
    if shelf.report_file(place.graph).is_file():
        return None
    return Shown(place), "report", {"folder": str(place.graph)}


def _missing_comparison(place: Place, earlier: Place) -> Order | None:
    if order := _missing_columnar(earlier) or _missing_columnar(place):
        return order
    if shelf.comparison_is_fresh(place.graph, earlier.graph):
        return None
    shown = Shown(place, earlier)
    return (
        shown,
        "comparison",
        {
            "folder": str(place.graph),
            "earlier": str(earlier.graph),
            "title": shown.title,
        },
    )


def routes(app: FastHTML) -> None:
    """Add the pages and their menu entry."""
    app.state.add_page("Link graphs", "/graph")
    background = Background()
    app.state.end.append(background.close)
    Pages(Shelf(app.state.settings.downloads), background).add(app)


class Pages:
    """The handlers, with what they share."""

    def __init__(self, home: Shelf, background: Background) -> None:
        self.home = home
        self.background = background

    def add(self, app: FastHTML) -> None:
        """Add the routes, before those that take any first path segment."""
        app.get("/graph")(self._index)
        app.get(f"{GRAPH}/report")(self._report)
        app.get(f"{GRAPH}/compare")(self._compare)
        for base in (COMPARISON, GRAPH):
            app.get(f"{base}/progress/{{kind}}")(self._progress)
            app.get(f"{base}/data/{{file}}")(self._data)
            app.route(f"{base}/force", methods=["GET", "POST"])(self._force)
            app.get(f"{base}/report/{{table}}")(self._table)
        app.get(COMPARISON)(self._comparison)
        app.get(GRAPH)(self._picture)

    async def _shown(self, request: Request) -> Shown:
        return await asyncio.to_thread(Shown.named, self.home, dict(request.path_params))

    async def _index(self, request: Request) -> Any:
        places = await asyncio.to_thread(self.home.places)
        projects = groupby(places, key=lambda place: (place.org, place.project))
        content = [_project(*names, list(found)) for names, found in projects]
        makes = A("Link graph", href="/link_graph")
        nothing = P("There are none yet. The workflow ", makes, " makes them.")
        return page(
            request,
            "Link graphs",
            *(content or [nothing]),
            about="All link graphs on this machine.",
        )

    async def _picture(self, request: Request) -> Any:
        shown = await self._shown(request)
        place = shown.place
        waiting = await self._waiting(_missing_picture, place)
        content = waiting or graph_cards.whole_picture(shown.address)
        known = await asyncio.to_thread(self.home.analyses, place.org, place.project)
        head = [A("Report", href=f"{shown.address}/report")]
        now = shelf.in_time(place.analysis)
        before = [other for other in known if shelf.in_time(other.analysis) < now]
        for earlier in before[:MOST_COMPARISONS]:
            head += [" · ", _comparing(place, earlier)]
        about = f"{shown.title}. {ABOUT_PICTURE}"
        return page(
            request,
            shown.title,
            P(*head, cls="hint"),
            *content,
            about=about,
            wide=True,
        )

    async def _report(self, request: Request) -> Any:
        shown = await self._shown(request)
        title = f"Report on {shown.title}"
        about = f"{shown.title}. {ABOUT_REPORT}"
        if waiting := await self._waiting(_missing_report, shown.place):
            return page(request, title, *waiting, about=about, wide=True)
        counts, body = await asyncio.to_thread(_read_report, shown)
        head = P(A("Picture", href=shown.address), cls="hint")
        return page(
            request,
            title,
            head,
            *body,
            about=f"{about} Found: {counts}.",
            wide=True,
        )

    async def _compare(self, request: Request) -> Response:
        names = {
            **request.path_params,
            "earlier": request.query_params.get("with", ""),
        }
        shown = await asyncio.to_thread(Shown.named, self.home, names)
        return RedirectResponse(shown.address, 303)

    async def _comparison(self, request: Request) -> Any:
        shown = await self._shown(request)
        assert shown.earlier
        title = f"{shown.place.project}: {shown.earlier.analysis} → {shown.place.analysis}"
        about = ABOUT_COMPARISON
        content = await self._waiting(_missing_comparison, shown.place, shown.earlier)
        if not content:
            counts, body = await asyncio.to_thread(_read_report, shown)
            content = (*graph_cards.whole_picture(shown.address), *body)
            about += f" {counts}."
        return page(request, title, *content, about=about, wide=True)

    async def _waiting(self, missing: Callable[..., Order | None], *places: Place) -> Any:
        """Start what is missing, unless it failed just now; its progress."""
        order = await asyncio.to_thread(missing, *places)
        if order is None:
            return None
        shown, kind, given = order
        task = self.background.task(kind, shown.folder)
        if task is None or task.state == "done":
            task = self.background.start(kind, shown.folder, **given)
        return (_progress_line(shown, kind, task),)

    async def _progress(self, request: Request, kind: str) -> Response:
        shown = await self._shown(request)
        if kind not in MAKING:
            raise HTTPException(404)
        task = self.background.task(kind, shown.folder)
        if task is None or task.state == "done":  # the server may have been restarted meanwhile
            return Response(headers={"HX-Refresh": "true"})
        return fragment(_progress_line(shown, kind, task))

    async def _data(self, request: Request, file: str) -> Response:
        shown = await self._shown(request)
        path = await asyncio.to_thread(_inside, shelf.picture(shown.folder), file)
        headers = {"cache-control": "no-cache"}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    async def _force(self, request: Request) -> Response:
        folder = (await self._shown(request)).folder
        if await asyncio.to_thread(shelf.force_file(folder).is_file):
            return JSONResponse({"state": "done"})
        if request.method == "POST":
            task = self.background.start("force", folder, folder=str(folder))
        else:
            nothing = Task("failed", text="It was not asked for")
            task = self.background.task("force", folder) or nothing
        return JSONResponse({"state": task.state, "share": task.share, "text": task.text})

    async def _table(self, request: Request, table: str) -> Response:
        shown = await self._shown(request)
        kind = Path(table).suffix
        if not kind:
            return fragment(
                await asyncio.to_thread(_read_table, shown, table, request.query_params)
            )
        if kind not in FILE_KINDS:
            raise HTTPException(404)
        path = await asyncio.to_thread(_inside, shelf.report(shown.folder), table)
        name = f"{shown.title.replace(' ', '_')}_{table}"
        return FileResponse(path, media_type=FILE_KINDS[kind], filename=name)


def _inside(folder: Path, name: str) -> Path:
    for path in folder.glob("[!.]*"):
        if path.name == name and path.is_file():
            return path
    raise HTTPException(404)


def _read_report(shown: Shown) -> tuple[str, tuple[FT, ...]]:
    """What a report counts, in words for the model, and its HTML."""
    from pipulate.graph import report
    from pipulate.pages import graph_report

    found = report.read(shelf.report(shown.folder))
    counts = found["summary"]["counts"].items()
    words = ", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in counts)
    where = graph_report.Where(f"{shown.address}/report", shown.address)
    return words, graph_report.body(found, where)


def _read_table(shown: Shown, key: str, query: Any) -> FT:
    from pipulate.pages import graph_report

    view = graph_report.View.read(query)
    try:
        part = graph_report.read_table(shelf.report(shown.folder), key, view)
    except Unknown:
        raise HTTPException(404) from None
    return graph_report.table(part, graph_report.Where(f"{shown.address}/report", shown.address))


def _comparing(place: Place, earlier: Place) -> FT:
    return A(f"Compare with {earlier.analysis}", href=Shown(place, earlier).address)


def _project(org: str, project: str, places: list[Place]) -> tuple[FT, FT]:
    rows = []
    for place, earlier in zip(places, [*places[1:], None], strict=True):
        more: list[Any] = [A("Report", href=f"{graph_cards.address(place)}/report")]
        if earlier:
            more += [" · ", _comparing(place, earlier)]
        if chosen := graph_cards.chosen(place):
            more += [" · ", chosen]
        rows.append(
            Li(
                A(place.analysis, href=graph_cards.address(place)),
                " ",
                Small(*more),
            )
        )
    return H2(f"{org} / {project}"), Ul(*rows)


def _progress_line(shown: Shown, kind: str, task: Task) -> FT:
    """How far something is; asks for its successor until the end."""
    if task.state == "failed":
        again = A("Try again", href="", role="button", cls="quiet")
        return Div(failure(task.text), again, cls="waiting")
    return Div(
        Progress(max="1", value=f"{task.share:.3f}", aria_label=MAKING[kind]),
        P(f"{MAKING[kind]}: {task.text}", role="status", cls="hint"),
        Link(rel="stylesheet", href="/static/graph/report.css"),
        hx_get=f"{shown.address}/progress/{kind}",
        hx_trigger="every 500ms",
        hx_swap="outerHTML",
        cls="waiting progress",
    )
