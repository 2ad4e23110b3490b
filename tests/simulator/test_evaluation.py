"""Answers equal a plain evaluation, row by row; tables are joined, links unnested, pages cut."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.examples import BOTH, GRAPH, LINKS, SITE, S, X, body, compiled, rows, where


def test_the_join_is_full_outer_and_missing_clicks_are_zero():
    """What only Search Console knows has null crawl fields; what it does not know has 0 clicks."""
    answer = rows(["url", f"{X}.depth"], [f"{S}.count_clicks", f"{S}.ctr"], **BOTH)
    by_url = {url: rest for url, *rest in answer}
    assert len(by_url) == 6
    assert by_url["https://x/b"] == [1, 0, None]
    depth, clicks, _ = by_url["https://x/forgotten"]
    assert depth is None
    assert clicks > 0


def test_a_crawl_url_as_the_key_is_null_for_urls_of_search_console_only():
    """With `crawl.X.url` there is one row without a URL."""
    answer = rows([f"{X}.url"], [f"{S}.count_impressions"], **BOTH)
    assert [url for url, _ in answer].count(None) == 1
    assert len(answer) == 6


# --- against a plain evaluation -------------------------------------------------------------------

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
            if deciding in parts:
                return deciding
            return None if None in parts else not deciding
    name = node["field"].removeprefix(X + ".")
    value = page[COLUMNS.get(name, name)]
    if node["predicate"] == "exists":
        return value is not None
    return None if value is None else PLAIN[node["predicate"]](value, node["value"])


def leaf(field: str, predicates: list[str], value: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(where, st.just(field), st.sampled_from(predicates), value)


NUMBER = st.sampled_from([0, 1, 2, 200, 301])
TEXTS = ["", "x", "a", "A, the first", "https", "é", "E", "product", "product/variant", '"', "t"]
TEXT = st.sampled_from(TEXTS)
ORDER = ["eq", "gt", "gte", "lt", "lte"]
PARTS = ["eq", "contains", "starts", "ends"]
LEAVES = st.one_of(
    leaf("depth", ORDER, NUMBER),
    leaf("http_code", ORDER, NUMBER),
    leaf("depth", ["between"], st.tuples(NUMBER, NUMBER).map(list)),
    leaf("metadata.title.content", PARTS, TEXT),
    leaf("url", PARTS, TEXT),
    leaf("segments.pagetype.value", ["eq", "with_children", "only_children"], TEXT),
    leaf("sitemaps.present", ["eq"], st.booleans()),
    st.sampled_from(["depth", "metadata.title.content", "sitemaps.present"]).map(
        lambda name: where(name, "exists")
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
    """A filter keeps the pages that reading row by row keeps, and the graph gives their links."""
    kept = [row["url"] for row in FETCHED if plain(node, row)]
    assert [row[0] for row in rows(["url"], filters=node)] == kept
    urls = SITE.pages["url"].to_list()
    links = [(urls[s], urls[t]) for s, t in sorted(set(LINKS)) if urls[s] in kept]
    frames = list(compiled(body(["url", GRAPH], filters=node)).frames(rows_per_chunk=chunk))
    assert [row for frame in frames for row in frame.rows()] == links


FIELDS = ["depth", "http_code", "segments.pagetype.value", "sitemaps.present"]


@given(FILTERS, st.sampled_from(FIELDS))
def test_groups_equal_a_plain_evaluation(node, name):
    """Rows are distinct by their dimension, and metrics are taken over its pages."""
    groups: dict[Any, list[dict]] = {}
    for page in FETCHED:
        if plain(node, page):
            groups.setdefault(page[COLUMNS.get(name, name)], []).append(page)
    expected = {}
    for key, pages in groups.items():
        links = sum(page["outlinks_total"] for page in pages)
        expected[key] = (len(pages), links, max(page["http_code"] for page in pages))
    links_sum = {"sum": f"{X}.outlinks_internal.nb.total"}
    metrics = [f"{X}.count_urls_crawl", links_sum, {"max": f"{X}.http_code"}]
    assert {row[0]: row[1:] for row in rows([f"{X}.{name}"], metrics, filters=node)} == expected


@given(st.integers(0, 9), st.integers(1, 9))
def test_pages_of_results_are_slices_of_the_whole(offset, limit):
    """Paging neither repeats nor loses a row."""
    query = compiled(body(["url", GRAPH]))
    whole = query.results(0, 100)
    assert query.results(offset, limit) == whole[offset : offset + limit]
    assert query.count() == len(whole)
