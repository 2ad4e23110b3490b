"""The Ibis form gives the numbers of `measures`, on every engine that is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipulate.graph import edges, measures, portable, roles
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphError
from tests.graph.shop import shop
from tests.trust.needs import no_spark

needs_spark = pytest.mark.skipif(bool(no_spark()), reason=no_spark())
# Ibis and the engines warn of what they will change one day; that is theirs.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


spark = pytest.param(
    "spark",
    marks=[
        needs_spark,
        pytest.mark.xdist_group("spark"),  # it starts once
        pytest.mark.trust("Spark, Polars and DuckDB: equal measures"),
    ],
)


@pytest.fixture(scope="module", params=["duckdb", "polars", spark])
def engine(request: pytest.FixtureRequest) -> Iterator[portable.Engine]:
    """A connection to each engine."""
    with pytest.MonkeyPatch.context() as patch:
        # Java's second compiler is for hours of work: here it takes as long as all the rest.
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        with portable.engine(request.param) as made:
            yield made


def random_site(n: int, m: int, seed: int) -> Graph:
    """Return a site with hubs, islands, self links, dead ends, page types and demand."""
    draw = np.random.default_rng(seed)
    demand = (draw.pareto(1.0, n) * 10).astype(int)
    table = pl.DataFrame(
        {
            "url": [f"/{i}" for i in range(n)],
            "pagetype": [("home", "list", "item", None)[i % 4] for i in range(n)],
            "impressions": [None if i % 5 == 0 else int(d) for i, d in enumerate(demand)],
            "compliant": [i % 7 != 0 for i in range(n)],
            "http_code": [301 if i % 11 == 5 else 200 for i in range(n)],
        }
    )
    return edges.of(
        (draw.random(m) * n * 0.9).astype(int), (draw.random(m) ** 2 * n).astype(int), table
    )


SHOP, RANDOM = shop(), random_site(60, 200, 1)


def test_what_is_dropped_is_gone(engine: portable.Engine) -> None:
    """An engine that calls our table by a longer name forgets it all the same, and only it."""
    kept = engine.table(pl.DataFrame({"a": [1]}).to_arrow())
    dropped = engine.table(pl.DataFrame({"a": [2]}).to_arrow())
    engine.drop(dropped)
    assert portable.frame(kept)["a"].to_list() == [1]
    with pytest.raises(Exception, match="pipulate_"):
        portable.frame(dropped)


@pytest.mark.parametrize(
    ("engine", "graph"),
    [
        pytest.param("duckdb", SHOP, id="duckdb-a shop"),
        pytest.param("polars", SHOP, id="polars-a shop"),
        pytest.param("duckdb", RANDOM, id="duckdb-a random site"),
        pytest.param("polars", RANDOM, id="polars-a random site"),
        pytest.param("spark", RANDOM, id="spark-a random site", marks=spark.marks),
    ],
    indirect=["engine"],
)
def test_equal_to_measures(engine: portable.Engine, graph: Graph) -> None:
    """Degrees, PageRank, depth, matrix, orphans, opportunities are those of `measures`."""
    facts = roles.facts(graph)
    start = measures.home(graph)
    links, pages = portable.upload(engine, graph)

    counted = portable.frame(portable.degrees(links, pages)).sort("id")
    assert counted["inlinks"].to_list() == measures.inlinks(graph).tolist()
    assert counted["outlinks"].to_list() == measures.outlinks(graph).tolist()
    assert counted["from_others"].to_list() == measures.inlinks_from_others(graph).tolist()

    rank = portable.pagerank(engine, links, pages)
    ranks = portable.frame(rank).sort("id")["rank"].to_numpy()
    assert np.abs(ranks - measures.pagerank(graph)).max() < 1e-9

    reached = dict(
        portable.frame(portable.depths(engine, links, pages, start))
        .select("id", "depth")
        .iter_rows()
    )
    expected = measures.depths(graph, start)
    assert reached == {i: d for i, d in enumerate(expected.tolist()) if d >= 0}

    lonely = portable.frame(portable.orphans(links, pages, start))["id"].sort().to_list()
    assert lonely == np.flatnonzero(measures.orphans(graph, start)).tolist()

    names = facts.group.unique(maintain_order=True).to_list()
    code = np.array([names.index(name) for name in facts.group])
    count, flow = measures.flow(graph, code, len(names), ranks)
    fields = portable.frame(portable.matrix(links, pages, rank))
    assert fields["links"].sum() == graph.m
    for begin, end, number, flowing in fields.select("begin", "end", "links", "flow").iter_rows():
        a, b = names.index(begin), names.index(end)
        assert number == count[a, b] and flowing == pytest.approx(flow[a, b], abs=1e-12)

    if facts.impressions is not None:
        good = np.ones(graph.n, bool)
        for bad in (
            facts.redirected,
            facts.broken,
            None if facts.compliant is None else ~facts.compliant,
        ):
            good &= True if bad is None else ~bad
        found = portable.frame(portable.opportunities(links, pages))["id"].sort().to_list()
        assert found == sorted(
            measures.opportunities(facts.impressions, measures.inlinks(graph), good).tolist()
        )
    engine.close()
    assert not engine.made


def test_report(tmp_path: Path) -> None:
    """The report has the tables with addresses, and is written as files."""
    graph = random_site(40, 150, 2)
    tables = portable.report(graph, "polars")
    assert tables["pages"]["url"].to_list() == graph.urls.to_list()
    assert np.allclose(tables["pages"]["rank"].to_numpy(), measures.pagerank(graph), atol=1e-9)
    demand = roles.facts(graph).impressions
    assert demand is not None and tables["opportunities"]["demand"].to_list() == sorted(
        tables["opportunities"]["demand"], reverse=True
    )
    portable.write(tables, tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "matrix.parquet")["links"].sum() == graph.m


def test_unknown_engines() -> None:
    """An engine nobody knows is refused by name."""
    with pytest.raises(GraphError, match="Cannot connect to nonsense"), portable.engine("nonsense"):
        pass


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ibis it is said what to install."""
    monkeypatch.setitem(sys.modules, "ibis", None)
    with (
        pytest.raises(GraphError, match=r"pip install 'pipulate\[portable\]'"),
        portable.engine("duckdb"),
    ):
        pass
