"""Explore CSV: draw and measure the links in any CSV.

That is a crawler's export, or anything with a source and a target column. The
first card takes the files, uploaded or by their paths on this machine; the
machine reads and draws them; the last card shows the picture and leads to the
report.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from fasthtml.common import Details, Input, Label, P, Small, Summary

from pipulate import File, Invalid, Workflow
from pipulate.engine import host
from pipulate.graph.shelf import CSV, Shelf, spelled
from pipulate.graph.tasks import make
from pipulate.pages import graph_cards

flow = Workflow(
    "explore_csv",
    title="Explore CSV",
    id_label="Name of the graph",
    id_hint="Any name. Enter it again to look at the graph again.",
)

KINDS = ".csv,.gz,.zip,.parquet,.tsv,.txt"


@flow.step("files", "Which links?", button="Draw them")
def files(run):
    return (
        Label(
            "Links: a file with a source and a target column",
            Input(name="links", type="file", accept=KINDS),
        ),
        Label(
            "Pages: a file with a column of URLs, and whatever is known of them (optional)",
            Input(name="pages", type="file", accept=KINDS),
        ),
        Details(
            Summary("Or name files on this machine, which are not copied"),
            Label(
                "Links",
                Input(name="links_path", placeholder="/home/me/all_inlinks.csv"),
            ),
            Label(
                "Pages (optional)",
                Input(name="pages_path", placeholder="/home/me/internal_all.csv"),
            ),
        ),
        Small(
            "Exports of Screaming Frog and Sitebulb are recognised; "
            ".gz, .zip and Parquet are read as they are."
        ),
    )


@files.accept
def check_files(run, form):
    for kind in ("links", "pages"):
        form[f"{kind}_path"] = on_this_machine(run, form, f"{kind}_path")
    if not source(form, "links"):
        raise Invalid("Choose a file of links, or name one on this machine.", "links")
    return {**form, "day": place_for(run, form)}


def place_for(run, form):
    """Return the name of the graph's analysis: other files, another graph."""
    before = run.was("files")
    same = all(source(before, kind) == source(form, kind) for kind in ("links", "pages"))
    if "day" in before and same:
        return before["day"]
    today = f"{datetime.now(UTC):%Y%m%d}"
    return Shelf(run.settings.downloads).reserve(CSV, spelled(run.id), today).analysis


def on_this_machine(run, form, name):
    """Return the path that was typed, whole."""
    named = form[name].strip()
    if not named:
        return ""
    path = host.typed(run, named, name)
    if not path.is_file():
        raise Invalid(f"There is no file {named} on this machine.", name)
    return str(path)


def source(given, kind):
    """Return the file that was uploaded, or the path of the one that was named, or None."""
    return given.get(kind) or given.get(f"{kind}_path") or None


def opened(run, chosen):
    """Return where the chosen file lies, as text; a path must have been typed here."""
    return chosen and str(chosen.path if isinstance(chosen, File) else host.named(run, chosen))


@files.show
def show_files(run):
    given = run.fields("files")
    sources = [source(given, kind) for kind in ("links", "pages")]
    return ", ".join(Path(chosen).name for chosen in sources if chosen)


@flow.work("draw", "Read, measure and draw")
async def draw(run, job):
    given = run.fields("files")
    began = run.record["created"][:10].replace("-", "")  # version 0.1.0 did not ask for the day
    place = Shelf(run.settings.downloads).place(CSV, spelled(run.id), given.get("day", began))
    links = await asyncio.to_thread(opened, run, source(given, "links"))
    pages = await asyncio.to_thread(opened, run, source(given, "pages"))
    await make(
        "picture",
        job.progress,
        links=links,
        pages=pages,
        folder=str(place.graph),
        title=run.id,
    )
    pages, links = place.size()
    return {"address": graph_cards.address(place), "pages": pages, "links": links}


@draw.show
def show_draw(run):
    return f"{run['draw']['links']:,} links between {run['draw']['pages']:,} pages"


@flow.result
def result(run):
    return P(f"{show_draw(run)}."), *graph_cards.preview(run["draw"]["address"])
