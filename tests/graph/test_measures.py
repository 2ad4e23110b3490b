"""The measures against networkx on hundreds of random graphs, and against closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import edges, measures
from pipulate.graph.edges import Graph

Pairs = Sequence[tuple[int, int]]


def make(n: int, pairs: Pairs, nofollow: Pairs = (), urls: Sequence[str] = ()) -> Graph:
    """Return the graph of these links between n pages."""
    ends = np.array([*pairs, *nofollow], np.int64).reshape(-1, 2)
    flags = np.arange(len(ends)) >= len(pairs)
    pages = pl.DataFrame({"url": urls or numbered(n)}, schema={"url": pl.String})
    return edges.of(ends[:, 0], ends[:, 1], pages, flags)


def numbered(n: int) -> list[str]:
    """Return n addresses."""
    return [f"/{page}" for page in range(n)]


def networkx(graph: Graph) -> nx.DiGraph:
    """Return the same graph for networkx."""
    other = nx.DiGraph()
    other.add_nodes_from(range(graph.n))
    other.add_edges_from(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    return other


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph of up to 25 pages: sparse or dense, with self links, loose pages, islands."""
    n = draw(st.integers(1, 25))
    page = st.integers(0, n - 1)
    most = draw(st.sampled_from([3, 30, 120]))
    return make(n, draw(st.lists(st.tuples(page, page), max_size=most)))


def yes_or_no(graph: Graph) -> st.SearchStrategy[np.ndarray]:
    """Draw a mask of a graph's pages."""
    return st.lists(st.booleans(), min_size=graph.n, max_size=graph.n).map(np.array)


many = settings(max_examples=150, deadline=None)


@many
@given(graphs())
def test_degrees(graph: Graph) -> None:
    """Inlinks and outlinks are the degrees; links from oneself are not from others."""
    other = networkx(graph)
    assert measures.inlinks(graph).tolist() == [other.in_degree(i) for i in range(graph.n)]
    assert measures.outlinks(graph).tolist() == [other.out_degree(i) for i in range(graph.n)]
    assert measures.inlinks_from_others(graph).tolist() == [
        len(set(other.pred[i]) - {i}) for i in range(graph.n)
    ]


@many
@given(graphs(), st.data())
def test_depths_and_paths(graph: Graph, data: st.DataObject) -> None:
    """Click depths are networkx's path lengths; click_path is a chain of links that long."""
    start = data.draw(st.integers(0, graph.n - 1))
    goal = data.draw(st.integers(0, graph.n - 1))
    other = networkx(graph)
    expected = nx.single_source_shortest_path_length(other, start)
    depth = measures.depths(graph, start)
    assert depth.tolist() == [expected.get(i, measures.UNREACHED) for i in range(graph.n)]
    assert measures.reachable(depth).tolist() == [i in expected for i in range(graph.n)]
    path = measures.click_path(graph, start, goal)
    if goal not in expected:
        assert path == []
    else:
        assert (path[0], path[-1], len(path) - 1) == (start, goal, expected[goal])
        assert all(other.has_edge(a, b) for a, b in pairwise(path))


@many
@given(graphs(), st.sampled_from([0.85, 0.5, 0.99]))
def test_pagerank(graph: Graph, damping: float) -> None:
    """PageRank is networkx's within 1e-9 for every page, dangling pages included, and sums to 1."""
    expected = nx.pagerank(networkx(graph), alpha=damping, tol=1e-13, max_iter=5000)
    rank = measures.pagerank(graph, damping=damping, tolerance=1e-12, rounds=5000)
    assert np.abs(rank - [expected[i] for i in range(graph.n)]).max() < 1e-9
    assert rank.sum() == pytest.approx(1, abs=1e-12)


@many
@given(graphs(), st.data())
def test_pagerank_without_some_pages(graph: Graph, data: st.DataObject) -> None:
    """Leaving pages out gives the PageRank of the graph without them, and them nothing."""
    out = data.draw(yes_or_no(graph))
    rank = measures.pagerank(graph, leave_out=out, tolerance=1e-12)
    rest = networkx(graph).subgraph(np.flatnonzero(~out).tolist())
    expected = {}
    if len(rest):
        expected = nx.pagerank(rest, tol=1e-13, max_iter=5000)
    assert np.abs(rank - [expected.get(i, 0) for i in range(graph.n)]).max(initial=0) < 1e-9


