"""Export the link graph of one analysis: paid for once, checked, whole.

PLAN      What an analysis can give, and its cost: only questions.  A Plan,
          and a Wanted, the choice of it, are kept in the run's record.
STAGES    For the links, then for the pages, unless that CSV is there:
            1. create    POST /jobs, once ever (`job.once`): costs credits
            2. wait      until Botify says that the job is done
            3. download  into .{analysis}_{kind}_{job}.download
          and then for both together:
            4. ingest    they become CSVs and the columnar graph
            5. draw      the picture, and remove the downloads
PLACES    One for each choice, which stands beside its files: another depth,
          other columns are another graph.  Links of the same depth are
          copied; nothing that was paid for is replaced.
RESUMING  is starting again: a stage whose outcome is there is passed over.
CRASHES   in 1       the job may run: it is looked for by its name, which
                     holds the recorded nonce.  If Botify does not list it,
                     only the user can have it done again
          in 2       the job's id is recorded: it is waited for again
          in 3 to 5  files are whole or absent; Botify keeps the export for
                     some days
          A job that failed, or whose file is gone, is spoilt: a new one is
          the user's decision.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipulate.botify import queries, urls
from pipulate.botify.connection import DEMO_ORG, connected
from pipulate.botify.errors import AnswerLost, JobFailed, LinkExpired, NotThere
from pipulate.botify.ingest import Ingested, Order, Raw, ingest
from pipulate.botify.queries import Column, Depth, Json
from pipulate.botify.urls import Address
from pipulate.engine import files
from pipulate.engine.errors import Invalid
from pipulate.graph.shelf import Place, Shelf
from pipulate.graph.tasks import make

if TYPE_CHECKING:
    from pipulate.botify import answers
    from pipulate.botify.client import Botify
    from pipulate.engine.job import Job
    from pipulate.engine.settings import Settings

LATEST = "latest"  #: the newest finished analysis when the plan is made
FETCHED = 0.7  # the job's progress when the downloads are there
CHECKED = 0.8  # and when the files are

Tell = Callable[[float, str], None]  # share done (0 to 1), words


@dataclass(frozen=True)
class Wanted:
    """The choice: links of pages down to `depth`, and these page columns."""

    depth: int
    fields: Sequence[str] = ()

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Self:
        """From the answer of a card with `depth` and `fields`."""
        return cls(int(fields["depth"]), fields.get("fields") or [])

    @property
    def columns(self) -> list[Column]:
        """The columns of the page table."""
        return queries.page_columns(self.fields)

    def choice(self) -> Json:
        """What tells it from others."""
        return {"depth": self.depth, "columns": [column.name for column in self.columns]}

    def summary(self) -> str:
        """In a line."""
        labels = ", ".join(column.label for column in self.columns)
        return f"Depth {self.depth} · {labels or 'links only'}"


@dataclass(frozen=True)
class Plan:
    """What one analysis can give."""

    analysis: str
    crawl: str  #: Botify's name of the collection
    limit: int  #: rows that may be exported
    depth: int  #: the greatest at which no link is cut off
    profile: list[Depth]
    columns: list[str]
    period: list[str] | None  #: first and last day of the Search Console columns

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Self:
        """From a record."""
        return cls(**{**fields, "profile": [Depth(*row) for row in fields["profile"]]})

    def fields(self) -> dict[str, Any]:
        """For a record."""
        return asdict(self)

    @property
    def links(self) -> int:
        """How many link tags there are, down to `depth`."""
        return next(at.links for at in self.profile if at.depth == self.depth)

    def summary(self) -> str:
        """In a line."""
        within = f"{self.links:,} links, within {self.limit:,}"
        return f"{self.analysis} · down to depth {self.depth} are {within}"

    def groups(self) -> dict[str, list[Column]]:
        """The columns on offer, by the label of their group."""
        return queries.grouped(queries.page_columns(self.columns))

    def depths(self) -> dict[int, str]:
        """Each depth that may be chosen, with words on how much that is."""
        words = {}
        for depth, links, _ in self.profile:
            pages = queries.pages_at(self.profile, depth)
            credits = queries.credit_cost(links, pages)
            said = f"Depth {depth}: {links:,} links, {pages:,} pages, {credits:,} credits"
            if links > self.limit:
                said += f" (cut off at {self.limit:,})"
            words[depth] = said
        return words

    def asked(self, wanted: Wanted) -> dict[str, Json]:
        """What is asked for, by kind: "links", and "pages" if columns are wanted."""
        return queries.both(self.crawl, wanted.depth, wanted.fields, self.period)


async def plan(botify: Botify, project: Address, analysis: str) -> Plan:
    """Find out what an analysis, or the LATEST, can give, or raise Invalid."""
    names = project.org, project.project
    done = [found.slug for found in await botify.analyses(*names)]
    if analysis == LATEST and done:
        analysis = done[0]
    if analysis not in done:
        raise Invalid(
            f"{project.project} has no finished analysis {analysis!r}.",
            "analysis",
        )
    collections = {found.id: found for found in await botify.collections(*names)}
    crawl = queries.crawl_id(analysis, collections)
    detail = await botify.analysis(*names, analysis)
    if detail.links_graph is False:
        raise Invalid(
            f"Botify kept no link graph for {analysis}. Choose another analysis, "
            "or ask Botify to switch the link graph on.",
            "analysis",
        )
    known = await botify.fields(*names, crawl)
    profile = queries.read_profile(await botify.query(*names, queries.depth_profile(crawl)))
    limit = detail.export_limit or queries.EXPORT_LIMIT
    best = queries.deepest(profile, limit)
    if best is None:
        raise Invalid(
            f"Even the home page's links are more than the {limit:,} rows that may be exported.",
            "analysis",
        )
    console = collections.get(queries.SEARCH_CONSOLE)
    days = console and queries.search_period(analysis, console.first, console.last)
    columns = [column.name for column in queries.available(known, search=bool(days))]
    period = [day.isoformat() for day in days] if days else None
    return Plan(analysis, crawl, limit, best.depth, profile, columns, period)


async def check(api: Botify, project: Address) -> dict[str, str]:
    """The fields of a project to export; raises Invalid."""
    if await api.analyses(project.org, project.project):
        return {"project": project.url, "analysis": project.analysis or ""}
    raise Invalid(
        f"{project.org}/{project.project} has no finished analysis yet. "
        "Wait for its first crawl, or check the address.",
        "project",
    )


def candidates(settings: Settings) -> list[Address]:
    """The projects in the data folder's candidates.txt."""
    file = settings.data / "candidates.txt"
    return urls.candidates(file.read_text(encoding="utf-8")) if file.is_file() else []


