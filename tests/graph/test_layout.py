"""The two layouts: what must hold for every graph, and that neighbours end up near each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import layout
from tests.graph.sites import site

Links = tuple[int, np.ndarray, np.ndarray]


@st.composite
def graphs(draw: st.DrawFn, most: int = 60) -> Links:
    """Any small graph, also with self links, double links, lone pages, or nothing at all."""
    n = draw(st.integers(1, most))
    pairs = draw(
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=4 * most)
    )
    array = np.array(pairs, np.uint32).reshape(-1, 2)
    return n, array[:, 0], array[:, 1]


def groups(n: int, count: int) -> np.ndarray:
    return np.arange(n) % min(n, count)


def stretch(positions: np.ndarray, source: np.ndarray, target: np.ndarray) -> float:
    """Mean length of links, relative to that of as many random pairs with the same ends."""
    length = np.linalg.norm(positions[source] - positions[target], axis=1).mean()
    other = np.random.default_rng(0).permutation(target)
    return float(length / np.linalg.norm(positions[source] - positions[other], axis=1).mean())


def assert_placed(placed: layout.Layout, n: int) -> None:
    assert placed.positions.shape == (n, 2)
    assert placed.positions.dtype == np.float32
    assert np.isfinite(placed.positions).all()
    assert placed.positions.min(initial=0) >= 0
    assert placed.positions.max(initial=0) <= layout.SIDE


@given(graphs(), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_sections_hold_any_graph(links: Links, count: int) -> None:
    """Every page of every graph gets a finite place in the square, in the disc of its section."""
    n, source, target = links
    group = groups(n, count)
    placed = layout.sections(n, source, target, group)
    assert_placed(placed, n)
    distance = np.linalg.norm(placed.positions - placed.discs[group, :2], axis=1)
    assert (distance <= placed.discs[group, 2] + 0.01).all()


@given(st.lists(st.floats(0.1, 50), min_size=1, max_size=40), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_discs_never_overlap(radii: list[float], seed: int) -> None:
    """Packed discs of any sizes, with any friendships, do not overlap; each touches another."""
    radius = np.array(radii)
    affinity = np.random.default_rng(seed).random((len(radii), len(radii)))
    centre = layout.pack_discs(radius, (affinity + affinity.T) * (1 - np.eye(len(radii))))
    gap = np.linalg.norm(centre[:, None] - centre[None], axis=2) - radius[:, None] - radius[None]
    np.fill_diagonal(gap, np.inf)
    assert gap.min() > -1e-6 * radius.max()
    assert len(radii) == 1 or np.median(gap.min(axis=1)) < 1e-6 * radius.max()


def test_friends_are_packed_side_by_side() -> None:
    """Of many equal discs, two that link to each other touch."""
    affinity = np.zeros((12, 12))
    affinity[3, 9] = affinity[9, 3] = 5
    centre = layout.pack_discs(np.ones(12), affinity)
    assert np.linalg.norm(centre[3] - centre[9]) == pytest.approx(2)


def test_hubs_stand_in_the_middle_of_their_section() -> None:
    """The page of a section with most inlinks stands at its disc's centre, the others around it."""
    n = 40
    source, target = np.arange(1, n), np.zeros(n - 1, np.int64)
    placed = layout.sections(n, source, target, np.zeros(n, np.int64))
    distance = np.linalg.norm(placed.positions - placed.discs[0, :2], axis=1)
    assert distance.argmin() == 0
    assert distance[0] < 0.01


@given(graphs(30))
@settings(max_examples=12, deadline=None)
def test_force_holds_any_graph(links: Links) -> None:
    """Every page of every graph gets a finite place in the square."""
    n, source, target = links
    assert_placed(layout.force(n, source, target), n)


def test_force_separates_two_cliques() -> None:
    """Two cliques joined by one link are drawn as two heaps."""
    a, b = np.meshgrid(np.arange(12), np.arange(12))
    inside = a.ravel() != b.ravel()
    one, two = a.ravel()[inside], b.ravel()[inside]
    source, target = np.concatenate([one, one + 12, [0]]), np.concatenate([two, two + 12, [12]])
    x = layout.force(24, source, target).positions
    heaps = x[:12].mean(axis=0), x[12:].mean(axis=0)
    spread = max(
        np.linalg.norm(x[:12] - heaps[0], axis=1).max(),
        np.linalg.norm(x[12:] - heaps[1], axis=1).max(),
    )
    assert np.linalg.norm(heaps[0] - heaps[1]) > 2 * spread


@pytest.mark.parametrize("kind", ["sections", "force"])
def test_neighbours_are_nearer_than_strangers(kind: str) -> None:
    """On a site with sections, links are less than half as long as random pairs."""
    graph = site("10k")
    count = 24
    group = np.unique(graph.urls.str.split("/").list.get(3).to_numpy(), return_inverse=True)[1]
    assert group.max() > count / 2
    if kind == "sections":
        placed = layout.sections(graph.n, graph.source, graph.target, group)
    else:
        placed = layout.force(graph.n, graph.source, graph.target)
    inner = ~layout.template_targets(graph.n, graph.source, graph.target)[graph.target]
    assert stretch(placed.positions, graph.source[inner], graph.target[inner]) < 0.5


@pytest.mark.parametrize("kind", ["sections", "force"])
def test_the_same_graph_is_drawn_the_same(kind: str) -> None:
    """Two runs give the same bytes."""
    graph = site("10k")
    if kind == "sections":
        one, two = (
            layout.sections(graph.n, graph.source, graph.target, groups(graph.n, 20))
            for _ in range(2)
        )
        assert one.discs.tobytes() == two.discs.tobytes()
    else:
        one, two = (layout.force(graph.n, graph.source, graph.target) for _ in range(2))
    assert one.positions.tobytes() == two.positions.tobytes()


def test_template_targets_are_those_of_the_menu() -> None:
    """A page linked from every page is a template target, one from a tenth is not.

    Small sites have none.
    """
    n = 50
    source = np.concatenate([np.arange(n), np.arange(5)])
    target = np.concatenate([np.full(n, 7), np.full(5, 8)])
    assert np.flatnonzero(layout.template_targets(n, source, target)).tolist() == [7]
    assert not layout.template_targets(n, source[:30], target[:30]).any()


def test_the_menu_does_not_pull_pages_together() -> None:
    """Links to template targets do not change where other pages stand."""
    graph = site("1k")
    group = groups(graph.n, 6)
    menu = layout.template_targets(graph.n, graph.source, graph.target)
    assert menu.any()
    source = np.concatenate([graph.source, np.arange(graph.n)])
    target = np.concatenate([graph.target, np.full(graph.n, np.flatnonzero(menu)[0])])
    before = layout.force(graph.n, graph.source, graph.target).positions
    assert np.array_equal(before, layout.force(graph.n, source, target).positions)
    assert layout.sections(graph.n, graph.source, graph.target, group).positions.shape == (
        graph.n,
        2,
    )


def test_force_tells_how_far_it_is_and_can_be_stopped() -> None:
    """Progress rises from 0 to 1; an exception from the callback ends the work."""
    graph = site("10k")
    seen: list[float] = []
    layout.force(graph.n, graph.source, graph.target, lambda share, text: seen.append(share))
    assert seen == sorted(seen)
    assert len(seen) > 20
    assert seen[-1] == 1

    def stop(share: float, text: str) -> None:
        if share > 0.3:
            raise InterruptedError(text)

    with pytest.raises(InterruptedError, match="placing"):
        layout.force(graph.n, graph.source, graph.target, stop)
