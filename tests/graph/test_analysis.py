"""From a graph to its report: every page with every measure, in memory and on disk alike."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipulate.graph import analysis, edges, report
from tests.graph.shop import PAGES, SITE, shop
from tests.graph.test_portable import random_site


def test_pages_table() -> None:
    """Every page has every measure, and the page table's columns once."""
    pages = analysis.in_memory(shop(), deep=True).pages
    assert pages.height == len(PAGES)
    measured = {"url", "depth", "inlinks", "outlinks", "pagerank", "link_score", "hub", "authority"}
    marked = {"part", "community", "orphan", "near_orphan", "dead_end", "template"}
    assert set(pages.columns) >= measured | marked | {"pagetype", "impressions", "http_code"}
    assert pages["depth"].to_list() == [0, 1, 1, 2, 2, 2, None, None, 2, 1, 3]
    assert pages["pagerank"].sum() == pytest.approx(1)


def test_communities_are_made_when_asked_for() -> None:
    """They take longest; without them there is neither column nor chapter."""
    made = analysis.in_memory(shop())
    assert "community" not in made.pages.columns
    assert "communities" not in made.summary["counts"]


def test_only_good_pages() -> None:
    """`only_good` takes redirected pages and their links out of PageRank."""
    rank = dict(analysis.in_memory(shop(), only_good=True).pages.select("url", "pagerank").rows())
    assert rank[f"{SITE}/old"] == 0
    assert math.fsum(rank.values()) == pytest.approx(1)


def test_a_table_with_our_names(tmp_path: Path) -> None:
    """Columns that are named like a measure are kept beside it; roles still find them."""
    table = pl.DataFrame(
        {
            "url": ["/", "/a"],
            "depth": [3, 0],
            "inlinks": [7, 8],
            "pagerank": ["x", "y"],
            "title": ["=H", "A"],
        }
    )
    made = analysis.in_memory(edges.of(np.array([0]), np.array([1]), table))
    assert made.pages["depth (table)"].to_list() == [3, 0]
    assert made.pages["inlinks (table)"].to_list() == [7, 8]
    assert made.summary["home"] == "/a"
    report.write(made, tmp_path / "report")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_site(n: int, tmp_path: Path) -> None:
    """A site of none, one or two pages has a report too."""
    nothing = np.zeros(0, int)
    urls = pl.DataFrame({"url": [f"/{page}" for page in range(n)]}, schema={"url": pl.String})
    report.write(analysis.in_memory(edges.of(nothing, nothing, urls), deep=True), tmp_path / "r")
    assert report.read(tmp_path / "r")["summary"]["pages"] == n


def test_progress() -> None:
    """Progress begins at 0, grows, ends at 1, and has words."""
    shares: list[float] = []

    def told(share: float, text: str) -> None:
        assert text
        shares.append(share)

    analysis.in_memory(shop(), progress=told)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)


@pytest.mark.parametrize("graph", [shop(), random_site(300, 2000, 3)], ids=["shop", "random"])
def test_on_disk_as_in_memory(graph: edges.Graph, tmp_path: Path) -> None:
    """Its chapters are, word by word and row by row, those of the report made in memory."""
    edges.save(graph, tmp_path / "graph")
    on_disk = analysis.on_disk(tmp_path / "graph")
    in_memory = analysis.in_memory(graph)
    expected_keys = {"depth", "inlinks", "pagerank", "matrix", "opportunities", "orphans"}
    assert {finding.key for finding in on_disk.findings} == expected_keys
    for finding in on_disk.findings:
        expected = in_memory.finding(finding.key)
        assert finding.title == expected.title
        assert finding.count == expected.count
        assert finding.meaning == expected.meaning
        assert_frame_equal(finding.table, expected.table, abs_tol=1e-12)
    same_columns = in_memory.pages.select(on_disk.pages.columns)
    assert_frame_equal(on_disk.pages, same_columns, abs_tol=1e-12)
    counts = on_disk.summary.pop("counts")
    assert counts.items() <= in_memory.summary.pop("counts").items()
    assert on_disk.summary == in_memory.summary


def test_large_graphs_are_measured_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond LARGE links the report comes from passes over the disk, and is shorter."""
    edges.save(shop(), tmp_path / "graph")
    assert "communities" in analysis.make(tmp_path / "graph", tmp_path / "small")["counts"]
    monkeypatch.setattr(analysis, "LARGE", 3)
    assert "near_orphans" not in analysis.make(tmp_path / "graph", tmp_path / "large")["counts"]
    assert report.read(tmp_path / "large")["summary"]["pages"] == len(PAGES)