@many
@given(graphs())
def test_strong_parts(graph: Graph) -> None:
    """Strongly connected parts are networkx's, numbered from the largest."""
    part = measures.strong_parts(graph)
    ours = {frozenset(np.flatnonzero(part == p).tolist()) for p in np.unique(part)}
    assert ours == {frozenset(c) for c in nx.strongly_connected_components(networkx(graph))}
    sizes = np.bincount(part)
    assert sizes.tolist() == sorted(sizes, reverse=True)


@many
@given(graphs())
def test_hits_is_a_fixed_point(graph: Graph) -> None:
    """Hubs point to authorities and the other way round: one more round changes nothing."""
    hub, authority = measures.hits(graph, tolerance=1e-13, rounds=20_000)
    if not graph.m:
        assert not hub.any() and not authority.any()
        return
    links = np.zeros((graph.n, graph.n))
    links[graph.source, graph.target] = 1
    assert authority.sum() == pytest.approx(1) and hub.sum() == pytest.approx(1)
    assert np.allclose(links.T @ hub / (links.T @ hub).sum(), authority, atol=1e-6)
    assert np.allclose(links @ authority / (links @ authority).sum(), hub, atol=1e-6)


def test_hits_as_networkx() -> None:
    """On a graph with one dominant block, hubs and authorities are networkx's."""
    graph = make(7, [(0, 1), (0, 2), (0, 3), (4, 1), (4, 2), (5, 2), (5, 6), (6, 0), (3, 2)])
    hub, authority = measures.hits(graph, tolerance=1e-13)
    hubs, authorities = nx.hits(networkx(graph), tol=1e-12)
    assert np.allclose(hub, [hubs[i] for i in range(7)], atol=1e-8)
    assert np.allclose(authority, [authorities[i] for i in range(7)], atol=1e-8)


@many
@given(graphs())
def test_communities_hang_together(graph: Graph) -> None:
    """Communities are numbered from the largest, and each is connected."""
    label = measures.communities(graph)
    other = networkx(graph).to_undirected()
    sizes = np.bincount(label)
    assert sizes.tolist() == sorted(sizes, reverse=True) and sizes.min() > 0
    for c in range(len(sizes)):
        assert nx.is_connected(other.subgraph(np.flatnonzero(label == c).tolist()))


@many
@given(graphs(), st.data())
def test_modularity(graph: Graph, data: st.DataObject) -> None:
    """Modularity is networkx's, undirected, with a weight of 2 for links that go both ways."""
    label = np.array(data.draw(st.lists(st.integers(0, 3), min_size=graph.n, max_size=graph.n)))
    other = nx.Graph()
    other.add_nodes_from(range(graph.n))
    for a, b in zip(graph.source.tolist(), graph.target.tolist(), strict=True):
        if a != b:
            weight = 2 if other.has_edge(a, b) else 1
            other.add_edge(a, b, weight=weight)
    parts = [set(np.flatnonzero(label == c).tolist()) for c in np.unique(label)]
    expected = 0.0
    if other.number_of_edges():
        expected = nx.community.modularity(other, parts)
    assert measures.modularity(graph, label) == pytest.approx(expected, abs=1e-12)


def test_communities_find_what_was_planted() -> None:
    """Eight groups with 20 links a page inside and one outside are found as networkx finds them."""
    draw = np.random.default_rng(3)
    planted = np.repeat(np.arange(8), 60)
    source = np.repeat(np.arange(480), 21)
    inside = planted[source] * 60 + draw.integers(0, 60, len(source))
    outside = draw.integers(0, 480, len(source))
    target = np.where(np.arange(len(source)) % 21 < 20, inside, outside)
    graph = edges.of(source, target, pl.DataFrame({"url": numbered(480)}))
    label = measures.communities(graph)
    assert len(set(zip(planted.tolist(), label.tolist(), strict=True))) == 8
    louvain = nx.community.louvain_communities(networkx(graph).to_undirected(), seed=1)
    theirs = np.empty(480, int)
    for number, members in enumerate(louvain):
        theirs[list(members)] = number
    assert measures.modularity(graph, label) >= measures.modularity(graph, theirs) - 1e-9


