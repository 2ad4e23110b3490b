"""The link graph's pages: picture, report, comparison, and the files behind them.

GET  /graph                                        the graphs on disk
GET  /graph/{org}/{project}/{analysis}             the picture; while it is being made, how far that is
GET  .../report                                    the report, likewise
GET  .../compare?with={earlier}                    leads to .../with/{earlier}
GET  .../with/{earlier}                            what changed since an earlier analysis: picture and tables
GET  .../progress/{kind}                           a line that asks for its successor; at the end it reloads the page
and below a graph's address and that of a comparison alike:
GET  .../data/{file}                               a file of the picture
GET  .../report/{table}                            a part of a table; with .csv or .parquet: all of it
GET, POST .../force                                how far the Force layout is; start it

Pictures and reports are made from the CSVs when first looked at, and again when the CSVs have changed.  All computing is
done by `background`, all reading in threads; what brings Polars (`report_page`) is imported there, so that the server
starts without it.  Names are checked by `botify.urls`; whatever is not there is a 404.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fasthtml.common import (
    FT,
    H2,
    A,
    Div,
    FastHTML,
    Li,
    Link,
    P,
    Progress,
    Script,
    Small,
    Ul,
    ft_hx,
)
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from pipulate.botify import urls
from pipulate.botify.errors import NotBotifyUrl
from pipulate.engine.errors import Unknown
from pipulate.engine.settings import Settings
from pipulate.graph import shelf as folders
from pipulate.graph.tasks import Background, Task
from pipulate.web.components import fragment, page

GRAPH = "/graph/{org}/{project}/{analysis}"
COMPARISON = f"{GRAPH}/with/{{earlier}}"
ABOUT_PICTURE = (
    "The picture of a site's internal links. Each dot is a page, larger with more inlinks; each disc is a section of the site, "
    "its hubs in the middle; colours are page types. The user can colour and size by any column, hide classes, limit click "
    "depth, search, click a page for its links and its click path from home, and switch to the Force layout."
)
ABOUT_REPORT = (
    "The report on a site's internal links: click depth, inlinks, PageRank, flow between page types, wanted pages with few "
    "links, orphans, dead ends, links to bad pages, islands. Each chapter says what it means and what to do."
)
ABOUT_COMPARISON = (
    "What changed in a site's internal links between two analyses: new, gone and changed pages and links. Colours: new, gone, "
    "changed, same."
)


@dataclass(frozen=True)
class Place:
    """One graph: its names, its files, its address; for a comparison also the earlier one."""

    org: str
    project: str
    analysis: str
    links: Path
    meta: Path
    earlier: str = ""

    @classmethod
    def of(cls, settings: Settings, names: dict[str, Any]) -> "Place":
        """From a route's parts; HTTPException(404) unless the names are possible and there is a graph or its links."""
        org, project, analysis = names["org"], names["project"], names["analysis"]
        try:
            files = urls.paths(settings.downloads, org, project, analysis)
            place = cls(org, project, analysis, files.links, files.meta, names.get("earlier", ""))
            found = [place.folder, *([place.earlier_folder] if place.earlier else [])]
        except NotBotifyUrl:
            raise HTTPException(404) from None
        for folder in found:
            if not (folder / "meta.json").is_file() and not _links_of(folder).is_file():
                raise HTTPException(404)
        return place

    @property
    def folder(self) -> Path:
        """The graph's folder, beside its CSVs."""
        return self.links.with_name(f"{self.project}_{self.analysis}.graph")

    @property
    def earlier_folder(self) -> Path:
        """The earlier graph's folder."""
        return self.links.with_name(f"{self.project}_{urls.check_slug(self.earlier)}.graph")

    @property
    def made(self) -> Path:
        """Where picture and report are: in the graph's folder, or in the comparison's."""
        return folders.comparison(self.folder, self.earlier_folder) if self.earlier else self.folder

    @property
    def pages(self) -> Path | None:
        """The CSV with the page table, if there is one."""
        return self.meta if self.meta.is_file() else None

    @property
    def graph_address(self) -> str:
        """Where its picture is seen."""
        return f"/graph/{self.org}/{self.project}/{self.analysis}"

    @property
    def address(self) -> str:
        """The same, or that of the comparison."""
        return f"{self.graph_address}/with/{self.earlier}" if self.earlier else self.graph_address

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.project} {self.analysis}" + (f" and {self.earlier}" if self.earlier else "")


