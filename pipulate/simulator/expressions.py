"""The expressions of BQL: fields compared, computed with and aggregated, as polars expressions with a type.

VALUE       A compiled expression knows its type (string, tree, date, integer, float, boolean), so that an ill-typed
            comparison is refused before anything runs.
TABLES      `_PREDICATES`, `_FUNCTIONS` and `AGGREGATES` are the language's vocabulary; to add a word, add a line.
            `_UNKNOWN_SHAPE` are words that exist, but whose results nobody outside has seen.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipulate.engine.errors import PipulateError
from pipulate.simulator.datamodel import GRAPH, NUMBERS, Table


class QueryRefused(PipulateError):
    """The API would refuse this query with 400.  `code` is one of its error codes."""

    def __init__(self, message: str, code: int = 1022) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Value:
    """A compiled expression: its type, whether it is one value per group, and the table whose links it stands for."""

    expr: pl.Expr
    type: str
    aggregated: bool = False
    graph: Table | None = None
    labels: tuple[str, str, str] | None = None  # verbose, slug, collection_slug


def check_keys(node: Any, what: str, required: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse a node that is no object, lacks a key, or has one that is not known."""
    if not isinstance(node, dict):
        raise QueryRefused(f"{what}: an object was expected.", 1024)
    for key in required:
        if key not in node:
            raise QueryRefused(f'{what}: "{key}" is mandatory.')
    for key in node:
        if key not in required and key not in optional:
            raise QueryRefused(f'{what}: "{key}" is not a valid field.')


def as_list(node: Any, what: str) -> list:
    if not isinstance(node, list):
        raise QueryRefused(f"{what}: a list was expected.")
    return node


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
        case str() if value.isascii() or is_text(value):
            return "string"
        case _:
            raise QueryRefused(f"{json.dumps(value)} is not a value one can compare with.")


