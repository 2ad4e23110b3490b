"""BQL: what is refused and why; what is answered."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.simulator.errors import Refusal
from tests.simulator.examples import (
    BOTH,
    GRAPH,
    S,
    X,
    answer,
    body,
    call,
    compiled,
    rows,
    where,
)

WITHOUT_GRAPH = ["crawl.20240201"]
CONSOLE = ["search_console"]

REFUSED = [
    # the body
    ([], 1024, "object"),
    ({"query": {"dimensions": [], "metrics": []}}, 1022, '"collections" is mandatory'),
    ({"collections": [X]}, 1022, '"query" is mandatory'),
    ({"collections": [X], "query": {"metrics": []}}, 1022, '"dimensions" is mandatory'),
    ({"collections": [X], "query": {"dimensions": ["url"]}}, 1022, '"metrics" is mandatory'),
    (body([]), 1022, "no dimension and no metric"),
    ({**body(["url"]), "size": 3}, 1022, '"size" is not a valid field'),
    (body(["url"], filter={}), 1022, '"filter" is not a valid field'),
    (body("url"), 1022, "list"),
    # collections and periods
    (body(["url"], collections=["crawl.20991231"]), 1022, '^Unknown collection "crawl.20991231".$'),
    (body(["url"], collections=[7]), 1022, "Unknown collection"),
    (body(["url"], collections=[]), 1022, "at least one"),
    (body(["url"], collections=["global"]), 1022, "URLs of its own"),
    (body(["url"], collections=CONSOLE), 1022, '"periods" is mandatory'),
    (body(["url"], [], CONSOLE, [["2024-03-02", "2024-03-01"]]), 1022, "is after"),
    (body(["url"], [], CONSOLE, [["2024-13-02", "2024-03-01"]]), 1022, "not a day"),
    (body(["url"], [], CONSOLE, ["2024-03-01"]), 1022, "pair of days"),
    # names
    (body([f"{X}.nope"]), 1029, f'^Field "{X}.nope" does not exist$'),
    (body(["nope"]), 1029, "does not exist"),
    (body(["crawl.20240201.depth"]), 1029, "does not exist"),
    (body([f"{X}.js.rendering.exec"]), 1029, "does not exist"),
    (body(["url", GRAPH.replace(X, *WITHOUT_GRAPH)], [], WITHOUT_GRAPH), 1029, "exist"),
    (body(["search_console.count_clicks"], **BOTH), 1029, "does not exist"),
    (body(["search_console.period_1.count_clicks"], **BOTH), 1029, "does not exist"),
    (body([f"{S}.count_clicks"], **BOTH), 1022, "is a metric"),
    (body(["url"], [f"{X}.depth"]), 1022, "not a metric"),
    (body([3]), 1022, "name was expected"),
    (body([{"field": f"{X}.url", "name": 3}]), 1022, "name is a text"),
    # functions and ranges
    (body(["url"], [{"sum": f"{X}.nope"}]), 1029, "does not exist"),
    (body(["url"], [{"sum": f"{X}.metadata.title.content"}]), 1022, "works on numbers"),
    (body(["url"], [{"count_true": f"{X}.depth"}]), 1022, "works on booleans"),
    (body(["url"], [call("sum")]), 1022, "1 argument"),
    (body(["url"], [call("sum", {"literal": 1})]), 1022, "constant"),
    (body(["url"], [{"function": "sum", "arguments": []}]), 1022, "not a valid field"),
    (body(["url"], [call("median", f"{X}.depth")]), 1022, "Unknown function"),
    (body([call("year", "url")]), 1022, "not known well enough"),
    (body([{"sum": f"{X}.depth"}]), 1022, "makes a metric"),
    (body([{"a": "b", "c": "d"}]), 1022, "neither a field nor a function"),
    (body([call("if", f"{X}.sitemaps.present", "url", f"{X}.depth")]), 1022, "must be of one type"),
    (body([{"field": f"{X}.url", "ranges": [{"from": 0}]}]), 1022, "only for numbers"),
    (body([{"field": f"{X}.depth", "ranges": [{"from": "0"}]}]), 1022, "numbers"),
    # the link graph
    (body([GRAPH]), 1022, 'needs the dimension "url"'),
    (body(["url", call("concat", GRAPH)]), 1022, "cannot be an argument"),
    (body(["url"], filters=where(GRAPH, "eq", "x")), 1022, '"any." or "all."'),
    # conditions
    (body(["url"], filters=where("depth", "in", [1])), 1022, "Unknown predicate"),
    (body(["url"], filters=where("depth", "ne", 1)), 1022, "Unknown predicate"),
    (body(["url"], filters={"field": f"{X}.depth", "value": "1"}), 1022, "cannot be compared"),
    (body(["url"], filters=where("depth", "eq", None)), 1022, "not a value"),
    (body(["url"], filters=where("depth", "eq", 10**30)), 1022, "not a value"),
    (body(["url"], filters=where("url", "eq", "\ud800")), 1022, "not a value"),
    (body(["url"], filters={"field": f"{X}.depth"}), 1022, "needs a value"),
    (body(["url"], filters=where("depth", "exists", 1)), 1022, "takes no value"),
    (body(["url"], filters=where("depth", "starts", 1)), 1022, "cannot be used"),
    (body(["url"], filters=where("url", "gt", "a")), 1022, "cannot be used"),
    (body(["url"], filters=where("depth", "between", [1])), 1022, "two values"),
    (body(["url"], filters=where("url", "re", "(")), 1057, "regex"),
    (body(["url"], filters={**where("depth", "eq", 1), "x": 1}), 1022, "not a valid field"),
    (body(["url"], filters={"and": [], "or": []}), 1022, "not a valid field"),
    (body(["url"], filters={"or": []}), 1022, "at least one condition"),
    (body(["url"], filters=where("count_urls_crawl", "gt", 1)), 1022, "is a metric"),
    (body(["url"], post_filters=where("depth", "eq", 1)), 1022, "not a metric"),
    # sort
    (body(["url"], sort=[{"field": "url"}]), 1022, '"field" is not a valid field'),
    (body(["url"], sort=[{"index": 1}]), 1022, "no dimensions number 1"),
    (body(["url"], sort=[{"index": 0, "order": "down"}]), 1022, "asc or desc"),
    (body(["url"], sort=[True]), 1024, "object"),
]


@pytest.mark.parametrize(("request_body", "code", "words"), REFUSED)
def test_bad_queries_are_refused_with_the_apis_code(request_body, code, words):
    """Unknown keys, names, predicates and types give 400 before anything is computed."""
    with pytest.raises(Refusal, match=words) as refusal:
        compiled(request_body)
    assert refusal.value.code == code


def test_an_empty_filter_is_none():
    """Whatever it is made of."""
    assert rows(["url"], filters=[]) == rows(["url"], filters={}) == rows(["url"])


TREES = {
    "eq": ["https://x/a", "https://x/orphan"],
    "with_children": ["https://x/a", "https://x/b", "https://x/orphan"],
    "without_children": ["https://x/a", "https://x/orphan"],
    "only_children": ["https://x/b"],
}


@pytest.mark.parametrize(("predicate", "urls"), TREES.items())
def test_trees(predicate, urls):
    """A node of a tree, its children, or both."""
    condition = where("segments.pagetype.value", predicate, "product")
    assert rows(["url"], filters=condition) == [(url,) for url in urls]


SUM_OF_LINKS = {"sum": f"{X}.outlinks_internal.nb.total"}
BAD = call("gte", f"{X}.http_code", {"literal": 300})
ALL_WITHIN = [where(GRAPH, "exists"), where(GRAPH, "all.contains", "x/")]
COUNTS = ("count_true", "count_false", "count_null", "count")

ANSWERS = [
    # the two questions of the depth search
    (body([], [call("sum", f"{X}.outlinks_internal.nb.total")]), [(8,)]),
    (
        body([f"{X}.depth"], [SUM_OF_LINKS, f"{X}.count_urls_crawl"], sort=[0]),
        [(0, 3, 1), (1, 4, 2), (2, 0, 1), (None, 1, 1)],
    ),
    # aggregates over nothing
    (
        body(
            [], [{"sum": f"{X}.depth"}, {"count": f"{X}.depth"}], filters=where("url", "eq", "no")
        ),
        [(None, 0)],
    ),
    # the link graph, to targets that were never fetched and to nowhere
    (
        body(["url", GRAPH], filters=where("depth", "lte", 1)),
        [
            ("https://x/", "https://x/a"),
            ("https://x/", "https://x/b"),
            ("https://x/a", "https://x/a"),
            ("https://x/a", "http://x/é"),
            ("https://x/b", "https://x/blocked"),
            ("https://x/b", ""),
        ],
    ),
    # conditions on all links of a page
    (
        body(["url"], filters=where(GRAPH, "any.ends", "a")),
        [("https://x/",), ("https://x/a",)],
    ),
    (
        body(["url"], filters={"and": ALL_WITHIN}),
        [("https://x/",), ("https://x/a",), ("https://x/orphan",)],
    ),
    # a level of a tree
    (
        body([f"{X}.segments.pagetype.depth_2"], [{"function": "count"}], sort=[0]),
        [("variant", 1), (None, 4)],
    ),
    # names without a prefix, names of one's own, functions
    (
        body([{"field": "host", "name": "h"}, "protocol"], sort=[0, 1]),
        [("x", "http"), ("x", "https")],
    ),
    (
        body(
            [call("if", BAD, {"literal": "bad"}, {"literal": "good"})],
            [{"function": "count"}],
            sort=[0],
        ),
        [("bad", 1), ("good", 4)],
    ),
    (
        body([call("concat", f"{X}.segments.pagetype.value", {"literal": "!"})], sort=[0]),
        [("home!",), ("product!",), ("product/variant!",), (None,)],
    ),
    (
        body([], [call("div", {"sum": f"{X}.inlinks_internal.nb.total"}, f"{X}.count_urls_crawl")]),
        [(1.2,)],
    ),
    (
        body(
            [],
            [
                {"avg": f"{X}.depth"},
                {"min": f"{X}.depth"},
                {"max": f"{X}.http_code"},
                {"count_distinct": f"{X}.http_code"},
            ],
        ),
        [(1.0, 0, 301, 2)],
    ),
    (body([], [{name: f"{X}.compliant.is_compliant"} for name in COUNTS]), [(2, 2, 1, 4)]),
    (
        body(
            [],
            [
                call("count_gt", f"{X}.http_code", {"literal": 200}),
                call("weighted_avg", f"{X}.http_code", f"{X}.depth"),
            ],
        ),
        [(1, 250.5)],
    ),
    # a metric with its own filter, and conditions on metrics
    (
        body(
            [f"{X}.http_code"],
            [{"function": "count", "filters": where("depth", "exists")}],
            sort=[0],
        ),
        [(200, 3), (301, 1)],
    ),
    (
        body(
            [f"{X}.depth"],
            [f"{X}.count_urls_crawl"],
            post_filters=where("count_urls_crawl", "gt", 1),
        ),
        [(1, 2)],
    ),
    # buckets
    (
        body(
            [{"field": f"{X}.depth", "ranges": [{"to": 1}, {"from": 1, "to": 2}]}],
            [{"function": "count"}],
            sort=[0],
        ),
        [({"to": 1}, 1), ({"from": 1, "to": 2}, 2), (None, 2)],
    ),
    # sorting
    (
        body(
            ["url"],
            [f"{X}.count_urls_crawl"],
            sort=[{"index": 0, "order": "desc"}],
            filters=where("depth", "exists"),
        ),
        [("https://x/b", 1), ("https://x/a", 1), ("https://x/", 1), ("http://x/é", 1)],
    ),
]


@pytest.mark.parametrize(("request_body", "expected"), ANSWERS)
def test_answers(request_body, expected):
    """Each form of dimension, metric, filter and sort gives what its description promises."""
    assert answer(request_body) == expected


def test_the_first_of_two_equal_sort_keys_counts():
    """The second has nothing left to order."""
    order = [{"index": 0, "order": "desc"}, {"index": 0, "order": "asc"}]
    assert rows(["url"], sort=order) == rows(["url"], sort=order[:1])


def test_two_periods_are_two_tables():
    """period_1 has its own numbers, and days add up to the period that holds them."""
    days = [["2024-02-26", "2024-02-27"], ["20240226", "20240226"], ["20240227", "20240227"]]
    metrics = [f"search_console.period_{n}.count_impressions" for n in range(3)]
    both, first, second = rows([], metrics, CONSOLE, days)[0]
    assert both == first + second
    assert first != second


GROUPS_OF_TWO = {"field": f"{X}.count_urls_crawl", "value": 2}
SWITCHES = [
    (
        {"allow_in": True},
        body(["url"], filters=where("depth", "in", [0, 2])),
        [("https://x/",), ("http://x/é",)],
    ),
    (
        {"sort_by_field": True},
        body(
            ["url"],
            filters=where("depth", "eq", 1),
            sort=[{"field": "url", "order": "desc"}],
        ),
        [("https://x/b",), ("https://x/a",)],
    ),
    (
        {"metrics_in_filters": True},
        body([f"{X}.depth"], filters={"and": [GROUPS_OF_TWO, where("depth", "exists")]}),
        [(1,)],
    ),
    ({"left_join": True}, body(["url"], filters=where("url", "ends", "forgotten"), **BOTH), []),
    (
        {"rows_not_crawled": True},
        body(["url"], filters=where("http_code", "eq", 0)),
        [("https://x/blocked",)],
    ),
    (
        {"empty_sum": 0},
        body([], [{"sum": f"{X}.depth"}], filters=where("url", "eq", "no")),
        [(0,)],
    ),
    (
        {"linkless_rows": True},
        body(["url", GRAPH], filters=where("http_code", "eq", 301)),
        [("http://x/é", None)],
    ),
]


@pytest.mark.parametrize(("dialect", "request_body", "expected"), SWITCHES)
def test_what_is_not_known_can_be_switched(dialect, request_body, expected):
    """Each switch of the dialect changes the answer that it names."""
    assert answer(request_body, **dialect) == expected


@pytest.mark.parametrize(
    ("header_format", "labels"),
    [
        ("verbose", ["Full URL", "Depth", "code", "Clicks"]),
        ("slug", ["url", "depth", "code", "count_clicks"]),
        ("collection_slug", ["url", f"{X}.depth", "code", f"{S}.count_clicks"]),
    ],
)
def test_labels_of_the_three_header_formats(header_format, labels):
    """A label, the name without collection, the name as written; a name of one's own beats all."""
    named = {"field": f"{X}.http_code", "name": "code"}
    query = compiled(body(["url", f"{X}.depth", named], [f"{S}.count_clicks"], **BOTH))
    assert [column.label(header_format) for column in query.columns] == labels


# --- junk -----------------------------------------------------------------------------------------

KEYS = ["field", "predicate", "value", "function", "args", "literal"]
KEYS += ["and", "or", "not", "name", "ranges", "filters"]
VALUES = ["url", f"{X}.depth", GRAPH, "eq", "sum", "and"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = ["dimensions", "metrics", "filters", "post_filters", "sort", "periods", "collections"]


@given(JUNK, st.sampled_from(PLACES))
def test_junk_is_refused_or_answered_but_never_a_crash(junk: Any, place: str):
    """Whatever stands in a request, the outcome is an answer or a refusal."""
    request = body(["url"], [f"{X}.count_urls_crawl"])
    holder = request if place in request else request["query"]
    if place == "periods":
        holder = request
    holder[place] = junk
    try:
        json.dumps(compiled(request).results(0, 5))
    except Refusal:
        pass
