"""BQL: what is refused and why; what is answered equals a plain evaluation, row by row."""

import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.graph.sites import Site, link_site
from pipulate.simulator.bql import compile_query
from pipulate.simulator.datamodel import GLOBAL, crawl_collection
from pipulate.simulator.errors import Refusal
from pipulate.simulator.evaluation import Query
from pipulate.simulator.options import Dialect
from pipulate.simulator.searchconsole import search_collection

X = "crawl.20240301"
GRAPH = f"{X}.outlinks_internal.graph.url"
S = "search_console.period_0"
DAYS = [["2024-02-26", "2024-02-26"]]

# url, depth of which follows from LINKS, http_code, pagetype, compliant, title
PAGES = [
    ("https://x/", 200, "home", True, "Home"),
    ("https://x/a", 200, "product", True, "A, the first"),
    ("https://x/b", 200, "product/variant", False, None),
    ("http://x/é", 301, None, False, "É"),
    ("https://x/orphan", 200, "product", None, 'with "quotes"'),
    ("https://x/blocked", 0, "product", None, None),
    ("", 0, None, None, None),
]
LINKS = [(0, 1), (0, 1), (0, 2), (1, 1), (1, 3), (2, 5), (2, 6), (4, 0)]
SEARCH = [
    ("https://x/", "home", "usa", "mobile", 100.0, 0.5, 2.0),
    ("https://x/", "house", "fra", "mobile", 50.0, 0.1, 8.0),
    ("https://x/a", "home", "usa", "desktop", 10.0, 0.0, 30.0),
    ("https://x/forgotten", "old", "usa", "desktop", 20.0, 0.2, 5.0),
]


def make_site() -> Site:
    """A handful of pages with every kind of value."""
    url, code, pagetype, compliant, title = zip(*PAGES, strict=True)
    pages = pl.DataFrame(
        {
            "url": url,
            "http_code": code,
            "pagetype": pagetype,
            "compliant": compliant,
            "title": title,
            "sitemap": [True, False, None, True, False, None, None],
        }
    )
    froms, tos = np.array(LINKS).T
    site = link_site("x", 0, pages, froms, tos)
    columns = ["url", "keyword", "country", "device", "impressions", "click_rate", "position"]
    search = pl.DataFrame(SEARCH, columns, orient="row")
    return Site(site.name, site.home, site.pages, site.sources, site.targets, site.repeats, search)


SITE = make_site()
EMPTY = SITE.pages.clear()
COLLECTIONS = {
    X: crawl_collection(X, "the crawl", SITE),
    "crawl.20240201": crawl_collection("crawl.20240201", "without graph", SITE, links_graph=False),
    "search_console": search_collection(SITE, date(2024, 2, 1), date(2024, 2, 29)),
    "global": GLOBAL,
}


def body(
    dimensions: list, metrics: list = (), collections: list = (X,), periods: Any = None, **more: Any
) -> dict:
    """A whole BQL request."""
    request: dict[str, Any] = {"collections": list(collections)}
    if periods is not None:
        request["periods"] = periods
    return {**request, "query": {"dimensions": dimensions, "metrics": list(metrics), **more}}


def compiled(request: dict, **dialect: Any) -> Query:
    return compile_query(request, COLLECTIONS.get, Dialect(**dialect))


def rows(*args: Any, dialect: dict | None = None, **more: Any) -> list[tuple]:
    """The answer's rows: dimensions, then metrics."""
    found = compiled(body(*args, **more), **(dialect or {})).results(0, 1000)
    return [(*row["dimensions"], *row["metrics"]) for row in found]


