"""What page tables' columns mean, by crawler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipulate.graph import edges, roles
from pipulate.graph.roles import Facts


def facts(
    table: dict[str, list],
    listed: Sequence[bool] = (),
    links: Sequence[tuple[int, int]] = (),
) -> Facts:
    """Return the facts of a page table."""
    frame = pl.DataFrame(table)
    if listed:
        frame = frame.with_columns(listed=pl.Series(listed))
    ends = np.array(links, np.int64).reshape(-1, 2)
    return roles.facts(edges.of(ends[:, 0], ends[:, 1], frame))


def told(array: np.ndarray | None) -> list:
    """Return what a table says, which it has to."""
    assert array is not None
    return array.tolist()


def test_botify() -> None:
    """The columns of our own exports: booleans, nulls where the crawl did not look."""
    found = facts(
        {
            "url": ["https://x/", "https://x/a", "https://x/b"],
            "pagetype": ["home", "product", None],
            "compliant": [True, False, None],
            "canonical": [True, False, None],
            "sitemap": [True, None, False],
            "impressions": [10, None, 3],
            "clicks": [1, 0, None],
        }
    )
    assert found.group.to_list() == ["home", "product", "(none)"]
    assert found.group.name == "pagetype"
    assert told(found.compliant) == [True, False, True]
    assert told(found.canonicalised) == [False, True, False]
    assert found.columns["sitemap"] == "sitemap"
    assert found.impressions is not None
    assert np.isnan(found.impressions).tolist() == [False, True, False]
    assert (found.redirected, found.broken, found.depth) == (None, None, None)


def test_screaming_frog() -> None:
    """Internal: All: status codes, indexability in words, canonicals and redirects as addresses."""
    found = facts(
        {
            "url": ["https://x/", "https://x/a", "https://x/b", "https://x/c"],
            "Title 1": ["Home", None, "B", "C"],
            "Crawl Depth": [0, 1, 1, 2],
            "Status Code": [200, 301, 404, 200],
            "Indexability": ["Indexable", "Non-Indexable", "Non-Indexable", None],
            "Canonical Link Element 1": ["https://x/", None, None, "https://x/b"],
            "Redirect URL": [None, "https://x/b", None, None],
        }
    )
    assert found.columns["title"] == "Title 1"
    assert found.columns["status"] == "Status Code"
    assert told(found.redirected) == [False, True, False, False]
    assert told(found.broken) == [False, False, True, False]
    assert told(found.compliant) == [True, False, False, True]
    assert told(found.canonicalised) == [False, False, False, True]
    assert told(found.depth) == [0, 1, 1, 2]


def test_problems_are_told_gravest_first() -> None:
    """Pages that should not be linked have a reason; some of them only lead elsewhere."""
    found = facts(
        {
            "url": ["/", "/moved", "/gone", "/print", "/noindex"],
            "http_code": [200, 301, 404, 200, 200],
            "compliant": [True, False, False, False, False],
            "canonical": [None, None, None, "/", None],
        }
    )
    assert list(found.problems()) == ["broken", "redirected", "canonicalised", "non-compliant"]
    assert found.bad.tolist() == [False, True, True, True, True]
    assert found.good.tolist() == [True, False, False, False, False]
    assert found.elsewhere.tolist() == [False, True, False, True, False]


def test_demand_is_impressions_or_else_clicks() -> None:
    """What searchers want is told by impressions first: they see more pages than they click."""
    both = {"url": ["/", "/a"], "clicks": [1, 2], "impressions": [10, 20]}
    assert told(facts(both).demand) == [10, 20]
    assert told(facts({"url": ["/", "/a"], "clicks": [1, 2]}).demand) == [1, 2]
    assert facts({"url": ["/", "/a"]}).demand is None


def test_a_table_that_says_nothing() -> None:
    """Unknown columns, or known names with odd contents, make no page bad; sections divide it."""
    found = facts(
        {"url": ["/a/1", "/a/2"], "x": [1, 2], "depth": ["deep", None], "compliant": [None, None]}
    )
    said = (found.depth, found.redirected, found.canonicalised, found.broken, found.impressions)
    assert said == (None,) * 5
    assert not found.bad.any()
    assert found.group.name == "section"
    assert len(found.group) == 2


def test_internal() -> None:
    """A host is ours when a page of it links or is listed; paths are ours."""
    urls = ["https://x/", "https://x/a", "https://cdn/1", "https://shop.x/", "https://other/"]
    found = facts({"url": urls}, [False, False, False, True, False], [(0, 1), (0, 2), (0, 4)])
    assert found.internal.tolist() == [True, True, False, True, False]
    assert facts({"url": ["/", "/a"]}, [False, False], [(0, 1)]).internal.all()
