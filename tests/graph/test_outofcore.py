"""Measures by passes over the disk are those in memory, wherever blocks begin and end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import edges, measures, outofcore
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphMissing
from tests.graph.test_measures import graphs, make


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for graphs."""
    return tmp_path_factory.mktemp("graphs")


def agree(graph: Graph, folder: Path, start: int) -> None:
    """Compare every measure on disk with the one in memory."""
    edges.save(graph, folder)
    disk = outofcore.open_graph(folder)
    assert disk.outlinks.tolist() == measures.outlinks(graph).tolist()
    received, from_others = outofcore.inlinks(disk)
    assert received.tolist() == measures.inlinks(graph).tolist()
    assert from_others.tolist() == measures.inlinks_from_others(graph).tolist()
    assert outofcore.depths(disk, start).tolist() == measures.depths(graph, start).tolist()
    # The same rounds in the same order: what differs is only the order of additions.
    rank = outofcore.pagerank(disk, tolerance=1e-5)
    assert np.abs(rank - measures.pagerank(graph, tolerance=1e-5)).max() < 1e-13
    group = np.arange(graph.n, dtype=np.uint32) % 3
    for ours, theirs in zip(
        outofcore.flow(disk, group, 3, rank), measures.flow(graph, group, 3, rank), strict=True
    ):
        assert np.allclose(ours, theirs)


@settings(max_examples=25, deadline=None)
@given(graphs(), st.sampled_from([2, 3, 7, 50]), st.data())
def test_equal_to_memory(place: Path, graph: Graph, block: int, data: st.DataObject) -> None:
    """Blocks of a few links, in the middle of a page's or over many pages, change nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outofcore, "BLOCK", block)
        agree(graph, place / "graph", data.draw(st.integers(0, graph.n - 1)))


def test_nofollow(place: Path) -> None:
    """Nofollow links dilute here too."""
    graph = make(4, [(0, 1), (1, 2), (2, 0)], nofollow=[(0, 3), (3, 0)])
    agree(graph, place / "nofollow", 0)


def test_damage(tmp_path: Path) -> None:
    """A copy whose counts differ or that cannot be read is not measured."""
    edges.save(make(3, [(0, 1), (1, 2)]), tmp_path / "graph")
    path = tmp_path / "graph" / "links.parquet"
    whole = path.read_bytes()
    pl.DataFrame(
        {"source": [0], "target": [1]}, schema={"source": pl.UInt32, "target": pl.UInt32}
    ).write_parquet(path)
    with pytest.raises(GraphMissing):
        outofcore.open_graph(tmp_path / "graph")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GraphMissing):
        outofcore.open_graph(tmp_path / "graph")
