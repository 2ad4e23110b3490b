"""Two analyses side by side: by hand on a small site, and by set arithmetic on random ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import compare, edges, report
from pipulate.graph.compare import CHANGED, GONE, NEW, SAME, Comparison
from pipulate.graph.edges import Graph

Links = list[tuple[str, str]]


def site(
    links: Links, pages: dict[str, tuple] | None = None, columns: tuple[str, ...] = ()
) -> Graph:
    """Return the graph of links between addresses; `pages` adds a page table."""
    urls = sorted({end for link in links for end in link} | set(pages or {}))
    number = {url: i for i, url in enumerate(urls)}
    ends = np.array([[number[a], number[b]] for a, b in links], np.int64).reshape(-1, 2)
    table = {"url": urls, "listed": [pages is not None and url in pages for url in urls]}
    for i, column in enumerate(columns):
        table[column] = [(pages or {})[url][i] if url in (pages or {}) else None for url in urls]
    return edges.of(ends[:, 0], ends[:, 1], pl.DataFrame(table))


THEN = site(
    [("/", "/a"), ("/", "/b"), ("/a", "/c"), ("/b", "/"), ("/c", "/d")],
    {
        "/": ("home", True, 200),
        "/a": ("list", True, 200),
        "/b": ("list", True, 200),
        "/c": ("item", True, 200),
        "/d": ("item", True, 200),
    },
    ("pagetype", "compliant", "http_code"),
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
    ("pagetype", "compliant", "http_code"),
)


def named(made: Comparison, pairs: np.ndarray) -> set[tuple[str, str]]:
    """Return links as addresses."""
    return {(made.urls[int(a)], made.urls[int(b)]) for a, b in pairs}


def test_by_hand() -> None:
    """New, gone and changed pages and links are named, with what changed."""
    made = compare.compare(THEN, NOW)
    assert made.urls.to_list() == ["/", "/a", "/b", "/c", "/e", "/d"]
    state = dict(zip(made.urls, made.state.tolist(), strict=True))
    assert (state["/e"], state["/d"], state["/a"]) == (NEW, GONE, CHANGED)
    assert named(made, made.new_links) == {("/b", "/c"), ("/b", "/e"), ("/e", "/a")}
    assert named(made, made.gone_links) == {("/a", "/c"), ("/c", "/d")}
    tables = {finding.key: finding.table for finding in made.report.findings}
    assert tables["new_pages"]["url"].to_list() == ["/e"] and tables["gone_pages"][
        "url"
    ].to_list() == ["/d"]
    assert tables["changed_values"].rows() == [
        ("/a", "compliant", "true", "false"),
        ("/a", "http_code", "200", "301"),
    ]
    parts = {row["section"]: row for row in tables["sections"].to_dicts()}
    assert (
        parts["item"]["pages before"],
        parts["item"]["pages"],
        parts["item"]["new"],
        parts["item"]["gone"],
    ) == (2, 2, 1, 1)
    assert made.report.summary["pages"] == [5, 5] and made.report.summary["links"] == [5, 6]
    assert made.report.summary["same_depth"] is False  # /d was three clicks away


def test_depth_changes_begin_with_the_worst() -> None:
    """Pages that went out of reach come first, then those that went away, then the nearer ones, last the found again."""
    then = site([("/", "/a"), ("/", "/b"), ("/", "/c"), ("/c", "/d"), ("/x", "/x")])
    now = site([("/", "/b"), ("/b", "/c"), ("/", "/d"), ("/a", "/a"), ("/d", "/x"), ("/x", "/x")])
    table = compare.compare(then, now).report.finding("depth_changes").table
    assert table.select("url", "depth before", "depth").rows() == [
        ("/a", 1, None),
        ("/c", 1, 2),
        ("/d", 2, 1),
        ("/x", None, 2),
    ]


def test_growth_alone_changes_nothing() -> None:
    """When a site doubles by a copy of itself, the old pages keep their strength."""
    ring = [(f"/{i}", f"/{(i + 1) % 12}") for i in range(12)]
    copy = [(f"/new{a}", f"/new{b}") for a, b in ring]
    made = compare.compare(site(ring), site(ring + copy))
    assert made.report.finding("pagerank_changes").count == 0
    assert made.report.finding("new_pages").count == 12
    assert set(made.state.tolist()) == {SAME, NEW}


def test_sections_are_cut_alike() -> None:
    """Without page types both analyses are divided by the same sections."""
    links = [(f"/{s}/{i}", f"/{s}/{(i + 1) % 30}") for s in ("a", "b") for i in range(30)]
    made = compare.compare(
        site(links), site([link for link in links if link[0] not in ("/a/3", "/a/4")])
    )
    table = made.report.finding("sections").table
    assert set(table["section"]) >= {"/a", "/b"} and (table["pages before"] >= table["pages"]).all()


def test_files(tmp_path: Path) -> None:
    """A comparison is written as a report is."""
    report.write(compare.compare(THEN, NOW).report, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["summary"]["counts"]["new_links"] == 3
    assert pl.read_parquet(tmp_path / "out" / "gone_links.parquet").rows() == [
        ("/a", "/c"),
        ("/c", "/d"),
    ]


page = st.integers(0, 8).map("/{}".format)
sites = st.lists(st.tuples(page, page), min_size=1, max_size=25).map(site)


@settings(max_examples=40, deadline=None)
@given(sites, sites)
def test_set_arithmetic(then: Graph, now: Graph) -> None:
    """Pages and links are new or gone as sets say; comparing with oneself finds nothing; backwards swaps new and gone."""

    def pages(graph: Graph) -> set[str]:
        return set(graph.urls)

    def links(graph: Graph) -> set[tuple[str, str]]:
        return {
            (graph.urls[int(a)], graph.urls[int(b)])
            for a, b in zip(graph.source, graph.target, strict=True)
        }

    made = compare.compare(then, now)
    state = dict(zip(made.urls, made.state.tolist(), strict=True))
    assert {u for u, s in state.items() if s == NEW} == pages(now) - pages(then)
    assert {u for u, s in state.items() if s == GONE} == pages(then) - pages(now)
    assert named(made, made.new_links) == links(now) - links(then)
    assert named(made, made.gone_links) == links(then) - links(now)
    back = compare.compare(now, then)
    assert named(back, back.new_links) == named(made, made.gone_links)
    assert not compare.compare(now, now).state.any()