def test_template_links_hide_communities() -> None:
    """A menu ties everything together; set aside, the two halves appear."""
    one = [(a, b) for a in range(1, 21) for b in range(1, 21) if a != b and (a + b) % 3]
    other = [(a + 20, b + 20) for a, b in one]
    menu = [(page, 0) for page in range(1, 41)]
    back = [(0, page) for page in range(1, 41)]
    graph = make(41, [*one, *other, *menu, *back])
    label = measures.communities(graph, set_aside=np.arange(41) == 0)
    assert len(set(label[1:21])) == 1
    assert len(set(label[21:])) == 1
    assert label[1] != label[21]


def test_communities_are_the_same_each_time() -> None:
    """Chance is fixed: the same graph has the same communities."""
    draw = np.random.default_rng(7)
    pages = pl.DataFrame({"url": numbered(300)})
    graph = edges.of(draw.integers(0, 300, 1500), draw.integers(0, 300, 1500), pages)
    assert np.array_equal(measures.communities(graph), measures.communities(graph))


def test_a_page_without_links_is_its_own_community() -> None:
    """Loose pages are not thrown together, nor are pages whose only link is to themselves."""
    label = measures.communities(make(5, [(0, 1), (3, 3)]))
    assert label[0] == label[1]
    assert len(set(label)) == 4


@many
@given(graphs(), st.data())
def test_orphans_near_orphans_dead_ends(graph: Graph, data: st.DataObject) -> None:
    """These are what their definitions say, looked up link by link."""
    home = data.draw(st.integers(0, graph.n - 1))
    other = networkx(graph)
    from_others = [set(other.pred[i]) - {i} for i in range(graph.n)]
    to_others = [set(other.succ[i]) - {i} for i in range(graph.n)]
    pages = set(range(graph.n))
    elsewhere = pages - {home}
    alone = {i for i in elsewhere if not from_others[i]}
    assert set(np.flatnonzero(measures.orphans(graph, home))) == alone
    nearly = {i for i in elsewhere if len(from_others[i]) == 1}
    assert set(np.flatnonzero(measures.near_orphans(graph, home))) == nearly
    seen = data.draw(yes_or_no(graph))
    ends = {i for i in pages if seen[i] and not to_others[i]}
    assert set(np.flatnonzero(measures.dead_ends(graph, seen))) == ends


@many
@given(graphs(), st.data())
def test_links_to(graph: Graph, data: st.DataObject) -> None:
    """Links to marked pages are found, but for a page's link to itself."""
    bad = data.draw(yes_or_no(graph))
    rows = measures.links_to(graph, bad)
    found = set(zip(graph.source[rows].tolist(), graph.target[rows].tolist(), strict=True))
    assert found == {(a, b) for a, b in networkx(graph).edges if a != b and bad[b]}


@many
@given(graphs(), st.data())
def test_flow(graph: Graph, data: st.DataObject) -> None:
    """Every link is counted once; 0.85 of the rank of pages that link flows out of a group."""
    group = np.array(data.draw(st.lists(st.integers(0, 2), min_size=graph.n, max_size=graph.n)))
    rank = measures.pagerank(graph)
    count, flow = measures.flow(graph, group, 3, rank)
    expected = np.zeros((3, 3), int)
    for a, b in networkx(graph).edges:
        expected[group[a], group[b]] += 1
    assert count.tolist() == expected.tolist()
    linking = measures.outlinks(graph) > 0
    passed = np.bincount(group, weights=0.85 * rank * linking, minlength=3)
    assert np.allclose(flow.sum(axis=1), passed)


def test_pagerank_closed_forms() -> None:
    """A ring shares alike; the middle of a star, and the linked one of a pair, have formulas."""
    ring = make(5, [(i, (i + 1) % 5) for i in range(5)])
    assert np.allclose(measures.pagerank(ring), 0.2, atol=1e-12)
    n = 10
    star = make(n, [(i, 0) for i in range(1, n)] + [(0, i) for i in range(1, n)])
    d = 0.85
    assert measures.pagerank(star)[0] == pytest.approx((1 + d * (n - 1)) / (n * (1 + d)), abs=1e-9)
    pair = make(2, [(0, 1)])  # r1 = a + d r0, r0 = a, where a = ((1 - d) + d r1) / 2
    expected = [1 / (2 + d), (1 + d) / (2 + d)]
    assert measures.pagerank(pair).tolist() == pytest.approx(expected, abs=1e-9)