BOTH: dict[str, Any] = {"collections": (X, "search_console"), "periods": DAYS}


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("request_body", "code", "words"),
    [
        ([], 1024, "object"),
        ({"query": {"dimensions": [], "metrics": []}}, 1022, '"collections" is mandatory'),
        ({"collections": [X]}, 1022, '"query" is mandatory'),
        ({"collections": [X], "query": {"metrics": []}}, 1022, '"dimensions" is mandatory'),
        ({"collections": [X], "query": {"dimensions": ["url"]}}, 1022, '"metrics" is mandatory'),
        (
            {"collections": [X], "query": {"dimensions": [], "metrics": []}},
            1022,
            "no dimension and no metric",
        ),
        ({**body(["url"]), "size": 3}, 1022, '"size" is not a valid field'),
        (body(["url"], filter={}), 1022, '"filter" is not a valid field'),
        (body("url"), 1022, "list"),
        (
            body(["url"], collections=["crawl.20991231"]),
            1022,
            '^Unknown collection "crawl.20991231".$',
        ),
        (body(["url"], collections=[7]), 1022, "Unknown collection"),
        (body(["url"], collections=[]), 1022, "at least one"),
        (body(["url"], collections=["global"]), 1022, "URLs of its own"),
        (body(["url"], collections=["search_console"]), 1022, '"periods" is mandatory'),
        (
            body(["url"], collections=["search_console"], periods=[["2024-03-02", "2024-03-01"]]),
            1022,
            "is after",
        ),
        (
            body(["url"], collections=["search_console"], periods=[["2024-13-02", "2024-03-01"]]),
            1022,
            "not a day",
        ),
        (
            body(["url"], collections=["search_console"], periods=["2024-03-01"]),
            1022,
            "pair of days",
        ),
        (body([f"{X}.nope"]), 1029, f'^Field "{X}.nope" does not exist$'),
        (body(["nope"]), 1029, "does not exist"),
        (body(["crawl.20240201.depth"]), 1029, "does not exist"),
        (body([f"{X}.js.rendering.exec"]), 1029, "does not exist"),
        (
            body(
                ["url", "crawl.20240201.outlinks_internal.graph.url"],
                collections=["crawl.20240201"],
            ),
            1029,
            "exist",
        ),
        (body(["search_console.count_clicks"], **BOTH), 1029, "does not exist"),
        (body(["search_console.period_1.count_clicks"], **BOTH), 1029, "does not exist"),
        (body([f"{S}.count_clicks"], **BOTH), 1022, "is a metric"),
        (body(["url"], [f"{X}.depth"]), 1022, "not a metric"),
        (body(["url"], [{"sum": f"{X}.nope"}]), 1029, "does not exist"),
        (body(["url"], [{"sum": f"{X}.metadata.title.content"}]), 1022, "works on numbers"),
        (body(["url"], [{"count_true": f"{X}.depth"}]), 1022, "works on booleans"),
        (body(["url"], [{"function": "sum", "args": []}]), 1022, "1 argument"),
        (body(["url"], [{"function": "sum", "args": [{"literal": 1}]}]), 1022, "constant"),
        (body(["url"], [{"function": "sum", "arguments": []}]), 1022, "not a valid field"),
        (body(["url"], [{"function": "median", "args": [f"{X}.depth"]}]), 1022, "Unknown function"),
        (body([{"function": "year", "args": ["url"]}]), 1022, "not known well enough"),
        (body([{"sum": f"{X}.depth"}]), 1022, "makes a metric"),
        (body([{"a": "b", "c": "d"}]), 1022, "neither a field nor a function"),
        (body([3]), 1022, "name was expected"),
        (body([{"field": f"{X}.url", "name": 3}]), 1022, "name is a text"),
        (body([{"field": f"{X}.url", "ranges": [{"from": 0}]}]), 1022, "only for numbers"),
        (body([{"field": f"{X}.depth", "ranges": [{"from": "0"}]}]), 1022, "numbers"),
        (body([GRAPH]), 1022, 'needs the dimension "url"'),
        (body(["url", {"function": "concat", "args": [GRAPH]}]), 1022, "cannot be an argument"),
        (
            body(["url"], filters={"field": f"{X}.depth", "predicate": "in", "value": [1]}),
            1022,
            "Unknown predicate",
        ),
        (
            body(["url"], filters={"field": f"{X}.depth", "predicate": "ne", "value": 1}),
            1022,
            "Unknown predicate",
        ),
        (body(["url"], filters={"field": f"{X}.depth", "value": "1"}), 1022, "cannot be compared"),
        (body(["url"], filters={"field": f"{X}.depth", "value": None}), 1022, "not a value"),
        (body(["url"], filters={"field": f"{X}.depth", "value": 10**30}), 1022, "not a value"),
        (body(["url"], filters={"field": "url", "value": "\ud800"}), 1022, "not a value"),
        (
            body([{"function": "if", "args": [f"{X}.sitemaps.present", "url", f"{X}.depth"]}]),
            1022,
            "must be of one type",
        ),
        (body(["url"], filters={"field": f"{X}.depth"}), 1022, "needs a value"),
        (
            body(["url"], filters={"field": f"{X}.depth", "predicate": "exists", "value": 1}),
            1022,
            "takes no value",
        ),
        (
            body(["url"], filters={"field": f"{X}.depth", "predicate": "starts", "value": 1}),
            1022,
            "cannot be used",
        ),
        (
            body(["url"], filters={"field": "url", "predicate": "gt", "value": "a"}),
            1022,
            "cannot be used",
        ),
        (
            body(["url"], filters={"field": f"{X}.depth", "predicate": "between", "value": [1]}),
            1022,
            "two values",
        ),
        (body(["url"], filters={"field": "url", "predicate": "re", "value": "("}), 1057, "regex"),
        (body(["url"], filters={"field": GRAPH, "value": "x"}), 1022, '"any." or "all."'),
        (
            body(["url"], filters={"field": f"{X}.depth", "value": 1, "x": 1}),
            1022,
            "not a valid field",
        ),
        (body(["url"], filters={"and": [], "or": []}), 1022, "not a valid field"),
        (body(["url"], filters={"or": []}), 1022, "at least one condition"),
        (body(["url"], filters=[]), None, ""),
        (
            body(
                ["url"], filters={"field": f"{X}.count_urls_crawl", "predicate": "gt", "value": 1}
            ),
            1022,
            "is a metric",
        ),
        (body(["url"], sort=[{"field": "url"}]), 1022, '"field" is not a valid field'),
        (body(["url"], sort=[{"index": 1}]), 1022, "no dimensions number 1"),
        (body(["url"], sort=[{"index": 0, "order": "down"}]), 1022, "asc or desc"),
        (body(["url"], sort=[True]), 1024, "object"),
        (body(["url"], post_filters={"field": f"{X}.depth", "value": 1}), 1022, "not a metric"),
    ],
)
def test_bad_queries_are_refused_with_the_apis_code(request_body, code, words):
    """Unknown keys, names, predicates and types give 400 before anything is computed."""
    if code is None:
        assert compiled(request_body).results(0, 1)
        return
    with pytest.raises(Refusal, match=words) as refusal:
        compiled(request_body)
    assert refusal.value.code == code


