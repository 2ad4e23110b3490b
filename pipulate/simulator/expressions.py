"""The expressions of BQL, typed: compared, computed with, aggregated.

Types are string, tree, date, integer, float and boolean; what does not fit is
refused before anything runs.  `_PREDICATES`, `_FUNCTIONS` and `AGGREGATES`
are the vocabulary; to add a word, add a line.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pipulate.simulator import constants
from pipulate.simulator.datamodel import GRAPH, NUMBERS, Table, distinct
from pipulate.simulator.errors import Json, Refusal, as_list, check_keys, is_text

_TEXT = ("string", "tree")
_ORDERED = (*NUMBERS, "date")
_ANY = (*_TEXT, *_ORDERED, "boolean")
_ORDER = {
    "gt": pl.Expr.gt,
    "gte": pl.Expr.ge,
    "lt": pl.Expr.lt,
    "lte": pl.Expr.le,
}
_COMPARE = {"eq": pl.Expr.eq, "ne": pl.Expr.ne, **_ORDER}


@dataclass(frozen=True)
class Value:
    """A compiled expression."""

    expr: pl.Expr
    type: str
    aggregated: bool = False  # one value per group, not per row
    graph: Table | None = None  # whose links it stands for
    labels: dict[str, str] | None = None  # by header format
    ranges: tuple[Json, ...] = ()  # of which it is the number of one

    def label(self, header_format: str) -> str:
        return (self.labels or {})[header_format]


def _family(kind: str) -> str:
    if kind in NUMBERS:
        return "number"
    return kind if kind == "boolean" else "text"


def literal(value: Any) -> Value:
    return Value(pl.lit(value), type_of(value))


def type_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() if -(2**63) <= value < 2**63:
            return "integer"
        case float():
            return "float"
        case str() if is_text(value):
            return "string"
        case _:
            raise Refusal(f"{json.dumps(value)} is not a value one can compare with.")


def function_of(node: Json) -> tuple[str, list[Any]]:
    """Name and arguments of {"function": f, "args": [...]} or {f: arg}."""
    if "function" in node:
        check_keys(node, "function", ("function",), ("args", "name"))
        name = node["function"]
        args = as_list(node.get("args", []), "args")
    else:
        short = [key for key in node if key != "name"]
        if len(short) != 1:
            raise Refusal(f"{json.dumps(node)} is neither a field nor a function.")
        name = short[0]
        args = [node[name]]
    if not isinstance(name, str):
        raise Refusal(f"A function's name was expected, not {json.dumps(name)}.")
    if name in _UNKNOWN_SHAPE:
        raise Refusal(
            f'The function "{name}" exists, but its results are not known '
            "well enough to simulate them."
        )
    if name not in AGGREGATES and name not in _FUNCTIONS:
        raise Refusal(f"Unknown function {json.dumps(name)}.")
    return name, args


def bucketed(value: Value, ranges: Any) -> Value:
    """The number of the first range that holds it, or null; "to" is excluded."""
    if value.type not in NUMBERS:
        raise Refusal("ranges: only for numbers.")
    bucket = pl.lit(None, pl.Int64)
    for number, each in reversed(list(enumerate(as_list(ranges, "ranges")))):
        check_keys(each, "ranges", (), ("from", "to"))
        if any(type_of(end) not in NUMBERS for end in each.values()):
            raise Refusal("ranges: from and to are numbers.")
        inside = value.expr.is_not_null()
        if "from" in each:
            inside &= value.expr >= each["from"]
        if "to" in each:
            inside &= value.expr < each["to"]
        bucket = pl.when(inside).then(pl.lit(number)).otherwise(bucket)
    return replace(value, expr=bucket, type="range", ranges=tuple(ranges))


# --- predicates ---

Test = Callable[[pl.Expr], pl.Expr]


def predicate_test(predicate: str, kind: str, node: Json, allow_in: bool) -> Test:
    """Of values of the type `kind`."""
    if predicate == "exists":
        if "value" in node:
            raise Refusal('The predicate "exists" takes no value.')
        return pl.Expr.is_not_null
    if predicate not in _PREDICATES or (predicate == "in" and not allow_in):
        raise Refusal(f'Unknown predicate "{predicate}".')
    if "value" not in node:
        raise Refusal(f'The predicate "{predicate}" needs a value.')
    types, read, test = _PREDICATES[predicate]
    if kind not in types:
        raise Refusal(f'The predicate "{predicate}" cannot be used on a field of type {kind}.')
    wanted = read(node["value"], kind)
    return lambda value: test(value, wanted)


def _single(value: Any, kind: str) -> Any:
    if _family(type_of(value)) != _family(kind):
        raise Refusal(f"{json.dumps(value)} cannot be compared with a field of type {kind}.")
    return value


def _pair(value: Any, kind: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise Refusal('The predicate "between" needs two values.')
    return [_single(end, kind) for end in value]


def _members(value: Any, kind: str) -> list[Any]:
    return [_single(member, kind) for member in as_list(value, "in")]


def _pattern(value: Any, kind: str) -> Any:
    _single(value, kind)
    try:
        pl.Series([""]).str.contains(value)
    except pl.exceptions.ComputeError as error:
        raise Refusal(f"Badly formatted regex in query: {value}", 1057) from error
    return value


def _below(tree: pl.Expr, node: str) -> pl.Expr:
    return tree.str.starts_with(node + "/")


#: name -> (types it is for, how its value is read, what it says of a field)
_PREDICATES: dict[str, tuple[tuple[str, ...], Callable[..., Any], Callable[..., pl.Expr]]]
_PREDICATES = {
    "eq": (_ANY, _single, pl.Expr.eq),
    **{name: (_ORDERED, _single, compare) for name, compare in _ORDER.items()},
    "between": (_ORDERED, _pair, lambda value, ends: value.is_between(*ends)),
    "in": (_ANY, _members, pl.Expr.is_in),
    "contains": (
        _TEXT,
        _single,
        lambda text, part: text.str.contains(part, literal=True),
    ),
    "starts": (_TEXT, _single, lambda text, part: text.str.starts_with(part)),
    "ends": (_TEXT, _single, lambda text, part: text.str.ends_with(part)),
    "re": (_TEXT, _pattern, lambda text, pattern: text.str.contains(pattern)),
    "with_children": (
        ("tree",),
        _single,
        lambda tree, node: (tree == node) | _below(tree, node),
    ),
    "without_children": (("tree",), _single, pl.Expr.eq),
    "only_children": (("tree",), _single, _below),
}


# --- functions of one row, or of one group ---

Check = Callable[[str, Sequence[Value]], None]


@dataclass(frozen=True)
class _Function:
    count: int | None  # of arguments; None: any but none
    check: Check
    result: str  # a type, or "first", "second" (argument's), "widest"
    make: Callable[..., pl.Expr]
    reduce: Callable[[pl.Expr], pl.Expr] = pl.Expr.sum  # an aggregate's

    def of(self, name: str, values: Sequence[Value]) -> tuple[pl.Expr, str]:
        if self.count is None and not values:
            raise Refusal(f'The function "{name}" needs arguments.')
        if self.count not in (None, len(values)):
            wanted = f"{self.count} argument(s), not {len(values)}"
            raise Refusal(f'The function "{name}" takes {wanted}.')
        self.check(name, values)
        return self.make(*(value.expr for value in values)), self._type(values)

    def _type(self, values: Sequence[Value]) -> str:
        match self.result:
            case "first":
                return values[0].type
            case "second":
                return values[1].type
            case "widest":
                types = [value.type for value in values]
                return "float" if "float" in types else types[0]
            case fixed:
                return fixed


def apply(name: str, values: Sequence[Value]) -> Value:
    """Of values of one row, or one group."""
    if any(value.graph is not None for value in values):
        raise Refusal(f'The multiple field "{GRAPH}" cannot be an argument of "{name}".')
    expr, kind = _FUNCTIONS[name].of(name, values)
    return Value(expr, kind, any(value.aggregated for value in values))


def _anything(name: str, values: Sequence[Value]) -> None:
    pass


def _all_of(types: Sequence[str], what: str) -> Check:
    def check(name: str, values: Sequence[Value]) -> None:
        if any(value.type not in types for value in values):
            raise Refusal(f'The function "{name}" works on {what}.')

    return check


_numbers = _all_of(NUMBERS, "numbers")
_booleans = _all_of(("boolean",), "booleans")
_texts = _all_of(_TEXT, "texts")


def _comparable(name: str, values: Sequence[Value]) -> None:
    one, other = (value.type for value in values)
    if _family(one) != _family(other):
        raise Refusal(f'The function "{name}" cannot compare {one} with {other}.')


def _alternatives(name: str, values: Sequence[Value]) -> None:
    if len({_family(value.type) for value in values}) > 1:
        raise Refusal(f'The alternatives of "{name}" must be of one type.')


def _condition(name: str, values: Sequence[Value]) -> None:
    _booleans(name, values[:1])
    _alternatives(name, values[1:])


def _divided(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return pl.when(below != 0).then(above / below)


def _if(test: pl.Expr, yes: pl.Expr, no: pl.Expr) -> pl.Expr:
    return pl.when(test).then(yes).otherwise(no)


_FUNCTIONS = {
    "add": _Function(2, _numbers, "widest", pl.Expr.add),
    "sub": _Function(2, _numbers, "widest", pl.Expr.sub),
    "mul": _Function(2, _numbers, "widest", pl.Expr.mul),
    "div": _Function(2, _numbers, "float", _divided),
    **{name: _Function(2, _comparable, "boolean", make) for name, make in _COMPARE.items()},
    "and": _Function(None, _booleans, "boolean", pl.all_horizontal),
    "or": _Function(None, _booleans, "boolean", pl.any_horizontal),
    "not": _Function(1, _booleans, "boolean", pl.Expr.not_),
    "exists": _Function(1, _anything, "boolean", pl.Expr.is_not_null),
    "not_exists": _Function(1, _anything, "boolean", pl.Expr.is_null),
    "if": _Function(3, _condition, "second", _if),
    "if_not_exists": _Function(2, _alternatives, "first", pl.coalesce),
    "concat": _Function(None, _texts, "string", pl.concat_str),
}
#: they exist, but nobody outside has seen their results
_UNKNOWN_SHAPE = constants("datamodel")["unseen_functions"]


# --- aggregates ---


def aggregated(
    name: str,
    values: Sequence[Value],
    mask: pl.Expr | None,
    empty_sum: int | None,
) -> Value:
    """Over a group's rows, or over those that meet `mask`."""
    function = AGGREGATES[name]
    rows, kind = function.of(name, values)
    if mask is not None:
        rows = rows.filter(mask)
    expr = function.reduce(rows)
    if name == "sum":
        expr = pl.when(rows.count() > 0).then(expr).otherwise(pl.lit(empty_sum))
    return Value(expr, kind, aggregated=True)


