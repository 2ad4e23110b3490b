"""BQL v2 evaluated on Sites: a strict reading of the query, then a few polars passes.

INPUT       The body of POST /projects/{u}/{p}/query: {"collections", "periods", "query": {"dimensions", "metrics",
            "filters", "post_filters", "sort"}}, and the project's collections.
COMPILE     `compile_query` resolves every name to a column of a table (a collection, or one period of it) and every
            function to a typed polars expression (see `expressions`), so that an ill-typed predicate is refused here.
            It raises QueryRefused, whose code and message are the API's; nothing has been computed by then.
EVALUATE    1. rows: each table's needed columns, joined on the URL (full outer: a URL that only Search Console
               knows comes with null crawl fields), then `filters` (SQL's three-valued logic: an unknown is dropped).
            2. links: if the link graph is a dimension, each row is repeated once per link of its page.
            3. groups: rows are distinct by their dimensions; metrics are aggregated in each.
            4. `post_filters`, `sort`.
CHUNKS      With the URL among the dimensions no group spans two rows of step 1, so steps 2 to 4 run over a slice of
            pages at a time and an export of millions of links never stands in memory.  A sort, or a grouping
            without the URL, is done in one piece.

What is not known of the real API (see `Dialect`) has a switch; its default is the stricter reading.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import numpy as np
import polars as pl

from pipulate.simulator.datamodel import GRAPH, HOST, PROTOCOL, Collection, Needs, Table
from pipulate.simulator.expressions import (
    AGGREGATES,
    QueryRefused,
    Value,
    aggregated,
    apply,
    as_list,
    bucketed,
    check_keys,
    function_of,
    is_text,
    literal,
    predicate_test,
)

ROWS_PER_CHUNK = 200_000


@dataclass(frozen=True)
class Dialect:
    """What nobody outside knows of today's BQL.  The defaults refuse what the official pages do not promise."""

    allow_in: bool = False  # the predicate `in`
    sort_by_field: bool = False  # sort [{"field": ..., "order": ...}]
    metrics_in_filters: bool = False  # a metric inside `filters` acts as HAVING
    left_join: bool = False  # URLs known only to a later collection are left out
    rows_not_crawled: bool = False  # known but never fetched URLs (http_code 0) have rows
    linkless_rows: bool = False  # a page without links has one row with a null target
    empty_sum: int | None = None  # the sum over no rows


@dataclass(frozen=True)
class Column:
    """One column of the answer.  The labels are what a CSV header shows for each `header_format`."""

    kind: Literal["dimensions", "metrics"]
    expr: pl.Expr
    type: str
    verbose: str
    slug: str
    collection_slug: str
    ranges: tuple[dict[str, Any], ...] = ()  # a bucketed dimension holds the number of its range

    def label(self, header_format: str) -> str:
        return {
            "verbose": self.verbose,
            "slug": self.slug,
            "collection_slug": self.collection_slug,
        }[header_format]


