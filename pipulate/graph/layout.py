"""Where each page of a link graph stands: two layouts, numpy and scipy only, the same every time.

INPUT       `n` pages, `source` and `target` arrays (page numbers, one entry per link).  Nothing else is known here:
            no URLs, no files, no clock, no global random state.
OUTPUT      `Layout`: float32 positions inside the square [0, SIDE] x [0, SIDE], and for *Sections* one disc per section.

TEMPLATE    Menus and footers link every page to the same few targets.  Drawn as they are, they turn any site into one
            star.  `template_targets` finds them; both layouts place pages by the other links only.

SECTIONS    One disc per section, none overlapping.
            1. Room: each page gets an area, hubs more; a disc's area is the sum over its pages.
            2. Discs: placed one by one, largest first, each touching two others, where its links to those already
               placed are shortest (greedy circle packing by affinity).
            3. Pages: phyllotaxis (the sunflower's golden angle), hubs in the middle.  Then a few barycentre sweeps: a
               page keeps its ring, and within the ring pages are sorted by the direction in which their links go.

FORCE       Multilevel particle mesh.
            1. Coarsen by size-capped label propagation until about a thousand nodes are left.
            2. Attraction along links (LinLog: grows with the logarithm of distance, which separates clusters: Noack,
               "Energy Models for Graph Clustering", JGAA 11(2), 2007); repulsion of all pairs by convolution on a grid
               (FFT, O(n + g^2 log g)); gravity holds parts together; the step size cools.
            3. Expand each node into its members and refine, level by level.
            Pages without any drawn link stand in a ring around the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

SIDE = 1000.0
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
REPULSION = 1.0

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Layout:
    """Positions of all pages, shape (n, 2) float32 in [0, SIDE]; `discs`, shape (sections, 3): x, y, radius."""

    positions: NDArray[np.float32]
    discs: NDArray[np.float32]


def template_targets(
    n: int, source: Ints, target: Ints, share: float = 0.25, least: int = 40
) -> NDArray[np.bool_]:
    """Return a mask of pages linked from more than `share` of all linking pages, and from at least `least`.

    The least keeps small sites whole, where every page may well link to every other.
    """
    linking = np.count_nonzero(np.bincount(source, minlength=n)) if len(source) else 0
    return np.bincount(target, minlength=n) > max(share * linking, least - 1)


def sections(n: int, source: Ints, target: Ints, group: Ints) -> Layout:
    """Place each page in the disc of its `group` (codes 0..k-1, every code used), hubs in the middle."""
    if n == 0:
        return Layout(np.zeros((0, 2), np.float32), np.zeros((0, 3), np.float32))
    group = np.asarray(group, np.int64)
    count = int(group.max()) + 1
    inlinks = np.bincount(target, minlength=n)
    room = _room(inlinks)
    drawn = ~template_targets(n, source, target)[target] & (source != target)
    source, target = source[drawn].astype(np.int64), target[drawn].astype(np.int64)

    reach = np.sqrt(np.bincount(group, room, minlength=count))
    gap = 0.04 * reach + 0.02 * reach.max()
    centre = pack_discs(reach + gap, _affinity(group, count, source, target))

    slots = _phyllotaxis(group, count, inlinks, room)
    places = _barycentre(slots, centre, group, _neighbours(n, source, target))
    scale, shift = _into_square(centre, reach + gap)
    discs = np.column_stack([centre * scale + shift, reach * scale])
    return Layout(
        np.clip(places * scale + shift, 0, SIDE).astype(np.float32), discs.astype(np.float32)
    )


def _room(inlinks: Ints) -> Floats:
    """Area for each page: 1 for a leaf, up to 40 for the most linked page, so that big points do not hide others."""
    return 1 + 39 * (inlinks / max(1, inlinks.max())) ** 1.2


def _affinity(group: Ints, count: int, source: Ints, target: Ints) -> Floats:
    """Links between each two groups, relative to what their sizes let expect; symmetric, zero diagonal."""
    between = np.bincount(group[source] * count + group[target], minlength=count * count).reshape(
        count, count
    )
    size = np.bincount(group, minlength=count).astype(float)
    affinity = (between + between.T) / np.sqrt(np.outer(size, size))
    np.fill_diagonal(affinity, 0)
    return affinity


def pack_discs(radius: Floats, affinity: Floats) -> Floats:
    """Return centres (k, 2) of discs that touch but never overlap, friends close to each other.

    The largest disc comes first; each next one goes where it touches two placed discs, overlaps none, and has the least
    sum of affinity x distance, plus a pull to the middle that keeps the whole round.
    """
    centre = np.zeros((len(radius), 2))
    order = np.argsort(-radius, kind="stable")
    for step, disc in enumerate(order):
        placed = order[:step]
        if step == 0:
            continue
        if step == 1:
            centre[disc] = centre[placed[0]] + [radius[placed[0]] + radius[disc], 0]
            continue
        spots = _free_spots(centre[placed], radius[placed], radius[disc])
        pull = affinity[disc, placed]
        distance = np.linalg.norm(spots[:, None] - centre[placed][None], axis=2)
        to_middle = np.linalg.norm(
            spots - np.average(centre[placed], axis=0, weights=radius[placed] ** 2), axis=1
        )
        cost = to_middle + (distance @ pull) / pull.sum() if pull.sum() > 0 else to_middle
        centre[disc] = spots[np.argmin(cost)]
    return centre


def _free_spots(centre: Floats, radius: Floats, own: float) -> Floats:
    """Return every place where a disc of radius `own` touches two of the placed discs and overlaps none."""
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
    """Return offsets (n, 2) from the group's centre: most linked pages innermost, golden angle between neighbours."""
    order = np.lexsort((-inlinks, group))
    starts = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=count))])[:-1]
    rank = np.arange(len(group)) - starts[group[order]]
    filled = np.cumsum(room[order])
    before = (filled - room[order])[starts[group[order]]]
    ring = np.sqrt(filled - before - room[order] / 2) * (rank > 0)
    angle = rank * GOLDEN_ANGLE
    offsets = np.empty((len(group), 2))
    offsets[order] = np.column_stack([ring * np.cos(angle), ring * np.sin(angle)])
    return offsets


