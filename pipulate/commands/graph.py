"""`pipulate graph`: analyse links from any source in the terminal.

    pipulate graph LINKS [PAGES]                        read, measure, say what was found
    pipulate graph report LINKS [PAGES] [--out DIR]     the same with all tables as CSV and Parquet
    pipulate graph compare EARLIER LATER [--out DIR]    what changed between two analyses

LINKS (EARLIER, LATER) is a file of links (CSV, .gz, .zip, Parquet), a folder of HTML, or the columnar form of a graph
(`….graph`).  Of an export `x_links.csv` the page table `x_meta.csv` or `x_pages.csv` is found beside it.  The
columnar form is kept where the app keeps those of its own CSVs, so `pipulate` then shows picture and report too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipulate.engine.settings import Settings
from pipulate.graph import analysis, compare, edges, portable, report, shelf
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphMissing
from pipulate.graph.report import Report
from pipulate.graph.shelf import CSV, Shelf, spelled


def parser() -> argparse.ArgumentParser:
    """Return the parser of `pipulate graph`."""
    top = argparse.ArgumentParser(
        prog="pipulate graph",
        description="Measure the internal links of a site: from any CSV with a source and a target column, or a folder of HTML.",
        epilog="pipulate graph report … writes all tables; pipulate graph compare EARLIER LATER says what changed.",
    )
    top.add_argument(
        "links", type=Path, help="links: CSV, .gz, .zip, Parquet; a folder of HTML; a .graph folder"
    )
    top.add_argument(
        "pages", type=Path, nargs="?", help="pages: a table with a column of addresses"
    )
    top.add_argument("--out", type=Path, help="folder for the report's tables")
    top.add_argument(
        "--backend",
        help="compute elsewhere: duckdb, polars, spark, spark://host:port, or an Ibis address",
    )
    top.add_argument(
        "--only-good",
        action="store_true",
        help="leave redirected and canonicalised pages out of PageRank",
    )
    top.add_argument("--json", action="store_true", help="print JSON")
    return top


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run `pipulate graph`; returns the exit status.  Raises GraphError for files that cannot be used."""
    rest = list(argv)
    act = rest.pop(0) if rest and rest[0] in ("report", "compare") else "analyse"
    if act == "compare":
        return _compare(rest, settings)
    args = parser().parse_args(rest)
    place = columnar(args.links, args.pages, settings)
    out = args.out or shelf.report(place)
    if args.backend:
        tables = portable.report(edges.load(place), args.backend)
        portable.write(tables, out)
        print(
            f"{', '.join(f'{name} ({table.height:,} rows)' for name, table in tables.items())}\nin {out}"
        )
        return 0
    deep = None if act == "report" else False
    made = analysis.of_folder(place, deep=deep, only_good=args.only_good, progress=_tell())
    if act == "report" or args.out:
        report.write(made, out)
    if args.json:
        print(json.dumps(report.as_json(made, rows=20), ensure_ascii=False, indent=1))
        return 0
    print(text(made))
    print(
        f"\nTables: {out}"
        if act == "report" or args.out
        else f"\nAll tables: pipulate graph report {args.links}"
    )
    print(f"Picture and report: run pipulate, then open {_address(place, settings)}")
    return 0


def _compare(argv: Sequence[str], settings: Settings) -> int:
    reader = argparse.ArgumentParser(
        prog="pipulate graph compare", description="What changed between two analyses."
    )
    reader.add_argument("earlier", type=Path)
    reader.add_argument("later", type=Path)
    reader.add_argument("--out", type=Path, help="folder for the tables")
    reader.add_argument("--json", action="store_true", help="print JSON")
    args = reader.parse_args(argv)
    earlier, later = (
        edges.load(columnar(path, None, settings)) for path in (args.earlier, args.later)
    )
    made = compare.compare(earlier, later).report
    if args.out:
        report.write(made, args.out)
    print(
        json.dumps(report.as_json(made, rows=20), ensure_ascii=False, indent=1)
        if args.json
        else _changes(made)
    )
    return 0