def _links_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.stem}_links.csv")


def picture(address: str, *, small: bool = False) -> tuple[FT, ...]:
    """Return the element that draws the graph at this address; small: for a card, leading to the whole."""
    more = {"small": True, "href": address} if small else {"force": f"{address}/force"}
    return Script(src="/static/graph/link-graph.js", type="module"), ft_hx(
        "link-graph", src=f"{address}/data/", **more
    )


def existing(downloads: Path) -> list[Place]:
    """Return all graphs on disk, by organisation and project, newest first."""
    found = []
    for folder in sorted((downloads / "link-graph").glob("*/*/")):
        org, project = folder.parts[-2:]
        try:
            slugs = {path.stem.removeprefix(f"{project}_") for path in folder.glob("*.graph")}
            slugs |= set(urls.existing(downloads, org, project))
            for slug in sorted(
                filter(urls.SLUG.fullmatch, slugs), key=urls.slug_order, reverse=True
            ):
                files = urls.paths(downloads, org, project, slug)
                found.append(Place(org, project, slug, files.links, files.meta))
        except NotBotifyUrl:
            continue
    return found


def routes(app: FastHTML) -> None:
    """Add the pages and their menu entry."""
    app.state.add_page("Link graphs", "/graph")
    background = Background()
    app.state.end.append(background.close)
    Pages(app.state.settings, background).add(app)