@dataclass(frozen=True)
class Query:
    """A query that can be answered.  `columns` are the dimensions, then the metrics, in request order."""

    columns: tuple[Column, ...]
    tables: tuple[tuple[Table, Needs], ...]
    where: pl.Expr | None
    having: pl.Expr | None
    sort: tuple[tuple[str, bool], ...]  # (column of the answer, descending)
    graph: Table | None  # whose links are a dimension
    link_tests: tuple["_LinkTest", ...]  # conditions on all links of a page
    key: pl.Expr | None  # the dimension that is a URL
    dialect: Dialect

    def frames(self, rows_per_chunk: int = ROWS_PER_CHUNK) -> Iterator[pl.DataFrame]:
        """The answer in pieces: polars frames with one column per `columns`, named c0, c1, ...

        Raises QueryRefused (1044) if the query is well formed and yet cannot be executed.
        """
        try:
            yield from self._frames(rows_per_chunk)
        except pl.exceptions.PolarsError as error:
            raise QueryRefused("Query can not be executed", 1044) from error

    def _frames(self, rows_per_chunk: int) -> Iterator[pl.DataFrame]:
        rows = _rows(self)
        if (
            self.key is not None
            and not self.sort
            and rows.select(self.key.is_unique().all()).item()
        ):
            yield from (_grouped(self, part) for part in _with_links(self, rows, rows_per_chunk))
        else:
            everything = pl.concat(list(_with_links(self, rows, rows_per_chunk)))
            yield from _grouped(self, everything).iter_slices(rows_per_chunk)

    def results(self, offset: int, limit: int) -> list[dict[str, list]]:
        """At most `limit` rows of the answer from number `offset` on, as /query gives them."""
        found: list[dict[str, list]] = []
        dimensions = sum(column.kind == "dimensions" for column in self.columns)
        for frame in self.frames():
            if offset >= len(frame):
                offset -= len(frame)
                continue
            for row in frame[offset : offset + limit - len(found)].rows():
                values = [
                    _shown(column, value) for column, value in zip(self.columns, row, strict=True)
                ]
                found.append({"dimensions": values[:dimensions], "metrics": values[dimensions:]})
            offset = 0
            if len(found) >= limit:
                break
        return found

    def count(self) -> int:
        return sum(len(frame) for frame in self.frames())


def _shown(column: Column, value: Any) -> Any:
    return column.ranges[value] if column.ranges and value is not None else value


# ------------------------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True)
class _LinkTest:
    """Whether any, or all, of a page's links go to a URL that meets a condition; known per page of a table."""

    alias: str
    table: Table
    quantifier: Literal["any", "all"]
    condition: Callable[[pl.Expr], pl.Expr]

    def per_page(self) -> pl.Series:
        site = self.table.site
        assert site is not None, "only crawls have links"
        fits = (
            site.pages.select(self.condition(pl.col("url")).fill_null(False)).to_series().to_numpy()
        )
        fitting = np.bincount(site.sources, fits[site.targets], len(site.pages))
        return pl.Series(
            self.alias, fitting > 0 if self.quantifier == "any" else fitting == np.diff(site.starts)
        )


def _alias(table: Table, name: str) -> str:
    return f"{table.prefix}:{name}"


def _rows(query: Query) -> pl.DataFrame:
    """The joined tables' rows that meet the filter, with the columns needed: aliases, `url`, and `page` ids."""
    joined: pl.LazyFrame | None = None
    for table, needs in query.tables:
        rows = _table_rows(query, table, needs).lazy()
        how: Literal["left", "full"] = "left" if query.dialect.left_join else "full"
        joined = (
            rows
            if joined is None
            else joined.join(rows, "url", how, coalesce=True, maintain_order="left_right")
        )
    assert joined is not None, "a query names at least one collection with rows"
    if query.where is not None:
        joined = joined.filter(query.where)
    if query.graph is not None:
        joined = joined.filter(
            pl.col("page").is_not_null()
        )  # a URL that was not crawled has no links
    return joined.collect()


def _table_rows(query: Query, table: Table, needs: Needs) -> pl.DataFrame:
    source = table.rows(needs)
    if table.site is not None:
        tests = [test.per_page() for test in query.link_tests if test.table is table]
        if tests:
            source = source.with_columns(test[source["page"].to_numpy()] for test in tests)
        if not query.dialect.rows_not_crawled:
            source = source.filter(pl.col("http_code") != 0)
    wanted = [pl.col("url")]
    wanted += [table.fields[name].value.alias(_alias(table, name)) for name in sorted(needs.fields)]
    wanted += [pl.col(part).alias(_alias(table, f"#{part}")) for part in sorted(needs.parts)]
    wanted += [pl.col(test.alias) for test in query.link_tests if test.table is table]
    if table is query.graph:
        wanted.append(pl.col("page"))
    return source.select(wanted)


