"""Where each page of a link graph stands: two layouts, always the same.

INPUT     `n` pages, `source` and `target` arrays (page numbers, one entry a
          link): no URLs, no files, no clock, no global random state.
OUTPUT    `Layout`: float32 positions in the square [0, SIDE] x [0, SIDE],
          and for *Sections* one disc per section.
TEMPLATE  Menus and footers link every page to the same few targets.  Drawn
          as they are, they turn any site into one star.  `template_targets`
          finds them; both layouts place pages by the other links only.
SECTIONS  One disc per section, none overlapping.
          1. Room: a page gets an area, hubs more; a disc's is their sum.
          2. Discs: largest first, each touching two others, where its links
             to those placed are shortest (greedy packing by affinity).
          3. Pages: phyllotaxis (the sunflower's golden angle), hubs in the
             middle.  Then a few barycentre sweeps: a page keeps its ring,
             within which pages are sorted by where their links lead.
FORCE     Multilevel particle mesh.
          1. Coarsen by size-capped label propagation to a thousand nodes.
          2. Attraction along links (LinLog: by the logarithm of distance,
             which separates clusters: Noack, "Energy Models for Graph
             Clustering", JGAA 11(2), 2007); repulsion of all pairs by
             convolution on a grid (FFT, O(n + g^2 log g)); gravity holds
             parts together; the step size cools.
          3. Expand each node into its members and refine, level by level.
          Pages without any drawn link stand in a ring around the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.sparse import csr_array

SIDE = 1000.0
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
COARSEST = 1500  # nodes: no need to group so few

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Layout:
    """Where everything is, within [0, SIDE]."""

    positions: NDArray[np.float32]  #: shape (n, 2)
    discs: NDArray[np.float32]  #: shape (sections, 3): x, y, radius


def template_targets(n: int, source: Ints, target: Ints) -> NDArray[np.bool_]:
    """Bool by page: do a quarter of the linking pages link to it?

    And 40 at least: on a small site each page may link to every other.
    """
    linking = np.count_nonzero(np.bincount(source))
    return np.bincount(target, minlength=n) > max(linking / 4, 39)


def _drawn(n: int, source: Ints, target: Ints) -> tuple[Ints, Ints]:
    drawn = ~template_targets(n, source, target)[target] & (source != target)
    return source[drawn].astype(np.int64), target[drawn].astype(np.int64)


# --- Sections ---


def sections(n: int, source: Ints, target: Ints, group: Ints) -> Layout:
    """Place each page in the disc of its `group` (0..k-1, all used)."""
    if n == 0:
        return Layout(np.zeros((0, 2), np.float32), np.zeros((0, 3), np.float32))
    group = np.asarray(group, np.int64)
    count = int(group.max()) + 1
    inlinks = np.bincount(target, minlength=n)
    room = 1 + 39 * (inlinks / max(1, inlinks.max())) ** 1.2  # a leaf 1, the first hub 40
    source, target = _drawn(n, source, target)

    reach = np.sqrt(np.bincount(group, room, minlength=count))
    gap = 0.04 * reach + 0.02 * reach.max()
    centre = pack_discs(reach + gap, _affinity(group, count, source, target))

    slots = _phyllotaxis(group, count, inlinks, room)
    places = _barycentre(slots, centre, group, _neighbours(n, source, target))
    scale, shift = _into_square(centre, reach + gap)
    discs = np.column_stack([centre * scale + shift, reach * scale])
    positions = np.clip(places * scale + shift, 0, SIDE)
    return Layout(positions.astype(np.float32), discs.astype(np.float32))


def _affinity(group: Ints, count: int, source: Ints, target: Ints) -> Floats:
    """Links between each two groups, relative to their sizes."""
    pair = group[source] * count + group[target]
    between = np.bincount(pair, minlength=count * count).reshape(count, count)
    size = np.bincount(group, minlength=count).astype(float)
    affinity = (between + between.T) / np.sqrt(np.outer(size, size))
    np.fill_diagonal(affinity, 0)
    return affinity


def pack_discs(radius: Floats, affinity: Floats) -> Floats:
    """Centres (k, 2) of discs that touch, never overlap, friends close.

    The largest comes first, the second beside it; each next one goes where
    it touches two, overlaps none, and has the least sum of affinity x
    distance, plus a pull to the middle that keeps the whole round.
    """
    centre = np.zeros((len(radius), 2))
    order = np.argsort(-radius, kind="stable")
    for first, second in pairwise(order[:2]):
        centre[second] = [radius[first] + radius[second], 0]
    for step, disc in enumerate(order[2:], start=2):
        placed = order[:step]
        there = centre[placed]
        spots = _free_spots(there, radius[placed], radius[disc])
        middle = np.average(there, axis=0, weights=radius[placed] ** 2)
        cost = np.linalg.norm(spots - middle, axis=1)
        pull = affinity[disc, placed]
        if pull.sum() > 0:
            distance = np.linalg.norm(spots[:, None] - there[None], axis=2)
            cost += distance @ pull / pull.sum()
        centre[disc] = spots[np.argmin(cost)]
    return centre


def _free_spots(centre: Floats, radius: Floats, own: float) -> Floats:
    """Every place where a disc touches two and overlaps none."""
    reach = radius + own
    gap = np.linalg.norm(centre[:, None] - centre[None], axis=2)
    first, second = np.nonzero(np.triu(gap <= reach[:, None] + reach[None], 1))
    base = gap[first, second]
    along = (base**2 + reach[first] ** 2 - reach[second] ** 2) / (2 * base)
    across = np.sqrt(np.maximum(reach[first] ** 2 - along**2, 0))
    axis = (centre[second] - centre[first]) / base[:, None]
    foot = centre[first] + axis * along[:, None]
    side = np.column_stack([-axis[:, 1], axis[:, 0]]) * across[:, None]
    spots = np.concatenate([foot + side, foot - side])
    clear = np.linalg.norm(spots[:, None] - centre[None], axis=2) >= reach[None] * (1 - 1e-9)
    return spots[clear.all(axis=1)]


def _phyllotaxis(group: Ints, count: int, inlinks: Ints, room: Floats) -> Floats:
    """Offsets (n, 2) from the group's centre, the most linked innermost."""
    order = np.lexsort((-inlinks, group))
    sizes = np.bincount(group, minlength=count)
    starts = (np.cumsum(sizes) - sizes)[group[order]]  # where each page's group begins
    rank = np.arange(len(group)) - starts
    filled = np.cumsum(room[order])
    before = (filled - room[order])[starts]
    ring = np.sqrt(filled - before - room[order] / 2) * (rank > 0)
    offsets = np.empty((len(group), 2))
    offsets[order] = _spiral(ring, rank)
    return offsets


