"""Link graph: export a site's internal links from Botify, checked and whole, and see them drawn.

The run ID is the project's address. Five cards: the project, one of its analyses (crawls), the columns of the page
table, the export, the result. What an export costs is shown before it is asked for; what is on disk already is never
downloaded again; an export that was interrupted goes on by itself. (This docstring is also what the model is told.)
"""

import asyncio
from pathlib import Path

from fasthtml.common import (
    H3,
    A,
    Code,
    Details,
    Div,
    Fieldset,
    Input,
    Label,
    Legend,
    Li,
    Option,
    P,
    Pre,
    Select,
    Small,
    Summary,
    Table,
    Tbody,
    Td,
    Th,
    Thead,
    Tr,
    Ul,
)

from pipulate import Invalid, Workflow
from pipulate.botify import queries, urls
from pipulate.botify.connection import connected, demo_is_on
from pipulate.botify.errors import AnswerLost, JobFailed, LinkExpired, NotThere
from pipulate.botify.ingest import Order, Raw, ingest
from pipulate.botify.snippet import snippet
from pipulate.graph.tasks import make
from pipulate.pages.graphs import picture as draw

flow = Workflow(
    "link_graph",
    title="Link graph",
    id_label="Botify project",
    id_hint=f"Paste the project's address, {urls.APP}/organisation/project/",
)


def api(run, org):
    return connected(run.settings, run.engine.store, org)


def place(run):
    return urls.parse(run["project"])


# ------------------------------------------------------------------ 1


@flow.step("project", "Which project?", button="Check it")
def project(run):
    known = candidates(run)
    return (
        Label(
            "Any address of the project in Botify",
            Input(
                name="project",
                value=run.id if "botify.com" in run.id else "",
                required=True,
                maxlength=500,
            ),
        ),
        Details(
            Summary("Or pick one of yours"),
            Ul(
                *[
                    Li(
                        A(
                            f"{p.org} / {p.project}",
                            href=f"/link_graph?id={urls.APP}/{p.org}/{p.project}/",
                        )
                    )
                    for p in known
                ]
            ),
        )
        if known
        else None,
        Small("This is demo data: made-up sites, nothing is spent.")
        if "/demo/" in run.id and demo_is_on(run.settings, run.engine.store)
        else None,
    )


def candidates(run):
    """Return the projects listed in candidates.txt of the data folder, if there is one."""
    file = run.settings.data / "candidates.txt"
    return urls.candidates(file.read_text(encoding="utf-8")) if file.is_file() else []


@project.accept
async def check_project(run, form):
    found = urls.parse(form["project"])
    async with api(run, found.org) as botify:
        analyses = await botify.analyses(found.org, found.project)
    if not analyses:
        raise Invalid(
            f"{found.org}/{found.project} has no finished analysis yet. Wait for its first crawl, or check the address.",
            "project",
        )
    return {"project": f"{urls.APP}/{found.org}/{found.project}/", "analysis": found.analysis or ""}


@project.show
def show_project(run):
    return (
        f"{place(run).org} / {place(run).project}",
        Small(" demo data")
        if place(run).org == "demo" and demo_is_on(run.settings, run.engine.store)
        else None,
    )


# ------------------------------------------------------------------ 2


@flow.step("analysis", "Which analysis?", button="Choose")
async def analysis(run):
    here = place(run)
    async with api(run, here.org) as botify:
        found = await botify.analyses(here.org, here.project, only_success=False)
    disk = await asyncio.to_thread(urls.existing, run.settings.downloads, here.org, here.project)
    latest = next((a.slug for a in found if a.done), "")
    wanted = run.fields("project").get("analysis") or "latest"
    names = [a.slug for a in found if a.done and a.slug not in disk]
    return (
        Label(
            Input(type="radio", name="analysis", value="latest", checked=wanted not in names),
            f"The latest one, {latest}",
            Small(f" ({disk[latest].label}, on disk)") if latest in disk else None,
        ),
        Table(
            Thead(Tr(Th("Analysis"), Th("Date"), Th("Pages"), Th("Status"))),
            Tbody(
                *[
                    Tr(
                        Td(
                            Label(
                                Input(
                                    type="radio",
                                    name="analysis",
                                    value=a.slug,
                                    disabled=not a.done or a.slug in disk,
                                    checked=a.slug == wanted,
                                ),
                                a.slug,
                            )
                        ),
                        Td(a.date.isoformat()),
                        Td(f"{a.urls:,}" if a.urls else ""),
                        Td(
                            A(f"({disk[a.slug].label})", href=picture(here, a.slug))
                            if a.slug in disk
                            else a.status
                        ),
                    )
                    for a in found
                ]
            ),
        ),
        existing(run, here, disk),
    )


