"""Queries have the shapes that Botify documents, and columns follow the request."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.botify import queries
from pipulate.botify.queries import COLUMNS, GROUPS, Depth
from pipulate.botify.urls import slug_date

CRAWL = "crawl.20240301"
PERIOD = (date(2024, 2, 24), date(2024, 3, 1))
ALL = [c.name for c in COLUMNS]


def test_depth_profile_is_one_grouped_query() -> None:
    """Depth as the dimension; links and pages as metrics; no dates, as the crawl has none."""
    assert queries.depth_profile(CRAWL) == {
        "collections": ["crawl.20240301"],
        "query": {
            "dimensions": ["crawl.20240301.depth"],
            "metrics": [
                {"function": "sum", "args": ["crawl.20240301.outlinks_internal.nb.total"]},
                "crawl.20240301.count_urls_crawl",
            ],
        },
    }


def test_links_query_has_the_documented_shape() -> None:
    """The graph field beside `url`; metrics are empty but there; the depth is the source's."""
    assert queries.links_query("crawl.20240101-2", 3) == {
        "collections": ["crawl.20240101-2"],
        "query": {
            "dimensions": ["url", "crawl.20240101-2.outlinks_internal.graph.url"],
            "metrics": [],
            "filters": {"field": "crawl.20240101-2.depth", "predicate": "lte", "value": 3},
        },
    }


def test_pages_query_with_everything() -> None:
    """Two collections, one period, clicks as metrics; reaches one click further than the links."""
    assert queries.pages_query(CRAWL, ALL, PERIOD, max_depth=2) == {
        "collections": ["crawl.20240301", "search_console"],
        "periods": [["2024-02-24", "2024-03-01"]],
        "query": {
            "dimensions": [
                "crawl.20240301.url",
                "crawl.20240301.segments.pagetype.value",
                "crawl.20240301.compliant.is_compliant",
                "crawl.20240301.canonical.to.equal",
                "crawl.20240301.sitemaps.present",
                "crawl.20240301.js.rendering.exec",
                "crawl.20240301.js.rendering.ok",
            ],
            "metrics": [
                "search_console.period_0.count_impressions",
                "search_console.period_0.count_clicks",
            ],
            "filters": {
                "and": [
                    {"field": "crawl.20240301.http_code", "predicate": "gt", "value": 0},
                    {"field": "crawl.20240301.depth", "predicate": "lte", "value": 3},
                ]
            },
        },
    }


def test_pages_query_without_search_console_needs_no_period() -> None:
    """No dated collection, no period; without a depth all crawled pages."""
    body = queries.pages_query(CRAWL, ["compliant"])
    assert body["collections"] == [CRAWL] and "periods" not in body
    assert body["query"]["metrics"] == []
    assert body["query"]["filters"] == {
        "field": "crawl.20240301.http_code",
        "predicate": "gt",
        "value": 0,
    }


def predicates(node: Any) -> set[str]:
    """All predicates in a filter."""
    if isinstance(node, list):
        return set().union(*map(predicates, node))
    if not isinstance(node, dict):
        return set()
    found = {node["predicate"]} if "predicate" in node else set()
    return found.union(*map(predicates, node.values()))


@given(st.lists(st.sampled_from(ALL)), st.none() | st.integers(0, 20))
def test_columns_follow_the_request_for_any_choice(names: list[str], max_depth: int | None) -> None:
    """Whatever is ticked, in any order: dimensions, then metrics are key and columns, each once.

    And every query keeps the rules: both lists, only known keys, a period exactly when there is a
    dated collection, only listed predicates, JSON.
    """
    body = queries.pages_query(CRAWL, names, PERIOD, max_depth)
    columns = queries.page_columns(names)
    asked = body["query"]["dimensions"] + body["query"]["metrics"]
    assert asked[0] == f"{CRAWL}.url"
    assert [a.split(".", 2)[2] for a in asked[1:]] == [c.field for c in columns]
    assert {c.name for c in columns} == set(names) and len(columns) == len(set(names))
    assert set(body) <= {"collections", "periods", "query"}
    assert set(body["query"]) == {"dimensions", "metrics", "filters"}
    assert (
        ("periods" in body)
        == ("search_console" in body["collections"])
        == bool(body["query"]["metrics"])
    )
    assert all(a.startswith(tuple(f"{c}." for c in body["collections"])) for a in asked)
    assert predicates(body) <= {"lte", "gt"}
    assert json.loads(json.dumps(body)) == body


def test_search_columns_without_a_period_are_a_mistake() -> None:
    """The API would refuse it; so do we, before anything is sent."""
    with pytest.raises(ValueError, match="period"):
        queries.pages_query(CRAWL, ["clicks"])
    with pytest.raises(KeyError, match="colour"):
        queries.page_columns(["colour"])


