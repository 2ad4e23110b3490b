"""Expressions: each predicate, function and aggregate on some values; what types they refuse."""

import polars as pl
import pytest

from pipulate.simulator.errors import Refusal
from pipulate.simulator.expressions import (
    Value,
    aggregated,
    apply,
    bucketed,
    literal,
    predicate_test,
)

NUMBERS = pl.DataFrame({"n": [0, 1, 2, None], "m": [2, 2, 0, 1]})
TEXTS = pl.DataFrame({"t": ["product", "product/red", "a.b", None]})
N = Value(pl.col("n"), "integer")
M = Value(pl.col("m"), "integer")
T = Value(pl.col("t"), "tree")
B = Value(pl.col("n") > 0, "boolean")


def values(frame: pl.DataFrame, value: Value) -> list:
    return frame.select(value.expr).to_series().to_list()


@pytest.mark.parametrize(
    ("predicate", "wanted", "expected"),
    [
        ("eq", 1, [False, True, False, None]),
        ("gt", 1, [False, False, True, None]),
        ("lte", 1.5, [True, True, False, None]),
        ("between", [1, 2], [False, True, True, None]),
        ("exists", None, [True, True, True, False]),
    ],
)
def test_predicates_on_numbers(predicate, wanted, expected):
    """Both ends of between are included; null stays unknown, but for exists."""
    node = {} if wanted is None else {"value": wanted}
    test = predicate_test(predicate, "integer", node, allow_in=False)
    assert values(NUMBERS, Value(test(N.expr), "boolean")) == expected


@pytest.mark.parametrize(
    ("predicate", "wanted", "expected"),
    [
        ("contains", ".", [False, False, True, None]),
        ("starts", "product", [True, True, False, None]),
        ("ends", "red", [False, True, False, None]),
        ("re", "^a.b$|red", [False, True, True, None]),
        ("with_children", "product", [True, True, False, None]),
        ("without_children", "product", [True, False, False, None]),
        ("only_children", "product", [False, True, False, None]),
        ("in", ["a.b", "x"], [False, False, True, None]),
    ],
)
def test_predicates_on_texts_and_trees(predicate, wanted, expected):
    """Only re reads its value as a pattern."""
    test = predicate_test(predicate, "tree", {"value": wanted}, allow_in=True)
    assert values(TEXTS, Value(test(T.expr), "boolean")) == expected


@pytest.mark.parametrize(
    ("name", "args", "expected", "type"),
    [
        ("add", [N, M], [2, 3, 2, None], "integer"),
        ("mul", [N, literal(1.5)], [0.0, 1.5, 3.0, None], "float"),
        ("div", [N, M], [0.0, 0.5, None, None], "float"),
        ("gte", [N, M], [False, False, True, None], "boolean"),
        ("not", [B], [True, False, False, None], "boolean"),
        ("or", [B, literal(False)], [False, True, True, None], "boolean"),
        ("not_exists", [N], [False, False, False, True], "boolean"),
        ("if", [B, literal("yes"), literal("no")], ["no", "yes", "yes", "no"], "string"),
        ("if_not_exists", [N, M], [0, 1, 2, 1], "integer"),
    ],
)
def test_functions(name, args, expected, type):
    """Division by zero gives null; `if` takes its second branch when unknown."""
    result = apply(name, args)
    assert (values(NUMBERS, result), result.type) == (expected, type)


@pytest.mark.parametrize(
    ("name", "args", "whole", "masked"),
    [
        ("sum", [N], 3, 3),
        ("avg", [N], 1.0, 1.5),
        ("min", [N], 0, 1),
        ("max", [M], 2, 2),
        ("count", [N], 3, 2),
        ("count_distinct", [M], 3, 2),
        ("count_null", [N], 1, 0),
        ("count_true", [B], 2, 2),
        ("count_false", [B], 1, 0),
        ("count_eq", [M, literal(2)], 2, 1),
        ("count_gt", [M, literal(1)], 2, 1),
        ("weighted_avg", [N, M], 0.5, 1.0),
    ],
)
def test_aggregates_with_and_without_a_filter_of_their_own(name, args, whole, masked):
    """Over all rows, and over those where n > 0."""
    assert values(NUMBERS, aggregated(name, args, None, None)) == [whole]
    assert values(NUMBERS, aggregated(name, args, B.expr.fill_null(False), None)) == [masked]


def test_the_sum_over_nothing_is_as_told():
    """Null or 0."""
    nobody = pl.lit(False)
    assert values(NUMBERS, aggregated("sum", [N], nobody & (N.expr > 0), None)) == [None]
    assert values(NUMBERS, aggregated("sum", [N], nobody & (N.expr > 0), 0)) == [0]


def test_buckets_take_the_first_range_that_fits():
    """From included, to excluded; outside and null give null."""
    value = bucketed(N, [{"from": 1, "to": 2}, {"from": 1}])
    assert values(NUMBERS, value) == [None, 0, 1, None]
    assert value.ranges[1] == {"from": 1}


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: apply("add", [N, T]), "works on numbers"),
        (lambda: apply("add", [N]), r"takes 2 argument\(s\), not 1"),
        (lambda: apply("eq", [N, T]), "cannot compare"),
        (lambda: apply("and", []), "needs arguments"),
        (lambda: apply("and", [N]), "works on booleans"),
        (lambda: apply("concat", [N]), "works on texts"),
        (lambda: aggregated("count_eq", [N, T], None, None), "values of one type"),
        (lambda: predicate_test("in", "integer", {"value": [1]}, False), "Unknown predicate"),
        (
            lambda: predicate_test("only_children", "string", {"value": "x"}, False),
            "cannot be used",
        ),
        (lambda: literal([1]), "not a value"),
    ],
)
def test_ill_typed_expressions_are_refused(act, words):
    """The message names the function and what it takes."""
    with pytest.raises(Refusal, match=words):
        act()
