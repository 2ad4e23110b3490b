"""The measures once more, as Ibis expressions: they run where the data is.

FOR     Graphs beyond one machine, or in a warehouse (on one machine
        `measures` is 10 to 100 times faster).  `pip install
        'pipulate[portable]'` brings Ibis and DuckDB; Spark needs pyspark
        and Java.
TABLES  links  source, target: page ids, one row a distinct link
        pages  id; for the matrix `section`, for opportunities `demand` and
               `good` (may be recommended)
ROUNDS  PageRank and click depth repeat a step until nothing changes.  Every
        few steps the result is made a table of its own: otherwise the
        engine's plan grows with every round.
EQUAL   Tests hold the numbers together with `measures`, on every engine.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipulate.engine.files import whole_folder
from pipulate.graph import measures, roles
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphError
from pipulate.graph.measures import DAMPING
from pipulate.graph.report import write_tables
from pipulate.graph.sources import first_line

MOST = 1000  # rounds of PageRank
ROUNDS = 4  # of them in one query: fewer queries against longer ones
TOLERANCE = 1e-10


@dataclass
class Engine:
    """A connection of Ibis, and our tables in it."""

    connection: Any
    made: set[str] = field(default_factory=set)

    def table(self, rows: Any) -> Any:
        """Make a table of an expression or an Arrow table, under a new name."""
        name = f"pipulate_{secrets.token_hex(6)}"
        made = self.connection.create_table(name, rows)
        self.made.add(name)
        return made

    def drop(self, table: Any) -> None:
        """Drop a table of ours."""
        name = table.get_name().rpartition(".")[2]  # some engines add theirs
        self.connection.drop_table(name, force=True)
        self.made.remove(name)

    def close(self) -> None:
        """Drop all tables of ours."""
        while self.made:
            self.connection.drop_table(self.made.pop(), force=True)


@contextlib.contextmanager
def engine(backend: str) -> Iterator[Engine]:
    """Connect to `duckdb`, `polars`, `spark`, or an address (Spark, Ibis).

    What we made there is gone in the end.  Raises GraphError when its
    library is missing or it does not answer.
    """
    with contextlib.ExitStack() as stack:
        try:
            made = Engine(_connect(backend, stack))
        except ImportError as error:
            more = " pyspark" if backend.startswith("spark") else ""
            raise GraphError(
                f"--backend {backend} needs a library that is not installed "
                f"({first_line(error)}): pip install 'pipulate[portable]'{more}"
            ) from error
        except Exception as error:  # each engine has its own kinds of failure
            raise GraphError(f"Cannot connect to {backend}: {first_line(error)}") from error
        stack.callback(made.close)
        yield made


def _connect(backend: str, stack: contextlib.ExitStack) -> Any:
    import ibis

    if backend in ("duckdb", "polars"):
        return getattr(ibis, backend).connect()
    if backend.startswith("spark"):
        return ibis.pyspark.connect(_spark(backend, stack))
    return ibis.connect(backend)


def _spark(backend: str, stack: contextlib.ExitStack) -> Any:
    from pyspark.sql import SparkSession

    cores = os.cpu_count() or 1
    home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    options = {"spark.sql.warehouse.dir": f"{home}/tables"}
    if backend.startswith("spark://"):
        master = backend
    else:
        master = f"local[{cores}]"
        options |= {  # its defaults are for a cluster: 200 tasks a join, a web page
            "spark.sql.shuffle.partitions": str(2 * cores),
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
        }
    builder = SparkSession.builder.master(master).appName("pipulate")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    stack.callback(session.stop)
    return session


def upload(engine: Engine, graph: Graph) -> tuple[Any, Any]:
    """Make a graph's tables `links` and `pages`."""
    facts = roles.facts(graph)
    demand = np.zeros(graph.n) if facts.demand is None else facts.demand
    demand = np.nan_to_num(demand)  # what is not known counts as none: to Spark it is more than any
    pages = pl.DataFrame(
        {
            "id": pl.int_range(graph.n, eager=True),
            "section": facts.group,
            "demand": pl.Series(demand, dtype=pl.Float64),
            "good": facts.good,
        }
    )
    links = pl.DataFrame({"source": graph.source, "target": graph.target}).cast(pl.Int64)
    return engine.table(links.to_arrow()), engine.table(pages.to_arrow())


def degrees(links: Any, pages: Any) -> Any:
    """Return id, inlinks, outlinks, from_others, to_others by page."""
    import ibis

    other = (links.source != links.target).cast("int64")
    received = links.group_by(id=links.target).agg(inlinks=links.count(), from_others=other.sum())
    given = links.group_by(id=links.source).agg(outlinks=links.count(), to_others=other.sum())
    both = pages.select("id").left_join(received, "id").drop("id_right")
    both = both.left_join(given, "id").drop("id_right")
    counts = ("inlinks", "outlinks", "from_others", "to_others")
    return both.select("id", **{c: ibis.coalesce(both[c], 0).cast("int64") for c in counts})