# -------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("request_args", "answer"),
    [
        # the two questions of the depth search
        ((body([], [{"function": "sum", "args": [f"{X}.outlinks_internal.nb.total"]}])), [(8,)]),
        (
            body(
                [f"{X}.depth"],
                [{"sum": f"{X}.outlinks_internal.nb.total"}, f"{X}.count_urls_crawl"],
                sort=[0],
            ),
            [(0, 3, 1), (1, 4, 2), (2, 0, 1), (None, 1, 1)],
        ),
        # an aggregate over nothing
        (
            body(
                [],
                [{"sum": f"{X}.depth"}, {"count": f"{X}.depth"}],
                filters={"field": "url", "value": "no"},
            ),
            [(None, 0)],
        ),
        # the link graph, to targets that were never fetched and to nowhere
        (
            body(["url", GRAPH], filters={"field": f"{X}.depth", "predicate": "lte", "value": 1}),
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
            body(["url"], filters={"field": GRAPH, "predicate": "any.ends", "value": "a"}),
            [("https://x/",), ("https://x/a",)],
        ),
        (
            body(
                ["url"],
                filters={
                    "and": [
                        {"field": GRAPH, "predicate": "exists"},
                        {"field": GRAPH, "predicate": "all.contains", "value": "x/"},
                    ]
                },
            ),
            [("https://x/",), ("https://x/a",), ("https://x/orphan",)],
        ),
        # trees
        *(
            (
                body(
                    ["url"],
                    filters={
                        "field": "segments.pagetype.value",
                        "predicate": predicate,
                        "value": "product",
                    },
                ),
                [(url,) for url in urls],
            )
            for predicate, urls in {
                "eq": ["https://x/a", "https://x/orphan"],
                "with_children": ["https://x/a", "https://x/b", "https://x/orphan"],
                "without_children": ["https://x/a", "https://x/orphan"],
                "only_children": ["https://x/b"],
            }.items()
        ),
        (
            body([f"{X}.segments.pagetype.depth_2"], [{"function": "count"}], sort=[0]),
            [("variant", 1), (None, 4)],
        ),
        # global names, names of one's own, functions
        (
            body([{"field": "host", "name": "h"}, "protocol"], sort=[0, 1]),
            [("x", "http"), ("x", "https")],
        ),
        (
            body(
                [
                    {
                        "function": "if",
                        "args": [
                            {"function": "gte", "args": [f"{X}.http_code", {"literal": 300}]},
                            {"literal": "bad"},
                            {"literal": "good"},
                        ],
                    }
                ],
                [{"function": "count"}],
                sort=[0],
            ),
            [("bad", 1), ("good", 4)],
        ),
        (
            body(
                [
                    {
                        "function": "concat",
                        "args": [f"{X}.segments.pagetype.value", {"literal": "!"}],
                    }
                ],
                [],
                sort=[0],
            ),
            [("home!",), ("product!",), ("product/variant!",), (None,)],
        ),
        (
            body(
                [],
                [
                    {
                        "function": "div",
                        "args": [
                            {"sum": f"{X}.inlinks_internal.nb.total"},
                            f"{X}.count_urls_crawl",
                        ],
                    }
                ],
            ),
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
        (
            body(
                [],
                [
                    {name: f"{X}.compliant.is_compliant"}
                    for name in ("count_true", "count_false", "count_null", "count")
                ],
            ),
            [(2, 2, 1, 4)],
        ),
        (
            body(
                [],
                [
                    {"function": "count_gt", "args": [f"{X}.http_code", {"literal": 200}]},
                    {"function": "weighted_avg", "args": [f"{X}.http_code", f"{X}.depth"]},
                ],
            ),
            [(1, 250.5)],
        ),
        # a metric with its own filter, and conditions on metrics
        (
            body(
                [f"{X}.http_code"],
                [{"function": "count", "filters": {"field": f"{X}.depth", "predicate": "exists"}}],
                sort=[0],
            ),
            [(200, 3), (301, 1)],
        ),
        (
            body(
                [f"{X}.depth"],
                [f"{X}.count_urls_crawl"],
                post_filters={"field": f"{X}.count_urls_crawl", "predicate": "gt", "value": 1},
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
                filters={"field": f"{X}.depth", "predicate": "exists"},
            ),
            [("https://x/b", 1), ("https://x/a", 1), ("https://x/", 1), ("http://x/é", 1)],
        ),
    ],
)
def test_answers(request_args, answer):
    """Each form of dimension, metric, filter and sort gives what its description promises."""
    found = compiled(request_args).results(0, 100)
    assert [(*row["dimensions"], *row["metrics"]) for row in found] == answer