def _spiral(ring: Floats, rank: Ints) -> Floats:
    angle = rank * GOLDEN_ANGLE
    return np.column_stack([ring * np.cos(angle), ring * np.sin(angle)])


def _neighbours(n: int, source: Ints, target: Ints) -> csr_array:
    """A matrix: `it @ positions` is each page's mean over its neighbours."""
    links = _symmetric(n, source, target)
    degree = np.maximum(links.sum(axis=1), 1)
    links.data /= np.repeat(degree, np.diff(links.indptr)).astype(np.float32)
    return links


def _symmetric(n: int, source: Ints, target: Ints) -> csr_array:
    links = csr_array((np.ones(len(source), np.float32), (source, target)), shape=(n, n))
    return (links + links.T).tocsr()


def _barycentre(slots: Floats, centre: Floats, group: Ints, mean: csr_array) -> Floats:
    """In each ring of a disc sort pages by their neighbours' direction."""
    ring = np.floor(np.linalg.norm(slots, axis=1) / 1.5).astype(np.int64)
    key = group * (ring.max() + 1) + ring
    slot_order = _around(slots, key)
    home = centre[group]
    offset = slots
    has_links = np.diff(mean.indptr) > 0
    for _ in range(4):
        wanted = np.where(has_links[:, None], mean @ (home + offset) - home, offset)
        offset = np.empty_like(slots)
        offset[_around(wanted, key)] = slots[slot_order]
    return home + offset


def _around(points: Floats, key: Ints) -> Ints:
    """The order of points by their ring, and around it."""
    return np.lexsort((np.arctan2(points[:, 1], points[:, 0]), key))


def _into_square(centre: Floats, radius: Floats) -> tuple[float, Floats]:
    """(scale, shift) that bring all discs into the square."""
    low = (centre - radius[:, None]).min(axis=0)
    high = (centre + radius[:, None]).max(axis=0)
    scale = SIDE / float((high - low).max())
    return scale, SIDE / 2 - (low + high) / 2 * scale


# --- Force ---


def force(
    n: int,
    source: Ints,
    target: Ints,
    progress: Progress = lambda share, text: None,
) -> Layout:
    """Place pages by forces; `progress(share, text)` may raise to cancel."""
    random = np.random.default_rng(0)
    links = _symmetric(n, *_drawn(n, source, target))
    linked = np.flatnonzero(np.diff(links.indptr))
    positions = np.zeros((n, 2), np.float32)
    if len(linked):
        positions[linked] = _multilevel(links[linked][:, linked].tocsr(), random, progress)
    loose = np.setdiff1d(np.arange(n), linked)
    positions = _frame(positions, linked, loose)
    progress(1.0, "done")
    return Layout(positions, np.zeros((0, 3), np.float32))