def existing(run, here, disk):
    """Return the list of link graphs that are on disk."""
    if not disk:
        return None
    rows = [
        Li(
            slug,
            " ",
            A("View", href=picture(here, slug)),
            " · ",
            *files(here, slug, found.meta is not None),
        )
        for slug, found in disk.items()
    ]
    return Details(Summary(f"{len(disk)} on disk already"), Ul(*rows))


@analysis.accept
async def check_analysis(run, form):
    here = place(run)
    async with api(run, here.org) as botify:
        done = await botify.analyses(here.org, here.project)
        slug = done[0].slug if form["analysis"] == "latest" and done else form["analysis"]
        if slug not in [a.slug for a in done]:
            raise Invalid(f"{here.project} has no finished analysis {slug!r}.", "analysis")
        collections = await botify.collections(here.org, here.project)
        crawl = queries.crawl_id(slug, [c.id for c in collections])
        detail = await botify.analysis(here.org, here.project, slug)
        if detail.links_graph is False:
            raise Invalid(
                f"Botify kept no link graph for {slug}. Choose another analysis, or ask Botify to switch the link graph on.",
                "analysis",
            )
        fields = await botify.fields(here.org, here.project, crawl)
        profile = queries.read_profile(
            await botify.query(here.org, here.project, queries.depth_profile(crawl))
        )
    limit = detail.export_limit or queries.EXPORT_LIMIT
    best = queries.deepest(profile, limit)
    if best is None:
        raise Invalid(
            f"Even the home page's links are more than the {limit:,} rows that may be exported.",
            "analysis",
        )
    console = next((c for c in collections if c.id == queries.SEARCH_CONSOLE), None)
    period = queries.search_period(slug, console.first, console.last) if console else None
    groups = queries.available_groups(fields, [c.id for c in collections] if period else [crawl])
    await run.say(f"Depth {best.depth}: {best.links:,} links.")
    return {
        "analysis": slug,
        "crawl": crawl,
        "limit": limit,
        "depth": best.depth,
        "profile": [[d.depth, d.links, d.pages] for d in profile],
        "columns": [c.name for columns in groups.values() for c in columns],
        "period": [day.isoformat() for day in period] if period else None,
    }


@analysis.show
def show_analysis(run):
    found = run.fields("analysis")
    deepest = next(d for d in found["profile"] if d[0] == found["depth"])
    return f"{found['analysis']} · down to depth {deepest[0]} are {deepest[1]:,} links, within {found['limit']:,}"


# ------------------------------------------------------------------ 3


@flow.step("fields", "What shall be known of each page?", button="Export")
def fields(run):
    found = run.fields("analysis")
    profile = [queries.Depth(*row) for row in found["profile"]]
    groups = {
        label: [c for c in queries.COLUMNS if c.group == group and c.name in found["columns"]]
        for group, label in queries.GROUPS.items()
    }
    return (
        *[
            Fieldset(
                Legend(label),
                *[
                    Label(
                        Input(type="checkbox", name="fields", value=c.name, checked=True), c.label
                    )
                    for c in columns
                ],
            )
            for label, columns in groups.items()
            if columns
        ],
        Label(
            "How deep? Rows and export credits are upper bounds",
            Select(
                *[
                    Option(
                        f"Depth {d.depth}: {d.links:,} links, {queries.pages_at(profile, d.depth):,} pages, {queries.credit_cost(d.links, queries.pages_at(profile, d.depth)):,} credits"
                        + (
                            "" if d.links <= found["limit"] else f" (cut off at {found['limit']:,})"
                        ),
                        value=str(d.depth),
                        selected=d.depth == found["depth"],
                    )
                    for d in profile
                ],
                name="depth",
            ),
        ),
        Small(
            "Nothing has been spent so far. The count has every link tag, repeats included; the export has each pair of pages once, so it is usually smaller. “Export” asks Botify for the files; without a tick, for the links alone."
        ),
    )


