"""What is made of a link graph: picture, Force layout, report, comparison.

Each maker is called in a child process (see `engine.child` and `tasks`): it
tells the share done and what is being done, and what it makes appears whole.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl

from pipulate.engine.child import Tell
from pipulate.engine.files import whole_folder
from pipulate.graph import (
    analysis,
    compare,
    edges,
    layout,
    measures,
    picture,
    report,
    roles,
    shelf,
)
from pipulate.graph.edges import Graph

Shown = dict[str, np.ndarray | pl.Series]
COMPARED = ("depth", "inlinks", "pagerank")


def make_picture(tell: Tell, links: str | None, pages: str | None, folder: str, title: str) -> None:
    """Make the picture, and the columnar form if that is not fresh."""
    table = Path(pages) if pages else None
    place = Path(folder)
    if links and not shelf.columnar_is_fresh(Path(links), table, place):
        tell(share=0.0, text="Reading the links")
        edges.build(Path(links), table, place)
    tell(share=0.5, text="Measuring")
    graph = edges.load(place)
    home, shown = measured(graph)
    tell(share=0.8, text="Placing the pages")
    picture.save(picture.files(graph, shown, title, home), shelf.picture(place))


def measured(graph: Graph) -> tuple[int, Shown]:
    """Home, and the measures that the picture shows, by name."""
    home = measures.home(graph, roles.facts(graph).depth)
    rank = measures.pagerank(graph, tolerance=1e-8)
    return home, {
        "depth": pl.Series(measures.depths(graph, home)).replace(measures.UNREACHED, None),
        "inlinks": measures.inlinks(graph),
        "outlinks": measures.outlinks(graph),
        "link score": measures.link_score(rank),
        "pagerank": rank,
        "orphan": measures.orphans(graph, home),
    }


def make_force(tell: Tell, folder: str) -> None:
    """Add the Force layout to the picture of a graph or a comparison."""
    place = shelf.picture(Path(folder))
    count = json.loads((place / "meta.json").read_text("utf-8"))["pages"]
    content = np.fromfile(place / "links.u32", "<u4")
    source = np.repeat(np.arange(count, dtype=np.uint32), content[:count])
    placed = layout.force(count, source, content[count:], _progress(tell))
    picture.save_force(placed, shelf.force_file(Path(folder)))


def make_report(tell: Tell, folder: str) -> None:
    """Write a graph's report."""
    analysis.make(Path(folder), shelf.report(Path(folder)), progress=_progress(tell))


def make_comparison(tell: Tell, folder: str, earlier: str, title: str) -> None:
    """Write picture and report of what changed between two graphs."""
    tell(share=0.0, text="Reading both graphs")
    now = edges.load(Path(folder))
    then = edges.load(Path(earlier))
    tell(share=0.2, text="Comparing")
    found = compare.compare(then, now)
    tell(share=0.7, text="Placing the pages")
    graph, shown = both(now, found)
    home = measures.home(now, roles.facts(now).depth)
    with whole_folder(shelf.comparison(Path(folder), Path(earlier))) as part:
        report.write(found.report, shelf.report(part))
        made = picture.files(graph, shown, title, home, colour="change")
        picture.save(made, shelf.picture(part))


def both(now: Graph, found: compare.Comparison) -> tuple[Graph, Shown]:
    """The graph of two analyses' pages and links, and its columns."""
    gone = pl.DataFrame({"url": found.urls[now.n :]})
    pages = pl.concat([now.pages, gone], how="diagonal")
    pages = pages.with_columns(pl.col("listed").fill_null(False))
    source = np.concatenate([now.source, found.gone_links[:, 0].astype(np.uint32)])
    target = np.concatenate([now.target, found.gone_links[:, 1].astype(np.uint32)])
    table = found.report.pages
    shown: Shown = {"change": table["state"]}
    for name in COMPARED:
        shown[name] = table[name]
        shown[f"{name} before"] = table[f"{name} before"]
    return edges.of(source, target, pages), shown


def _progress(tell: Tell) -> layout.Progress:
    def progress(share: float, text: str) -> None:
        tell(share=share, text=text)

    return progress
