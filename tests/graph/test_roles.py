"""What page tables' columns mean, by crawler."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipulate.graph import edges, roles
from pipulate.graph.roles import Facts


def facts(
    table: dict[str, list], listed: list[bool] | None = None, links: list[tuple[int, int]] = ()
) -> Facts:  # type: ignore[assignment]
    """Return the facts of a page table."""
    frame = pl.DataFrame(table)
    if listed:
        frame = frame.with_columns(listed=pl.Series(listed))
    ends = np.array(links, np.int64).reshape(-1, 2)
    return roles.facts(edges.of(ends[:, 0], ends[:, 1], frame))


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
    assert found.group.to_list() == ["home", "product", "(none)"] and found.group.name == "pagetype"
    assert found.compliant is not None and found.compliant.tolist() == [True, False, True]
    assert found.canonicalised is not None and found.canonicalised.tolist() == [False, True, False]
    assert found.columns["sitemap"] == "sitemap"
    assert found.impressions is not None and np.nan_to_num(found.impressions, nan=-1).tolist() == [
        10,
        -1,
        3,
    ]
    assert found.redirected is None and found.broken is None and found.depth is None


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
    assert found.columns["title"] == "Title 1" and found.columns["status"] == "Status Code"
    assert found.redirected is not None and found.redirected.tolist() == [False, True, False, False]
    assert found.broken is not None and found.broken.tolist() == [False, False, True, False]
    assert found.compliant is not None and found.compliant.tolist() == [True, False, False, True]
    assert found.canonicalised is not None and found.canonicalised.tolist() == [
        False,
        False,
        False,
        True,
    ]
    assert found.depth is not None and found.depth.tolist() == [0, 1, 1, 2]


def test_a_table_that_says_nothing() -> None:
    """Unknown columns, or known names with odd contents, make no page bad; pages are grouped by section."""
    found = facts(
        {"url": ["/a/1", "/a/2"], "x": [1, 2], "depth": ["deep", None], "compliant": [None, None]}
    )
    bad = (found.depth, found.redirected, found.canonicalised, found.broken, found.impressions)
    assert all(mask is None for mask in bad)
    assert found.compliant is None or found.compliant.all()
    assert found.group.name == "section" and len(found.group) == 2


def test_internal() -> None:
    """A host is ours when a page of it links or is listed; paths are ours."""
    urls = ["https://x/", "https://x/a", "https://cdn/1", "https://shop.x/", "https://other/"]
    found = facts({"url": urls}, [False, False, False, True, False], [(0, 1), (0, 2), (0, 4)])
    assert found.internal.tolist() == [True, True, False, True, False]
    assert facts({"url": ["/", "/a"]}, [False, False], [(0, 1)]).internal.all()