def place(settings: Settings, project: Address, analysis: str) -> Place:
    """Where an analysis's files are, or will be."""
    return Shelf(settings.downloads).place(project.org, project.project, analysis)


def on_disk(settings: Settings, project: Address) -> dict[str, Place]:
    """The analyses whose links were exported before, by name, newest first."""
    places = Shelf(settings.downloads).analyses(project.org, project.project)
    return {place.analysis: place for place in places if place.links.is_file()}


async def carry_out(job: Job, project: Address, plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """Export, check and draw what is missing; what the record keeps of it."""
    target = await asyncio.to_thread(_choose_place, job, project, plan, wanted)
    raw = await _fetched(job, target, plan, wanted)
    made = await _ingested(job, target, plan, wanted, raw)
    if made.graph_links:
        await make(
            "picture",
            _within(job.progress, CHECKED, 1.0),
            folder=str(target.graph),
            links=str(target.links),
            pages=str(target.pages) if target.pages else None,
            title=f"{target.project} {target.analysis}",
        )
    for file in target.folder.glob(f".{target.analysis}_*.download"):
        file.unlink(missing_ok=True)  # also what an earlier attempt left
    return {
        "analysis": target.analysis,
        "graph_pages": made.graph_pages,
        "graph_links": made.graph_links,
        "tables": {kind: asdict(table) for kind, table in made.tables.items()},
        "depth": wanted.depth,
    }


def _choose_place(job: Job, project: Address, plan: Plan, wanted: Wanted) -> Place:
    """This choice's place; the links may come from another."""
    choice = wanted.choice()
    links = None
    places = Shelf(job.run.settings.downloads).choices(*project[:2], plan.analysis)
    for place in places:
        there = _choice_at(place, job, plan, wanted)
        if there in (None, choice):
            break
        if there["depth"] == wanted.depth:
            links = place.exported or links
    if there is None:
        files.write(place.asked, json.dumps(choice))
    if links and not place.exported:
        with links.open("rb") as source, files.whole(place.links) as copy:
            shutil.copyfileobj(source, copy)
    return place


def _choice_at(place: Place, job: Job, plan: Plan, wanted: Wanted) -> Json | None:
    if place.asked.is_file() or not place.exists():
        return place.choice()
    # Version 0.1.0 did not note it; but the record has what was asked of Botify.
    depth = wanted.depth
    for at in plan.profile:
        query = plan.asked(Wanted(at.depth))["links"]
        if job.did(*_act("links", query, plan.limit)):
            depth = at.depth
    choice = {"depth": depth, "columns": _columns(place.pages)}
    files.write(place.asked, json.dumps(choice))
    return choice


def _columns(pages: Path | None) -> list[str]:
    if pages is None:
        return []
    with pages.open(encoding="utf-8") as file:
        return file.readline().strip().split(",")[1:]


def _act(kind: str, query: Json, limit: int) -> tuple[str, Json]:
    """The name and the params of asking for a file, for `job.once`."""
    return f"{kind} export", {"query": query, "size": limit}


async def _fetched(job: Job, place: Place, plan: Plan, wanted: Wanted) -> dict[str, Path]:
    there = {"links": place.links.is_file(), "pages": place.meta.is_file()}
    asked = [(kind, query) for kind, query in plan.asked(wanted).items() if not there[kind]]
    share = FETCHED / max(1, len(asked))
    raw = {}
    async with connected(job.run.settings, job.run.engine.store, place.org) as botify:
        for number, (kind, query) in enumerate(asked):
            tell = _within(job.progress, number * share, (number + 1) * share)
            raw[kind] = await Errand(botify, job, place, kind, query, plan.limit, tell).fetch()
    return raw


@dataclass(frozen=True)
class Errand:
    """Fetching one file: the links, or the pages, of an analysis."""

    botify: Botify
    job: Job
    place: Place
    kind: str
    query: Json
    limit: int
    tell: Tell

    async def fetch(self) -> Path:
        """The downloaded file; whatever an earlier attempt left is used."""
        self.tell(0.0, f"Asking Botify for the {self.kind}")
        act, params = _act(self.kind, self.query, self.limit)
        export = await self.job.once(act, self.create, find=self.find, params=params)
        raw = self.place.folder / f".{self.place.analysis}_{self.kind}_{export}.download"
        try:
            if not raw.is_file():
                done = await self.botify.wait(export, self.tell_state, poll=self.poll)
                await self.botify.download(done, raw, self.tell_bytes)
            return raw
        except JobFailed as error:
            place = self.place
            why = error.reason or await self.botify.diagnose(place.org, place.project, self.query)
            why = why or "Botify gives no reason."
            words = f"The export of the {self.kind} failed at Botify. {why}"
        except (LinkExpired, NotThere) as error:
            words = str(error)
        words += " Doing it again is a new export, with its own credits."
        return await self.job.spoil(act, params, words)

    async def create(self) -> str:
        """Start the export: its id."""
        place = self.place
        body = queries.export_body(place.org, place.project, self.query, self.name, self.limit)
        try:
            return (await self.botify.create_export(body)).id
        except AnswerLost:
            if found := await self.find():
                return found
            raise

    async def find(self) -> str | None:
        """The id of what an earlier attempt may have started."""
        lost = await self.botify.find_export(self.name, self.place.project)
        return lost.id if lost else None

    @property
    def name(self) -> str:
        """The job's name at Botify, which no other job has."""
        return queries.export_name(self.kind, self.place.slug, self.job.nonce)

    @property
    def poll(self) -> tuple[float, float]:
        """How often to look: our own simulator does not mind."""
        often = self.job.run.settings.fast_jobs or self.place.org == DEMO_ORG
        return (0.05, 0.2) if often else (2.0, 15.0)

    def tell_state(self, job: answers.Job) -> None:
        """Say how far the waiting is."""
        self.tell(0.2, f"Botify works on the {self.kind}: {job.status.lower()}")

    def tell_bytes(self, got: int, total: int | None) -> None:
        """Say how far the download is."""
        share = got / total if total else 0.0
        self.tell(0.4 + 0.6 * share, f"Downloading the {self.kind}: {got / 1e6:,.1f} MB")


async def _ingested(
    job: Job, place: Place, plan: Plan, wanted: Wanted, raw: dict[str, Path]
) -> Ingested:
    links: Raw | Path = place.links
    pages: Raw | Path | None = place.pages
    if "links" in raw:
        links = Raw(raw["links"], place.links, export_size=plan.limit)
    if "pages" in raw:
        pages = Raw.pages(raw["pages"], place.meta, wanted.columns, plan.limit)
    tell = _within(job.progress, FETCHED, CHECKED)
    return await ingest(
        Order(links, pages, place.graph),
        lambda stage, share, rows: tell(share, f"Checking the {stage}: {rows:,} rows"),
    )


def counted(made: dict[str, Any]) -> str:
    """Say how large the graph is; `made` is what `carry_out` returns."""
    return f"{made['graph_links']:,} links between {made['graph_pages']:,} pages"


def cut_off(tables: dict[str, Any]) -> str:
    """Say which of `carry_out`'s tables may be incomplete, if any."""
    cut = [kind for kind, table in tables.items() if table["possibly_truncated"]]
    if not cut:
        return ""
    return (
        f"Possibly truncated: the {' and '.join(cut)} have exactly as many rows as "
        "may be exported. Choose a smaller depth for a whole graph."
    )


def left_out(tables: dict[str, Any]) -> str:
    """Say which links of the export are not in the file."""
    if "links" not in tables:
        return ""
    return (
        f"{tables['links']['incomplete']:,} links without a target and "
        f"{tables['links']['self_links']:,} of pages to themselves were left out."
    )


def _within(tell: Tell, begin: float, end: float) -> Tell:
    return lambda share, words: tell(begin + share * (end - begin), words)