class Pages:
    """The handlers, with what they share."""

    def __init__(self, settings: Settings, background: Background) -> None:
        self.settings, self.background = settings, background

    def add(self, app: FastHTML) -> None:
        """Add the routes; they come before those that take any first path segment."""
        app.route("/graph", methods=["GET"])(self.index)
        app.route(f"{GRAPH}/report", methods=["GET"])(self.report)
        app.route(f"{GRAPH}/compare", methods=["GET"])(self.compare)
        for base in (COMPARISON, GRAPH):
            app.route(f"{base}/progress/{{kind}}", methods=["GET"])(self.progress)
            app.route(f"{base}/data/{{file}}", methods=["GET"])(self.data)
            app.route(f"{base}/force", methods=["GET", "POST"])(self.force)
            app.route(f"{base}/report/{{table}}", methods=["GET"])(self.table)
        app.route(COMPARISON, methods=["GET"])(self.comparison)
        app.route(GRAPH, methods=["GET"])(self.show)

    async def place(self, request: Request) -> Place:
        """Return the graph that the address names."""
        return await asyncio.to_thread(Place.of, self.settings, dict(request.path_params))

    # ---- pages

    async def index(self, request: Request) -> Any:
        """All graphs."""
        found = await asyncio.to_thread(existing, self.settings.downloads)
        groups: dict[tuple[str, str], list[Place]] = {}
        for place in found:
            groups.setdefault((place.org, place.project), []).append(place)
        parts = [
            part
            for (org, project), places in groups.items()
            for part in (
                H2(f"{org} / {project}"),
                Ul(*[_row(place, places[k + 1 :]) for k, place in enumerate(places)]),
            )
        ]
        if not parts:
            parts = [
                P(
                    "There are none yet. The workflow ",
                    A("Link graph", href="/link_graph"),
                    " makes them.",
                )
            ]
        return page(
            request,
            "Link graphs",
            *parts,
            about="All link graphs on this machine, with picture and report.",
        )

    async def show(self, request: Request) -> Any:
        """The picture."""
        place = await self.place(request)
        waiting = await self.waiting_for_picture(place)
        others = [
            p
            for p in await asyncio.to_thread(existing, self.settings.downloads)
            if self.comparable(p, place)
        ]
        more = [A("Report", href=f"{place.address}/report")]
        more += [
            A(f"Compare with {p.analysis}", href=f"{place.address}/with/{p.analysis}")
            for p in others[:3]
        ]
        head = P(*[part for link in more for part in (link, " · ")][:-1], cls="hint")
        content = waiting or picture(place.address)
        return page(
            request, place.title, head, *content, about=f"{place.title}. {ABOUT_PICTURE}", wide=True
        )

    def comparable(self, other: Place, place: Place) -> bool:
        """Say whether it is an earlier analysis of the same project."""
        same = (other.org, other.project) == (place.org, place.project)
        return same and urls.slug_order(other.analysis) < urls.slug_order(place.analysis)

    async def report(self, request: Request) -> Any:
        """The report."""
        place = await self.place(request)
        title, about = f"Report on {place.title}", f"{place.title}. {ABOUT_REPORT}"
        waiting = await self.waiting_for_columnar(place) or await self.waiting_for_report(place)
        if waiting:
            return page(request, title, *waiting, about=about, wide=True)
        counts, body = await asyncio.to_thread(read_report, place)
        head = P(A("Picture", href=place.address), cls="hint")
        return page(request, title, head, *body, about=f"{about} Found: {counts}.", wide=True)

    async def compare(self, request: Request) -> Response:
        """The address with the earlier analysis in its query leads to the one with it in its path."""
        place = await self.place(request)
        return RedirectResponse(
            f"{place.address}/with/{_slug(request.query_params.get('with', ''))}", 303
        )

    async def comparison(self, request: Request) -> Any:
        """What changed."""
        place = await self.place(request)
        title = f"{place.project}: {place.earlier} → {place.analysis}"
        waiting = await self.waiting_for_comparison(place)
        if waiting:
            return page(request, title, *waiting, about=ABOUT_COMPARISON, wide=True)
        counts, body = await asyncio.to_thread(read_report, place)
        return page(
            request,
            title,
            *picture(place.address),
            *body,
            about=f"{ABOUT_COMPARISON} {counts}.",
            wide=True,
        )

    # ---- what they wait for

    async def waiting_for_picture(self, place: Place) -> tuple[FT, ...] | None:
        """Return None if there is a fresh picture; else have it made, and return what is shown meanwhile."""
        if await asyncio.to_thread(
            folders.picture_is_fresh, place.links, place.pages, place.folder
        ):
            return None
        pages = str(place.pages) if place.pages else None
        order = {
            "folder": str(place.folder),
            "links": str(place.links),
            "pages": pages,
            "title": place.title,
        }
        return self.waiting(place, "picture", **order)

    async def waiting_for_columnar(self, place: Place) -> tuple[FT, ...] | None:
        """The same for the columnar form, which comes with the picture."""
        fresh = await asyncio.to_thread(
            folders.columnar_is_fresh, place.links, place.pages, place.folder
        )
        return None if fresh else await self.waiting_for_picture(place)

    async def waiting_for_report(self, place: Place) -> tuple[FT, ...] | None:
        """The same for the report."""
        file = folders.report(place.folder) / "report.json"
        return (
            None
            if await asyncio.to_thread(file.is_file)
            else self.waiting(place, "report", folder=str(place.folder))
        )

    async def waiting_for_comparison(self, place: Place) -> tuple[FT, ...] | None:
        """The same for the comparison, which needs both columnar forms."""
        files = urls.paths(self.settings.downloads, place.org, place.project, place.earlier)
        earlier = Place(place.org, place.project, place.earlier, files.links, files.meta)
        now = Place(place.org, place.project, place.analysis, place.links, place.meta)
        waiting = await self.waiting_for_columnar(earlier) or await self.waiting_for_columnar(now)
        if waiting:
            return waiting
        if await asyncio.to_thread(folders.comparison_is_fresh, place.folder, place.earlier_folder):
            return None
        return self.waiting(
            place,
            "comparison",
            folder=str(place.folder),
            earlier=str(place.earlier_folder),
            title=place.title,
        )

    def waiting(self, place: Place, kind: str, **order: str | None) -> tuple[FT, ...]:
        """Start a task unless it failed just now, and return the line that shows how far it is."""
        task = self.background.task(kind, place.made)
        if task is None or task.state == "done":
            task = self.background.start(kind, place.made, **order)
        return (progress_line(place, kind, task),)

    async def progress(self, request: Request, kind: str) -> Response:
        """The line anew; when the task is done, HTMX reloads the page."""
        place = await self.place(request)
        task = self.background.task(kind, place.made)
        if task is None or task.state == "done":  # the server may have been started anew meanwhile
            return Response(headers={"HX-Refresh": "true"})
        return fragment(progress_line(place, kind, task))

    # ---- files

    async def data(self, request: Request, file: str) -> Response:
        """A file of the picture."""
        folder = folders.picture((await self.place(request)).made)
        path = folder / file
        if (
            path.parent != folder
            or file.startswith(".")
            or not await asyncio.to_thread(path.is_file)
        ):
            raise HTTPException(404)
        return FileResponse(
            path, media_type="application/octet-stream", headers={"cache-control": "no-cache"}
        )

    async def force(self, request: Request) -> Response:
        """Start the Force layout (POST), or say how far it is."""
        place = await self.place(request)
        if await asyncio.to_thread((folders.picture(place.made) / "force.f32").is_file):
            return JSONResponse({"state": "done"})
        if request.method == "POST":
            task = self.background.start("force", place.made, folder=str(place.made))
        else:
            task = self.background.task("force", place.made) or Task(
                "failed", text="It was not asked for"
            )
        return JSONResponse({"state": task.state, "share": task.share, "text": task.text})

    async def table(self, request: Request, table: str) -> Response:
        """A part of a report's table, or the whole as a file."""
        place = await self.place(request)
        folder = folders.report(place.made)
        key, dot, ending = table.partition(".")
        if dot:
            path = folder / table
            if (
                ending not in ("csv", "parquet")
                or path.parent != folder
                or not await asyncio.to_thread(path.is_file)
            ):
                raise HTTPException(404)
            kinds = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
            return FileResponse(
                path, media_type=kinds[ending], filename=f"{place.title.replace(' ', '_')}_{table}"
            )
        return fragment(await asyncio.to_thread(read_table, place, key, request.query_params))


