"""The measures of a link graph.  Pure: arrays in, arrays out; no web, no database, no clock, no chance.

GRAPH       `edges.Graph`: pages 0..n-1, distinct links sorted by source, then target.  A self link is a link; where
            a measure is about *other* pages, it says so.
COST        All are O(n + m) a pass, in numpy and scipy.sparse.  10 million links: depth 0.3 s, PageRank 2-4 s.
TEMPLATE    Menus and footers link every page to the same few; measures of *structure* (communities) leave those
            links out, measures of *importance* (PageRank, depth) do not, as a crawler follows them too.
SAME        The same graph gives the same numbers, bit for bit, on one machine.

Compared in tests with networkx, in the bench with igraph and networkit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse
from scipy.sparse import csgraph

from pipulate.graph.edges import Graph, offsets

UNREACHED = -1
DAMPING = 0.85


def inlinks(graph: Graph) -> np.ndarray:
    """Number of pages (itself included) that link to each page: its in-degree."""
    return np.bincount(graph.target, minlength=graph.n)


def outlinks(graph: Graph) -> np.ndarray:
    """Number of pages (itself included) that each page links to: its out-degree."""
    return np.bincount(graph.source, minlength=graph.n)


def inlinks_from_others(graph: Graph) -> np.ndarray:
    """Number of *other* pages that link to each page: what an orphan has none of."""
    return np.bincount(graph.target[graph.source != graph.target], minlength=graph.n)


def home(graph: Graph, depth: np.ndarray | None = None) -> int:
    """Choose the page that clicks are counted from, see `choose_home`."""
    return choose_home(graph.urls, inlinks(graph), depth)


def choose_home(urls: pl.Series, received: np.ndarray, depth: np.ndarray | None = None) -> int:
    """Choose home by the pages' addresses, their inlinks, and their crawl depth (NaN where unknown).

    In this order: the page whose crawl depth is 0; the front page by its address (path empty, `/`, or `/index.*`, on
    the host with most pages); the page most linked to.  Of several, the one with the most inlinks, then the shortest
    address, then the lowest number.
    """
    ranked = received + 1 - np.minimum(urls.str.len_bytes().to_numpy(), 9999) / 10_000
    if depth is not None and (depth == 0).any():
        return _best(ranked, depth == 0)
    front = urls.str.contains(
        r"^(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?/?(?:index\.[A-Za-z]+)?$"
    ).to_numpy()
    if front.any():
        host = hosts(urls)
        main = (host == host.mode().sort()[0]).to_numpy()
        return _best(ranked, front & main if (front & main).any() else front)
    return int(np.argmax(ranked)) if len(ranked) else 0


def hosts(urls: pl.Series) -> pl.Series:
    """Return each address's host (with port), or an empty text for a path."""
    return urls.str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)").fill_null("")


def _best(ranked: np.ndarray, among: np.ndarray) -> int:
    return int(np.argmax(np.where(among, ranked, -np.inf)))


def depths(graph: Graph, start: int) -> np.ndarray:
    """Clicks from `start` to each page by the shortest way (i32), UNREACHED where there is none.

    Breadth-first search (Moore, "The shortest path through a maze", 1959): one level of pages at a time.
    """
    starts, targets = graph.csr()
    depth = np.full(graph.n, UNREACHED, np.int32)
    if not graph.n:
        return depth
    depth[start] = level = 0
    front = np.array([start])
    while front.size:
        level += 1
        found = _neighbours(starts, targets, front)
        found = found[depth[found] == UNREACHED]
        depth[found] = level
        front = np.unique(found)
    return depth


def click_path(graph: Graph, start: int, goal: int) -> list[int]:
    """Return one shortest chain of pages from `start` to `goal`, both included; empty when there is none.

    Of several chains the one with the lowest page numbers is taken, seen from the goal.
    """
    depth = depths(graph, start)
    if depth[goal] == UNREACHED:
        return []
    starts, origins = graph.reverse()
    path = [goal]
    while depth[path[-1]]:
        before = origins[starts[path[-1]] : starts[path[-1] + 1]]
        path.append(int(before[depth[before] == depth[path[-1]] - 1][0]))
    return path[::-1]


def _neighbours(starts: np.ndarray, targets: np.ndarray, pages: np.ndarray) -> np.ndarray:
    """Return the concatenated targets of `pages`."""
    first, count = starts[pages], starts[pages + 1] - starts[pages]
    skip = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    return targets[skip + np.arange(len(skip))]