def is_text(value: str) -> bool:
    """Whether a JSON string is a text: JSON can hold half a character (a lone surrogate)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def function_of(node: dict) -> tuple[str, list]:
    """Name and arguments of {"function": f, "args": [...]} or of the short form {f: arg}."""
    if "function" in node:
        check_keys(node, "function", ("function",), ("args", "name"))
        name, args = node["function"], as_list(node.get("args", []), "args")
    else:
        rest = [key for key in node if key != "name"]
        if len(rest) != 1:
            raise QueryRefused(f"{json.dumps(node)} is neither a field nor a function.")
        name, args = rest[0], [node[rest[0]]]
    if not isinstance(name, str):
        raise QueryRefused(f"A function's name was expected, not {json.dumps(name)}.")
    if name in _UNKNOWN_SHAPE:
        raise QueryRefused(
            f'The function "{name}" exists, but its results are not known well enough to simulate them.'
        )
    if name not in AGGREGATES and name not in _FUNCTIONS:
        raise QueryRefused(f"Unknown function {json.dumps(name)}.")
    return name, args


def bucketed(value: Value, ranges: Any) -> tuple[Value, tuple[dict[str, Any], ...]]:
    """The number of the first range that holds the value (from included, to excluded), or null."""
    if value.type not in NUMBERS:
        raise QueryRefused("ranges: only for numbers.")
    bucket = pl.lit(None, pl.Int64)
    for number, each in reversed(list(enumerate(as_list(ranges, "ranges")))):
        check_keys(each, "ranges", (), ("from", "to"))
        inside = value.expr.is_not_null()
        for key, test in (("from", pl.Expr.ge), ("to", pl.Expr.lt)):
            if key in each:
                if type_of(each[key]) not in NUMBERS:
                    raise QueryRefused("ranges: from and to are numbers.")
                inside = inside & test(value.expr, each[key])
        bucket = pl.when(inside).then(pl.lit(number)).otherwise(bucket)
    return Value(bucket, "range", labels=value.labels), tuple(ranges)


# ------------------------------------------------------------------------------------ predicates and functions

_TEXT = ("string", "tree")
_ORDERED = (*NUMBERS, "date")
_COMPARE: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "eq": pl.Expr.eq,
    "ne": pl.Expr.ne,
    "gt": pl.Expr.gt,
    "gte": pl.Expr.ge,
    "lt": pl.Expr.lt,
    "lte": pl.Expr.le,
}
_PREDICATES: dict[str, tuple[tuple[str, ...], Callable[[pl.Expr, Any], pl.Expr]]] = {
    "eq": ((*_TEXT, *_ORDERED, "boolean"), pl.Expr.eq),
    "gt": (_ORDERED, pl.Expr.gt),
    "gte": (_ORDERED, pl.Expr.ge),
    "lt": (_ORDERED, pl.Expr.lt),
    "lte": (_ORDERED, pl.Expr.le),
    "contains": (_TEXT, lambda text, part: text.str.contains(part, literal=True)),
    "starts": (_TEXT, lambda text, part: text.str.starts_with(part)),
    "ends": (_TEXT, lambda text, part: text.str.ends_with(part)),
    "re": (_TEXT, lambda text, pattern: text.str.contains(pattern)),
    "with_children": (
        ("tree",),
        lambda tree, node: (tree == node) | tree.str.starts_with(node + "/"),
    ),
    "without_children": (("tree",), lambda tree, node: tree == node),
    "only_children": (("tree",), lambda tree, node: tree.str.starts_with(node + "/")),
}


def predicate_test(
    predicate: str, type: str, node: dict, allow_in: bool
) -> Callable[[pl.Expr], pl.Expr]:
    """The condition that a leaf of a filter puts on a value of the given type."""
    if predicate == "exists":
        if "value" in node:
            raise QueryRefused('The predicate "exists" takes no value.')
        return pl.Expr.is_not_null
    if (
        predicate not in _PREDICATES
        and predicate != "between"
        and not (predicate == "in" and allow_in)
    ):
        raise QueryRefused(f'Unknown predicate "{predicate}".')
    if "value" not in node:
        raise QueryRefused(f'The predicate "{predicate}" needs a value.')
    wanted = node["value"]
    allowed = (
        _PREDICATES[predicate][0]
        if predicate in _PREDICATES
        else _ORDERED
        if predicate == "between"
        else None
    )
    if allowed is not None and type not in allowed:
        raise QueryRefused(f'The predicate "{predicate}" cannot be used on a field of type {type}.')
    if predicate == "between":
        low, high = _pair(wanted, type)
        return lambda value: value.is_between(low, high)
    if predicate == "in":
        members = [_comparable(member, type) for member in as_list(wanted, "in")]
        return lambda value: value.is_in(members)
    _comparable(wanted, type)
    if predicate == "re":
        _check_regex(wanted)
    test = _PREDICATES[predicate][1]
    return lambda value: test(value, wanted)


def _pair(wanted: Any, type: str) -> tuple[Any, Any]:
    if not isinstance(wanted, list) or len(wanted) != 2:
        raise QueryRefused('The predicate "between" needs two values.')
    return _comparable(wanted[0], type), _comparable(wanted[1], type)


def _comparable(value: Any, type: str) -> Any:
    """The value, if it can be compared with a field of this type."""
    given = type_of(value)
    same = (
        given in NUMBERS
        if type in NUMBERS
        else given == ("boolean" if type == "boolean" else "string")
    )
    if not same:
        raise QueryRefused(f"{json.dumps(value)} cannot be compared with a field of type {type}.")
    return value


def _check_regex(pattern: str) -> None:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        raise QueryRefused(f"Badly formatted regex in query: {pattern}", 1057) from error


def _number(values: list[Value], name: str) -> None:
    if any(value.type not in NUMBERS for value in values):
        raise QueryRefused(f'The function "{name}" works on numbers.')


def _family(type: str) -> str:
    """What a type can be compared with: numbers, texts or booleans."""
    return "number" if type in NUMBERS else "boolean" if type == "boolean" else "text"


def _exact(values: list, count: int, name: str) -> None:
    if len(values) != count:
        raise QueryRefused(f'The function "{name}" takes {count} argument(s), not {len(values)}.')


# name -> (number of arguments or None, type of the result or None for the first argument's, expression)
_FUNCTIONS: dict[str, tuple[int | None, str | None, Callable[..., pl.Expr]]] = {
    "add": (2, None, lambda a, b: a + b),
    "sub": (2, None, lambda a, b: a - b),
    "mul": (2, None, lambda a, b: a * b),
    "div": (2, "float", lambda a, b: pl.when(b != 0).then(a / b)),
    **{name: (2, "boolean", compare) for name, compare in _COMPARE.items()},
    "and": (None, "boolean", lambda *tests: pl.all_horizontal(*tests)),
    "or": (None, "boolean", lambda *tests: pl.any_horizontal(*tests)),
    "not": (1, "boolean", lambda test: ~test),
    "exists": (1, "boolean", lambda value: value.is_not_null()),
    "not_exists": (1, "boolean", lambda value: value.is_null()),
    "if": (3, "second", lambda test, yes, no: pl.when(test).then(yes).otherwise(no)),
    "if_not_exists": (2, None, lambda value, other: pl.coalesce(value, other)),
    "concat": (None, "string", lambda *texts: pl.concat_str(*texts)),
}
_UNKNOWN_SHAPE: tuple[str, ...] = (
    "date",
    "year",
    "month",
    "year_month",
    "first_day_of_week",
    "first_day_of_month",
)
_UNKNOWN_SHAPE += ("year_week_number_starting_monday", "year_week_number_starting_sunday")
_UNKNOWN_SHAPE += ("http_code_family", "http_code_quality", "to_json_string", "first")
AGGREGATES: dict[str, int] = {
    **dict.fromkeys(("sum", "avg", "min", "max", "count_distinct", "count_distinct_approx"), 1),
    **dict.fromkeys(("count_true", "count_false", "count_null"), 1),
    **dict.fromkeys(
        ("count_eq", "count_gt", "count_gte", "count_lt", "count_lte", "weighted_avg"), 2
    ),
    "count": 1,
}


def apply(name: str, values: list[Value]) -> Value:
    """A function of values of one row, or of values of one group."""
    count, type, make = _FUNCTIONS[name]
    if count is not None:
        _exact(values, count, name)
    elif not values:
        raise QueryRefused(f'The function "{name}" needs arguments.')
    if any(value.graph is not None for value in values):
        raise QueryRefused(f'The multiple field "{GRAPH}" cannot be an argument of "{name}".')
    if name in ("add", "sub", "mul", "div"):
        _number(values, name)
    if name in _COMPARE and _family(values[0].type) != _family(values[1].type):
        raise QueryRefused(
            f'The function "{name}" cannot compare {values[0].type} with {values[1].type}.'
        )
    tests = values if name in ("and", "or", "not") else values[:1] if name == "if" else []
    if any(test.type != "boolean" for test in tests):
        raise QueryRefused(f'The function "{name}" works on booleans.')
    branches = values[1:] if name == "if" else values if name == "if_not_exists" else []
    if len({_family(value.type) for value in branches}) > 1:
        raise QueryRefused(f'The alternatives of "{name}" must be of one type.')
    if name == "concat" and any(value.type not in _TEXT for value in values):
        raise QueryRefused('The function "concat" works on texts.')
    result = values[1].type if type == "second" else type or values[0].type
    if name in ("add", "sub", "mul") and any(value.type == "float" for value in values):
        result = "float"
    return Value(
        make(*(value.expr for value in values)), result, any(value.aggregated for value in values)
    )


def aggregated(
    name: str, values: list[Value], mask: pl.Expr | None, empty_sum: int | None
) -> Value:
    """An aggregate function over the rows of a group, or over those of them that meet `mask`."""
    _exact(values, AGGREGATES[name], name)
    exprs = [value.expr if mask is None else value.expr.filter(mask) for value in values]
    over = exprs[0]
    kind = "integer"
    if name in ("sum", "avg", "weighted_avg", "count_gt", "count_gte", "count_lt", "count_lte"):
        _number(values, name)
    if name in ("count_true", "count_false") and values[0].type != "boolean":
        raise QueryRefused(f'The function "{name}" works on booleans.')
    match name:
        case "sum":
            expr = pl.when(over.count() > 0).then(over.sum()).otherwise(pl.lit(empty_sum))
            kind = values[0].type
        case "avg":
            expr, kind = over.mean(), "float"
        case "weighted_avg":
            expr, kind = (
                (over * exprs[1]).sum() / exprs[1].filter(over.is_not_null()).sum(),
                "float",
            )
        case "min" | "max":
            expr, kind = (over.min() if name == "min" else over.max()), values[0].type
        case "count":
            expr = over.count()
        case "count_distinct" | "count_distinct_approx":
            expr = over.drop_nulls().n_unique()
        case "count_true":
            expr = over.sum()
        case "count_false":
            expr = (~over).sum()
        case "count_null":
            expr = over.null_count()
        case _:
            if values[1].type not in NUMBERS and values[1].type != values[0].type:
                raise QueryRefused(f'The function "{name}" compares values of one type.')
            met = _COMPARE[name.removeprefix("count_")](values[0].expr, values[1].expr)
            expr = (met if mask is None else met.filter(mask)).sum()
    return Value(expr, kind, aggregated=True)