def pagerank(engine: Engine, links: Any, pages: Any) -> Any:
    """Return id, rank as `measures.pagerank` (without nofollow).

    What starts anew is spread evenly, so the rank is in proportion to the
    solution of x = 1/n + damping * (what is passed along links), which
    needs no sum over all pages in each round: one at the end.
    """
    weights = engine.table(_weights(links))
    n = max(1, _value(pages.count()))
    rank = engine.table(pages.select("id", rank=pages.id.cast("float64") * 0 + 1 / n))
    total = 1.0
    for _ in range(0, MOST, ROUNDS):
        after = rank
        for _ in range(ROUNDS):
            after = _round(weights, pages, after, n)
        after = engine.table(after)
        change, total = _change(rank, after)
        engine.drop(rank)
        rank = after
        if change < TOLERANCE * total:
            break
    engine.drop(weights)
    return rank.select("id", rank=rank.rank / (total or 1.0))


def _weights(links: Any) -> Any:
    """Return links with the part of its source's rank that each passes."""
    out = links.group_by("source").agg(out=links.count())
    return links.join(out, "source").select("source", "target", weight=DAMPING / out.out)


def _change(before: Any, after: Any) -> tuple[float, float]:
    both = after.join(before, "id", rname="before_{name}")
    change = (both.rank - both.before_rank).abs().sum()
    row = both.agg(change=change, total=both.rank.sum()).to_pyarrow().to_pylist()[0]
    return row["change"] or 0.0, row["total"] or 1.0


def _round(weights: Any, pages: Any, rank: Any, n: int) -> Any:
    """One step; `rank` stands in it once, or the plan would double."""
    import ibis

    moving = weights.join(rank, weights.source == rank.id)
    given = moving.group_by("target").agg(passed=(moving.rank * moving.weight).sum())
    joined = pages.left_join(given, pages.id == given.target)
    return joined.select("id", rank=ibis.coalesce(joined.passed, 0.0) + 1 / n)


def depths(engine: Engine, links: Any, pages: Any, start: int) -> Any:
    """Return id, depth of the pages that can be reached from `start`."""
    home = pages.filter(pages.id == start)
    reached = engine.table(home.select("id", depth=home.id.cast("int64") * 0))
    level = 0
    while True:
        front = reached.filter(reached.depth == level)
        found = links.join(front, links.source == front.id).select(id=links.target).distinct()
        found = found.anti_join(reached, "id")
        level += 1
        found = found.select("id", depth=found.id.cast("int64") * 0 + level)
        more = engine.table(reached.union(found))
        engine.drop(reached)
        reached = more
        if not _value(reached.filter(reached.depth == level).count()):
            return reached


def matrix(links: Any, pages: Any, rank: Any) -> Any:
    """Return begin, end, links, flow of sections, without empty fields."""
    begin = pages.select(source=pages.id, begin=pages.section)
    end = pages.select(target=pages.id, end=pages.section)
    wide = _weights(links).join(begin, "source").join(end, "target")
    wide = wide.join(rank, wide.source == rank.id)
    flow = (wide.rank * wide.weight).sum()
    return wide.group_by(["begin", "end"]).agg(links=wide.count(), flow=flow)


def orphans(links: Any, pages: Any, start: int) -> Any:
    """Return ids of pages but `start` to which no other page links."""
    linked = links.filter(links.source != links.target).select(id=links.target).distinct()
    return pages.filter(pages.id != start).select("id").anti_join(linked, "id")


def opportunities(links: Any, pages: Any) -> Any:
    """Return id, demand, inlinks as `measures.opportunities`."""
    good = pages.filter(pages.good).select("id", "demand")
    counted = good.join(degrees(links, pages).select("id", "inlinks"), "id")
    wanted = counted.filter(counted.demand > 0)
    high = wanted.agg(high=wanted.demand.quantile(0.75))
    few = counted.agg(few=counted.inlinks.median())
    both = wanted.cross_join(high.cross_join(few))
    found = both.filter(both.demand >= both.high, both.inlinks <= both.few)
    return found.select("id", "demand", "inlinks")


def report(graph: Graph, backend: str) -> dict[str, pl.DataFrame]:
    """Return the tables pages, matrix, orphans and opportunities."""
    start = measures.home(graph, roles.facts(graph).depth)
    names = pl.DataFrame({"id": pl.int_range(graph.n, eager=True), "url": graph.urls})
    with engine(backend) as made:
        links, pages = upload(made, graph)
        rank = pagerank(made, links, pages)
        depth = depths(made, links, pages, start)
        counts = frame(degrees(links, pages))
        table = names.join(counts, "id", "left").join(frame(rank), "id", "left")
        table = table.join(frame(depth), "id", "left").sort("id")
        flows = frame(matrix(links, pages, rank)).rename({"begin": "from", "end": "to"})
        alone = frame(orphans(links, pages, start)).join(names, "id")
        wanted = frame(opportunities(links, pages)).join(names, "id")
    return {
        "pages": table,
        "matrix": flows.sort("links", "from", "to", descending=[True, False, False]),
        "orphans": alone.sort("id"),
        "opportunities": wanted.sort("demand", "inlinks", "id", descending=[True, False, False]),
    }


def _value(expression: Any) -> Any:
    return expression.to_pyarrow().as_py()


def frame(table: Any) -> pl.DataFrame:
    """Fetch a table."""
    return pl.DataFrame(table.to_pyarrow())


def write(tables: dict[str, pl.DataFrame], folder: Path) -> None:
    """Write `report`'s tables as Parquet and CSV, whole or not at all."""
    with whole_folder(folder) as part:
        write_tables(tables, part)