def _neighbours(n: int, source: Ints, target: Ints) -> sparse.csr_array:
    """Row-normalised symmetric adjacency: `matrix @ positions` is each page's mean over its neighbours."""
    links = sparse.csr_array((np.ones(len(source), np.float32), (source, target)), shape=(n, n))
    both = (links + links.T).tocsr()
    degree = np.asarray(both.sum(axis=1)).ravel()
    both.data /= np.repeat(np.maximum(degree, 1), np.diff(both.indptr)).astype(np.float32)
    return both


def _barycentre(
    slots: Floats, centre: Floats, group: Ints, mean: sparse.csr_array, sweeps: int = 4
) -> Floats:
    """Return positions: within each ring of each disc, pages are reordered by the direction of their neighbours."""
    ring = np.floor(np.linalg.norm(slots, axis=1) / 1.5).astype(np.int64)
    key = group * (ring.max() + 1) + ring
    slot_order = np.lexsort((np.arctan2(slots[:, 1], slots[:, 0]), key))
    home = centre[group]
    offset = slots
    has_links = np.diff(mean.indptr) > 0
    for _ in range(sweeps):
        wanted = np.where(has_links[:, None], mean @ (home + offset) - home, offset)
        page_order = np.lexsort((np.arctan2(wanted[:, 1], wanted[:, 0]), key))
        offset = np.empty_like(slots)
        offset[page_order] = slots[slot_order]
    return home + offset


def _into_square(centre: Floats, radius: Floats) -> tuple[float, Floats]:
    """Return (scale, shift) that bring all discs into the square, centred."""
    low, high = (centre - radius[:, None]).min(axis=0), (centre + radius[:, None]).max(axis=0)
    scale = SIDE / float((high - low).max())
    return scale, SIDE / 2 - (low + high) / 2 * scale


# --------------------------------------------------------------------------------------------------------------- Force