def read_report(place: Place) -> tuple[str, tuple[FT, ...]]:
    """Return what a report counts, in words for the model, and its HTML."""
    from pipulate.graph import report
    from pipulate.pages import graph_report as report_page

    found = report.read(folders.report(place.made))
    counts = ", ".join(
        f"{key.replace('_', ' ')} {count:,}" for key, count in found["summary"]["counts"].items()
    )
    where = report_page.Where(f"{place.address}/report", place.address)
    return counts, report_page.body(found, where)


def read_table(place: Place, key: str, query: Any) -> FT:
    """Return the part of a report's table that the query asks for; HTTPException(404) when there is no such table."""
    from pipulate.pages import graph_report as report_page

    view = report_page.View.read(query)
    try:
        part = report_page.read_table(folders.report(place.made), key, view)
    except Unknown:
        raise HTTPException(404) from None
    return report_page.table(part, report_page.Where(f"{place.address}/report", place.address))


def _slug(text: str) -> str:
    try:
        return urls.check_slug(text)
    except NotBotifyUrl as error:
        raise Unknown(str(error)) from error


def _row(place: Place, earlier: list[Place]) -> FT:
    compare = (
        A(f"Compare with {earlier[0].analysis}", href=f"{place.address}/with/{earlier[0].analysis}")
        if earlier
        else None
    )
    return Li(
        A(place.analysis, href=place.address),
        " ",
        Small(A("Report", href=f"{place.address}/report"), *((" · ", compare) if compare else ())),
    )


def progress_line(place: Place, kind: str, task: Task) -> FT:
    """Return how far something is; it asks for its successor every half second until the end."""
    if task.state == "failed":
        return Div(
            P(task.text, role="alert", cls="error"),
            A("Try again", href="", role="button", cls="quiet"),
            cls="waiting",
        )
    names = {
        "picture": "Drawing the picture",
        "report": "Writing the report",
        "comparison": "Comparing",
    }
    return Div(
        Progress(max="1", value=f"{task.share:.3f}", aria_label=names[kind]),
        P(f"{names[kind]}: {task.text}", role="status", cls="hint"),
        Link(rel="stylesheet", href="/static/graph/report.css"),
        hx_get=f"{place.address}/progress/{kind}",
        hx_trigger="every 500ms",
        hx_swap="outerHTML",
        cls="waiting progress",
    )