def test_only_what_the_crawl_has_is_offered() -> None:
    """JavaScript only if it was rendered, Search Console only if connected, no empty groups."""
    fields = {
        "url",
        "depth",
        "compliant.is_compliant",
        "sitemaps.present",
        "segments.pagetype.value",
    }
    groups = queries.grouped(queries.available(fields, search=False))
    assert {label: [column.name for column in columns] for label, columns in groups.items()} == {
        "Page type": ["pagetype"],
        "Technical": ["compliant", "sitemap"],
    }
    everything = queries.available({column.field for column in COLUMNS}, search=True)
    assert everything == list(COLUMNS)
    assert list(queries.grouped(everything)) == list(GROUPS.values())
    assert queries.grouped(queries.available(set(), search=False)) == {}
    # A crawl's own field named like a metric does not make Search Console exist.
    assert queries.available({"count_clicks"}, search=False) == []


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        ([], "crawl.20240101-2"),
        (["crawl.20240101", "crawl.20240101-2", "crawl.20240101_2"], "crawl.20240101-2"),
        (["crawl.20240101", "crawl.20240101_2"], "crawl.20240101_2"),
        (["crawl.20240101", "crawl.2024-01-01.2"], "crawl.2024-01-01.2"),
        (["crawl.20240101", "search_console"], "crawl.20240101-2"),
    ],
)
def test_collection_of_a_second_crawl(ids: list[str], found: str) -> None:
    """Its name is not documented: what differs in punctuation only, never the day's other crawl."""
    assert queries.crawl_id("20240101-2", ids) == found


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, (date(2024, 2, 24), date(2024, 3, 1))),
        (date(2022, 11, 1), date(2024, 3, 5), (date(2024, 2, 24), date(2024, 3, 1))),
        (date(2022, 11, 1), date(2024, 2, 27), (date(2024, 2, 21), date(2024, 2, 27))),
        (date(2024, 2, 28), date(2024, 3, 5), (date(2024, 2, 28), date(2024, 3, 1))),
        (date(2024, 3, 1), date(2024, 3, 1), (date(2024, 3, 1), date(2024, 3, 1))),
        (date(2024, 3, 2), date(2024, 3, 5), None),
    ],
)
def test_search_period_is_the_week_before_within_the_data(
    first: date | None, last: date | None, expected: Any
) -> None:
    """Seven days, both ends counted; clamped to what Search Console has; none if it began later."""
    assert queries.search_period("20240301", first, last) == expected
    assert queries.search_period("20240301-2", first, last) == expected


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.none() | st.dates(), st.none() | st.dates())
def test_any_search_period_lies_within_everything(
    day: date, first: date | None, last: date | None
) -> None:
    """At most a week, not after the crawl, not outside the data."""
    slug = day.strftime("%Y%m%d")
    period = queries.search_period(slug, first, last)
    if period:
        start, end = period
        assert start <= end <= slug_date(slug) and end - start <= timedelta(days=6)
        assert (first is None or start >= first) and (last is None or end <= last)


def test_profile_is_cumulated_and_forgiving() -> None:
    """Any order; nulls are zero; unreached pages have no depth; numbers may come as floats."""
    rows = [
        ((2,), (500, 40)),
        ((None,), (99, 9)),
        ((0,), (None, 1)),
        ((1.0,), (120.0, 10)),
        ((3,), (0, None)),
    ]
    assert queries.read_profile(rows) == [
        Depth(0, 0, 1),
        Depth(1, 120, 11),
        Depth(2, 620, 51),
        Depth(3, 620, 51),
    ]
    assert queries.read_profile([]) == []


@given(
    st.dictionaries(
        st.integers(0, 30), st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)), min_size=1
    ),
    st.integers(0, 10**7),
)
def test_deepest_is_the_last_that_fits(at: dict[int, tuple[int, int]], limit: int) -> None:
    """Compared with the plain definition; a depth that adds nothing does not end the search."""
    profile = queries.read_profile([((d,), n) for d, n in at.items()])
    fits = [d for d in at if sum(n[0] for e, n in at.items() if e <= d) <= limit]
    found = queries.deepest(profile, limit)
    assert (found.depth if found else None) == (max(fits) if fits else None)


def test_sample_of_the_documentation() -> None:
    """50,000 / 120,000 / 500,000 / 1,200,000 links: depth 3 fits a million, and just half of it."""
    profile = queries.read_profile(
        [((1,), (50_000, 10)), ((2,), (70_000, 20)), ((3,), (380_000, 30)), ((4,), (700_000, 40))]
    )
    assert queries.deepest(profile) == Depth(3, 500_000, 60)
    assert queries.deepest(profile, 500_000) == Depth(3, 500_000, 60)
    assert queries.deepest(profile, 49_999) is None and queries.deepest([], 10) is None
    assert queries.pages_at(profile, 3) == 100 and queries.pages_at(profile, 9) == 100
    assert queries.pages_at(profile, 1) == 30 and queries.pages_at([], 3) == 0


def test_export_body_spells_everything_out() -> None:
    """Formatter, compression, size, our unique name; the owner, not the person, is `username`."""
    query = queries.links_query(CRAWL, 2)
    name = queries.export_name("links", "20240301", "a1b2c3")
    assert queries.export_body("acme", "shop", query, name, 5000) == {
        "job_type": "export",
        "payload": {
            "username": "acme",
            "project": "shop",
            "connector": "direct_download",
            "formatter": "csv",
            "formatter_config": {
                "delimiter": ",",
                "print_header": True,
                "print_delimiter": False,
                "header_format": "slug",
            },
            "extra_config": {"compression": "gzip"},
            "export_size": 5000,
            "export_job_name": "pipulate-links-20240301-a1b2c3",
            "query": query,
        },
    }


def test_credits() -> None:
    """A tenth for a link, one for a page."""
    assert queries.credit_cost(120_000) == 12_000
    assert queries.credit_cost(15, 3) == 4.5
