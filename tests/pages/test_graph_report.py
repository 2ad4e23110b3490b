"""A report's page: what was found stands there; tables sort, filter and turn."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastcore.xml import Div, to_xml
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from pipulate.engine.errors import Unknown
from pipulate.graph import report
from pipulate.graph.report import Finding, Report
from pipulate.pages.graph_report import (
    Part,
    View,
    Where,
    body,
    figure,
    read_table,
    summary,
    table,
    title,
)

WHERE = Where("/graph/acme/shop/20240301/report", "/graph/acme/shop/20240301")
NUMBERS = pl.DataFrame(
    {
        "url": [f"https://shop.example/{i}" for i in range(45)],
        "inlinks": [i % 10 for i in range(45)],
        "share": [i / 45 for i in range(45)],
    }
)


def finding(key: str, rows: pl.DataFrame, **more: Any) -> Finding:
    """Return a finding with this table."""
    words = {"title": key.capitalize(), "meaning": "What it is.", "todo": "What to do."}
    return Finding(key=key, table=rows, **{**words, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a report of two findings, one of them about nothing."""
    findings = [finding("orphans", NUMBERS), finding("dead_ends", NUMBERS.clear())]
    home = {"pages": 45, "links": [7, 1234], "home": "https://shop.example/?a=1&b=2"}
    report.write(Report(home, findings, NUMBERS), tmp_path / "report")
    return tmp_path / "report"


def parsed(*parts: Any) -> LexborHTMLParser:
    """Return HTML as a tree."""
    return LexborHTMLParser(to_xml(Div(*parts)))


def texts(tree: Any, selector: str) -> list[str]:
    """Return the texts of some elements."""
    return [element.text().strip() for element in tree.css(selector)]


def targets(tree: Any, selector: str = "a") -> list[str]:
    """Return where links lead."""
    return [link.attributes["href"] for link in tree.css(selector)]


def test_nothing_is_to_be_done_about_nothing(tmp_path: Path) -> None:
    """A chapter that counts none has its figures, and no advice."""
    findings = [finding(f"of_{count}", NUMBERS, counted=count) for count in (0, 1)]
    report.write(Report({}, findings, NUMBERS), tmp_path / "report")
    page = parsed(*body(report.read(tmp_path / "report"), WHERE))
    assert [part.id for part in page.css("section[id]")] == ["of_0", "of_1"]
    assert [part.parent.id for part in page.css("p.todo")] == ["of_1"]


def test_the_page(folder: Path) -> None:
    """Chapters with something in them are shown and linked; the others are named in one line."""
    page = parsed(*body(report.read(folder), WHERE))
    assert [part.id for part in page.css("section[id]")] == ["orphans"]
    assert targets(page, "nav.chapters a") == ["#orphans"]
    assert "Nothing was found for: Dead_ends." in texts(page, "p")
    assert texts(page, "details summary") == ["Table of 45 rows"]
    files = [f"{WHERE.files}/{name}" for name in ("orphans.csv", "orphans.parquet")]
    files += [f"{WHERE.files}/{name}" for name in ("pages.csv", "pages.parquet")]
    assert targets(page, "a[download]") == files


def test_the_summary() -> None:
    """Figures are named; two of them are a change; home leads into the picture."""
    head = parsed(summary({"pages": 1234, "links": [7, 8], "home": "https://a/?b"}, WHERE))
    assert texts(head, "dt") == ["Pages", "Links"]
    assert texts(head, "dd") == ["1,234", "7 → 8"]
    assert targets(head) == [f"{WHERE.picture}#page=https%3A%2F%2Fa%2F%3Fb"]
    (warning,) = texts(parsed(summary({"same_depth": False}, WHERE)), "p")
    assert "different depths" in warning
    assert not texts(parsed(summary({"same_depth": True}, WHERE)), "p")


def test_what_a_view_shows(folder: Path) -> None:
    """Rows are filtered by any text, sorted and cut; how many pass the filter is told."""
    part = read_table(folder, "orphans", View(sort="inlinks", desc=True, q="EXAMPLE/4", start=0))
    assert part.count == 6  # 4, 40, 41, ... 44
    assert part.rows["inlinks"].to_list() == [4, 4, 3, 2, 1, 0]
    assert read_table(folder, "orphans", View(start=40)).rows.height == 5
    assert read_table(folder, "orphans", View(start=400)).rows.height == 0
    assert read_table(folder, "orphans", View(sort="nothing")).count == 45
    assert read_table(folder, "orphans", View(q=".*")).count == 0  # a text, no pattern


def test_a_table_without_texts_has_nothing_to_find(tmp_path: Path) -> None:
    """Filtering numbers finds nothing, and does not fail."""
    numbers = finding("inlinks", NUMBERS.select("inlinks"))
    report.write(Report({}, [numbers], NUMBERS), tmp_path / "report")
    assert read_table(tmp_path / "report", "inlinks", View(q="1")).count == 0


@pytest.mark.parametrize("key", ["nothing", "../report/orphans", "", "orphans.parquet", "_"])
def test_other_tables(folder: Path, key: str) -> None:
    """Only tables of the report can be read."""
    with pytest.raises(Unknown, match="has no table"):
        read_table(folder, key, View())


