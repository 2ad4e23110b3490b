"""A compiled query, and its answer in a few polars passes.

PASSES  1. rows: each table's needed columns, joined on the URL (full outer),
           filtered by SQL's three-valued logic: an unknown is dropped.
        2. links: if the link graph is a dimension, each row is repeated
           once per link of its page.
        3. groups: rows are distinct by their dimensions; metrics are
           aggregated in each.
        4. `having`, `sort`.
CHUNKS  With the URL among the dimensions no group spans two rows of pass 1:
        passes 2 to 4 run over a slice of pages at a time, and millions of
        links never stand in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.simulator.datamodel import GRAPH, Needs, Table
from pipulate.simulator.errors import Json, Refusal
from pipulate.simulator.expressions import Value
from pipulate.simulator.options import Dialect

ROWS_PER_CHUNK = 200_000


@dataclass(frozen=True)
class LinkTest:
    """Whether any, or each, of a page's links meets a condition."""

    name: str
    table: Table
    each: bool
    condition: Callable[[pl.Expr], pl.Expr]

    def per_page(self) -> pl.Series:
        site = self.table.site
        assert site is not None, "only crawls have links"
        fits = site.pages.select(self.condition(pl.col("url")).fill_null(False))
        weights = fits.to_series().to_numpy()[site.targets]
        count = np.bincount(site.sources, weights, len(site.pages))
        wanted = np.diff(site.starts) if self.each else 1
        return pl.Series(self.name, count >= wanted)


@dataclass(frozen=True)
class Query:
    """It can be answered."""

    dimensions: list[Value]
    metrics: list[Value]
    tables: list[tuple[Table, Needs]]
    where: list[pl.Expr]
    having: list[pl.Expr]
    sort: dict[str, bool]  # column of the answer -> descending
    graph: Table | None  # whose links are a dimension
    link_tests: list[LinkTest]
    key: pl.Expr | None  # the dimension that is a URL
    dialect: Dialect

    @property
    def columns(self) -> list[Value]:
        """c0, c1, ... in the frames."""
        return [*self.dimensions, *self.metrics]

    def frames(self, rows_per_chunk: int = ROWS_PER_CHUNK) -> Iterator[pl.DataFrame]:
        """Raises Refusal (1044) if a well-formed query cannot be executed."""
        try:
            yield from self._frames(rows_per_chunk)
        except pl.exceptions.PolarsError as error:
            raise Refusal(code=1044) from error

    def _frames(self, rows_per_chunk: int) -> Iterator[pl.DataFrame]:
        rows = _rows(self)
        parts = _with_links(self, rows, rows_per_chunk)
        if self._in_chunks(rows):
            for part in parts:
                yield _grouped(self, part)
        else:
            whole = _grouped(self, pl.concat(list(parts)))
            yield from whole.iter_slices(rows_per_chunk)

    def _in_chunks(self, rows: pl.DataFrame) -> bool:
        if self.key is None or self.sort:
            return False
        return bool(rows.select(self.key.is_unique().all()).item())

    def results(self, offset: int, limit: int) -> list[Json]:
        """As /query has them."""
        found: list[Json] = []
        split = len(self.dimensions)
        for frame in self.frames():
            for row in frame[offset : offset + limit - len(found)].rows():
                cells = list(map(_cell, self.columns, row))
                found.append({"dimensions": cells[:split], "metrics": cells[split:]})
            offset = max(0, offset - len(frame))
            if len(found) >= limit:
                break
        return found

    def count(self) -> int:
        return sum(map(len, self.frames()))


def _cell(column: Value, cell: Any) -> Any:
    if column.ranges and cell is not None:
        return column.ranges[cell]
    return cell


def _rows(query: Query) -> pl.DataFrame:
    """Pass 1."""
    how: Literal["left", "full"] = "left" if query.dialect.left_join else "full"

    def join(left: pl.LazyFrame, right: pl.LazyFrame) -> pl.LazyFrame:
        return left.join(right, "url", how, coalesce=True, maintain_order="left_right")

    tables = [_table_rows(query, *each).lazy() for each in query.tables]
    joined = reduce(join, tables)
    if query.where:
        joined = joined.filter(*query.where)
    if query.graph is not None:  # a URL that was not crawled has no links
        joined = joined.filter(pl.col("page").is_not_null())
    return joined.collect()


def _table_rows(query: Query, table: Table, needs: Needs) -> pl.DataFrame:
    rows = table.rows(needs)
    tests = [test for test in query.link_tests if test.table is table]
    if tests:
        pages = rows["page"].to_numpy()
        rows = rows.with_columns(test.per_page()[pages] for test in tests)
    if table.site is not None and not query.dialect.rows_not_crawled:
        rows = rows.filter(pl.col("http_code") != 0)
    wanted = [pl.col("url")]
    for name in sorted(needs.fields):
        wanted.append(table.fields[name].value.alias(table.alias(name)))
    for part in sorted(needs.parts):
        wanted.append(pl.col(part).alias(table.part_alias(part)))
    wanted += [pl.col(test.name) for test in tests]
    if table is query.graph:
        wanted.append(pl.col("page"))
    return rows.select(wanted)


def _with_links(query: Query, rows: pl.DataFrame, rows_per_chunk: int) -> Iterator[pl.DataFrame]:
    """Pass 2."""
    if query.graph is None:
        yield from rows.iter_slices(rows_per_chunk) if len(rows) else [rows]
        return
    site = query.graph.site
    assert site is not None, "only crawls have links"
    column = query.graph.alias(GRAPH)
    links = np.diff(site.starts)[rows["page"].to_numpy()]
    for first, end in _spans(np.maximum(1, links), rows_per_chunk):
        part = rows[first:end]
        owners, targets = site.links_of(part["page"].to_numpy())
        urls = site.pages["url"][targets]
        linked = part[owners].with_columns(urls.alias(column))
        if query.dialect.linkless_rows:
            linkless = part[np.setdiff1d(np.arange(len(part)), owners)]
            nowhere = pl.lit(None, pl.String).alias(column)
            linked = pl.concat([linked, linkless.with_columns(nowhere)])
        yield linked


def _spans(sizes: NDArray[np.int64], about: int) -> Iterator[tuple[int, int]]:
    """Pieces (first, end) of about that sum; always one, if need be empty."""
    before = np.concatenate([[0], np.cumsum(sizes)])
    first = 0
    while first < len(sizes) or first == 0:
        end = np.searchsorted(before, before[first] + about, side="right") - 1
        end = max(first + 1, int(end))
        yield first, end
        first = end


def _grouped(query: Query, rows: pl.DataFrame) -> pl.DataFrame:
    """Passes 3 and 4."""
    columns = [each.expr.alias(f"c{n}") for n, each in enumerate(query.columns)]
    keys = columns[: len(query.dimensions)]
    metrics = columns[len(keys) :]
    if query.having:
        metrics.append(pl.all_horizontal(query.having).alias("having"))
    if not keys:
        answer = rows.select(metrics)
    elif metrics:
        answer = rows.group_by(keys, maintain_order=True).agg(metrics)
    else:
        answer = rows.select(keys).unique(maintain_order=True)
    if query.having:
        answer = answer.filter("having").drop("having")
    if query.sort:
        down = list(query.sort.values())
        answer = answer.sort(*query.sort, descending=down, nulls_last=True, maintain_order=True)
    return answer