def test_nofollow_dilutes() -> None:
    """A nofollow link takes its share of the rank and passes nothing on."""
    followed = measures.pagerank(make(3, [(0, 1), (1, 0), (2, 0)]))
    diluted = measures.pagerank(make(3, [(0, 1), (1, 0), (2, 0)], nofollow=[(0, 2)]))
    assert diluted[1] < followed[1]
    # by hand: r1 = a + d r0 / 2, r0 = a + d (r1 + r2), r2 = a
    a = diluted[2]
    d = 0.85
    assert diluted[1] == pytest.approx(a + d * diluted[0] / 2, abs=1e-9)
    assert diluted[0] == pytest.approx(a + d * (diluted[1] + diluted[2]), abs=1e-9)
    assert diluted.sum() == pytest.approx(1)


def test_link_score() -> None:
    """The weakest page has 0, the strongest 100, the geometric mean 50; equal ones have 100."""
    assert measures.link_score(np.array([0.001, 0.1, 0.01])).tolist() == [0, 100, 50]
    assert measures.link_score(np.full(4, 0.25)).tolist() == [100] * 4
    assert measures.link_score(np.zeros(2)).tolist() == [0, 0]


HOMES = [
    ("depth 0 of the table", ["https://x/", "https://x/start"], [(0, 1)], [1.0, 0.0], 1),
    ("the front page", ["https://x/a", "https://x/", "https://x/b"], [(0, 2), (1, 2)], None, 1),
    ("without a slash", ["https://x/a", "https://x"], [(1, 0)], None, 1),
    (
        "index page",
        ["https://x/a.html", "https://x/b/index.html", "https://x/index.html"],
        [(0, 1)],
        None,
        2,
    ),
    (
        "front page of the main host",
        ["https://cdn/", "https://x/", "https://x/b", "https://x/c"],
        [(2, 0), (3, 0)],
        None,
        1,
    ),
    ("the most linked one", ["/a", "/b", "/c"], [(0, 1), (2, 1), (1, 0)], None, 1),
    ("paths", ["/a", "/", "/c"], [(0, 2)], None, 1),
]


@pytest.mark.parametrize(
    ("urls", "links", "depth", "expected"), [h[1:] for h in HOMES], ids=[h[0] for h in HOMES]
)
def test_home(urls: list[str], links: Pairs, depth: list[float] | None, expected: int) -> None:
    """Home is told by crawl depth, then by its address, then by its links."""
    told = None if depth is None else np.array(depth)
    assert measures.home(make(len(urls), links, urls=urls), told) == expected


def test_crawled() -> None:
    """Pages below the depth at which an export stops have not been looked at."""
    urls = pl.DataFrame(
        {"url": ["/", "/a", "/b", "/c", "/x"], "listed": [True, True, True, True, False]}
    )
    graph = edges.of(np.array([0, 0, 1]), np.array([1, 2, 3]), urls)
    depth = np.array([0, 1, 1, 2, np.nan])
    assert measures.crawled(graph, depth).tolist() == [True, True, True, False, False]
    assert measures.crawled(graph, None).tolist() == [True, True, True, True, False]
    alone = edges.of(np.array([0]), np.array([1]), urls.with_columns(listed=False))
    assert measures.crawled(alone, None).all()


def test_opportunities() -> None:
    """High demand, few inlinks, only among the pages given; most wanted first."""
    demand = np.array([100, 90, 80, np.nan, 1, 2, 3, 95])
    links = np.array([1, 50, 2, 0, 0, 60, 70, 0])
    among = np.array([True] * 7 + [False])
    assert measures.opportunities(demand, links, among).tolist() == [0]
    assert measures.opportunities(np.full(8, np.nan), links, among).tolist() == []
    alike = measures.opportunities(np.full(4, 5.0), np.array([2, 0, 1, 9]), np.ones(4, bool))
    assert alike.tolist() == [1, 2]


def test_concentration() -> None:
    """Gini: 0 for equal pages, (n - 1) / n when one has everything."""
    assert measures.concentration(np.full(5, 0.2)) == pytest.approx(0)
    assert measures.concentration(np.array([0, 0, 0, 1.0])) == pytest.approx(0.75)
    assert measures.concentration(np.zeros(3)) == 0.0


def test_empty_graph() -> None:
    """A graph without pages or links has measures too."""
    for n, total in ((0, 0), (3, 1)):
        graph = make(n, [])
        home = measures.home(graph)
        assert measures.pagerank(graph).sum() == pytest.approx(total)
        assert len(measures.depths(graph, home)) == n
        assert len(measures.strong_parts(graph)) == n
        assert len(measures.communities(graph)) == n
        assert len(measures.orphans(graph, home)) == n