def test_nonsense_in_an_address_is_as_if_it_were_not_there() -> None:
    """Any query can be read; what a view writes reads back as itself."""
    assert View.read({"from": "-1", "desc": "x", "other": "y"}) == View()
    assert View.read({"from": "9" * 30}) == View()
    view = View("inlinks", True, "a b&c", 40)
    assert view.query() == "sort=inlinks&desc=1&q=a+b%26c&from=40"
    assert View().query() == ""


def heading(part: Part, name: str) -> tuple[str | None, str]:
    """Return how a column is said to be sorted, and where its heading leads."""
    cell = parsed(table(part, WHERE)).css("th")[part.rows.columns.index(name)]
    (address,) = targets(cell)
    assert cell.css("a")[0].attributes["hx-get"] == address
    return cell.attributes["aria-sort"], address.rpartition("/")[2]


def test_headings_sort() -> None:
    """Numbers begin with the largest, texts with the first; a second click turns it round."""
    part = Part("orphans", NUMBERS.head(20), 45, View(q="x", start=20))
    assert heading(part, "inlinks") == ("none", "orphans?sort=inlinks&desc=1&q=x")
    assert heading(part, "url") == ("none", "orphans?sort=url&q=x")
    part = Part("orphans", NUMBERS.head(20), 45, View("inlinks", desc=True))
    assert heading(part, "inlinks") == ("descending", "orphans?sort=inlinks")
    part = Part("orphans", NUMBERS.head(20), 45, View("inlinks"))
    assert heading(part, "inlinks") == ("ascending", "orphans?sort=inlinks&desc=1")


@pytest.mark.parametrize(
    ("start", "height", "told", "ways"),
    [
        (0, 20, "1 to 20 of 45", {"Next": "orphans?from=20"}),
        (20, 20, "21 to 40 of 45", {"Back": "orphans", "Next": "orphans?from=40"}),
        (40, 5, "41 to 45 of 45", {"Back": "orphans?from=20"}),
        (60, 0, "No rows", {"Back": "orphans?from=40"}),
    ],
)
def test_turning(start: int, height: int, told: str, ways: dict[str, str]) -> None:
    """It says where we are, and leads back and on, but never beyond the ends."""
    part = Part("orphans", NUMBERS.slice(start, height), 45, View(start=start))
    page = parsed(table(part, WHERE))
    assert texts(page, "nav small") == [told]
    addresses = [address.rpartition("/")[2] for address in targets(page, "nav a")]
    assert dict(zip(texts(page, "nav a"), addresses, strict=True)) == ways


def test_cells() -> None:
    """Numbers have commas, shares per cent, pages a link into the picture, unknowns a dash."""
    row = {
        "url": "https://a/<b>",
        "example": "https://b/",
        "title": "<i>T</i>",
        "orphan": True,
        "inlinks": 12345,
        "pagerank": 0.000123456789,
        "flow": 0.0125,
        "depth": None,
    }
    cells = parsed(table(Part("x", pl.DataFrame([row]), 1), WHERE))
    said = [row["url"], row["example"], "<i>T</i>", "yes", "12,345", "0.000123", "1.25%", "–"]
    assert texts(cells, "td") == said
    assert targets(cells, "td a")[0] == f"{WHERE.picture}#page=https%3A%2F%2Fa%2F%3Cb%3E"


def test_what_all_urls_of_a_table_share_stands_in_no_row() -> None:
    """Of pages of one host the path is shown; link and title have the whole address."""
    cells = parsed(table(Part("x", NUMBERS.head(2), 2), WHERE))
    assert texts(cells, "td.url") == ["/0", "/1"]
    assert targets(cells, "td a")[0].endswith("#page=https%3A%2F%2Fshop.example%2F0")
    assert texts(parsed(table(Part("x", NUMBERS.select("share")[:1], 1), WHERE)), "td") == ["0.00%"]
    link = cells.css_first("td a")
    assert link and link.attributes["title"] == "https://shop.example/0 (show in the picture)"


@given(st.floats(1e-6, 1e9))
def test_figures_have_three_digits(value: float) -> None:
    """So that those of one column can be compared; never fewer, and no more that tell nothing."""
    told = figure(value)
    assert float(told.replace(",", "")) == pytest.approx(value, rel=0.005)
    assert value >= 100 or len(told.replace(".", "").lstrip("0")) in (3, 4)


def test_figures_beyond_the_ordinary() -> None:
    """Nothing, what is hardly anything, less than nothing, and what is no number."""
    given = [0.0, 1.5e-9, -0.5, float("nan")]
    assert [figure(value) for value in given] == ["0", "1.50e-09", "-0.500", "nan"]


def test_columns_are_named_for_people() -> None:
    """Underscores go, and our own names are written as the trade writes them."""
    names = ("url", "linking_pages", "pagerank before", "http_code")
    assert [title(name) for name in names] == [
        "URL",
        "Linking pages",
        "PageRank before",
        "HTTP code",
    ]
