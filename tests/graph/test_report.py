"""A report's files: exact ones, ones for spreadsheets, and one of plain JSON."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipulate.graph import analysis, report
from pipulate.graph.report import Report
from tests.graph.shop import shop


@pytest.fixture(scope="module")
def made() -> Report:
    """The report on the shop."""
    return analysis.in_memory(shop(), deep=True)


def test_files(made: Report, tmp_path: Path) -> None:
    """All tables are written twice; the JSON knows how long the tables really are."""
    folder = tmp_path / "report"
    report.write(made, folder)
    told = report.read(folder)
    assert told["summary"] == made.summary
    for finding in told["findings"]:
        exact = pl.read_parquet(folder / f"{finding['key']}.parquet")
        assert exact.equals(made.finding(finding["key"]).table)
        assert finding["height"] == exact.height
        assert len(finding["rows"]) == min(exact.height, report.ROWS)
        text = (folder / f"{finding['key']}.csv").read_text()
        assert text.splitlines()[0] == ",".join(exact.columns)
    assert pl.read_parquet(folder / "pages.parquet").height == made.pages.height


def test_long_tables_are_cut_in_json_alone(made: Report) -> None:
    """What counts, counts all; the rows are the first ones."""
    told = report.as_json(made, rows=2)
    json.dumps(told, allow_nan=False)
    (finding,) = [finding for finding in told["findings"] if finding["key"] == "near_orphans"]
    whole = made.finding("near_orphans").table
    assert finding["count"] == finding["height"] == whole.height > 2
    assert finding["rows"] == [list(row) for row in whole.head(2).rows()]


def test_a_finding_that_is_not_there(made: Report) -> None:
    """Asking for what the data did not give is a KeyError."""
    with pytest.raises(KeyError, match="nothing"):
        made.finding("nothing")