def _with_links(query: Query, rows: pl.DataFrame, rows_per_chunk: int) -> Iterator[pl.DataFrame]:
    """The rows in pieces of about `rows_per_chunk`, repeated per link if the link graph is a dimension."""
    if query.graph is None:
        yield from rows.iter_slices(rows_per_chunk) if len(rows) else [rows]
        return
    site = query.graph.site
    assert site is not None, "only crawls have links"
    pages = rows["page"].to_numpy()
    alias = _alias(query.graph, GRAPH)
    before = np.concatenate([[0], np.cumsum(np.maximum(1, np.diff(site.starts)[pages]))])
    first = 0
    while first < len(pages) or first == 0:
        end = max(
            first + 1,
            int(np.searchsorted(before, before[first] + rows_per_chunk, side="right")) - 1,
        )
        owners, targets = site.links_of(pages[first:end])
        part = rows[first:end]
        linked = part[owners].with_columns(site.pages["url"][targets].alias(alias))
        if query.dialect.linkless_rows:
            linkless = np.setdiff1d(np.arange(len(part)), owners)
            linked = pl.concat(
                [linked, part[linkless].with_columns(pl.lit(None, pl.String).alias(alias))]
            )
        yield linked
        first = end


def _grouped(query: Query, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per distinct tuple of dimensions, metrics aggregated; post-filtered and sorted."""
    names = [f"c{n}" for n in range(len(query.columns))]
    exprs = [column.expr.alias(name) for name, column in zip(names, query.columns, strict=True)]
    keys = [
        e for e, column in zip(exprs, query.columns, strict=True) if column.kind == "dimensions"
    ]
    metrics = exprs[len(keys) :]
    if query.having is not None:
        metrics = [*metrics, query.having.alias("having")]
    if not keys:
        answer = rows.select(metrics)
    elif metrics:
        answer = rows.group_by(keys, maintain_order=True).agg(metrics)
    else:
        answer = rows.select(keys).unique(maintain_order=True)
    if query.having is not None:
        answer = answer.filter("having").drop("having")
    if query.sort:
        by, descending = [name for name, _ in query.sort], [down for _, down in query.sort]
        answer = answer.sort(by, descending=descending, nulls_last=True, maintain_order=True)
    return answer.select(names)


# -------------------------------------------------------------------------------------------------- compiling


def compile_query(
    body: Any, collection: Callable[[str], Collection | None], dialect: Dialect | None = None
) -> Query:
    """Check a BQL v2 request; `collection` opens the project's collections by id.

    Raises QueryRefused as the API would refuse it.
    """
    check_keys(body, "request", required=("collections", "query"), optional=("periods",))
    query = body["query"]
    check_keys(query, "query", ("dimensions", "metrics"), ("filters", "post_filters", "sort"))
    compiler = _Compiler(_tables(body, collection), dialect or Dialect())
    columns = [
        compiler.column("dimensions", node) for node in as_list(query["dimensions"], "dimensions")
    ]
    columns += [compiler.column("metrics", node) for node in as_list(query["metrics"], "metrics")]
    if not columns:
        raise QueryRefused("The query asks for no dimension and no metric.")
    where, having = compiler.filters(query.get("filters"))
    if query.get("post_filters"):
        post = compiler.condition(query["post_filters"], compiler.aggregate)
        having = post if having is None else having & post
    if compiler.graph is not None and compiler.key is None:
        raise QueryRefused(f'The multiple field "{GRAPH}" needs the dimension "url" beside it.')
    return Query(
        tuple(columns),
        tuple((table, compiler.needs[prefix]) for prefix, table in compiler.tables.items()),
        where,
        having,
        compiler.sort(query.get("sort"), columns, query["dimensions"], query["metrics"]),
        compiler.graph,
        tuple(compiler.link_tests),
        compiler.key,
        compiler.dialect,
    )


def _tables(body: dict, open_collection: Callable[[str], Collection | None]) -> dict[str, Table]:
    """The tables that a request names, by prefix, in its order."""
    names = as_list(body["collections"], "collections")
    periods = [_period(node) for node in as_list(body.get("periods") or [], "periods")]
    tables: dict[str, Table] = {}
    for name in names:
        collection = open_collection(name) if isinstance(name, str) else None
        if collection is None:
            raise QueryRefused(f'Unknown collection "{name}".')
        if collection.timestamped and not periods:
            raise QueryRefused(f'"periods" is mandatory with the timestamped collection "{name}".')
        for number, period in enumerate(periods if collection.timestamped else [None]):
            if collection.table is not None:
                table = collection.table(period, number)
                tables[table.prefix] = table
    if not tables:
        raise QueryRefused("collections: at least one with URLs of its own is needed.")
    return tables


def _period(node: Any) -> tuple[date, date]:
    match node:
        case [str(first), str(last)]:
            start, end = _day(first), _day(last)
            if start > end:
                raise QueryRefused(f"periods: {first} is after {last}.")
            return start, end
        case _:
            raise QueryRefused('periods: each one is a pair of days, ["2024-02-23", "2024-03-01"].')


def _day(text: str) -> date:
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise QueryRefused(f'periods: "{text}" is not a day (YYYY-MM-DD).')


@dataclass
class _Compiler:
    """Turns the nodes of one query into expressions, and notes what they need."""

    tables: dict[str, Table]
    dialect: Dialect
    needs: dict[str, Needs] = field(default_factory=dict)
    graph: Table | None = None
    link_tests: list[_LinkTest] = field(default_factory=list)
    key: pl.Expr | None = None

    def __post_init__(self) -> None:
        self.needs = {prefix: Needs() for prefix in self.tables}

    # -- names

    def named(self, name: str) -> tuple[Table, str]:
        """The table and the field id that a prefixed name means."""
        for prefix, table in self.tables.items():
            if name.startswith(prefix + "."):
                return table, name.removeprefix(prefix + ".")
        raise QueryRefused(f'Field "{name}" does not exist', 1029)

    def stored(self, table: Table, id: str) -> pl.Expr:
        """The column of a dimension, noted as needed."""
        self.needs[table.prefix].fields.add(id)
        return pl.col(_alias(table, id))

    def global_field(self, name: str) -> Value | None:
        """A field that needs no prefix: the first non-null over the tables that have it; None if there is none."""
        if name == "url":
            return Value(pl.col("url"), "string", labels=("Full URL", "url", "url"))
        for derived in (HOST, PROTOCOL):
            if name == derived.id:
                return Value(derived.value, "string", labels=(derived.name, derived.id, derived.id))
        id = "date" if name == "period_0.date" else name
        if id not in ("keyword", "country", "date") and not id.startswith("segments."):
            return None
        having = [table for table in self.tables.values() if id in table.fields]
        if not having:
            return None
        found = having[0].fields[id]
        expr = pl.coalesce([self.stored(table, id) for table in having])
        return Value(expr, found.type, labels=(found.name, id, name))

    def dimension(self, name: Any) -> Value:
        if not isinstance(name, str):
            raise QueryRefused(f"A field's name was expected, not {json.dumps(name)}.")
        value = self.global_field(name)
        if value is not None:
            return value
        table, id = self.named(name)
        if id in table.metrics:
            raise QueryRefused(f'"{name}" is a metric, it cannot stand here.')
        if id not in table.fields:
            raise QueryRefused(f'Field "{name}" does not exist', 1029)
        found = table.fields[id]
        labels = (found.name, id, name)
        if found.multiple:
            return Value(pl.col(_alias(table, id)), found.type, graph=table, labels=labels)
        return Value(self.stored(table, id), found.type, labels=labels)

    def metric(self, name: str, mask: pl.Expr | None) -> Value:
        table, id = self.named(name)
        if id not in table.metrics:
            if id in table.fields:
                raise QueryRefused(f'"{name}" is not a metric.')
            raise QueryRefused(f'Field "{name}" does not exist', 1029)
        found = table.metrics[id]
        self.needs[table.prefix].parts.update(found.parts)
        parts = [pl.col(_alias(table, f"#{part}")) for part in found.parts]
        expr = found.combine(*(part if mask is None else part.filter(mask) for part in parts))
        return Value(expr, found.type, aggregated=True, labels=(found.name, id, name))

    # -- expressions

    def row(self, node: Any) -> Value:
        """An expression with one value per row: a field, a literal, or a function of such."""
        if not isinstance(node, dict):
            return self.dimension(node)
        if "literal" in node:
            check_keys(node, "literal", ("literal",), ())
            return literal(node["literal"])
        if "field" in node:
            check_keys(node, "field", ("field",), ("name",))
            return self.dimension(node["field"])
        name, args = function_of(node)
        if name in AGGREGATES:
            raise QueryRefused(f'The function "{name}" makes a metric, it cannot stand here.')
        return apply(name, [self.row(arg) for arg in args])

    def aggregate(self, node: Any, mask: pl.Expr | None = None) -> Value:
        """An expression with one value per group: a metric, an aggregate function, or a function of such."""
        if isinstance(node, str):
            return self.metric(node, mask)
        if not isinstance(node, dict):
            raise QueryRefused(f"A metric was expected, not {json.dumps(node)}.")
        if "filters" in node:
            mask = self.condition(node["filters"], self.row)
            node = {key: value for key, value in node.items() if key != "filters"}
        if "literal" in node:
            return self.row(node)
        if "field" in node:
            check_keys(node, "field", ("field",), ("name",))
            return self.aggregate(node["field"], mask)
        name, args = function_of(node)
        if name not in AGGREGATES:
            return apply(name, [self.aggregate(arg, mask) for arg in args])
        if name == "count" and not args:
            return Value(pl.len() if mask is None else mask.sum(), "integer", aggregated=True)
        if args and isinstance(args[0], dict) and "literal" in args[0]:
            raise QueryRefused(f'The function "{name}" works on a field, not on a constant.')
        values = [self.row(arg) for arg in args]
        for value in values:
            self.unnest(value)
        return aggregated(name, values, mask, self.dialect.empty_sum)

    def unnest(self, value: Value) -> None:
        if value.graph is not None:
            if self.graph is not None and self.graph is not value.graph:
                raise QueryRefused("More than one multiple field is requested.", 1028)
            self.graph = value.graph

    def column(self, kind: Literal["dimensions", "metrics"], node: Any) -> Column:
        ranges: tuple[dict[str, Any], ...] = ()
        if kind == "metrics":
            value = self.aggregate(node)
        elif isinstance(node, dict) and "ranges" in node:
            check_keys(node, "dimension", ("field", "ranges"), ("name",))
            value, ranges = bucketed(self.dimension(node["field"]), node["ranges"])
        else:
            value = self.row(node)
        self.unnest(value)
        if kind == "dimensions" and value.labels is not None and value.labels[1] == "url":
            self.key = value.expr
        written = node if isinstance(node, str) else json.dumps(node, sort_keys=True)
        verbose, slug, collection_slug = value.labels or (written, written, written)
        if isinstance(node, dict) and "name" in node:
            if not (isinstance(node["name"], str) and is_text(node["name"])):
                raise QueryRefused(f"{kind}: a name is a text.")
            verbose = slug = collection_slug = node["name"]
        return Column(kind, value.expr, value.type, verbose, slug, collection_slug, ranges)

    # -- conditions

    def filters(self, node: Any) -> tuple[pl.Expr | None, pl.Expr | None]:
        """`filters` as a condition on rows and one on groups (only where the dialect allows metrics in it)."""
        if not node:
            return None, None
        parts = (
            node["and"]
            if isinstance(node, dict) and list(node) == ["and"] and node["and"]
            else [node]
        )
        rows, groups = pl.lit(True), None
        for part in as_list(parts, "and"):
            if self.dialect.metrics_in_filters and _mentions_metric(part, self.tables.values()):
                condition = self.condition(part, self.aggregate)
                groups = condition if groups is None else groups & condition
            else:
                rows = rows & self.condition(part, self.row)
        return rows, groups

    def condition(self, node: Any, value_of: Callable[[Any], Value]) -> pl.Expr:
        """A filter tree as a boolean expression; `value_of` compiles its fields."""
        if not isinstance(node, dict) or not node:
            raise QueryRefused("filters: an object was expected.")
        for word in ("and", "or"):
            if word in node:
                check_keys(node, "filters", (word,), ())
                parts = [self.condition(part, value_of) for part in as_list(node[word], word)]
                if not parts:
                    raise QueryRefused(f'filters: "{word}" needs at least one condition.')
                return pl.all_horizontal(parts) if word == "and" else pl.any_horizontal(parts)
        if "not" in node:
            check_keys(node, "filters", ("not",), ())
            return ~self.condition(node["not"], value_of)
        check_keys(node, "filters", ("field",), ("predicate", "value"))
        return self.leaf(node, value_of(node["field"]))

    def leaf(self, node: dict, value: Value) -> pl.Expr:
        predicate = node.get("predicate", "eq")
        if not isinstance(predicate, str):
            raise QueryRefused("filters: a predicate is a word.")
        if value.graph is None:
            return predicate_test(predicate, value.type, node, self.dialect.allow_in)(value.expr)
        quantifier, _, single = predicate.partition(".")
        if predicate == "exists":
            return self.link_test(
                value.graph,
                "any",
                predicate_test("exists", value.type, node, self.dialect.allow_in),
            )
        if quantifier not in ("any", "all") or not single:
            raise QueryRefused(
                f'The multiple field "{GRAPH}" needs a predicate that begins with "any." or "all.".'
            )
        return self.link_test(
            value.graph,
            "any" if quantifier == "any" else "all",
            predicate_test(single, value.type, node, self.dialect.allow_in),
        )

    def link_test(
        self,
        table: Table,
        quantifier: Literal["any", "all"],
        condition: Callable[[pl.Expr], pl.Expr],
    ) -> pl.Expr:
        test = _LinkTest(f"link_test_{len(self.link_tests)}", table, quantifier, condition)
        self.link_tests.append(test)
        return pl.col(test.alias)

    # -- sort

    def sort(
        self, node: Any, columns: list[Column], dimensions: list, metrics: list
    ) -> tuple[tuple[str, bool], ...]:
        """Sort keys as (column name, descending)."""
        keys = []
        for key in as_list(node or [], "sort"):
            if isinstance(key, int) and not isinstance(key, bool):
                key = {"index": key}
            check_keys(key, "sort", (), ("index", "type", "order", "field"))
            order = key.get("order", "asc")
            kind = key.get("type", "dimensions")
            if order not in ("asc", "desc") or kind not in ("dimensions", "metrics"):
                raise QueryRefused("sort: type is dimensions or metrics, order is asc or desc.")
            if "field" in key:
                if not self.dialect.sort_by_field:
                    raise QueryRefused('sort: "field" is not a valid field.')
                requested = [*dimensions, *metrics]
                if key["field"] not in requested:
                    raise QueryRefused("sort: the field is not among the dimensions and metrics.")
                position = requested.index(key["field"])
            else:
                size = len(dimensions) if kind == "dimensions" else len(metrics)
                index = key.get("index")
                if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < size:
                    raise QueryRefused(f"sort: there is no {kind} number {json.dumps(index)}.")
                position = index if kind == "dimensions" else len(dimensions) + index
            keys.append((f"c{position}", order == "desc"))
        return tuple(keys)


def _mentions_metric(node: Any, tables: Any) -> bool:
    """Whether a filter tree names a ready-made metric or an aggregate function."""
    if isinstance(node, str):
        return any(node == f"{table.prefix}.{id}" for table in tables for id in table.metrics)
    if isinstance(node, list):
        return any(_mentions_metric(part, tables) for part in node)
    if isinstance(node, dict):
        if node.get("function") in AGGREGATES or any(key in AGGREGATES for key in node):
            return True
        return any(_mentions_metric(part, tables) for key, part in node.items() if key != "value")
    return False