def _of_one_type(name: str, values: Sequence[Value]) -> None:
    one, other = values
    if other.type not in (*NUMBERS, one.type):
        raise Refusal(f'The function "{name}" compares values of one type.')


def _same(value: pl.Expr) -> pl.Expr:
    return value


def _weighted(value: pl.Expr, weight: pl.Expr) -> pl.Expr:
    known = pl.when(value.is_not_null()).then(weight)
    return pl.struct((value * weight).alias("product"), known.alias("weight"))


def _mean_of_weighted(weighted: pl.Expr) -> pl.Expr:
    return weighted.struct["product"].sum() / weighted.struct["weight"].sum()


AGGREGATES = {
    "sum": _Function(1, _numbers, "first", _same),
    "avg": _Function(1, _numbers, "float", _same, pl.Expr.mean),
    "weighted_avg": _Function(2, _numbers, "float", _weighted, _mean_of_weighted),
    "min": _Function(1, _anything, "first", _same, pl.Expr.min),
    "max": _Function(1, _anything, "first", _same, pl.Expr.max),
    "count": _Function(1, _anything, "integer", _same, pl.Expr.count),
    "count_distinct": _Function(1, _anything, "integer", _same, distinct),
    "count_distinct_approx": _Function(1, _anything, "integer", _same, distinct),
    "count_true": _Function(1, _booleans, "integer", _same),
    "count_false": _Function(1, _booleans, "integer", pl.Expr.not_),
    "count_null": _Function(1, _anything, "integer", _same, pl.Expr.null_count),
    "count_eq": _Function(2, _of_one_type, "integer", pl.Expr.eq),
    **{f"count_{name}": _Function(2, _numbers, "integer", make) for name, make in _ORDER.items()},
}