def columnar(links: Path, pages: Path | None, settings: Settings) -> Path:
    """Return the folder of the graph's columnar form, made if it is not there or no longer fresh.

    What was made of other files of the same name stays: theirs is another analysis of the day.
    """
    if shelf.is_graph(links):
        return links
    if links.is_dir():
        name, graph = html_folder(links)
        folder = _read_today(graph, name, settings) or _new(name, settings)
        edges.save(graph, folder)
        return folder
    name = links.name.partition(".")[0].removesuffix("_links")
    pages = pages or shelf.pages_beside(links)
    for known in Shelf(settings.downloads).analyses(CSV, spelled(name)):
        if edges.fresh(known.graph, links, pages):
            return known.graph
    folder = _new(name, settings)
    edges.build(links, pages, folder)
    return folder


def _new(name: str, settings: Settings) -> Path:
    return Shelf(settings.downloads).new(CSV, spelled(name), _today()).graph


def _read_today(graph: Graph, name: str, settings: Settings) -> Path | None:
    """Return the folder of the graph that was made of the same folder of HTML today, if it was."""
    for known in Shelf(settings.downloads).analyses(CSV, spelled(name)):
        with contextlib.suppress(GraphMissing):
            made_of = edges.about(known.graph).get("folder")
            if known.analysis.startswith(_today()) and made_of == graph.meta["folder"]:
                return known.graph
    return None


def _today() -> str:
    return f"{datetime.now(UTC):%Y%m%d}"


def html_folder(folder: Path) -> tuple[str, Graph]:
    """Read a folder of HTML as a web server would serve it: its name, its graph.

    Pages stand in the page table (`listed`) when they are there; those that only links name do not.
    """
    from pipulate.graph.htmlsite import read_html_site

    site = read_html_site(folder)
    counts = ("outlinks_total", "outlinks_unique", "inlinks_total", "inlinks_unique")
    pages = site.pages.with_columns(listed=pl.col("http_code").is_between(1, 399)).drop(
        counts, strict=False
    )
    empty = [c for c in pages.columns if pages[c].null_count() == pages.height]
    return site.name, edges.of(
        site.sources, site.targets, pages.drop(empty), meta={"folder": str(folder.resolve())}
    )


def text(made: Report) -> str:
    """Say in lines what a report found."""
    about = made.summary
    head = (
        f"{about['pages']:,} pages, {about['links']:,} links ({about['links_per_page']} a page). Home: {about['home']}\n"
        f"Average click depth {about['average_depth']}, deepest page {about['deepest']}.\n"
    )
    return head + "\n".join(f"{finding.count:>11,}  {finding.title}" for finding in made.findings)


def _changes(made: Report) -> str:
    pages, links = made.summary["pages"], made.summary["links"]
    head = f"Pages {pages[0]:,} → {pages[1]:,}, links {links[0]:,} → {links[1]:,}."
    if not made.summary["same_depth"]:
        head += f"\nThe deepest pages are {made.summary['deepest']} clicks away: mind pages beyond the lesser depth."
    return (
        head
        + "\n"
        + "\n".join(f"{finding.count:>11,}  {finding.title}" for finding in made.findings)
    )


def _address(place: Path, settings: Settings) -> str:
    name, _, slug = place.stem.rpartition("_")
    org = place.parent.parent.name
    return f"http://{settings.host}:{settings.port}/graph/{org}/{name}/{slug}"


def _tell() -> Callable[[float, str], None]:
    """Return a progress line for the terminal, or silence where nobody looks."""

    def show(share: float, what: str) -> None:
        end = "\r" if share < 1 else "\r\x1b[K"
        sys.stderr.write(f"\x1b[K{share:4.0%} {what}{end}")
        sys.stderr.flush()

    return show if sys.stderr.isatty() else lambda share, what: None