def force(
    n: int, source: Ints, target: Ints, progress: Progress | None = None, seed: int = 0
) -> Layout:
    """Place pages by forces; `progress(share done, text)` is called often and may raise to cancel.  See the module."""
    report = progress or (lambda share, text: None)
    random = np.random.default_rng(seed)
    keep = ~template_targets(n, source, target)[target] & (source != target)
    links = sparse.csr_array(
        (np.ones(keep.sum(), np.float32), (source[keep], target[keep])), shape=(n, n)
    )
    links = (links + links.T).tocsr()
    linked = np.flatnonzero(np.diff(links.indptr))
    positions = np.zeros((n, 2), np.float32)
    if len(linked):
        positions[linked] = _multilevel(links[linked][:, linked].tocsr(), random, report)
    loose = np.setdiff1d(np.arange(n), linked)
    positions = _frame(positions, linked, loose)
    report(1.0, "done")
    return Layout(positions, np.zeros((0, 3), np.float32))


def _multilevel(links: sparse.csr_array, random: np.random.Generator, report: Progress) -> Floats:
    """Coarsen, lay out the coarsest graph, expand and refine level by level."""
    degree = np.diff(links.indptr)
    weight = links.copy()
    # A link to a hub says little about where a page belongs: it pulls less.
    weight.data = 1 / np.sqrt(np.repeat(degree, degree) * degree[links.indices]).astype(np.float32)
    levels: list[tuple[sparse.csr_array, Ints]] = []
    while weight.shape[0] > 1500 and len(levels) < 6:
        report(0.02 + 0.04 * len(levels), f"grouping {weight.shape[0]:,} pages")
        member = _propagate_labels(weight, random, cap=max(16, weight.shape[0] // 300))
        if member.max() + 1 > 0.8 * weight.shape[0]:
            break
        levels.append((weight, member))
        weight = _merge(weight, member)
    work = [
        weight.shape[0] * 3 + 3000,
        *(level.shape[0] + level.nnz / 10 + 3000 for level, _ in reversed(levels)),
    ]
    done = np.cumsum([0, *work]) / sum(work)

    def span(level: int) -> Progress:
        return lambda share, text: report(
            0.2 + 0.8 * (done[level] + share * (done[level + 1] - done[level])), text
        )

    x = random.standard_normal((weight.shape[0], 2)).astype(np.float32) * np.sqrt(weight.shape[0])
    x = _relax(x, weight, 240, 0.2, span(0))
    for index, (finer, member) in enumerate(reversed(levels), start=1):
        x = _expand(x, member, random)
        x = _relax(x, finer, 70, 0.03, span(index))
    return x


def _propagate_labels(
    weight: sparse.csr_array, random: np.random.Generator, cap: int, rounds: int = 4
) -> Ints:
    """Return group codes: each node joins the group it is most tied to, unless that group has `cap` members."""
    n = weight.shape[0]
    label = np.arange(n, dtype=np.int64)
    row = np.repeat(np.arange(n, dtype=np.int64), np.diff(weight.indptr))
    for _ in range(rounds):
        key = row * n + label[weight.indices]
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        tie = np.add.reduceat(weight.data[order], starts)
        node, candidate = np.divmod(key[order][starts], n)
        full = (np.bincount(label, minlength=n)[candidate] >= cap) & (candidate != label[node])
        tie = np.where(full, 0, tie * (1 + 0.01 * random.random(len(tie))))
        best = np.lexsort((-tie, node))
        best = best[np.flatnonzero(np.diff(node[best], prepend=-1))]
        # Only some move in each round, else two neighbours swap labels for ever.
        moves = best[(random.random(len(best)) < 0.6) & (tie[best] > 0)]
        label[node[moves]] = candidate[moves]
    return np.unique(label, return_inverse=True)[1]


def _merge(weight: sparse.csr_array, member: Ints) -> sparse.csr_array:
    """Return the graph of groups: the weights between their members summed, links inside a group left out."""
    count = int(member.max()) + 1
    into = sparse.csr_array(
        (np.ones(len(member), np.float32), (np.arange(len(member)), member)),
        shape=(len(member), count),
    )
    merged = (into.T @ weight @ into).tocoo()
    between = merged.row != merged.col
    ends = merged.row[between], merged.col[between]
    return sparse.csr_array((merged.data[between], ends), shape=(count, count))


def _expand(x: Floats, member: Ints, random: np.random.Generator) -> Floats:
    """Return start positions of a finer level: members scattered on a disc around their group, area as their number."""
    size = np.bincount(member)
    grown = x * np.sqrt(len(member) / len(size))
    angle = random.random(len(member)) * 2 * np.pi
    reach = np.sqrt(random.random(len(member)) * size[member])
    return (grown[member] + np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])).astype(
        np.float32
    )


