"""The chapters on a shop worked out by hand, and their figures on a large random site."""

import numpy as np
import polars as pl
import pytest

from pipulate.graph import analysis, chapters, edges, measures, report
from pipulate.graph.report import Report
from tests.graph.shop import LINKS, SITE, shop


@pytest.fixture(scope="module")
def made() -> Report:
    """The report on the shop."""
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
    """A page that is broken and non-compliant is called broken; the most linked comes first."""
    problems = made.finding("bad_targets").table["problem"]
    said = dict(zip(paths(made, "bad_targets"), problems, strict=True))
    assert said == {"/old": "redirected", "/gone": "broken", "/print": "non-compliant"}
    assert paths(made, "bad_targets")[0] == "/old"  # two pages link to it


def test_the_example_is_the_strongest_linking_page(made: Report) -> None:
    """Of the pages that link to a bad one, the one with most PageRank is named."""
    rank = dict(made.pages.select("url", "pagerank").rows())
    best = max((f"{SITE}/c/2", f"{SITE}/p/3"), key=rank.__getitem__)
    assert made.finding("bad_targets").table["example"][0] == best


def test_every_bad_link_is_listed(made: Report) -> None:
    """Each link to a bad page stands there by its two ends."""
    links = made.finding("bad_links").table.select("source", "target").rows()
    expected = {("/", "/gone"), ("/c/2", "/old"), ("/p/3", "/old"), ("/p/2", "/print")}
    assert set(links) == {(SITE + source, SITE + target) for source, target in expected}
    assert len(links) == len(expected)


def test_near_orphans_name_their_only_friend(made: Report) -> None:
    """The one other page is named, also where the page links to itself."""
    friends = paths(made, "near_orphans", "linked_from")
    assert dict(zip(paths(made, "near_orphans"), friends, strict=True)) == {
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
    labels = matrix.plot["labels"]
    assert matrix.plot["links"][labels.index("category")][labels.index("product")] == 5


def test_every_finding_explains_itself(made: Report) -> None:
    """Meaning and advice are sentences; every column that may be unknown has an explanation."""
    own = {"from", "to", "pagetype", "http_code", "compliant", "impressions", "source", "target"}
    for finding in made.findings:
        assert finding.title
        assert finding.meaning.endswith((".", ")"))
        assert finding.todo.endswith((".", "?"))
        unknown = set(finding.table.columns) - set(report.COLUMNS) - own
        assert not unknown, (finding.key, unknown)


def test_many_groups() -> None:
    """More groups than a matrix can show are put together, and no link is lost."""
    n = 200
    draw = np.random.default_rng(1)
    segments = [f"g{page % 60}" for page in range(n)]
    table = pl.DataFrame({"url": [f"/{page}" for page in range(n)], "segment": segments})
    graph = edges.of(draw.integers(0, n, 900), draw.integers(0, n, 900), table)
    matrix = analysis.in_memory(graph).finding("matrix")
    assert matrix.plot is not None
    assert matrix.plot["labels"][-1] == chapters.OTHER
    assert len(matrix.plot["labels"]) == chapters.GROUPS + 1
    assert matrix.table["links"].sum() == graph.m
    assert np.sum(matrix.plot["pages"]) == n


def test_figures_agree_with_measures() -> None:
    """On a random site the histogram, the buckets and the shares add up to the whole."""
    draw = np.random.default_rng(5)
    n = 3000
    m = 20_000
    target = (draw.random(m) ** 3 * n).astype(int)
    urls = pl.DataFrame({"url": [f"/{page}" for page in range(n)]})
    graph = edges.of(draw.integers(0, n, m), target, urls)
    made = analysis.in_memory(graph)
    depth = measures.depths(graph, measures.home(graph))
    assert made.finding("depth").table["pages"].to_list() == np.bincount(depth[depth >= 0]).tolist()
    assert made.finding("depth").count == int((depth > chapters.FAR).sum())
    buckets = made.finding("inlinks").table
    received = measures.inlinks(graph)
    for low, high, pages, _ in buckets.iter_rows():
        assert pages == int(((received >= low) & (received <= high)).sum())
    assert buckets["pages"].sum() == n
    curve = made.finding("pagerank").plot
    assert curve is not None
    assert curve["y"][-1] == pytest.approx(1)
    assert curve["y"] == sorted(curve["y"])


def test_half_of_all_pagerank(made: Report) -> None:
    """The count is the least number of pages that together hold half."""
    count = made.finding("pagerank").count
    strongest = made.pages["pagerank"].sort(descending=True)
    assert strongest[:count].sum() >= 0.5 > strongest[: count - 1].sum()


def test_communities_name_their_commonest_group(made: Report) -> None:
    """Of each community of two pages or more: its size, its main group, its strongest page."""
    for row in made.finding("communities").table.iter_rows(named=True):
        members = made.pages.filter(pl.col("community") == row["community"])
        sizes = members["pagetype"].value_counts()
        assert row["pages"] == members.height > 1
        assert row["share"] == sizes["count"].max() / members.height
        assert members.sort("pagerank")["url"][-1] == row["example"]
        assert row["pagerank"] == pytest.approx(members["pagerank"].sum())