@fields.show
def show_fields(run):
    ticked = run.fields("fields").get("fields") or []
    labels = [c.label for c in queries.COLUMNS if c.name in ticked]
    return f"Depth {run.fields('fields')['depth']} · {', '.join(labels) or 'links only'}"


# ------------------------------------------------------------------ 4


@flow.work("export", "Export, download and check")
async def export(run, job):
    here, found, wanted = place(run), run.fields("analysis"), run.fields("fields")
    slug, depth, ticked = found["analysis"], int(wanted["depth"]), wanted.get("fields") or []
    target = urls.paths(run.settings.downloads, here.org, here.project, slug)
    columns = queries.page_columns(ticked)
    asked = queries.both(found["crawl"], depth, ticked, found["period"])
    here_already = {"links": target.links.is_file(), "pages": target.meta.is_file()}
    raw = {}
    async with api(run, here.org) as botify:
        for part, (kind, query) in enumerate(asked.items()):
            if not here_already[kind]:
                raw[kind] = await fetch(
                    run,
                    job,
                    botify,
                    here,
                    slug,
                    kind,
                    query,
                    found["limit"],
                    lambda share, text, part=part: job.progress(
                        (part + share) * 0.7 / len(asked), text
                    ),
                )
    order = Order(
        links=Raw(raw["links"], target.links, export_size=found["limit"])
        if "links" in raw
        else target.links,
        pages=Raw.pages(raw["pages"], target.meta, columns, found["limit"])
        if "pages" in raw
        else (target.meta if here_already["pages"] else None),
        graph=graph_folder(target.links),
    )
    made = await ingest(
        order,
        lambda stage, share, rows: job.progress(
            0.7 + 0.1 * share, f"Checking the {stage}: {rows:,} rows"
        ),
    )
    pages = str(target.meta) if target.meta.is_file() else None
    if made.graph_links:
        await make(
            "picture",
            lambda share, text: job.progress(0.8 + 0.2 * share, text),
            folder=str(graph_folder(target.links)),
            links=str(target.links),
            pages=pages,
            title=f"{here.project} {slug}",
        )
    for file in raw.values():
        file.unlink(missing_ok=True)
    tables = {
        name: vars(table) for name, table in (("links", made.links), ("pages", made.pages)) if table
    }
    await run.say(
        f"The link graph of {here.project}, {slug}, is on disk: {made.graph_links or 0:,} links between {made.graph_pages or 0:,} pages."
    )
    return {
        "analysis": slug,
        "graph_pages": made.graph_pages or 0,
        "graph_links": made.graph_links or 0,
        "tables": tables,
        "depth": depth,
    }