def test_the_join_is_full_outer_and_missing_clicks_are_zero():
    """A URL that only Search Console knows comes with null crawl fields; one that it does not know with 0 clicks."""
    answer = {
        row[0]: row[1:]
        for row in rows(["url", f"{X}.depth"], [f"{S}.count_clicks", f"{S}.ctr"], **BOTH)
    }
    assert answer["https://x/forgotten"][0] is None
    assert answer["https://x/forgotten"][1] > 0
    assert answer["https://x/b"] == (1, 0, None)
    assert len(answer) == 6


def test_a_crawl_url_as_the_key_is_null_for_urls_of_search_console_only():
    """With `crawl.X.url` there is one row without a URL."""
    answer = rows([f"{X}.url"], [f"{S}.count_impressions"], **BOTH)
    assert [url for url, _ in answer].count(None) == 1
    assert len(answer) == 6


def test_search_console_metrics_are_weighted_sums():
    """ctr is clicks per impression in percent, the position is weighted by impressions."""
    metrics = [
        f"{S}.{name}"
        for name in ("count_impressions", "count_clicks", "ctr", "avg_position", "count_keywords")
    ]
    total = rows([], metrics, collections=["search_console"], periods=DAYS)[0]
    each = rows(["keyword", "url"], metrics, collections=["search_console"], periods=DAYS)
    assert total[0] == sum(row[2] for row in each)
    assert total[1] == sum(row[3] for row in each)
    assert total[2] == pytest.approx(100 * total[1] / total[0])
    assert total[3] == pytest.approx(sum(row[2] * row[5] for row in each) / total[0])
    assert total[4] == 3


def test_two_periods_are_two_tables():
    """period_1 has its own numbers, and days add up to the period that holds them."""
    days = [["2024-02-26", "2024-02-27"], ["20240226", "20240226"], ["20240227", "20240227"]]
    metrics = [f"search_console.period_{n}.count_impressions" for n in range(3)]
    both, first, second = rows([], metrics, collections=["search_console"], periods=days)[0]
    assert both == first + second
    assert first != second


