"""The expressions of BQL, typed: fields compared, computed with and aggregated, by polars.

VALUE       A compiled expression knows its type (string, tree, date, integer, float, boolean), so
            that an ill-typed comparison is refused before anything runs.
TABLES      `_PREDICATES`, `_FUNCTIONS` and `AGGREGATES` are the language's vocabulary; to add a
            word, add a line.  `_UNKNOWN_SHAPE` are words that exist, but whose results nobody
            outside has seen.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipulate.simulator.checks import as_list, check_keys, is_text
from pipulate.simulator.datamodel import GRAPH, NUMBERS, Table, distinct
from pipulate.simulator.errors import Refusal

_TEXT = ("string", "tree")
_ORDERED = (*NUMBERS, "date")
_ANY = (*_TEXT, *_ORDERED, "boolean")
_FAMILIES = {"integer": "number", "float": "number", "boolean": "boolean"}


@dataclass(frozen=True)
class Value:
    """A compiled expression."""

    expr: pl.Expr
    type: str
    aggregated: bool = False  # one value per group, not per row
    graph: Table | None = None  # whose links it stands for
    labels: dict[str, str] | None = None  # of a field, by header format

    @property
    def family(self) -> str:
        """What it can be compared with."""
        return _family(self.type)


def _family(type: str) -> str:
    return _FAMILIES.get(type, "text")


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


def function_of(node: dict[str, Any]) -> tuple[str, list[Any]]:
    """Name and arguments of {"function": f, "args": [...]} or of the short form {f: arg}."""
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
            f'The function "{name}" exists, but its results are not known well enough '
            "to simulate them."
        )
    if name not in AGGREGATES and name not in _FUNCTIONS:
        raise Refusal(f"Unknown function {json.dumps(name)}.")
    return name, args


def bucketed(value: Value, ranges: Any) -> tuple[Value, tuple[dict[str, Any], ...]]:
    """The number of the first range that holds the value (from included, to excluded), or null."""
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
    return Value(bucket, "range", labels=value.labels), tuple(ranges)


# --- predicates -----------------------------------------------------------------------------------

Test = Callable[[pl.Expr], pl.Expr]


def predicate_test(predicate: str, type: str, node: dict[str, Any], allow_in: bool) -> Test:
    """The condition that a leaf of a filter puts on a value of the given type."""
    if predicate == "exists":
        if "value" in node:
            raise Refusal('The predicate "exists" takes no value.')
        return pl.Expr.is_not_null
    if predicate not in _PREDICATES or (predicate == "in" and not allow_in):
        raise Refusal(f'Unknown predicate "{predicate}".')
    if "value" not in node:
        raise Refusal(f'The predicate "{predicate}" needs a value.')
    types, read, test = _PREDICATES[predicate]
    if type not in types:
        raise Refusal(f'The predicate "{predicate}" cannot be used on a field of type {type}.')
    wanted = read(node["value"], type)
    return lambda value: test(value, wanted)


def _single(value: Any, type: str) -> Any:
    """The value, if it can be compared with a field of this type."""
    if _family(type_of(value)) != _family(type):
        raise Refusal(f"{json.dumps(value)} cannot be compared with a field of type {type}.")
    return value


def _pair(value: Any, type: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise Refusal('The predicate "between" needs two values.')
    return [_single(end, type) for end in value]


def _members(value: Any, type: str) -> list[Any]:
    return [_single(member, type) for member in as_list(value, "in")]


def _pattern(value: Any, type: str) -> Any:
    _single(value, type)
    try:
        pl.Series([""]).str.contains(value)
    except pl.exceptions.ComputeError as error:
        raise Refusal(f"Badly formatted regex in query: {value}", 1057) from error
    return value


def _contains(text: pl.Expr, part: str) -> pl.Expr:
    return text.str.contains(part, literal=True)


def _below(tree: pl.Expr, node: str) -> pl.Expr:
    return tree.str.starts_with(node + "/")


#: name -> (types of fields it is for, how its value is read, what it says of a field)
_PREDICATES: dict[str, tuple[tuple[str, ...], Callable[[Any, str], Any], Callable[..., pl.Expr]]]
_PREDICATES = {
    "eq": (_ANY, _single, pl.Expr.eq),
    "gt": (_ORDERED, _single, pl.Expr.gt),
    "gte": (_ORDERED, _single, pl.Expr.ge),
    "lt": (_ORDERED, _single, pl.Expr.lt),
    "lte": (_ORDERED, _single, pl.Expr.le),
    "between": (_ORDERED, _pair, lambda value, ends: value.is_between(*ends)),
    "in": (_ANY, _members, pl.Expr.is_in),
    "contains": (_TEXT, _single, _contains),
    "starts": (_TEXT, _single, lambda text, part: text.str.starts_with(part)),
    "ends": (_TEXT, _single, lambda text, part: text.str.ends_with(part)),
    "re": (_TEXT, _pattern, lambda text, pattern: text.str.contains(pattern)),
    "with_children": (("tree",), _single, lambda tree, node: (tree == node) | _below(tree, node)),
    "without_children": (("tree",), _single, pl.Expr.eq),
    "only_children": (("tree",), _single, _below),
}


# --- functions ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Function:
    """A function or an aggregate: how many arguments, how they are checked, what they make.

    `result` is the type, or says where it comes from: "first" and "second" (argument), "widest" (of
    numbers).
    """

    count: int | None  # None: any but none
    check: Callable[[str, Sequence[Value]], None]
    result: str
    make: Callable[..., pl.Expr]

    def type(self, name: str, values: Sequence[Value]) -> str:
        """The type of the result.  Raises Refusal if the arguments do not fit."""
        if self.count is None and not values:
            raise Refusal(f'The function "{name}" needs arguments.')
        if self.count not in (None, len(values)):
            raise Refusal(
                f'The function "{name}" takes {self.count} argument(s), not {len(values)}.'
            )
        self.check(name, values)
        types = [value.type for value in values]
        match self.result:
            case "first":
                return types[0]
            case "second":
                return types[1]
            case "widest":
                return "float" if "float" in types else types[0]
            case fixed:
                return fixed


def _anything(name: str, values: Sequence[Value]) -> None:
    pass


def _works_on(what: str, types: Sequence[str]) -> Callable[[str, Sequence[Value]], None]:
    def check(name: str, values: Sequence[Value]) -> None:
        if any(value.type not in types for value in values):
            raise Refusal(f'The function "{name}" works on {what}.')

    return check


_numbers = _works_on("numbers", NUMBERS)
_booleans = _works_on("booleans", ("boolean",))
_texts = _works_on("texts", _TEXT)


def _comparable(name: str, values: Sequence[Value]) -> None:
    one, other = values
    if one.family != other.family:
        raise Refusal(f'The function "{name}" cannot compare {one.type} with {other.type}.')


def _of_one_type(name: str, values: Sequence[Value]) -> None:
    one, other = values
    if other.type not in (*NUMBERS, one.type):
        raise Refusal(f'The function "{name}" compares values of one type.')


def _alternatives(name: str, values: Sequence[Value]) -> None:
    if len({value.family for value in values}) > 1:
        raise Refusal(f'The alternatives of "{name}" must be of one type.')


def _if(name: str, values: Sequence[Value]) -> None:
    _booleans(name, values[:1])
    _alternatives(name, values[1:])


def _divided(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return pl.when(below != 0).then(above / below)


_FUNCTIONS = {
    "add": _Function(2, _numbers, "widest", pl.Expr.add),
    "sub": _Function(2, _numbers, "widest", pl.Expr.sub),
    "mul": _Function(2, _numbers, "widest", pl.Expr.mul),
    "div": _Function(2, _numbers, "float", _divided),
    "eq": _Function(2, _comparable, "boolean", pl.Expr.eq),
    "ne": _Function(2, _comparable, "boolean", pl.Expr.ne),
    "gt": _Function(2, _comparable, "boolean", pl.Expr.gt),
    "gte": _Function(2, _comparable, "boolean", pl.Expr.ge),
    "lt": _Function(2, _comparable, "boolean", pl.Expr.lt),
    "lte": _Function(2, _comparable, "boolean", pl.Expr.le),
    "and": _Function(None, _booleans, "boolean", pl.all_horizontal),
    "or": _Function(None, _booleans, "boolean", pl.any_horizontal),
    "not": _Function(1, _booleans, "boolean", pl.Expr.not_),
    "exists": _Function(1, _anything, "boolean", pl.Expr.is_not_null),
    "not_exists": _Function(1, _anything, "boolean", pl.Expr.is_null),
    "if": _Function(3, _if, "second", lambda test, yes, no: pl.when(test).then(yes).otherwise(no)),
    "if_not_exists": _Function(2, _alternatives, "first", pl.coalesce),
    "concat": _Function(None, _texts, "string", pl.concat_str),
}
_UNKNOWN_SHAPE = (
    *("date", "year", "month", "year_month", "first_day_of_week", "first_day_of_month"),
    *("year_week_number_starting_monday", "year_week_number_starting_sunday"),
    *("http_code_family", "http_code_quality", "to_json_string", "first"),
)


def apply(name: str, values: Sequence[Value]) -> Value:
    """A function of values of one row, or of values of one group."""
    function = _FUNCTIONS[name]
    if any(value.graph is not None for value in values):
        raise Refusal(f'The multiple field "{GRAPH}" cannot be an argument of "{name}".')
    type = function.type(name, values)
    expr = function.make(*(value.expr for value in values))
    return Value(expr, type, any(value.aggregated for value in values))


# --- aggregates -----------------------------------------------------------------------------------

Keep = Callable[[pl.Expr], pl.Expr]  #: restricts an expression to the rows that count


def _weighted_avg(keep: Keep, value: pl.Expr, weight: pl.Expr) -> pl.Expr:
    return keep(value * weight).sum() / keep(weight).filter(keep(value).is_not_null()).sum()


def _distinct(keep: Keep, value: pl.Expr) -> pl.Expr:
    return distinct(keep(value))


AGGREGATES = {
    "sum": _Function(1, _numbers, "first", lambda keep, value: keep(value).sum()),
    "avg": _Function(1, _numbers, "float", lambda keep, value: keep(value).mean()),
    "min": _Function(1, _anything, "first", lambda keep, value: keep(value).min()),
    "max": _Function(1, _anything, "first", lambda keep, value: keep(value).max()),
    "weighted_avg": _Function(2, _numbers, "float", _weighted_avg),
    "count": _Function(1, _anything, "integer", lambda keep, value: keep(value).count()),
    "count_distinct": _Function(1, _anything, "integer", _distinct),
    "count_distinct_approx": _Function(1, _anything, "integer", _distinct),
    "count_true": _Function(1, _booleans, "integer", lambda keep, value: keep(value).sum()),
    "count_false": _Function(1, _booleans, "integer", lambda keep, value: keep(~value).sum()),
    "count_null": _Function(1, _anything, "integer", lambda keep, value: keep(value).null_count()),
    "count_eq": _Function(2, _of_one_type, "integer", lambda keep, a, b: keep(a == b).sum()),
    "count_gt": _Function(2, _numbers, "integer", lambda keep, a, b: keep(a > b).sum()),
    "count_gte": _Function(2, _numbers, "integer", lambda keep, a, b: keep(a >= b).sum()),
    "count_lt": _Function(2, _numbers, "integer", lambda keep, a, b: keep(a < b).sum()),
    "count_lte": _Function(2, _numbers, "integer", lambda keep, a, b: keep(a <= b).sum()),
}


def aggregated(
    name: str, values: Sequence[Value], mask: pl.Expr | None, empty_sum: int | None
) -> Value:
    """An aggregate over the rows of a group, or over those of them that meet `mask`."""

    def keep(expr: pl.Expr) -> pl.Expr:
        return expr if mask is None else expr.filter(mask)

    function = AGGREGATES[name]
    type = function.type(name, values)
    exprs = [value.expr for value in values]
    expr = function.make(keep, *exprs)
    if name == "sum":
        expr = pl.when(keep(exprs[0]).count() > 0).then(expr).otherwise(pl.lit(empty_sum))
    return Value(expr, type, aggregated=True)