async def fetch(run, job, botify, here, slug, kind, query, size, report):
    """Have one file exported and download it, resuming whatever an earlier attempt left; returns the raw file."""
    params = {"query": query, "size": size}

    async def create():
        body = queries.export_body(
            here.org, here.project, query, queries.export_name(kind, slug, job.nonce), size
        )
        try:
            return (await botify.create_export(body)).id
        except AnswerLost:
            if found := await find():  # usually its list knows it at once
                return found
            raise

    async def find():
        lost = await botify.find_export(queries.export_name(kind, slug, job.nonce), here.project)
        return lost.id if lost else None

    report(0.0, f"Asking Botify for the {kind}")
    id = await job.once(f"{kind} export", create, find=find, params=params)
    folder = urls.folder(run.settings.downloads, here.org, here.project)
    raw = folder / f".{slug}_{kind}_{id}.download"
    if raw.is_file():
        return raw
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    try:
        poll = (0.05, 0.2) if run.settings.fast_jobs or here.org == "demo" else (2.0, 15.0)
        done = await botify.wait(
            id,
            lambda state: report(0.2, f"Botify works on the {kind}: {state.status.lower()}"),
            poll=poll,
        )
        await botify.download(
            done,
            raw,
            lambda got, total: report(
                0.4 + 0.6 * (got / total if total else 0),
                f"Downloading the {kind}: {got / 1e6:,.1f} MB",
            ),
        )
    except JobFailed as error:
        words = (
            error.reason
            or await botify.diagnose(here.org, here.project, query)
            or "Botify gives no reason."
        )
        await job.spoil(
            f"{kind} export",
            params,
            f"The export of the {kind} failed at Botify. {words} Doing it again is a new export, with its own credits.",
        )
    except (LinkExpired, NotThere) as error:
        await job.spoil(
            f"{kind} export",
            params,
            f"{error} Doing it again is a new export, with its own credits.",
        )
    return raw


def graph_folder(links: Path) -> Path:
    """Where the columnar copy of a links file is kept."""
    return links.with_name(links.name.removesuffix("_links.csv") + ".graph")


@export.show
def show_export(run):
    made = run["export"]
    return f"{made['graph_links']:,} links between {made['graph_pages']:,} pages"


# ------------------------------------------------------------------ 5


def picture(here, slug):
    return f"/graph/{here.org}/{here.project}/{slug}"


def files(here, slug, meta=True):
    """Return the links that download an analysis's files, and the one that opens them in Cosmograph."""
    names = [
        f"{here.project}_{slug}_links.csv",
        *([f"{here.project}_{slug}_meta.csv"] if meta else []),
    ]
    paths = [f"/download/{here.org}/{here.project}/{name}" for name in names]
    cosmograph = A(
        "Open in Cosmograph",
        href=f"/cosmograph/{here.org}/{here.project}/{slug}",
        target="_blank",
        rel="noopener",
    )
    return [
        part
        for name, path in zip(names, paths, strict=True)
        for part in (A(name, href=path, download=name), " · ")
    ] + [cosmograph]


@flow.result
def result(run):
    made, here = run["export"], place(run)
    slug = made["analysis"]
    cut = [name for name, table in made["tables"].items() if table["possibly_truncated"]]
    dropped = made["tables"].get("links", {})
    meta = urls.paths(run.settings.downloads, here.org, here.project, slug).meta.is_file()
    return (
        P(
            f"{made['graph_links']:,} links between {made['graph_pages']:,} pages of {here.project}, down to depth {made['depth']}."
        ),
        P(
            f"Possibly truncated: the {' and '.join(cut)} have exactly as many rows as may be exported. Choose a smaller depth for a whole graph.",
            role="alert",
            cls="error",
        )
        if cut
        else None,
        *(
            draw(picture(here, slug), small=True)
            if made["graph_links"]
            else [
                P(
                    "The export has no links, so there is nothing to draw. Choose another analysis or a greater depth."
                )
            ]
        ),
        Div(
            A("Open the picture", href=picture(here, slug), role="button"),
            A("Read the report", href=f"{picture(here, slug)}/report", role="button", cls="quiet"),
            cls="row",
        ),
        H3("Files"),
        P(*files(here, slug, meta)),
        P(
            f"{dropped['incomplete']:,} links without a target and {dropped['self_links']:,} of pages to themselves were left out.",
            cls="hint",
        )
        if dropped
        else None,
        P(
            "Cosmograph is a web site that reads both files from this machine; if it cannot, press Allow when the browser asks, or download the files and drag them in.",
            cls="hint",
        ),
        Details(
            Summary("The API calls, as a program"),
            Pre(Code(snippet(here, run.fields("analysis"), run.fields("fields")))),
        ),
    )
