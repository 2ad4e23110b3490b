"""Sites: links are merged and counted, depth is the true number of clicks."""

from collections import deque

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipulate.graph.sites import click_depth, link_site

LINKS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40)


def site_of(links: list[tuple[int, int]], count: int = 10, redirects: dict[int, int] | None = None):
    """A site of `count` pages u0, u1, ... with these links."""
    pages = pl.DataFrame({"url": [f"u{n}" for n in range(count)]})
    hops = np.full(count, -1)
    for page, goal in (redirects or {}).items():
        hops[page] = goal
    sources = np.array([source for source, _ in links], np.int64)
    targets = np.array([target for _, target in links], np.int64)
    return link_site("test", 0, pages, sources, targets, redirects=hops if redirects else None)


def clicks(links: list[tuple[int, int]], count: int) -> list[int | None]:
    """Depth of every page, the plain way."""
    depth: dict[int, int] = {0: 0}
    queue = deque([0])
    while queue:
        page = queue.popleft()
        for source, target in links:
            if source == page and target not in depth:
                depth[target] = depth[page] + 1
                queue.append(target)
    return [depth.get(page) for page in range(count)]


@given(LINKS)
def test_depth_is_the_number_of_clicks_from_home(links):
    """The depth of each page equals a plain breadth-first search's; unreachable pages have none."""
    assert site_of(links).pages["depth"].to_list() == clicks(links, 10)


@given(LINKS)
def test_repeated_links_are_one_link_that_stands_often(links):
    """Distinct links are kept once with their number; the counters agree with the links."""
    site = site_of(links)
    kept = list(zip(site.sources.tolist(), site.targets.tolist(), strict=True))
    assert sorted(kept) == sorted(set(links))
    assert site.repeats.tolist() == [links.count(link) for link in kept]
    assert site.pages["outlinks_total"].to_list() == [
        sum(s == n for s, _ in links) for n in range(10)
    ]
    assert site.pages["inlinks_unique"].to_list() == [
        sum(t == n for _, t in set(links)) for n in range(10)
    ]


@given(LINKS, st.lists(st.integers(0, 9), max_size=12))
def test_links_of_gives_the_links_of_any_pages_in_any_order(links, ids):
    """For each page asked for, its position and all its targets."""
    site = site_of(links)
    owners, targets = site.links_of(np.array(ids, np.uint32))
    expected = [(n, t) for n, page in enumerate(ids) for s, t in sorted(set(links)) if s == page]
    assert list(zip(owners.tolist(), targets.tolist(), strict=True)) == expected


def test_a_redirect_costs_a_click():
    """A page that is reached through a redirect is one deeper than the redirect."""
    assert site_of([(0, 1)], 3, {1: 2}).pages["depth"].to_list() == [0, 1, 2]


def test_depth_without_links():
    """A home page alone has depth 0 and everything else none."""
    assert click_depth(3, [1], np.array([], int), np.array([], int)).tolist() == [-1, 0, -1]