def test_a_date_dimension_splits_a_period():
    """One row a day; days without data are not there."""
    metrics = [f"{S}.count_impressions"]
    days = rows(
        ["period_0.date"],
        metrics,
        collections=["search_console"],
        periods=[["2024-02-26", "2024-03-09"]],
        sort=[0],
    )
    whole = rows(
        [], metrics, collections=["search_console"], periods=[["2024-02-26", "2024-02-29"]]
    )
    assert [day for day, _ in days] == ["2024-02-26", "2024-02-27", "2024-02-28", "2024-02-29"]
    assert sum(count for _, count in days) == whole[0][0]


def test_a_period_without_data_has_no_rows():
    """Before the first day of the data there is nothing; crawl rows stay."""
    before = [["2020-01-01", "2020-01-02"]]
    assert rows(["url"], [], collections=["search_console"], periods=before) == []
    assert rows(
        ["url"], [f"{S}.count_clicks"], collections=(X, "search_console"), periods=before
    ) == [(url, 0) for url, code, *_ in PAGES if code]


@pytest.mark.parametrize(
    ("dialect", "request_body", "answer"),
    [
        (
            {"allow_in": True},
            body(["url"], filters={"field": f"{X}.depth", "predicate": "in", "value": [0, 2]}),
            [("https://x/",), ("http://x/é",)],
        ),
        (
            {"sort_by_field": True},
            body(
                ["url"],
                filters={"field": f"{X}.depth", "value": 1},
                sort=[{"field": "url", "order": "desc"}],
            ),
            [("https://x/b",), ("https://x/a",)],
        ),
        (
            {"metrics_in_filters": True},
            body(
                [f"{X}.depth"],
                filters={
                    "and": [
                        {"field": f"{X}.count_urls_crawl", "value": 2},
                        {"field": f"{X}.depth", "predicate": "exists"},
                    ]
                },
            ),
            [(1,)],
        ),
        (
            {"left_join": True},
            body(
                ["url"],
                [],
                filters={"field": "url", "predicate": "ends", "value": "forgotten"},
                **BOTH,
            ),
            [],
        ),
        (
            {"rows_not_crawled": True},
            body(["url"], filters={"field": f"{X}.http_code", "value": 0}),
            [("https://x/blocked",)],
        ),
        (
            {"empty_sum": 0},
            body([], [{"sum": f"{X}.depth"}], filters={"field": "url", "value": "no"}),
            [(0,)],
        ),
        (
            {"linkless_rows": True},
            body(["url", GRAPH], filters={"field": f"{X}.http_code", "value": 301}),
            [("http://x/é", None)],
        ),
    ],
)
def test_what_is_not_known_can_be_switched(dialect, request_body, answer):
    """Each switch of the dialect changes the answer that it names."""
    found = compiled(request_body, **dialect).results(0, 100)
    assert [(*row["dimensions"], *row["metrics"]) for row in found] == answer


def test_labels_of_the_three_header_formats():
    """Verbose is the UI's label, slug has no collection, collection_slug is the name as written; `name` beats all."""
    request = body(
        ["url", f"{X}.depth", {"field": f"{X}.http_code", "name": "code"}],
        [f"{S}.count_clicks"],
        **BOTH,
    )
    columns = compiled(request).columns
    assert [column.label("verbose") for column in columns] == [
        "Full URL",
        "Depth",
        "code",
        "Clicks",
    ]
    assert [column.label("slug") for column in columns] == ["url", "depth", "code", "count_clicks"]
    assert [column.label("collection_slug") for column in columns] == [
        "url",
        f"{X}.depth",
        "code",
        f"{S}.count_clicks",
    ]


# ----------------------------------------------------------------------------- against a plain evaluation

FIELDS = {
    "depth": "integer",
    "http_code": "integer",
    "metadata.title.content": "string",
    "url": "string",
}
COLUMNS = {
    "metadata.title.content": "title",
    "sitemaps.present": "sitemap",
    "segments.pagetype.value": "pagetype",
}
FETCHED = [row for row in SITE.pages.iter_rows(named=True) if row["http_code"]]
PLAIN = {
    "eq": lambda a, b: a == b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "between": lambda a, b: b[0] <= a <= b[1],
    "contains": lambda a, b: b in a,
    "starts": lambda a, b: a.startswith(b),
    "ends": lambda a, b: a.endswith(b),
    "with_children": lambda a, b: a == b or a.startswith(b + "/"),
    "only_children": lambda a, b: a.startswith(b + "/"),
}


