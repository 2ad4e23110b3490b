"""Links from anywhere onto the shelf: a file, a folder of HTML, a graph.

A graph is made anew only when its files have changed.  What was made of
other files of the same name stays: theirs is another analysis of the day.
"""

import contextlib
from pathlib import Path

import polars as pl

from pipulate.graph import edges, htmlsite, shelf
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphMissing
from pipulate.graph.shelf import CSV, Shelf, spelled

COUNTED = ("outlinks_total", "outlinks_unique", "inlinks_total", "inlinks_unique")


def columnar(links: Path, pages: Path | None, graphs: Shelf, today: str) -> Path:
    """Return the folder of the columnar form of `links`, made if not fresh.

    `links` may be such a folder.  Beside an export the page table is
    found. Raises GraphError for files that cannot be used.
    """
    if shelf.is_graph(links):
        return links
    if links.is_dir():
        return _of_html(links, graphs, today)
    project = spelled(links.name.partition(".")[0].removesuffix("_links"))
    pages = pages or shelf.pages_beside(links)
    for known in graphs.analyses(CSV, project):
        if edges.fresh(known.graph, links, pages):
            return known.graph
    folder = graphs.new(CSV, project, today).graph
    edges.build(links, pages, folder)
    return folder


def _of_html(html: Path, graphs: Shelf, today: str) -> Path:
    """Read it each time: to see whether a file has changed takes as long."""
    name, graph = html_folder(html)
    project = spelled(name)
    folder = _read_today(graph, project, graphs, today) or graphs.new(CSV, project, today).graph
    edges.save(graph, folder)
    return folder


def _read_today(graph: Graph, project: str, graphs: Shelf, today: str) -> Path | None:
    for known in graphs.analyses(CSV, project):
        with contextlib.suppress(GraphMissing):
            made_of = edges.about(known.graph).get("folder")
            if known.analysis.startswith(today) and made_of == graph.meta["folder"]:
                return known.graph
    return None


def html_folder(folder: Path) -> tuple[str, Graph]:
    """Read a folder of HTML as a server would serve it: its name, its graph.

    Pages that are there are `listed`; those that only links name are not.
    """
    site = htmlsite.read_html_site(folder)
    pages = site.pages.with_columns(listed=pl.col("http_code").is_between(1, 399))
    empty = [name for name in pages.columns if pages[name].null_count() == pages.height]
    pages = pages.drop(*COUNTED, *empty, strict=False)
    about = {"folder": str(folder.resolve())}
    return site.name, edges.of(site.sources, site.targets, pages, meta=about)