Level = tuple[csr_array, Ints]  #: the weights between its nodes; their groups


def _multilevel(links: csr_array, random: np.random.Generator, progress: Progress) -> Floats:
    degree = np.diff(links.indptr)
    weight = links.copy()
    # A link to a hub says little about where a page belongs: it pulls less.
    weight.data = 1 / np.sqrt(np.repeat(degree, degree) * degree[links.indices]).astype(np.float32)
    coarsest, levels = _coarsen(weight, random, progress)
    effort = [coarsest.shape[0] * 3 + 3000]
    effort += [level.shape[0] + level.nnz / 10 + 3000 for level, _ in levels]
    done = np.cumsum([0, *effort]) / sum(effort)

    def span(level: int) -> Progress:
        begin, end = 0.2 + 0.8 * done[level : level + 2]
        return lambda share, text: progress(begin + share * (end - begin), text)

    width = np.sqrt(coarsest.shape[0])
    x = random.standard_normal((coarsest.shape[0], 2)).astype(np.float32) * width
    x = _relax(x, coarsest, 240, 0.2, span(0))
    for number, (finer, member) in enumerate(levels, start=1):
        x = _expand(x, member, random)
        x = _relax(x, finer, 70, 0.03, span(number))
    return x


def _coarsen(
    weight: csr_array, random: np.random.Generator, progress: Progress
) -> tuple[csr_array, list[Level]]:
    """(the coarsest graph, the levels below it, finest last)."""
    levels: list[Level] = []
    while weight.shape[0] > COARSEST and len(levels) < 6:
        n = weight.shape[0]
        progress(0.02 + 0.04 * len(levels), f"grouping {n:,} pages")
        member = _propagate_labels(weight, random, cap=max(16, n // 300))
        if member.max() + 1 > 0.8 * n:
            break
        levels.insert(0, (weight, member))
        weight = _merge(weight, member)
    return weight, levels


def _propagate_labels(weight: csr_array, random: np.random.Generator, cap: int) -> Ints:
    """Each node joins the group it is most tied to, up to `cap` nodes."""
    n = weight.shape[0]
    label = np.arange(n, dtype=np.int64)
    row = np.repeat(np.arange(n, dtype=np.int64), np.diff(weight.indptr))
    for _ in range(4):
        key = row * n + label[weight.indices]
        order = np.argsort(key, kind="stable")
        key = key[order]
        starts = _firsts(key)
        tie = np.add.reduceat(weight.data[order], starts)
        node, candidate = np.divmod(key[starts], n)
        full = (np.bincount(label, minlength=n)[candidate] >= cap) & (candidate != label[node])
        tie = np.where(full, 0, tie * (1 + 0.01 * random.random(len(tie))))
        best = np.lexsort((-tie, node))
        best = best[_firsts(node[best])]
        # Only some move each time, else two neighbours swap for ever.
        moves = best[(random.random(len(best)) < 0.6) & (tie[best] > 0)]
        label[node[moves]] = candidate[moves]
    return np.unique(label, return_inverse=True)[1]


def _firsts(values: Ints) -> Ints:
    """Where a new value begins in sorted ones (none is negative)."""
    return np.flatnonzero(np.diff(values, prepend=-1))


def _merge(weight: csr_array, member: Ints) -> csr_array:
    """The graph of groups: weights between their members summed."""
    count = int(member.max()) + 1
    ends = np.arange(len(member)), member
    into = csr_array((np.ones(len(member), np.float32), ends), shape=(len(member), count))
    merged = (into.T @ weight @ into).tocoo()
    between = merged.row != merged.col
    ends = merged.row[between], merged.col[between]
    return csr_array((merged.data[between], ends), shape=(count, count))


def _expand(x: Floats, member: Ints, random: np.random.Generator) -> Floats:
    size = np.bincount(member)
    grown = x * np.sqrt(len(member) / len(size))
    angle = random.random(len(member)) * 2 * np.pi
    reach = np.sqrt(random.random(len(member)) * size[member])
    scattered = np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])
    return (grown[member] + scattered).astype(np.float32)


