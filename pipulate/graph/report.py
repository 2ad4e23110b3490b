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
from pipulate.graph import spreadsheets

ROWS = 1000  # in report.json: enough for a page, and quick to read

_WORDS = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
COLUMNS: dict[str, str] = _WORDS["columns"]  #: what they mean


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


def found(
    key: str,
    *,
    table: pl.DataFrame,
    plot: dict[str, Any] | None = None,
    counted: int | None = None,
    **said: Any,
) -> Finding:
    """Make a finding with the texts of `words.json`, in which {name} is `said`."""
    texts = {part: text.format(**said) for part, text in _WORDS["findings"][key].items()}
    return Finding(key=key, table=table, plot=plot, counted=counted, **texts)


def counts(findings: list[Finding]) -> dict[str, int]:
    """Return what each finding counts, for a summary."""
    return {finding.key: finding.count for finding in findings}


def as_json(report: Report, rows: int = ROWS) -> dict[str, Any]:
    """Return the report as JSON values, of each table `rows` rows."""

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
        spreadsheets.write(table, folder / f"{name}.csv")


def read(folder: Path) -> dict[str, Any]:
    """Return what a folder's report.json says."""
    told: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return told
