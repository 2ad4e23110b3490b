"""BQL v2, read strictly: the body of /query becomes an `evaluation.Query`.

Every name is resolved to a column of a table (a collection, or a period of
it).  What is wrong raises Refusal before anything is computed; what is not
known of the real API is a switch of `Dialect`.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from pipulate.simulator.datamodel import (
    GRAPH,
    HEADER_FORMATS,
    UNPREFIXED,
    Collection,
    Field,
    Metric,
    Needs,
    Period,
    Table,
)
from pipulate.simulator.errors import (
    Json,
    Refusal,
    as_list,
    check_keys,
    is_text,
    is_whole,
)
from pipulate.simulator.evaluation import LinkTest, Query
from pipulate.simulator.expressions import (
    AGGREGATES,
    Value,
    aggregated,
    apply,
    bucketed,
    function_of,
    literal,
    predicate_test,
)
from pipulate.simulator.options import Dialect

#: opens one of the project's collections by its id
Open = Callable[[str], Collection | None]


def compile_query(body: Any, open_collection: Open, dialect: Dialect | None = None) -> Query:
    """Raises Refusal as the API would."""
    check_keys(body, "request", ("collections", "query"), ("periods",))
    query = body["query"]
    optional = ("filters", "post_filters", "sort")
    check_keys(query, "query", ("dimensions", "metrics"), optional)
    compiler = _Compiler(_tables(body, open_collection), dialect or Dialect())
    dimensions = [compiler.dimension(node) for node in as_list(query["dimensions"], "dimensions")]
    metrics = [compiler.metric(node) for node in as_list(query["metrics"], "metrics")]
    if not dimensions and not metrics:
        raise Refusal("The query asks for no dimension and no metric.")
    where, having = compiler.filters(query.get("filters"))
    if query.get("post_filters"):
        having.append(compiler.condition(query["post_filters"], compiler.aggregate))
    if compiler.graph is not None and compiler.key is None:
        raise Refusal(f'The multiple field "{GRAPH}" needs the dimension "url" beside it.')
    return Query(
        dimensions,
        metrics,
        [(table, compiler.needs[prefix]) for prefix, table in compiler.tables.items()],
        where,
        having,
        _sort(query, compiler.dialect),
        compiler.graph,
        compiler.link_tests,
        compiler.key,
        compiler.dialect,
    )


# --- collections and periods ---


def _tables(body: Json, open_collection: Open) -> dict[str, Table]:
    names = as_list(body["collections"], "collections")
    asked = as_list(body.get("periods") or [], "periods")
    periods = [_period(node) for node in asked]
    tables: dict[str, Table] = {}
    for name in names:
        collection = open_collection(name) if isinstance(name, str) else None
        if collection is None:
            raise Refusal(f'Unknown collection "{name}".')
        if collection.days and not periods:
            raise Refusal(f'"periods" is mandatory with the timestamped collection "{name}".')
        for table in collection.tables(periods):
            tables[table.prefix] = table
    if not tables:
        raise Refusal("collections: at least one with URLs of its own is needed.")
    return tables


def _period(node: Any) -> Period:
    match node:
        case [str(first), str(last)]:
            period = _day(first), _day(last)
        case _:
            raise Refusal('periods: each one is a pair of days, ["2024-02-23", "2024-03-01"].')
    if period[0] > period[1]:
        raise Refusal(f"periods: {first} is after {last}.")
    return period


def _day(text: str) -> date:
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise Refusal(f'periods: "{text}" is not a day (YYYY-MM-DD).')


# --- sort ---


def _sort(query: Json, dialect: Dialect) -> dict[str, bool]:
    keys: dict[str, bool] = {}
    for node in as_list(query.get("sort") or [], "sort"):
        key = {"index": node} if is_whole(node) else node
        check_keys(key, "sort", (), ("index", "type", "order", "field"))
        order = key.get("order", "asc")
        kind = key.get("type", "dimensions")
        if order not in ("asc", "desc") or kind not in ("dimensions", "metrics"):
            raise Refusal("sort: type is dimensions or metrics, order is asc or desc.")
        if "field" in key and not dialect.sort_by_field:
            raise Refusal('sort: "field" is not a valid field.')
        keys.setdefault(f"c{_position(query, kind, key)}", order == "desc")
    return keys


def _position(query: Json, kind: str, key: Json) -> int:
    requested = [*query["dimensions"], *query["metrics"]]
    if "field" in key:
        if key["field"] not in requested:
            raise Refusal("sort: the field is not among the dimensions and metrics.")
        return requested.index(key["field"])
    index: Any = key.get("index")
    if not is_whole(index) or not 0 <= index < len(query[kind]):
        raise Refusal(f"sort: there is no {kind} number {json.dumps(index)}.")
    if kind == "metrics":
        index += len(query["dimensions"])
    return int(index)


# --- names, expressions, conditions ---


@dataclass
class _Compiler:
    tables: dict[str, Table]
    dialect: Dialect
    needs: dict[str, Needs] = field(default_factory=lambda: defaultdict(Needs))
    graph: Table | None = None
    link_tests: list[LinkTest] = field(default_factory=list)
    key: pl.Expr | None = None

    # names

    def resolved(self, name: str) -> tuple[Table, str]:
        for prefix, table in self.tables.items():
            if name.startswith(prefix + "."):
                return table, name.removeprefix(prefix + ".")
        raise _no_field(name)

    def stored(self, table: Table, slug: str) -> pl.Expr:
        self.needs[table.prefix].fields.add(slug)
        return pl.col(table.alias(slug))

    def named_dimension(self, name: Any) -> Value:
        if not isinstance(name, str):
            raise Refusal(f"A field's name was expected, not {json.dumps(name)}.")
        value = self.unprefixed(name)
        if value is not None:
            return value
        table, slug = self.resolved(name)
        if slug in table.metrics:
            raise Refusal(f'"{name}" is a metric, it cannot stand here.')
        if slug not in table.fields:
            raise _no_field(name)
        found = table.fields[slug]
        if found.multiple:
            value = _value(pl.col(table.alias(slug)), found, name)
            return replace(value, graph=table)
        return _value(self.stored(table, slug), found, name)

    def unprefixed(self, name: str) -> Value | None:
        """A field that needs no prefix: the first non-null of its tables."""
        if name in UNPREFIXED:
            found = UNPREFIXED[name]
            return _value(found.value, found, name)
        slug = "date" if name == "period_0.date" else name
        shared = slug in ("keyword", "country", "date")
        if not shared and not slug.startswith("segments."):
            return None
        tables = [each for each in self.tables.values() if slug in each.fields]
        if not tables:
            return None
        expr = pl.coalesce([self.stored(table, slug) for table in tables])
        return _value(expr, tables[0].fields[slug], name)

    def named_metric(self, name: str, mask: pl.Expr | None) -> Value:
        table, slug = self.resolved(name)
        if slug in table.fields:
            raise Refusal(f'"{name}" is not a metric.')
        if slug not in table.metrics:
            raise _no_field(name)
        found = table.metrics[slug]
        self.needs[table.prefix].parts.update(found.parts)
        parts = [pl.col(table.part_alias(part)) for part in found.parts]
        if mask is not None:
            parts = [part.filter(mask) for part in parts]
        return replace(_value(found.combine(*parts), found, name), aggregated=True)

    # expressions

    def row(self, node: Any) -> Value:
        """One value per row."""
        if not isinstance(node, dict):
            return self.named_dimension(node)
        if "literal" in node:
            check_keys(node, "literal", ("literal",))
            return literal(node["literal"])
        if "field" in node:
            check_keys(node, "field", ("field",), ("name",))
            return self.named_dimension(node["field"])
        name, args = function_of(node)
        if name in AGGREGATES:
            raise Refusal(f'The function "{name}" makes a metric, it cannot stand here.')
        return apply(name, [self.row(arg) for arg in args])

    def aggregate(self, node: Any, mask: pl.Expr | None = None) -> Value:
        """One value per group."""
        if isinstance(node, str):
            return self.named_metric(node, mask)
        if not isinstance(node, dict):
            raise Refusal(f"A metric was expected, not {json.dumps(node)}.")
        if "filters" in node:
            node = dict(node)
            mask = self.condition(node.pop("filters"), self.row)
        if "literal" in node:
            return self.row(node)
        if "field" in node:
            check_keys(node, "field", ("field",), ("name",))
            return self.aggregate(node["field"], mask)
        name, args = function_of(node)
        if name in AGGREGATES:
            return self.aggregate_of_rows(name, args, mask)
        return apply(name, [self.aggregate(arg, mask) for arg in args])

    def aggregate_of_rows(self, name: str, args: list[Any], mask: pl.Expr | None) -> Value:
        if name == "count" and not args:
            expr = pl.len() if mask is None else mask.sum()
            return Value(expr, "integer", aggregated=True)
        match args:
            case [{"literal": _}, *_]:
                raise Refusal(f'The function "{name}" works on a field, not on a constant.')
        values = [self.row(arg) for arg in args]
        for value in values:
            self.unnest(value)
        return aggregated(name, values, mask, self.dialect.empty_sum)

    def unnest(self, value: Value) -> None:
        """Note that there is one row per link."""
        if value.graph is None:
            return
        if self.graph is not None and self.graph is not value.graph:
            raise Refusal("More than one multiple field is requested.", 1028)
        self.graph = value.graph

    # columns of the answer

    def dimension(self, node: Any) -> Value:
        if isinstance(node, dict) and "ranges" in node:
            check_keys(node, "dimension", ("field", "ranges"), ("name",))
            value = bucketed(self.named_dimension(node["field"]), node["ranges"])
        else:
            value = self.row(node)
        if value.labels and value.labels["slug"] == "url":
            self.key = value.expr
        return self.labelled(value, node)

    def metric(self, node: Any) -> Value:
        return self.labelled(self.aggregate(node), node)

    def labelled(self, value: Value, node: Any) -> Value:
        self.unnest(value)
        label = json.dumps(node, sort_keys=True)
        if isinstance(node, dict) and "name" in node:
            label = node["name"]
            if not is_text(label):
                raise Refusal("dimensions, metrics: a name is a text.")
        elif value.labels:
            return value
        return replace(value, labels=dict.fromkeys(HEADER_FORMATS, label))

    # conditions

    def filters(self, node: Any) -> tuple[list[pl.Expr], list[pl.Expr]]:
        rows: list[pl.Expr] = []
        groups: list[pl.Expr] = []
        parts = [node] if node else []
        if isinstance(node, dict) and list(node) == ["and"] and node["and"]:
            parts = as_list(node["and"], "and")
        for part in parts:
            if self.dialect.metrics_in_filters and self.mentions_metric(part):
                groups.append(self.condition(part, self.aggregate))
            else:
                rows.append(self.condition(part, self.row))
        return rows, groups

    def mentions_metric(self, node: Any) -> bool:
        match node:
            case str():
                return any(
                    node == f"{table.prefix}.{slug}"
                    for table in self.tables.values()
                    for slug in table.metrics
                )
            case list():
                return any(map(self.mentions_metric, node))
            case dict() if node.get("function") in AGGREGATES or AGGREGATES.keys() & node.keys():
                return True
            case dict():
                return any(
                    key != "value" and self.mentions_metric(part) for key, part in node.items()
                )
            case _:
                return False

    def condition(self, node: Any, value_of: Callable[[Any], Value]) -> pl.Expr:
        if not isinstance(node, dict) or not node:
            raise Refusal("filters: an object was expected.")
        for word, join in (("and", pl.all_horizontal), ("or", pl.any_horizontal)):
            if word in node:
                check_keys(node, "filters", (word,))
                parts = as_list(node[word], word)
                if not parts:
                    raise Refusal(f'filters: "{word}" needs at least one condition.')
                return join([self.condition(part, value_of) for part in parts])
        if "not" in node:
            check_keys(node, "filters", ("not",))
            return ~self.condition(node["not"], value_of)
        check_keys(node, "filters", ("field",), ("predicate", "value"))
        value = value_of(node["field"])
        predicate = node.get("predicate", "eq")
        if not isinstance(predicate, str):
            raise Refusal("filters: a predicate is a word.")
        if value.graph is not None:
            return self.link_condition(value.graph, value.type, predicate, node)
        test = predicate_test(predicate, value.type, node, self.dialect.allow_in)
        return test(value.expr)

    def link_condition(self, table: Table, kind: str, predicate: str, node: Json) -> pl.Expr:
        quantifier, _, single = predicate.partition(".")
        if predicate == "exists":
            single = predicate
        elif quantifier not in ("any", "all") or not single:
            raise Refusal(
                f'The multiple field "{GRAPH}" needs a predicate that begins with "any." or "all.".'
            )
        test = predicate_test(single, kind, node, self.dialect.allow_in)
        name = f"link_test_{len(self.link_tests)}"
        self.link_tests.append(LinkTest(name, table, quantifier == "all", test))
        return pl.col(name)


def _value(expr: pl.Expr, item: Field | Metric, written: str) -> Value:
    labels = zip(HEADER_FORMATS, (item.name, item.id, written), strict=True)
    return Value(expr, item.type, labels=dict(labels))


def _no_field(name: str) -> Refusal:
    return Refusal(f'Field "{name}" does not exist', 1029)
