"""Explore CSV: draw and measure the links in any CSV: a crawler's export, or anything with a source and a target column.

The first card takes the files, uploaded or by their paths on this machine; the machine reads and draws them; the last
card shows the picture and leads to the report. (This docstring is also what the model is told.)
"""

from datetime import UTC, datetime
from pathlib import Path

from fasthtml.common import A, Details, Div, Input, Label, P, Small, Summary

from pipulate import Invalid, Workflow
from pipulate.graph import edges
from pipulate.graph.shelf import CSV, Shelf, spelled
from pipulate.graph.tasks import make
from pipulate.pages.graphs import picture

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
            Label("Links", Input(name="links_path", placeholder="/home/me/all_inlinks.csv")),
            Label(
                "Pages (optional)",
                Input(name="pages_path", placeholder="/home/me/internal_all.csv"),
            ),
        ),
        Small(
            "Exports of Screaming Frog and Sitebulb are recognised; .gz, .zip and Parquet are read as they are."
        ),
    )


@files.accept
def check_files(run, form):
    found = {kind: chosen(form, kind) for kind in ("links", "pages")}
    if not found["links"]:
        raise Invalid("Choose a file of links, or name one on this machine.", "links")
    return found


def chosen(form, kind):
    """Return the path of the file that was uploaded or named, or None."""
    if form[kind]:
        return form[kind]["path"]
    named = form[f"{kind}_path"].strip()
    if named and not Path(named).expanduser().is_file():
        raise Invalid(f"There is no file {named} on this machine.", f"{kind}_path")
    return str(Path(named).expanduser()) if named else None


@files.show
def show_files(run):
    return ", ".join(Path(path).name for path in run.fields("files").values() if path)


@flow.work("draw", "Read, measure and draw")
async def draw(run, job):
    given = run.fields("files")
    place = Shelf(run.settings.downloads).place(CSV, spelled(run.id), f"{datetime.now(UTC):%Y%m%d}")
    await make(
        "picture",
        job.progress,
        links=given["links"],
        pages=given.get("pages"),
        folder=str(place.graph),
        title=run.id,
    )
    graph = edges.load(place.graph)
    return {
        "address": f"/graph/{CSV}/{place.project}/{place.analysis}",
        "pages": graph.n,
        "links": graph.m,
    }


@draw.show
def show_draw(run):
    return f"{run['draw']['links']:,} links between {run['draw']['pages']:,} pages"


@flow.result
def result(run):
    address = run["draw"]["address"]
    return (
        P(f"{run['draw']['links']:,} links between {run['draw']['pages']:,} pages."),
        *picture(address, small=True),
        Div(
            A("Open the picture", href=address, role="button"),
            A("Read the report", href=f"{address}/report", role="button", cls="quiet"),
            cls="row",
        ),
    )