def _relax(x: Floats, weight: csr_array, steps: int, heat: float, progress: Progress) -> Floats:
    """Move nodes by forces, by `heat` x width at most, cooling to nothing."""
    n = len(x)
    what = "pages" if n > COARSEST else "groups"
    pull = weight.copy()
    if pull.nnz:
        pull.data /= max(pull.data.mean(), 1e-12)
    tie = pull.data
    row = np.repeat(np.arange(n), np.diff(pull.indptr))
    mass = np.asarray(pull.sum(axis=1)).ravel().astype(np.float32) + 0.1
    # With this radius of the whole, repulsion balances attraction.
    radius = 2 * np.sqrt(n)
    repulsion = radius * np.log1p(radius) / mass.sum()
    for step in range(steps):
        if step % 4 == 0:  # the logarithm changes slowly; the rest is one sparse product
            length = _length(x[pull.indices] - x[row]) + 1e-3
            pull.data = tie * (np.log1p(length) / length)
            strength = np.asarray(pull.sum(axis=1)).ravel()[:, None]
            progress(step / steps, f"placing {n:,} {what}")
        outward = x - (x * mass[:, None]).sum(axis=0) / mass.sum()
        gravity = 0.1 * outward / (_length(outward)[:, None] + 1e-3)
        push = _repulsion(x, mass, _grid(n, step / steps)) * repulsion
        total = (pull @ x - strength * x) / mass[:, None] + push - gravity
        speed = _length(total)[:, None] + 1e-9
        limit = heat * 2 * radius * (1 - step / steps) ** 1.5
        x = (x + total * np.minimum(1, limit / speed)).astype(np.float32)
    return x


def _grid(n: int, share: float) -> int:
    """Cells a side: few for few nodes, and at first."""
    if n < 4000:
        return 128
    return 256 if share < 0.5 else 512


def _length(vectors: Floats) -> Floats:
    """Much faster than numpy's norm."""
    return np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2)


def _repulsion(x: Floats, mass: Floats, grid: int) -> Floats:
    """The push of all on each, mass/distance: spread, convolved, read."""
    low = x.min(axis=0)
    cell = float((x.max(axis=0) - low).max()) / (grid - 1) * 1.0001 + 1e-6
    at = (x - low) / cell
    corner = np.minimum(at.astype(np.int32), grid - 2)
    right, down = (at - corner).T
    width = 2 * grid  # zero padding: the convolution must not wrap around
    base = corner[:, 1] * width + corner[:, 0]
    corners = (
        (base, (1 - right) * (1 - down)),
        (base + 1, right * (1 - down)),
        (base + width, (1 - right) * down),
        (base + width + 1, right * down),
    )
    cells = np.concatenate([i for i, _ in corners])
    masses = np.concatenate([w * mass for _, w in corners])
    spread = np.bincount(cells, masses, minlength=width * width).astype(np.float32)
    field = fft.rfft2(spread.reshape(width, width))
    push = np.empty_like(x)
    for axis, kernel in enumerate(_kernels(grid)):
        plane = fft.irfft2(field * kernel).ravel()
        push[:, axis] = sum(w * plane[i] for i, w in corners)
    return push / cell


@lru_cache(maxsize=4)
def _kernels(grid: int) -> tuple[NDArray, NDArray]:
    """Transforms of x/r^2 and y/r^2, softened: no node pushes itself."""
    step = np.arange(2 * grid)
    step = np.where(step < grid, step, step - 2 * grid).astype(np.float32)
    across, down = np.meshgrid(step, step)
    square = across**2 + down**2 + 0.5
    return fft.rfft2(across / square), fft.rfft2(down / square)


def _frame(x: Floats, linked: Ints, loose: Ints) -> NDArray[np.float32]:
    """Fit linked pages into the inner disc; the others stand around it."""
    half = SIDE / 2
    inner = half * (0.93 if len(loose) else 0.99)
    if len(linked):
        centred = x[linked] - np.quantile(x[linked], [0.03, 0.97], axis=0).mean(axis=0)
        distance = np.linalg.norm(centred, axis=1)
        reach = np.quantile(distance, 0.97) * 1.15 or 1.0
        # Far outliers are drawn in, smoothly: beyond 0.85 distance grows ever slower.
        ratio = distance / reach
        squeezed = np.where(ratio > 0.85, 0.85 + 0.15 * np.tanh((ratio - 0.85) / 0.15), ratio)
        x[linked] = half + centred * (squeezed / np.maximum(ratio, 1e-9) * inner / reach)[:, None]
    rank = np.arange(len(loose))
    ring = inner + (half * 0.99 - inner) * np.sqrt((rank + 0.5) / max(1, len(loose)))
    x[loose] = half + _spiral(ring, rank)
    return np.clip(x, 0, SIDE).astype(np.float32)