def _relax(
    x: Floats, weight: sparse.csr_array, steps: int, heat: float, report: Progress
) -> Floats:
    """Move nodes along the forces, `steps` times, with a largest move of `heat` x width that cools to nothing."""
    n = len(x)
    weight = weight.copy()
    weight.data = weight.data / max(weight.data.mean(), 1e-12) if weight.nnz else weight.data
    row = np.repeat(np.arange(n), np.diff(weight.indptr))
    pull = weight.copy()
    mass = np.asarray(weight.sum(axis=1)).ravel().astype(np.float32) + 0.1
    # Repulsion is scaled so that it balances attraction when the whole has this radius, whatever the number of links.
    radius = 2 * np.sqrt(n)
    repulsion = REPULSION * radius * np.log1p(radius) / mass.sum()
    for step in range(steps):
        if (
            step % 4 == 0
        ):  # the logarithm changes slowly: refreshed now and then, the rest is one sparse product
            length = _length(x[weight.indices] - x[row]) + 1e-3
            pull.data = weight.data * (np.log1p(length) / length)
            strength = np.asarray(pull.sum(axis=1)).ravel()[:, None]
            report(step / steps, f"placing {n:,} {'pages' if n > 1500 else 'groups'}")
        middle = (x * mass[:, None]).sum(axis=0) / mass.sum()
        outward = x - middle
        distance = _length(outward)[:, None] + 1e-3
        push = (
            _repulsion(x, mass, 128 if n < 4000 else 256 if step < steps / 2 else 512) * repulsion
        )
        total = (pull @ x - strength * x) / mass[:, None] + push - 0.1 * outward / distance
        speed = _length(total)[:, None] + 1e-9
        limit = heat * 2 * radius * (1 - step / steps) ** 1.5
        x = (x + total * np.minimum(1, limit / speed)).astype(np.float32)
    return x


def _length(vectors: Floats) -> Floats:
    """Lengths of (n, 2) vectors; much faster than numpy's norm."""
    return np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2)


def _repulsion(x: Floats, mass: Floats, grid: int) -> Floats:
    """Return the push of all nodes on each, mass/distance, from a grid: spread, convolve by FFT, read back."""
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
    spread = (
        np.bincount(
            np.concatenate([i for i, _ in corners]),
            np.concatenate([w * mass for _, w in corners]),
            minlength=width * width,
        )
        .reshape(width, width)
        .astype(np.float32)
    )
    field = fft.rfft2(spread)
    push = np.empty_like(x)
    for axis, kernel in enumerate(_kernels(grid)):
        plane = fft.irfft2(field * kernel, s=spread.shape).ravel()
        push[:, axis] = sum(w * plane[i] for i, w in corners)
    return push / cell


@lru_cache(maxsize=4)
def _kernels(grid: int) -> tuple[NDArray, NDArray]:
    """Fourier transforms of x/r^2 and y/r^2 on the padded grid; softened, so that a node does not push itself."""
    step = np.arange(2 * grid)
    step = np.where(step < grid, step, step - 2 * grid).astype(np.float32)
    across, down = np.meshgrid(step, step)
    square = across**2 + down**2 + 0.5
    return fft.rfft2(across / square), fft.rfft2(down / square)


def _frame(x: Floats, linked: Ints, loose: Ints) -> NDArray[np.float32]:
    """Fit the linked pages into the square's inner disc and put pages without links in a band around it."""
    half = SIDE / 2
    inner = half * (0.99 if len(loose) == 0 else 0.93)
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
    x[loose] = half + np.column_stack(
        [ring * np.cos(rank * GOLDEN_ANGLE), ring * np.sin(rank * GOLDEN_ANGLE)]
    )
    return np.clip(x, 0, SIDE).astype(np.float32)
