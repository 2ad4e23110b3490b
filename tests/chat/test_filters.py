"""Filters over a link graph: whatever a model answers is a valid query over its columns, or
none.
"""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.chat.filters import EXAMPLES, columns, lesson, shape, to_sql

TABLES = """pages: one row a page (booleans are 0 and 1)
  id INTEGER  -- number of the page
  url TEXT  -- address of the page
  pagetype TEXT  -- one of: blog, product
  inlinks INTEGER  -- pages that link here
  impressions INTEGER
  pagerank REAL
links: one row a link
  source TEXT
  target TEXT"""
KNOWN = columns(TABLES)


def test_columns_are_those_of_pages() -> None:
    """Each with what is said of it; those of links are not among them."""
    assert list(KNOWN) == ["id", "url", "pagetype", "inlinks", "impressions", "pagerank"]
    assert KNOWN["pagetype"] == "TEXT  -- one of: blog, product"


@pytest.mark.parametrize(
    ("show", "where", "order", "query"),
    [
        (
            "pages",
            "pagetype = 'product' AND impressions > 0 AND inlinks = 0",
            "impressions",
            "SELECT url, pagetype, impressions, inlinks FROM pages "
            "WHERE pagetype = 'product' AND impressions > 0 AND inlinks = 0 "
            "ORDER BY impressions DESC",
        ),
        (
            "count",
            "inlinks = 0",
            "inlinks",
            "SELECT count(*) AS pages FROM pages WHERE inlinks = 0",
        ),
        ("pages", "", "pagerank", "SELECT url, pagerank FROM pages ORDER BY pagerank DESC"),
        ("pages", "", "", "SELECT url FROM pages"),
        (
            "pages",
            "url IN (SELECT source FROM links WHERE target = 'https://a.example/pagetype')",
            "",
            "SELECT url FROM pages WHERE "
            "url IN (SELECT source FROM links WHERE target = 'https://a.example/pagetype')",
        ),
    ],
)
def test_an_answer_is_a_query(show: str, where: str, order: str, query: str) -> None:
    """It shows the columns that it speaks of."""
    assert to_sql({"show": show, "where": where, "order": order}, KNOWN) == query


@pytest.mark.parametrize(
    "where",
    [
        "clicks > 0",
        "inlinks > 0; DROP TABLE pages",
        "inlinks = 'x'",
        "pagetype = 'a' OR 1",
        "pagetype = 'it''s'",
        "inlinks",
        "1 = 1",
        "inlinks = 0 AND inlinks = 0 AND inlinks = 0 AND inlinks = 0 AND inlinks = 0",
        "url IN (SELECT value FROM store)",
    ],
)
def test_what_the_schema_forbids_is_no_query(where: str) -> None:
    """Not even from a server that ignores schemas."""
    assert to_sql({"show": "pages", "where": where, "order": ""}, KNOWN) == "?"
    assert to_sql({"show": "pages", "where": "", "order": "url"}, KNOWN) == "?" == to_sql({}, KNOWN)


def test_the_examples_use_only_what_is_there() -> None:
    """And each obeys the schema that the model must obey."""
    told = lesson(KNOWN)
    assert "  pagetype TEXT  -- one of: blog, product" in told[0]["content"]
    everything = (
        KNOWN
        | dict.fromkeys(re.findall(r"[a-z]+", str(EXAMPLES)), "INTEGER")
        | {"url": "TEXT", "pagetype": "TEXT"}
    )
    assert len(lesson(everything)) == 1 + 2 * len(EXAMPLES) > len(told)
    for message in told[2::2]:
        assert (
            to_sql(json.loads(message["content"]), KNOWN) != "?"
            and "clicks" not in message["content"]
        )


@given(st.from_regex(shape(KNOWN)["properties"]["where"]["pattern"], fullmatch=True))
def test_whatever_obeys_the_schema_is_valid_sql(where: str) -> None:
    """SQLite itself can run it."""
    import apsw

    db = apsw.Connection(":memory:")
    db.execute(
        "CREATE TABLE pages (id, url, pagetype, inlinks, impressions, pagerank);"
        "CREATE TABLE links (source, target)"
    )
    where = where.replace("\0", " ").encode("utf-8", "replace").decode()
    assert list(db.execute(to_sql({"show": "pages", "where": where, "order": "id"}, KNOWN))) == []
    db.close()
