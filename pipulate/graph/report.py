"""The report on a link graph: what was found, what it means, what to do.

REPORT    Pure data; a page or a terminal shows it.  `pages`: one table with every measure by page;
          `findings`: in the order in which to read them; `summary`: the figures for a head.
FILES     `write` makes a folder: `report.json` (all but the long tables: at most ROWS rows each),
          and for each table `<key>.parquet` (exact) and `<key>.csv` (for spreadsheets: a text that
          a spreadsheet would run as a formula has an apostrophe before it).
PLOTS     Only numbers and labels; `kind` says how they are meant: bars, curve, heat, scatter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipulate.engine.files import whole_folder

ROWS = 1000  # of each table, in report.json: enough for a page, while it stays quick to read

COLUMNS = {
    "url": "address of the page",
    "section": "part of the site, by the folders of the address",
    "depth": "clicks from home by the shortest way; empty: cannot be reached",
    "inlinks": "pages that link here",
    "outlinks": "pages it links to",
    "pagerank": "share of the time a random surfer of this site spends here; "
    "all pages together have 1",
    "link_score": "PageRank on a logarithmic scale from 0 to 100",
    "hub": "how much it links to authorities; all pages together have 1",
    "authority": "how much hubs link to it; all pages together have 1",
    "part": "number of its strongly connected part; 0 is the largest",
    "community": "number of its community; 0 is the largest",
    "orphan": "no other page links here",
    "near_orphan": "just one other page links here",
    "reachable": "can be reached from home by clicks",
    "dead_end": "it was crawled and links to no other page",
    "template": "linked from more than a quarter of all pages: part of menu or footer",
    "problem": "why a link should not lead there",
    "linking_pages": "how many other pages link there",
    "example": "one of them, the strongest by PageRank",
    "linked_from": "the one page that links here",
    "links": "links from the one to the other",
    "flow": "share of the whole site's PageRank that goes this way",
    "share": "share of all pages",
    "pages": "number of pages",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One chapter: `count` is what the title counts, `table` has all of it, `plot` is for eyes."""

    key: str
    title: str
    count: int
    meaning: str
    todo: str = ""
    table: pl.DataFrame
    plot: dict[str, Any] | None = None


@dataclass(frozen=True)
class Report:
    """See the module's docstring."""

    summary: dict[str, Any]
    findings: list[Finding]
    pages: pl.DataFrame = field(repr=False)

    def finding(self, key: str) -> Finding:
        """Return the finding of that key; KeyError when the data gave none."""
        return {finding.key: finding for finding in self.findings}[key]


def counts(findings: list[Finding]) -> dict[str, int]:
    """Return what each finding counts, by key: part of every summary."""
    return {finding.key: finding.count for finding in findings}


def as_json(report: Report, rows: int = ROWS) -> dict[str, Any]:
    """Return the report as plain JSON values.

    Tables are cut to `rows` rows; `count` and `height` still count all.
    """
    return {
        "summary": report.summary,
        "columns": COLUMNS,
        "findings": [_finding_as_json(finding, rows) for finding in report.findings],
    }


def _finding_as_json(finding: Finding, rows: int) -> dict[str, Any]:
    return {
        "key": finding.key,
        "title": finding.title,
        "count": finding.count,
        "meaning": finding.meaning,
        "todo": finding.todo,
        "columns": finding.table.columns,
        "height": finding.table.height,
        "rows": [list(row) for row in finding.table.head(rows).rows()],
        "plot": finding.plot,
    }


def write(report: Report, folder: Path) -> None:
    """Write the report's files to `folder`, whole or not at all (see FILES)."""
    tables = {finding.key: finding.table for finding in report.findings}
    text = json.dumps(as_json(report), ensure_ascii=False, allow_nan=False)
    with whole_folder(folder) as part:
        write_tables({"pages": report.pages, **tables}, part)
        (part / "report.json").write_text(text, "utf-8")


def write_tables(tables: dict[str, pl.DataFrame], folder: Path) -> None:
    """Write each table as Parquet and as CSV for spreadsheets."""
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
        for_spreadsheets(table).write_csv(folder / f"{name}.csv")


def for_spreadsheets(table: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before texts that a spreadsheet would take for a formula.

    See OWASP, "CSV Injection".
    """
    text = pl.selectors.string()
    risky = text.str.contains(r"^[=+\-@\t\r]")
    return table.with_columns(pl.when(risky).then("'" + text).otherwise(text).name.keep())


def read(folder: Path) -> dict[str, Any]:
    """Read the report.json that `write` left in a folder."""
    told: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return told
