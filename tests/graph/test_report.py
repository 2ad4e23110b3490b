"""The report: a small site, worked out by hand; its files; and its figures on a large one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipulate.graph import analysis, chapters, edges, measures, report
from pipulate.graph.edges import Graph
from pipulate.graph.report import Report

SITE = "https://shop.example"
PAGES = [  # path, type, status, compliant, impressions
    ("/", "home", 200, True, 50),
    ("/c/1", "category", 200, True, 10),
    ("/c/2", "category", 200, True, 5),
    ("/p/1", "product", 200, True, 900),
    ("/p/2", "product", 200, True, 2),
    ("/p/3", "product", 200, True, 1),
    ("/p/4", "product", 200, True, 800),  # an orphan that searchers want
    ("/p/5", "product", 200, True, 0),  # only reachable from the orphan
    ("/old", "product", 301, False, 0),
    ("/gone", "product", 404, False, 0),
    ("/print", "product", 200, False, 0),
]
LINKS = [
    ("/", "/c/1"),
    ("/", "/c/2"),
    ("/", "/gone"),
    ("/c/1", "/"),
    ("/c/1", "/p/1"),
    ("/c/1", "/p/2"),
    ("/c/2", "/"),
    ("/c/2", "/p/2"),
    ("/c/2", "/p/3"),
    ("/c/2", "/old"),
    ("/p/1", "/c/1"),
    ("/p/2", "/c/1"),
    ("/p/2", "/print"),
    ("/p/3", "/c/2"),
    ("/p/3", "/p/3"),
    ("/p/3", "/old"),
    ("/p/4", "/p/5"),
    ("/p/4", "/c/1"),
    ("/p/5", "/"),
    ("/print", "/"),
]


def shop() -> Graph:
    """Return the small site."""
    number = {path: i for i, (path, *_) in enumerate(PAGES)}
    ends = np.array([[number[a], number[b]] for a, b in LINKS])
    table = pl.DataFrame(
        PAGES, schema=["url", "pagetype", "http_code", "compliant", "impressions"], orient="row"
    )
    return edges.of(ends[:, 0], ends[:, 1], table.with_columns(url=SITE + pl.col("url")))


@pytest.fixture(scope="module")
def made() -> Report:
    """The report on the small site."""
    return analysis.in_memory(shop(), deep=True)


def paths(made: Report, key: str, column: str = "url") -> list[str]:
    """Return the addresses in a finding's table, without the host."""
    return [url.removeprefix(SITE) for url in made.finding(key).table[column]]


def test_who_is_what(made: Report) -> None:
    """Each chapter names just the pages that it should."""
    assert made.summary["home"] == f"{SITE}/"
    assert paths(made, "orphans") == ["/p/4"]
    assert paths(made, "unreachable") == ["/p/5"]
    assert set(paths(made, "near_orphans")) == {"/p/1", "/p/3", "/p/5", "/gone", "/print"}
    assert set(paths(made, "dead_ends")) == {"/old", "/gone"}
    assert paths(made, "opportunities") == ["/p/1", "/p/4"]


def test_problems_are_named_by_the_gravest(made: Report) -> None:
    """A page that is broken and non-compliant is called broken; the example is the strongest linking page."""
    table = made.finding("bad_targets").table
    said = {
        url.removeprefix(SITE): problem
        for url, problem in table.select("url", "problem").iter_rows()
    }
    assert said == {"/old": "redirected", "/gone": "broken", "/print": "non-compliant"}
    assert paths(made, "bad_targets")[0] == "/old"  # two pages link to it
    rank = dict(zip(made.pages["url"], made.pages["pagerank"], strict=True))
    best = max((f"{SITE}/c/2", f"{SITE}/p/3"), key=rank.__getitem__)
    assert table["example"][0] == best
    links = set(
        zip(paths(made, "bad_links", "source"), paths(made, "bad_links", "target"), strict=True)
    )
    assert links == {("/", "/gone"), ("/c/2", "/old"), ("/p/3", "/old"), ("/p/2", "/print")}


def test_near_orphans_name_their_only_friend(made: Report) -> None:
    """The one other page is named, also where the page links to itself."""
    friend = dict(
        zip(paths(made, "near_orphans"), paths(made, "near_orphans", "linked_from"), strict=True)
    )
    assert friend == {
        "/p/1": "/c/1",
        "/p/3": "/c/2",
        "/p/5": "/p/4",
        "/gone": "/",
        "/print": "/p/2",
    }


def test_matrix(made: Report) -> None:
    """The matrix counts every link, and plot and table say the same."""
    matrix = made.finding("matrix")
    assert matrix.title == "Links between page types"
    assert matrix.table["links"].sum() == len(LINKS)
    row = matrix.table.filter(pl.col("from") == "category", pl.col("to") == "product")
    assert row["links"].to_list() == [5]
    assert matrix.plot is not None
    a, b = (matrix.plot["labels"].index(name) for name in ("category", "product"))
    assert matrix.plot["links"][a][b] == 5


def test_pages_table(made: Report) -> None:
    """Every page has every measure, and the page table's columns once."""
    assert made.pages.height == len(PAGES)
    assert set(made.pages.columns) >= {
        "url",
        "pagetype",
        "depth",
        "inlinks",
        "outlinks",
        "pagerank",
        "link_score",
        "hub",
        "authority",
        "part",
        "community",
        "orphan",
        "near_orphan",
        "dead_end",
        "template",
        "impressions",
        "http_code",
    }
    assert made.pages["depth"].to_list() == [0, 1, 1, 2, 2, 2, None, None, 2, 1, 3]
    assert made.pages["pagerank"].sum() == pytest.approx(1)