def pagerank(
    graph: Graph,
    *,
    damping: float = DAMPING,
    tolerance: float = 1e-10,
    rounds: int = 1000,
    leave_out: np.ndarray | None = None,
) -> np.ndarray:
    """Internal PageRank: the share of time a random surfer of this site spends on each page (f64, sum 1).

    With probability `damping` the surfer follows one of the page's links, each equally likely, else starts anew on any
    page.  From a page without links he starts anew (uniformly: so networkit, igraph and networkx do too).  A nofollow
    link takes its share of the page's rank but passes nothing on: the surfer starts anew, so nofollow dilutes.
    `leave_out` (bool by page: redirected and canonicalised ones, say) takes pages and their links out; they get 0.

    Power iteration until the sum of changes is below `tolerance`; the sum of errors is then below
    tolerance * damping / (1 - damping).  Brin and Page, "The anatomy of a large-scale hypertextual web search
    engine", 1998, section 2.1.1; dangling pages as in Langville and Meyer, "Deeper inside PageRank", 2004.
    """
    source, target, follow = graph.source, graph.target, graph.follow
    inside = np.ones(graph.n, bool) if leave_out is None else ~leave_out
    if leave_out is not None:
        keep = inside[source] & inside[target]
        source, target = source[keep], target[keep]
        follow = None if follow is None else follow[keep]
    out = np.bincount(source, minlength=graph.n)
    if follow is not None:
        source, target = source[follow], target[follow]
    if not inside.any():
        return np.zeros(graph.n)
    whole = leave_out is None and follow is None
    starts, origins = graph.reverse() if whole else _by_target(source, target, graph.n)
    into = _matrix(starts, origins, graph.n)
    anew = inside / inside.sum()
    share = np.divide(damping, out, out=np.zeros(graph.n), where=out > 0)
    rank = anew
    for _ in range(rounds):
        after = into @ (rank * share)
        after += (
            1 - after.sum()
        ) * anew  # starts anew, dangling pages and nofollow in one: whatever was not passed on
        change = np.abs(after - rank).sum()
        rank = after
        if change < tolerance:
            break
    return rank


