"""The report on a link graph: what was found, what it means, what to do.

REPORT  Pure data.  `pages`: every measure by page; `findings`: in the
        order in which to read them; `summary`: the figures for a head.
FILES   `report.json` (of each table ROWS rows), and for each table
        `<key>.parquet` (exact) and `<key>.csv` (for spreadsheets).
PLOTS   Numbers and labels; `kind` is bars, curve, heat or scatter.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipulate.engine.files import whole_folder

ROWS = 1000  # in report.json: enough for a page, and quick to read

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
    """One chapter; the title counts the table's rows, or what is `counted`."""

    key: str
    title: str
    meaning: str
    todo: str = ""
    table: pl.DataFrame
    plot: dict[str, Any] | None = None
    counted: int | None = None

    @property
    def count(self) -> int:
        """What the title counts."""
        return self.table.height if self.counted is None else self.counted


@dataclass(frozen=True)
class Report:
    """A report, see REPORT."""

    summary: dict[str, Any]
    findings: list[Finding]
    pages: pl.DataFrame = field(repr=False)

    def finding(self, key: str) -> Finding:
        """Return a finding by key; KeyError when the data gave none."""
        return {finding.key: finding for finding in self.findings}[key]


def counts(findings: list[Finding]) -> dict[str, int]:
    """Return what each finding counts, for a summary."""
    return {finding.key: finding.count for finding in findings}


def as_json(report: Report, rows: int = ROWS) -> dict[str, Any]:
    """Return the report as plain JSON values, tables cut to `rows` rows."""
    told = ("key", "title", "count", "meaning", "todo", "plot")
    findings = [
        {name: getattr(finding, name) for name in told}
        | {
            "columns": finding.table.columns,
            "height": finding.table.height,
            "rows": [list(row) for row in finding.table.head(rows).rows()],
        }
        for finding in report.findings
    ]
    return {"summary": report.summary, "columns": COLUMNS, "findings": findings}


def write(report: Report, folder: Path) -> None:
    """Write the report's files (see FILES), whole or not at all."""
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
    """Put an apostrophe before texts that would run (OWASP, "CSV Injection")."""
    risky = r"^([=+\-@\t\r])"
    return table.with_columns(pl.selectors.string().str.replace(risky, "'$1"))


def read(folder: Path) -> dict[str, Any]:
    """Return what a folder's report.json says."""
    told: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return told