def test_every_finding_explains_itself(made: Report) -> None:
    """Meaning and advice are sentences; every table column that a reader may not know has an explanation."""
    own = {"from", "to", "pagetype", "http_code", "compliant", "impressions", "source", "target"}
    for finding in made.findings:
        assert (
            finding.title
            and finding.meaning.endswith((".", ")"))
            and finding.todo.endswith((".", "?"))
        )
        unknown = set(finding.table.columns) - set(report.COLUMNS) - own
        assert not unknown, (finding.key, unknown)


def test_only_good_pages() -> None:
    """`only_good` takes redirected pages and their links out of PageRank."""
    rank = analysis.in_memory(shop(), only_good=True).pages.select("url", "pagerank").rows()
    assert dict(rank)[f"{SITE}/old"] == 0
    assert math.fsum(r for _, r in rank) == pytest.approx(1)


def test_files(made: Report, tmp_path: Path) -> None:
    """All tables are written twice, the JSON is plain JSON and knows how long the tables really are."""
    report.write(made, tmp_path / "report")
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert told["summary"] == made.summary
    for finding in told["findings"]:
        exact = pl.read_parquet(tmp_path / "report" / f"{finding['key']}.parquet")
        assert exact.equals(made.finding(finding["key"]).table)
        assert finding["height"] == exact.height and len(finding["rows"]) == min(
            exact.height, report.ROWS
        )
        text = (tmp_path / "report" / f"{finding['key']}.csv").read_text()
        assert text.splitlines()[0] == ",".join(exact.columns)
    assert pl.read_parquet(tmp_path / "report" / "pages.parquet").height == made.pages.height


def test_spreadsheets_run_nothing() -> None:
    """Texts that a spreadsheet would run get an apostrophe; other texts and numbers stay."""
    table = pl.DataFrame(
        {"t": ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "a=b", None], "n": [-1, 2, 3, 4, 5, 6, 7, 8]}
    )
    safe = report.for_spreadsheets(table)
    assert safe["t"].to_list() == ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx", "a=b", None]
    assert safe["n"].to_list() == table["n"].to_list()


def test_a_table_with_our_names(tmp_path: Path) -> None:
    """Columns of the page table that are named like a measure are kept beside it; roles still find them."""
    table = pl.DataFrame(
        {
            "url": ["/", "/a"],
            "depth": [3, 0],
            "inlinks": [7, 8],
            "pagerank": ["x", "y"],
            "title": ["=H", "A"],
        }
    )
    made = analysis.in_memory(edges.of(np.array([0]), np.array([1]), table))
    assert made.pages["depth (table)"].to_list() == [3, 0] and made.pages[
        "inlinks (table)"
    ].to_list() == [7, 8]
    assert made.summary["home"] == "/a"
    report.write(made, tmp_path / "report")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_site(n: int, tmp_path: Path) -> None:
    """A site of none, one or two pages has a report too."""
    nothing = np.zeros(0, int)
    graph = edges.of(nothing, nothing, pl.DataFrame({"url": [f"/{i}" for i in range(n)]}))
    report.write(analysis.in_memory(graph, deep=True), tmp_path / "report")
    assert json.loads((tmp_path / "report" / "report.json").read_text())["summary"]["pages"] == n


def test_many_groups() -> None:
    """More groups than a matrix can show are put together, and no link is lost."""
    n = 200
    draw = np.random.default_rng(1)
    table = pl.DataFrame(
        {"url": [f"/{i}" for i in range(n)], "segment": [f"g{i % 60}" for i in range(n)]}
    )
    graph = edges.of(draw.integers(0, n, 900), draw.integers(0, n, 900), table)
    matrix = analysis.in_memory(graph).finding("matrix")
    assert matrix.plot is not None and matrix.plot["labels"][-1] == chapters.OTHER
    assert len(matrix.plot["labels"]) == chapters.GROUPS + 1
    assert matrix.table["links"].sum() == graph.m


def test_figures_agree_with_measures() -> None:
    """On a random site the histogram, the buckets and the shares add up to the whole."""
    draw = np.random.default_rng(5)
    n, m = 3000, 20_000
    graph = edges.of(
        draw.integers(0, n, m),
        (draw.random(m) ** 3 * n).astype(int),
        pl.DataFrame({"url": [f"/{i}" for i in range(n)]}),
    )
    made = analysis.in_memory(graph)
    depth = measures.depths(graph, measures.home(graph))
    assert made.finding("depth").table["pages"].to_list() == np.bincount(depth[depth >= 0]).tolist()
    assert made.finding("depth").count == int((depth > 3).sum())
    buckets = made.finding("inlinks").table
    received = measures.inlinks(graph)
    for low, high, pages, _ in buckets.iter_rows():
        assert pages == int(((received >= low) & (received <= high)).sum())
    assert buckets["pages"].sum() == n
    curve = made.finding("pagerank").plot
    assert (
        curve is not None
        and curve["y"][-1] == pytest.approx(1)
        and curve["y"] == sorted(curve["y"])
    )


def test_progress() -> None:
    """Progress begins at 0, grows, ends at 1, and has words."""
    told: list[tuple[float, str]] = []
    analysis.in_memory(shop(), progress=lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert (
        shares[0] == 0
        and shares[-1] == 1
        and shares == sorted(shares)
        and all(text for _, text in told)
    )