def _by_target(source: np.ndarray, target: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(target, kind="stable")
    return offsets(target, n), source[order]


def _matrix(starts: np.ndarray, ends: np.ndarray, n: int) -> sparse.csr_matrix:
    """Return the 0/1 matrix with row i at `ends[starts[i]:starts[i + 1]]`; the numbers are viewed, not copied."""
    pointers = starts.astype(np.int32) if len(ends) < 2**31 else starts
    return sparse.csr_matrix((np.ones(len(ends)), ends.view(np.int32), pointers), shape=(n, n))


def link_score(rank: np.ndarray) -> np.ndarray:
    """PageRank on a logarithmic scale from 0 (least) to 100 (most), whole numbers (u8).

    The scale the trade reads (Screaming Frog's Link Score): 100 * log(rank / least) / log(most / least), where least
    is the smallest rank above 0.  All 100 when all are equal; 0 for pages without rank.
    """
    some = rank > 0
    if not some.any():
        return np.zeros(len(rank), np.uint8)
    low, high = np.log(rank[some].min()), np.log(rank[some].max())
    scale = np.zeros(len(rank))
    scale[some] = 100 if high - low < 1e-12 else 100 * (np.log(rank[some]) - low) / (high - low)
    return np.rint(scale).astype(np.uint8)


def hits(graph: Graph, tolerance: float = 1e-9, rounds: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Return (hubs, authorities), each f64 with sum 1: good hubs link to good authorities and the other way round.

    Power iteration on the link matrix.  Kleinberg, "Authoritative sources in a hyperlinked environment", JACM 46(5),
    1999.  Tells the densest block of the site (often its template), not importance.
    """
    hub = np.full(graph.n, 1 / max(1, graph.n))
    authority = hub
    if not graph.m:
        return np.zeros(graph.n), np.zeros(graph.n)
    out = _matrix(*graph.csr(), graph.n)
    into = _matrix(*graph.reverse(), graph.n)
    for _ in range(rounds):
        authority = into @ hub
        authority /= authority.sum()
        after = out @ authority
        after /= after.sum()
        change = np.abs(after - hub).sum()
        hub = after
        if change < tolerance:
            break
    return hub, authority


def strong_parts(graph: Graph) -> np.ndarray:
    """Number the strongly connected parts: within one, every page can be reached from every other by clicks.

    Part 0 is the largest; equal ones are in order of their lowest page.  Tarjan, "Depth-first search and linear graph
    algorithms", 1972; scipy uses Pearce's variant (2005).
    """
    if not graph.n:
        return np.zeros(0, np.int64)
    _, label = csgraph.connected_components(
        _matrix(*graph.csr(), graph.n), directed=True, connection="strong"
    )
    return by_size(label)


def by_size(label: np.ndarray) -> np.ndarray:
    """Renumber labels 0, 1, ... from the most frequent to the least; ties by first occurrence."""
    if not len(label):
        return label.astype(np.int64)
    _, first, index, count = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -count))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[index]


def reachable(depth: np.ndarray) -> np.ndarray:
    """Bool by page: can it be reached from home by clicks?"""
    return depth != UNREACHED


def orphans(graph: Graph, start: int) -> np.ndarray:
    """Bool by page: no other page links to it, and it is not home.

    Such pages are known from the page table (which has them from a sitemap, Search Console or the crawler's memory),
    or because they link themselves.
    """
    alone = inlinks_from_others(graph) == 0
    if graph.n:
        alone[start] = False
    return alone


def near_orphans(graph: Graph, start: int) -> np.ndarray:
    """Bool by page: exactly one other page links to it, and it is not home."""
    near = inlinks_from_others(graph) == 1
    if graph.n:
        near[start] = False
    return near


def crawled(graph: Graph, depth: np.ndarray | None) -> np.ndarray:
    """Bool by page: have its links been looked at?

    Without a page table nobody knows: every page counts.  With one, a listed page counts unless it lies deeper than
    every page with links: exports stop at a depth, and the pages just below it are named but not followed.
    """
    if not graph.listed.any():
        return np.ones(graph.n, bool)
    linking = outlinks(graph) > 0
    if depth is None or not np.isfinite(depth[linking]).any():
        return graph.listed | linking
    return (graph.listed & ~(depth > np.nanmax(depth[linking]))) | linking


def dead_ends(graph: Graph, seen: np.ndarray) -> np.ndarray:
    """Bool by page: it was looked at (`seen`) and links to no other page."""
    others = np.bincount(graph.source[graph.source != graph.target], minlength=graph.n)
    return seen & (others == 0)


def links_to(graph: Graph, bad: np.ndarray) -> np.ndarray:
    """Return which links (row numbers) lead from another page to one of the pages marked `bad`."""
    return np.flatnonzero(bad[graph.target] & (graph.source != graph.target))


def flow(
    graph: Graph, group: np.ndarray, k: int, rank: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return two k x k matrices, row = from, column = to: numbers of links, and PageRank that flows along them.

    `group` gives each page's number below k.  A page passes damping * rank / outlinks along each followed link; the
    flow is the share of the whole site's PageRank that goes that way in one step of the surfer.
    """
    pair = group[graph.source].astype(np.int64) * k + group[graph.target]
    count = np.bincount(pair, minlength=k * k).reshape(k, k)
    out = outlinks(graph)
    passed = np.divide(DAMPING * rank, out, out=np.zeros(graph.n), where=out > 0)[graph.source]
    if graph.follow is not None:
        passed = passed * graph.follow
    return count, np.bincount(pair, weights=passed, minlength=k * k).reshape(k, k)


def opportunities(demand: np.ndarray, links: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the pages that searchers want and the site hardly links to, most wanted first.

    `demand` is impressions (or clicks), NaN where unknown; `links` the inlinks; `among` the pages to look at (those
    that should rank).  A page is taken when its demand is in the top quarter of those with any, and its inlinks are at
    most the median of `among`.  Ties: fewer inlinks, then lower page number.
    """
    wanted = among & (np.nan_to_num(demand) > 0)
    if not wanted.any():
        return np.zeros(0, np.int64)
    high = np.quantile(demand[wanted], 0.75)
    few = np.median(links[among])
    chosen = np.flatnonzero(wanted & (demand >= high) & (links <= few))
    return chosen[np.lexsort((chosen, links[chosen], -demand[chosen]))]


def concentration(rank: np.ndarray) -> float:
    """Gini coefficient of a distribution: 0 when all pages have the same, towards 1 when one has everything."""
    if not len(rank) or not rank.sum():
        return 0.0
    ordered = np.sort(rank)
    n = len(ordered)
    return float(2 * (np.arange(1, n + 1) * ordered).sum() / (n * ordered.sum()) - (n + 1) / n)


# --- communities --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Level:
    """An undirected weighted graph: each link stands twice (both directions) in `a`, `b`, `w`; `loop` is by node."""

    n: int
    a: np.ndarray
    b: np.ndarray
    w: np.ndarray
    loop: np.ndarray


def communities(graph: Graph, set_aside: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Number the communities: groups of pages with more links among themselves than chance would give.

    Louvain's method (Blondel et al., "Fast unfolding of communities in large networks", 2008) on the undirected graph:
    each page moves where modularity gains most, groups become nodes, and again; here all pages of a random half move
    at once, so that it is sorting, not a loop over pages.  Parts of a community that do not hang together are
    separated at the end (the flaw Leiden repairs).  Links to pages marked `set_aside` (the template) are left out: with
    them everything is one community.  Community 0 is the largest; a page without links is its own.

    Our own, because networkit is 40 MB for this one measure, igraph is GPL, and scipy has none.  `seed` fixes chance.
    """
    draw = np.random.default_rng(seed)
    keep = graph.source != graph.target
    if set_aside is not None:
        keep &= ~set_aside[graph.target] & ~set_aside[graph.source]
    level = _symmetric(graph.n, graph.source[keep], graph.target[keep])
    finest, label = level, np.arange(graph.n)
    while level.w.size:
        moved = _move(level, np.arange(level.n), draw)
        _, moved = np.unique(moved, return_inverse=True)
        groups = int(moved.max()) + 1
        if groups == level.n:
            break
        label = moved[label]
        level = _merge(level, moved, groups)
    if finest.w.size:
        label = _move(finest, label, draw)
    return by_size(_connected(finest, label))


def modularity(graph: Graph, label: np.ndarray) -> float:
    """Share of links within communities minus what chance would give (Newman and Girvan, 2004), undirected.

    Two pages that link to each other count as two links; self links are left out.
    """
    keep = graph.source != graph.target
    level = _symmetric(graph.n, graph.source[keep], graph.target[keep])
    return _modularity(level, label)


def _symmetric(n: int, source: np.ndarray, target: np.ndarray) -> _Level:
    a = np.concatenate([source, target]).astype(np.int64)
    b = np.concatenate([target, source]).astype(np.int64)
    return _Level(n, a, b, np.ones(len(a)), np.zeros(n))


def _merge(level: _Level, label: np.ndarray, groups: int) -> _Level:
    """Make each group a node: links between two groups become one, links within become its loop."""
    key, w = _sums(label[level.a] * groups + label[level.b], level.w)
    a, b = key // groups, key % groups
    within = a == b
    loop = np.bincount(label, weights=level.loop, minlength=groups)
    loop[a[within]] += w[within]
    return _Level(groups, a[~within], b[~within], w[~within], loop)


def _sums(key: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct keys, ascending, and the sum of weights of each."""
    if (
        w == 1
    ).all():  # numbers alone are sorted several times faster than numbers with something attached
        key = np.sort(key)
        first = _firsts(key)
        return key[first], np.diff(first, append=len(key)).astype(np.float64)
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = _firsts(key)
    return key[first], np.add.reduceat(w[order], first)


def _firsts(key: np.ndarray) -> np.ndarray:
    """Return where a new value begins in sorted, non-empty keys."""
    return np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))


def _move(
    level: _Level, label: np.ndarray, draw: np.random.Generator, sweeps: int = 24
) -> np.ndarray:
    """Move nodes between groups while modularity grows; return the best labels seen."""
    label = label.copy()
    degree = np.bincount(level.a, weights=level.w, minlength=level.n) + level.loop
    total = degree.sum()
    best, best_score = label.copy(), _modularity(level, label)
    without_gain = 0
    for _ in range(sweeps):
        size = np.bincount(label, weights=degree, minlength=level.n)
        key, w = _sums(level.a * level.n + label[level.b], level.w)
        node, to = key // level.n, key % level.n
        gain = w - degree[node] * (size[to] - np.where(to == label[node], degree[node], 0)) / total
        stay = (
            -degree * (size[label] - degree) / total
        )  # staying without a neighbour in the own group
        own = to == label[node]
        stay[node[own]] = gain[own]
        first = _firsts(
            node
        )  # keys ascend, so each node's candidates stand together, lowest group first
        most = np.maximum.reduceat(gain, first)
        hit = np.flatnonzero(gain == np.repeat(most, np.diff(first, append=len(node))))
        hit = hit[_firsts(node[hit])]
        node, to, gain = node[hit], to[hit], gain[hit]
        go = (gain > stay[node] + 1e-12) & (draw.random(len(node)) < 0.5)
        if not go.any():
            break
        label[node[go]] = to[go]
        score = _modularity(level, label)
        without_gain = 0 if score > best_score + 1e-5 else without_gain + 1
        if score > best_score:
            best, best_score = label.copy(), score
        if without_gain == 3:
            break
    return best


def _modularity(level: _Level, label: np.ndarray) -> float:
    degree = np.bincount(level.a, weights=level.w, minlength=level.n) + level.loop
    total = degree.sum()
    if not total:
        return 0.0
    within = level.w[label[level.a] == label[level.b]].sum() + level.loop.sum()
    size = np.bincount(label, weights=degree)
    return float(within / total - ((size / total) ** 2).sum())


def _connected(level: _Level, label: np.ndarray) -> np.ndarray:
    same = label[level.a] == label[level.b]
    a, b = level.a[same], level.b[same]
    links = sparse.coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(level.n, level.n))
    return csgraph.connected_components(links, directed=False)[1] if level.n else label
