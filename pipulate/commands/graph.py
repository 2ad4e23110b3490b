"""`pipulate graph`: analyse links from any source in the terminal.

    pipulate graph LINKS [PAGES]                       read, measure, say what was found
    pipulate graph report LINKS [PAGES] [--out DIR]    the same with all tables as CSV and Parquet
    pipulate graph compare EARLIER LATER [--out DIR]   what changed between two analyses

LINKS (EARLIER, LATER) is a file of links (CSV, .gz, .zip, Parquet), a
folder of HTML, or the columnar form of a graph (`….graph`).  Of an export
`x_links.csv` the page table `x_meta.csv` or `x_pages.csv` is found beside
it.  The columnar form is kept where the app keeps those of its own CSVs,
so `pipulate` then shows picture and report too.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipulate.commands import parser, progress
from pipulate.engine.collecting import tidy
from pipulate.engine.settings import Settings
from pipulate.graph import (
    analysis,
    compare,
    edges,
    intake,
    portable,
    report,
    shelf,
)
from pipulate.graph.report import Report
from pipulate.graph.shelf import Shelf

ROWS = 20  # of each table, in JSON; the files have them all


def main(argv: Sequence[str], settings: Settings) -> None:
    """Raises GraphError for files that are no use."""
    match argv:
        case ["compare", *rest]:
            _compare(rest, settings)
        case ["report", *rest]:
            _analyse(rest, settings, with_report=True)
        case _:
            _analyse(argv, settings, with_report=False)


def _analyse(argv: Sequence[str], settings: Settings, with_report: bool) -> None:
    args = _parser().parse_args(argv)
    folder = columnar(args.links, args.pages, settings)
    out = args.out or shelf.report(folder)
    if args.backend:
        _elsewhere(folder, args.backend, out)
        return
    written = bool(with_report or args.out)
    deep = None if with_report else False
    with progress("Link graph") as tell:
        found = analysis.of_folder(folder, deep=deep, only_good=args.only_good, progress=tell)
    if written:
        report.write(found, out)
    if args.json:
        _print_json(found)
        return
    print(_text(found))
    print(f"\nTables: {out}" if written else f"\nAll tables: pipulate graph report {args.links}")
    if folder.resolve().is_relative_to(Shelf(settings.downloads).home.resolve()):
        print(f"Picture and report: run pipulate, then open {_address(folder, settings)}")


def _elsewhere(folder: Path, backend: str, out: Path) -> None:
    tables = portable.report(edges.load(folder), backend)
    portable.write(tables, out)
    print(", ".join(f"{name} ({table.height:,} rows)" for name, table in tables.items()))
    print(f"in {out}")


def _compare(argv: Sequence[str], settings: Settings) -> None:
    reader = argparse.ArgumentParser(
        prog="pipulate graph compare",
        description="What changed between two analyses.",
    )
    reader.add_argument("earlier", type=Path)
    reader.add_argument("later", type=Path)
    reader.add_argument("--out", type=Path, help="folder for the tables")
    reader.add_argument("--json", action="store_true", help="print JSON")
    args = reader.parse_args(argv)
    earlier = edges.load(columnar(args.earlier, None, settings))
    later = edges.load(columnar(args.later, None, settings))
    found = compare.compare(earlier, later).report
    if args.out:
        report.write(found, args.out)
    if args.json:
        _print_json(found)
    else:
        print(_changes(found))


def _parser() -> argparse.ArgumentParser:
    reader = parser(__doc__)
    add = reader.add_argument
    add(
        "links",
        type=Path,
        help="links: a file, a folder of HTML, or a .graph folder",
    )
    add(
        "pages",
        type=Path,
        nargs="?",
        help="pages: a table with a column of addresses",
    )
    add("--out", type=Path, help="folder for the report's tables")
    engines = "duckdb, polars, spark, spark://host:port, or an Ibis address"
    add("--backend", help=f"compute elsewhere: {engines}")
    only_good = "leave redirected and canonicalised pages out of PageRank"
    add("--only-good", action="store_true", help=only_good)
    add("--json", action="store_true", help="print JSON")
    return reader


def columnar(links: Path, pages: Path | None, settings: Settings) -> Path:
    """Return the columnar form's folder; a new one is an analysis of today.

    What a killed command unpacked goes: no server may ever run here.
    """
    tidy(settings.downloads)
    today = f"{datetime.now(UTC):%Y%m%d}"
    return intake.columnar(links, pages, Shelf(settings.downloads), today)


def _print_json(found: Report) -> None:
    print(json.dumps(report.as_json(found, ROWS), ensure_ascii=False, indent=1))


def _text(found: Report) -> str:
    about = found.summary
    return (
        f"{about['pages']:,} pages, {about['links']:,} links "
        f"({about['links_per_page']} a page). Home: {about['home']}\nAverage click "
        f"depth {about['average_depth']}, deepest page "
        f"{about['deepest']}.\n{_findings(found)}"
    )


def _changes(found: Report) -> str:
    about = found.summary
    text = "Pages {:,} → {:,}, links {:,} → {:,}.\n".format(*about["pages"], *about["links"])
    if not about["same_depth"]:
        text += f"The deepest pages are {about['deepest']} clicks away: "
        text += "mind pages beyond the lesser depth.\n"
    return text + _findings(found)


def _findings(found: Report) -> str:
    return "\n".join(f"{finding.count:>11,}  {finding.title}" for finding in found.findings)


def _address(folder: Path, settings: Settings) -> str:
    project, _, analysed = folder.stem.rpartition("_")
    org = folder.parent.parent.name
    return f"http://{settings.host}:{settings.port}/graph/{org}/{project}/{analysed}"
