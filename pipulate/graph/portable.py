"""The measures once more, as Ibis expressions: they run where the data is (DuckDB, Polars, Spark, BigQuery, Snowflake).

FOR       Graphs beyond one machine, or that live in a warehouse.  On one machine `measures` is 10 to 100 times faster.
          Optional: `pip install 'pipulate[portable]'` brings Ibis and DuckDB; Spark needs pyspark and Java.
TABLES    links  source, target: page ids, one row a distinct link
          pages  id; for the matrix `section`, for opportunities `demand` and `good` (may be recommended)
ROUNDS    PageRank and click depth repeat a step until nothing changes.  Every few steps the result is made a table of
          its own: otherwise the expression grows with every round, and so does the engine's plan.
EQUAL     The definitions are those of `measures`, and tests hold the results together on every engine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipulate.engine.files import whole_folder
from pipulate.graph import measures, roles
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphError
from pipulate.graph.report import write_tables
from pipulate.graph.sources import first_line

DAMPING = measures.DAMPING
ROUNDS = 4  # of PageRank in one query: fewer queries against longer ones


@dataclass
class Engine:
    """A connection of Ibis (`ibis.duckdb.connect()` and the like) and the tables we made in it, by name."""

    connection: Any
    made: dict[str, Any] = field(default_factory=dict)

    def table(self, rows: Any) -> Any:
        """Make a table of an expression or an Arrow table, under a name of its own; return it."""
        name = f"pipulate_{secrets.token_hex(6)}"
        self.made[name] = self.connection.create_table(name, rows)
        return self.made[name]

    def drop(self, *tables: Any) -> None:
        """Drop these tables, or all that we made."""
        for name in [
            name
            for name, table in self.made.items()
            if not tables or any(table is t for t in tables)
        ]:
            self.connection.drop_table(name, force=True)
            del self.made[name]


@contextlib.contextmanager
def engine(backend: str) -> Iterator[Engine]:
    """Connect to `duckdb`, `polars`, `spark` (here), `spark://host:port`, or any address Ibis knows; tidy up after.

    Raises GraphError when the library for it is missing or the engine does not answer.
    """
    with contextlib.ExitStack() as stack:
        try:
            made = Engine(_connect(backend, stack))
        except ImportError as error:
            raise GraphError(
                f"--backend {backend} needs a library that is not installed ({first_line(error)}): "
                "pip install 'pipulate[portable]'"
                + (" pyspark" if backend.startswith("spark") else "")
            ) from error
        except Exception as error:  # each engine has its own kinds of failure
            raise GraphError(f"Cannot connect to {backend}: {first_line(error)}") from error
        try:
            yield made
        finally:
            made.drop()


def _connect(backend: str, stack: contextlib.ExitStack) -> Any:
    import ibis

    if backend in ("duckdb", "polars"):
        return getattr(ibis, backend).connect()
    if not backend.startswith("spark"):
        return ibis.connect(backend)
    from pyspark.sql import SparkSession

    home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    master = backend if backend.startswith("spark://") else f"local[{os.cpu_count() or 1}]"
    builder = (
        SparkSession.builder.master(master)
        .appName("pipulate")
        .config("spark.sql.warehouse.dir", f"{home}/tables")
    )
    if master.startswith("local"):  # its defaults are for a cluster: 200 tasks a join, a web page
        builder = (
            builder.config("spark.sql.shuffle.partitions", str(2 * (os.cpu_count() or 1)))
            .config("spark.ui.enabled", "false")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
        )
    session = builder.getOrCreate()
    stack.callback(session.stop)
    return ibis.pyspark.connect(session)


def upload(engine: Engine, graph: Graph) -> tuple[Any, Any]:
    """Make the tables `links` and `pages` of a graph; return them."""
    facts = roles.facts(graph)
    demand = facts.demand
    pages = pl.DataFrame(
        {
            "id": pl.int_range(graph.n, eager=True),
            "url": graph.urls,
            "section": facts.group.alias("section"),
            "demand": pl.Series([None] * graph.n, dtype=pl.Float64)
            if demand is None
            else pl.Series(demand).fill_nan(None),
            "good": facts.good,
        }
    )
    links = pl.DataFrame(
        {"source": graph.source.astype("int64"), "target": graph.target.astype("int64")}
    )
    return engine.table(links.to_arrow()), engine.table(pages.to_arrow())


def degrees(links: Any, pages: Any) -> Any:
    """Return id, inlinks, outlinks, from_others, to_others (as in `measures`) for every page."""
    import ibis

    other = (links.source != links.target).cast("int64")
    received = links.group_by(id=links.target).agg(inlinks=links.count(), from_others=other.sum())
    given = links.group_by(id=links.source).agg(outlinks=links.count(), to_others=other.sum())
    both = (
        pages.select("id")
        .left_join(received, "id")
        .drop("id_right")
        .left_join(given, "id")
        .drop("id_right")
    )
    counts = ("inlinks", "outlinks", "from_others", "to_others")
    return both.select("id", **{c: ibis.coalesce(both[c], 0).cast("int64") for c in counts})


def pagerank(
    engine: Engine,
    links: Any,
    pages: Any,
    *,
    damping: float = DAMPING,
    tolerance: float = 1e-10,
    rounds: int = 1000,
) -> Any:
    """Return id, rank: `measures.pagerank` (without nofollow and pages left out).

    What starts anew, from any cause, is spread evenly.  So the rank is in proportion to the solution of
    x = 1/n + damping * (what is passed along links), which needs no sum over all pages in each round: one at the end.
    """
    out = links.group_by("source").agg(out=links.count())
    weights = links.join(out, "source").select("source", "target", weight=damping / out.out)
    weights = engine.table(weights)
    n = max(1, _value(pages.count()))
    rank = engine.table(pages.select("id", rank=pages.id.cast("float64") * 0 + 1 / n))
    total = 1.0
    for _ in range(0, rounds, ROUNDS):
        after = rank
        for _ in range(ROUNDS):
            after = _round(weights, pages, after, n)
        after = engine.table(after)
        both = after.join(rank, "id", rname="before_{name}")
        change, total = _row(
            both.agg(change=(both.rank - both.before_rank).abs().sum(), total=both.rank.sum())
        )
        engine.drop(rank)
        rank = after
        if change is None or change < tolerance * total:
            break
    engine.drop(weights)
    return rank.select("id", rank=rank.rank / (total or 1.0))


def _round(weights: Any, pages: Any, rank: Any, n: int) -> Any:
    """One step of the surfer.  `rank` stands in it once, or the plan of several rounds would double with each."""
    import ibis

    moving = weights.join(rank, weights.source == rank.id)
    given = moving.group_by("target").agg(passed=(moving.rank * moving.weight).sum())
    joined = pages.left_join(given, pages.id == given.target)
    return joined.select("id", rank=ibis.coalesce(joined.passed, 0.0) + 1 / n)


def depths(engine: Engine, links: Any, pages: Any, start: int) -> Any:
    """Return a table of id, depth for the pages that can be reached from `start`: breadth-first search."""
    reached = engine.table(
        pages.filter(pages.id == start).select("id", depth=pages.id.cast("int64") * 0)
    )
    level = 0
    while True:
        front = reached.filter(reached.depth == level)
        found = links.join(front, links.source == front.id).select(id=links.target).distinct()
        found = found.anti_join(reached, "id")
        level += 1
        more = engine.table(
            reached.union(found.select("id", depth=found.id.cast("int64") * 0 + level))
        )
        engine.drop(reached)
        reached = more
        if not _value(reached.filter(reached.depth == level).count()):
            return reached


def matrix(links: Any, pages: Any, rank: Any, damping: float = DAMPING) -> Any:
    """Return from, to, links, flow between sections, as `measures.flow`, without empty fields."""
    import ibis

    out = links.group_by("source").agg(out=links.count())
    passed = rank.join(out, rank.id == out.source).select(
        "source", each=damping * ibis._.rank / ibis._.out
    )
    begin = pages.select(source=pages.id, begin=pages.section)
    end = pages.select(target=pages.id, end=pages.section)
    wide = links.join(passed, "source").join(begin, "source").join(end, "target")
    return wide.group_by(["begin", "end"]).agg(links=wide.count(), flow=wide.each.sum())


def orphans(links: Any, pages: Any, start: int) -> Any:
    """Return the ids of pages to which no other page links, but for `start`."""
    linked = links.filter(links.source != links.target).select(id=links.target).distinct()
    return pages.filter(pages.id != start).select("id").anti_join(linked, "id")


def opportunities(links: Any, pages: Any) -> Any:
    """Return id, demand, inlinks of good pages in the top quarter by demand with inlinks up to the median."""
    counted = (
        pages.filter(pages.good)
        .select("id", "demand")
        .join(degrees(links, pages).select("id", "inlinks"), "id")
    )
    wanted = counted.filter(counted.demand > 0)
    limits = wanted.agg(high=wanted.demand.quantile(0.75)).cross_join(
        counted.agg(few=counted.inlinks.median())
    )
    both = wanted.cross_join(limits)
    return both.filter(both.demand >= both.high, both.inlinks <= both.few).select(
        "id", "demand", "inlinks"
    )


def report(graph: Graph, backend: str) -> dict[str, pl.DataFrame]:
    """Compute pages (degrees, depth, rank), matrix, orphans and opportunities of a graph on another engine."""
    start = measures.home(graph, roles.facts(graph).depth)
    with engine(backend) as made:
        links, pages = upload(made, graph)
        rank = pagerank(made, links, pages)
        depth = depths(made, links, pages, start)
        found = {
            "degrees": degrees(links, pages),
            "rank": rank,
            "depth": depth,
            "matrix": matrix(links, pages, rank),
            "orphans": orphans(links, pages, start),
            "opportunities": opportunities(links, pages),
        }
        frames = {name: frame(table) for name, table in found.items()}
    names = pl.DataFrame(
        {"id": range(graph.n), "url": graph.urls}, schema_overrides={"id": pl.Int64}
    )
    table = names.join(frames.pop("degrees"), "id", "left").join(frames.pop("rank"), "id", "left")
    table = table.join(frames.pop("depth"), "id", "left").sort("id")
    flows = (
        frames.pop("matrix")
        .rename({"begin": "from", "end": "to"})
        .sort(["links", "from", "to"], descending=[True, False, False])
    )
    listed = {name: frame.join(names, "id").sort("id") for name, frame in frames.items()}
    listed["opportunities"] = listed["opportunities"].sort(
        ["demand", "inlinks", "id"], descending=[True, False, False]
    )
    return {"pages": table, "matrix": flows, **listed}


def _value(expression: Any) -> Any:
    return expression.to_pyarrow().as_py()


def _row(table: Any) -> list[Any]:
    return list(table.to_pyarrow().to_pylist()[0].values())


def frame(table: Any) -> pl.DataFrame:
    """Fetch a table."""
    frame = pl.from_arrow(table.to_pyarrow())
    assert isinstance(frame, pl.DataFrame)
    return frame


def write(tables: dict[str, pl.DataFrame], folder: Path) -> None:
    """Write the tables of `report` as Parquet and CSV, whole or not at all."""
    with whole_folder(folder) as part:
        write_tables(tables, part)