def plain(node: dict, page: dict) -> bool | None:
    """A filter on one page by SQL's three-valued logic: None is unknown."""
    if "not" in node:
        inner = plain(node["not"], page)
        return None if inner is None else not inner
    for word, deciding in (("and", False), ("or", True)):
        if word in node:
            parts = [plain(part, page) for part in node[word]]
            return deciding if deciding in parts else None if None in parts else not deciding
    name = node["field"].removeprefix(X + ".")
    value = page[COLUMNS.get(name, name)]
    predicate = node.get("predicate", "eq")
    if predicate == "exists":
        return value is not None
    return None if value is None else PLAIN[predicate](value, node["value"])


def leaf(field: str, predicate: st.SearchStrategy, value: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {"field": st.just(f"{X}.{field}"), "predicate": predicate, "value": value}
    )


NUMBER = st.sampled_from([0, 1, 2, 200, 301])
TEXT = st.sampled_from(
    ["", "x", "a", "A, the first", "https", "é", "E", "product", "product/variant", '"', "t"]
)
ORDER = st.sampled_from(["eq", "gt", "gte", "lt", "lte"])
LEAVES = st.one_of(
    leaf("depth", ORDER, NUMBER),
    leaf("http_code", ORDER, NUMBER),
    leaf("depth", st.just("between"), st.tuples(NUMBER, NUMBER).map(list)),
    leaf("metadata.title.content", st.sampled_from(["eq", "contains", "starts", "ends"]), TEXT),
    leaf("url", st.sampled_from(["eq", "contains", "starts", "ends"]), TEXT),
    leaf(
        "segments.pagetype.value", st.sampled_from(["eq", "with_children", "only_children"]), TEXT
    ),
    leaf("sitemaps.present", st.just("eq"), st.booleans()),
    st.sampled_from(["depth", "metadata.title.content", "sitemaps.present"]).map(
        lambda name: {"field": f"{X}.{name}", "predicate": "exists"}
    ),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=6,
)


@given(FILTERS, st.integers(1, 4))
def test_filters_and_links_equal_a_plain_evaluation(node, chunk):
    """Any filter keeps the pages that a row by row reading keeps, and the graph gives just their links."""
    kept = [row["url"] for row in FETCHED if plain(node, row)]
    assert [row[0] for row in rows(["url"], filters=node)] == kept
    urls = SITE.pages["url"].to_list()
    links = [(urls[s], urls[t]) for s, t in sorted(set(LINKS)) if urls[s] in kept]
    frames = list(compiled(body(["url", GRAPH], filters=node)).frames(rows_per_chunk=chunk))
    assert [row for frame in frames for row in frame.rows()] == links


@given(
    FILTERS, st.sampled_from(["depth", "http_code", "segments.pagetype.value", "sitemaps.present"])
)
def test_groups_equal_a_plain_evaluation(node, name):
    """Rows are distinct by their dimension, and metrics are taken over its pages."""
    groups: dict[Any, list[dict]] = {}
    for row in FETCHED:
        if plain(node, row):
            groups.setdefault(row[COLUMNS.get(name, name)], []).append(row)
    expected = {
        key: (len(g), sum(p["outlinks_total"] for p in g), max(p["http_code"] for p in g))
        for key, g in groups.items()
    }
    metrics = [
        f"{X}.count_urls_crawl",
        {"sum": f"{X}.outlinks_internal.nb.total"},
        {"max": f"{X}.http_code"},
    ]
    assert {row[0]: row[1:] for row in rows([f"{X}.{name}"], metrics, filters=node)} == expected


@given(st.integers(0, 9), st.integers(1, 9))
def test_pages_of_results_are_slices_of_the_whole(offset, limit):
    """Paging neither repeats nor loses a row."""
    query = compiled(body(["url", GRAPH]))
    assert query.results(offset, limit) == query.results(0, 100)[offset : offset + limit]
    assert query.count() == len(query.results(0, 100))


WORDS = [
    "field",
    "predicate",
    "value",
    "function",
    "args",
    "literal",
    "and",
    "or",
    "not",
    "name",
    "ranges",
    "filters",
]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["url", f"{X}.depth", GRAPH, "eq", "sum", "and"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    JUNK,
    st.sampled_from(
        ["dimensions", "metrics", "filters", "post_filters", "sort", "periods", "collections"]
    ),
)
def test_junk_is_refused_or_answered_but_never_a_crash(junk, place):
    """Whatever stands in a request, the outcome is an answer or a refusal."""
    request = body(["url"], [f"{X}.count_urls_crawl"])
    (request if place in ("periods", "collections") else request["query"])[place] = junk
    try:
        json.dumps(compiled(request).results(0, 5))
    except Refusal:
        pass
