"""Two analyses side by side: by hand on a small site, and by set arithmetic on random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import compare, edges, report
from pipulate.graph.compare import CHANGED, GONE, NEW, SAME, Comparison
from pipulate.graph.edges import Graph

Links = Sequence[tuple[str, str]]
NOTHING: Mapping[str, tuple] = MappingProxyType({})


def site(
    links: Links, pages: Mapping[str, tuple] = NOTHING, columns: tuple[str, ...] = ()
) -> Graph:
    """Return the graph of links between addresses; `pages` adds a page table."""
    urls = sorted({end for link in links for end in link} | set(pages))
    number = {url: place for place, url in enumerate(urls)}
    ends = np.array([[number[a], number[b]] for a, b in links], np.int64).reshape(-1, 2)
    unknown = (None,) * len(columns)
    rows = [(url, url in pages, *pages.get(url, unknown)) for url in urls]
    table = pl.DataFrame(rows, schema=["url", "listed", *columns], orient="row")
    return edges.of(ends[:, 0], ends[:, 1], table)


COLUMNS = ("pagetype", "compliant", "http_code")
THEN = site(
    [("/", "/a"), ("/", "/b"), ("/a", "/c"), ("/b", "/"), ("/c", "/d")],
    {
        "/": ("home", True, 200),
        "/a": ("list", True, 200),
        "/b": ("list", True, 200),
        "/c": ("item", True, 200),
        "/d": ("item", True, 200),
    },
    COLUMNS,
)
NOW = site(
    [("/", "/a"), ("/", "/b"), ("/b", "/"), ("/b", "/c"), ("/b", "/e"), ("/e", "/a")],
    {
        "/": ("home", True, 200),
        "/a": ("list", False, 301),
        "/b": ("list", True, 200),
        "/c": ("item", True, 200),
        "/e": ("item", True, 200),
    },
    COLUMNS,
)


def named(made: Comparison, pairs: np.ndarray) -> set[tuple[str, str]]:
    """Return links as addresses."""
    return {(made.urls[int(a)], made.urls[int(b)]) for a, b in pairs}


def states(made: Comparison) -> dict[str, int]:
    """Return each address's state."""
    return dict(zip(made.urls, made.state.tolist(), strict=True))


def with_state(made: Comparison, state: int) -> set[str]:
    """Return the addresses in that state."""
    return {url for url, its in states(made).items() if its == state}


def test_pages_and_links_by_hand() -> None:
    """New, gone and changed pages and links are named."""
    made = compare.compare(THEN, NOW)
    assert made.urls.to_list() == ["/", "/a", "/b", "/c", "/e", "/d"]
    assert with_state(made, NEW) == {"/e"}
    assert with_state(made, GONE) == {"/d"}
    assert states(made)["/a"] == CHANGED
    assert named(made, made.new_links) == {("/b", "/c"), ("/b", "/e"), ("/e", "/a")}
    assert named(made, made.gone_links) == {("/a", "/c"), ("/c", "/d")}
    assert made.report.summary["pages"] == [5, 5]
    assert made.report.summary["links"] == [5, 6]
    assert made.report.summary["same_depth"] is False  # /d was three clicks away


def test_tables_by_hand() -> None:
    """The report says it in tables, with what changed on each page and in each part of the site."""
    made = compare.compare(THEN, NOW).report
    assert made.finding("new_pages").table["url"].to_list() == ["/e"]
    assert made.finding("gone_pages").table["url"].to_list() == ["/d"]
    assert made.finding("changed_values").table.rows() == [
        ("/a", "compliant", "true", "false"),
        ("/a", "http_code", "200", "301"),
    ]
    sections = made.finding("sections").table
    items = sections.filter(pl.col("section") == "item")
    assert items.select("pages before", "pages", "new", "gone").row(0) == (2, 2, 1, 1)
    assert sections["change"].sum() == pytest.approx(0)


