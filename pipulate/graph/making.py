"""What is made of a link graph's files, each in a process of its own: picture, Force layout, report, comparison.

PROCESS    The server starts `python -c START`, writes one line of JSON to its standard input, {"make", ...paths}, and
           reads lines of JSON: {"share", "text"} as it goes on, at last {"done": true} or {"error": text}.  When the
           standard input ends (the server stopped, or cancelled) the process ends; all files appear by renaming.
WHY        These are seconds of pure computing: in a thread they would hold the interpreter's lock and make the server
           stutter.  A process also gives its memory back.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipulate.engine.errors import PipulateError
from pipulate.graph import analysis, compare, edges, layout, measures, picture, report, roles
from pipulate.graph import shelf as folders
from pipulate.graph.edges import Graph

Tell = Callable[[float, str], None]
Shown = dict[str, np.ndarray | pl.Series]


def make_picture(links: str, pages: str | None, folder: str, title: str, tell: Tell) -> None:
    """Build the columnar form if it is not there or not fresh, and the picture."""
    source, table, place = Path(links), Path(pages) if pages else None, Path(folder)
    if not folders.columnar_is_fresh(source, table, place):
        tell(0.0, "Reading the links")
        edges.build(source, table, place)
    tell(0.5, "Measuring")
    graph = edges.load(place)
    home, shown = measured(graph)
    tell(0.8, "Placing the pages")
    picture.save(picture.files(graph, shown, title, home), folders.picture(place))


def measured(graph: Graph) -> tuple[int, Shown]:
    """Return home and the measures that the picture shows, by name."""
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


def make_force(folder: str, tell: Tell) -> None:
    """Add the Force layout to the picture in `folder` (a graph's, or a comparison's)."""
    place = folders.picture(Path(folder))
    about = json.loads((place / "meta.json").read_text("utf-8"))
    content = np.fromfile(place / "links.u32", "<u4")
    degrees, targets = content[: about["pages"]], content[about["pages"] :]
    source = np.repeat(np.arange(about["pages"], dtype=np.uint32), degrees)
    picture.add_force(layout.force(about["pages"], source, targets, tell), place)


def make_report(folder: str, tell: Tell) -> None:
    """Write the report."""
    analysis.make(Path(folder), folders.report(Path(folder)), progress=tell)


def make_comparison(folder: str, earlier: str, title: str, tell: Tell) -> None:
    """Write picture and report of what changed between two graphs."""
    made = folders.comparison(Path(folder), Path(earlier))
    tell(0.0, "Reading both graphs")
    now, then = edges.load(Path(folder)), edges.load(Path(earlier))
    tell(0.2, "Comparing")
    found = compare.compare(then, now)
    tell(0.7, "Placing the pages")
    graph, shown = both(now, found)
    home = measures.home(now, roles.facts(now).depth)
    with edges.whole(made) as part:
        report.write(found.report, part / "report")
        picture.save(picture.files(graph, shown, title, home, colour="change"), part / "picture")


def both(now: Graph, found: compare.Comparison) -> tuple[Graph, Shown]:
    """Return the graph of all pages and links of two analyses, and what the picture shows of each page.

    Links that are gone are in it, so that gone pages hang where they hung.
    """
    extra = len(found.urls) - now.n
    pages = (
        pl.concat([now.pages, pl.DataFrame({"url": found.urls[now.n :]})], how="diagonal")
        if extra
        else now.pages
    )
    source = np.concatenate([now.source, found.gone_links[:, 0].astype(np.uint32)])
    target = np.concatenate([now.target, found.gone_links[:, 1].astype(np.uint32)])
    table = found.report.pages
    before = ("depth", "inlinks", "pagerank")
    shown: Shown = {
        "change": table["state"],
        **{c: table[c] for name in before for c in (name, f"{name} before")},
    }
    return edges.of(source, target, pages.with_columns(pl.col("listed").fill_null(False))), shown


MAKERS: dict[str, Callable[..., None]] = {
    "picture": make_picture,
    "force": make_force,
    "report": make_report,
    "comparison": make_comparison,
}


def main() -> None:
    """Take one order from standard input, carry it out, say how it goes (see PROCESS)."""

    def say(**line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    try:
        MAKERS[order.pop("make")](
            **order, tell=lambda share, text: say(share=round(share, 3), text=text)
        )
        say(done=True)
    except PipulateError as error:
        say(error=str(error))


def _end_with_server() -> None:
    """End when standard input does: nothing more is ever written to it."""
    os.read(0, 1)
    os._exit(1)