def test_depth_changes_begin_with_the_worst() -> None:
    """First pages that went out of reach, then farther, then nearer ones, last found ones."""
    then = site([("/", "/a"), ("/", "/b"), ("/", "/c"), ("/c", "/d"), ("/x", "/x")])
    now = site([("/", "/b"), ("/b", "/c"), ("/", "/d"), ("/a", "/a"), ("/d", "/x"), ("/x", "/x")])
    table = compare.compare(then, now).report.finding("depth_changes").table
    assert table.select("url", "depth before", "depth").rows() == [
        ("/a", 1, None),
        ("/c", 1, 2),
        ("/d", 2, 1),
        ("/x", None, 2),
    ]


def test_lost_inlinks_begin_with_the_largest_loss() -> None:
    """A page that lost a tenth of its inlinks or more is told, with how many."""
    then = site([(f"/{page}", goal) for page in range(10) for goal in ("/a", "/b")])
    now = site(
        [(f"/{page}", "/a") for page in range(8)] + [(f"/{page}", "/b") for page in range(3)]
    )
    table = compare.compare(then, now).report.finding("lost_inlinks").table
    assert table.select("url", "inlinks before", "inlinks", "change").rows() == [
        ("/b", 10, 3, -7),
        ("/a", 10, 8, -2),
    ]


def test_growth_alone_changes_nothing() -> None:
    """When a site doubles by a copy of itself, the old pages keep their strength."""
    ring = [(f"/{page}", f"/{(page + 1) % 12}") for page in range(12)]
    copy = [(f"/new{a}", f"/new{b}") for a, b in ring]
    made = compare.compare(site(ring), site(ring + copy))
    assert made.report.finding("pagerank_changes").count == 0
    assert made.report.finding("new_pages").count == 12
    assert set(made.state.tolist()) == {SAME, NEW}


def test_sections_are_cut_alike() -> None:
    """Without page types both analyses are divided by the same sections."""
    links = [
        (f"/{section}/{page}", f"/{section}/{(page + 1) % 30}")
        for section in ("a", "b")
        for page in range(30)
    ]
    fewer = [link for link in links if link[0] not in ("/a/3", "/a/4")]
    table = compare.compare(site(links), site(fewer)).report.finding("sections").table
    assert set(table["section"]) >= {"/a", "/b"}
    assert (table["pages before"] >= table["pages"]).all()


def test_files(tmp_path: Path) -> None:
    """A comparison is written as a report is."""
    report.write(compare.compare(THEN, NOW).report, tmp_path / "out")
    assert report.read(tmp_path / "out")["summary"]["counts"]["new_links"] == 3
    gone = pl.read_parquet(tmp_path / "out" / "gone_links.parquet")
    assert gone.rows() == [("/a", "/c"), ("/c", "/d")]


page = st.integers(0, 8).map("/{}".format)
sites = st.lists(st.tuples(page, page), min_size=1, max_size=25).map(site)


def addresses(graph: Graph) -> set[tuple[str, str]]:
    """Return a graph's links as addresses."""
    ends = zip(graph.source, graph.target, strict=True)
    return {(graph.urls[int(a)], graph.urls[int(b)]) for a, b in ends}


@settings(max_examples=40, deadline=None)
@given(sites, sites)
def test_set_arithmetic(then: Graph, now: Graph) -> None:
    """Pages and links are new or gone as sets say; backwards, what is new is gone."""
    made = compare.compare(then, now)
    assert with_state(made, NEW) == set(now.urls) - set(then.urls)
    assert with_state(made, GONE) == set(then.urls) - set(now.urls)
    assert named(made, made.new_links) == addresses(now) - addresses(then)
    assert named(made, made.gone_links) == addresses(then) - addresses(now)
    back = compare.compare(now, then)
    assert named(back, back.new_links) == named(made, made.gone_links)
    assert not compare.compare(now, now).state.any()
