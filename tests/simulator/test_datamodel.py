"""The data model: fields exist only where a site has what they are made of; Search Console adds up."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipulate.simulator.answers import datamodel_json
from pipulate.simulator.datamodel import Needs, crawl_collection, crawl_fields
from pipulate.simulator.generated import generate_site
from pipulate.simulator.searchconsole import search_collection, search_rows
from tests.simulator.test_bql import SITE

SHOP = generate_site("shop", 3_000)
SEARCH = SHOP.search
DAYS = [date(2024, 2, 1) + timedelta(n) for n in range(5)]


def test_a_field_needs_its_columns():
    """A site without a JavaScript crawl has none of its fields, and a crawl without link graph not that one."""
    assert {f.id for f in crawl_fields(SHOP)} - {f.id for f in crawl_fields(SITE)} >= {
        "js.rendering.exec",
        "byte_size",
    }
    assert "outlinks_internal.graph.url" in {f.id for f in crawl_fields(SHOP)}
    assert "outlinks_internal.graph.url" not in {
        f.id for f in crawl_fields(SHOP, links_graph=False)
    }


def test_every_field_can_be_computed():
    """Each dimension has one value per row of the generated site."""
    frame = SHOP.pages.select(f.value.alias(f.id) for f in crawl_fields(SHOP))
    assert frame.shape == (len(SHOP.pages), len(crawl_fields(SHOP)))
    assert frame.row(0, named=True)["host"] == "www.shop.example"


def test_days_add_up_to_their_period():
    """The numbers of a period are the sums over its days, and the same each time."""
    needs = Needs()
    whole = search_rows(SEARCH, DAYS, needs)
    days = [search_rows(SEARCH, [day], needs) for day in DAYS]
    assert whole["impressions"].sum() == sum(day["impressions"].sum() for day in days) > 0
    assert whole["clicks"].sum() == sum(day["clicks"].sum() for day in days) > 0
    assert (whole["clicks"] <= whole["impressions"]).all()
    assert whole["url"].is_unique().all()
    assert whole.equals(search_rows(SEARCH, DAYS, needs))


def test_dimensions_split_rows_without_changing_sums():
    """Asking for keyword, device and date gives more rows with the same totals."""
    split = search_rows(SEARCH, DAYS, Needs({"keyword", "device", "date"}, {"keywords"}))
    assert split["impressions"].sum() == search_rows(SEARCH, DAYS, Needs())["impressions"].sum()
    assert split.select("url", "keyword", "device", "date").is_unique().all()
    assert set(split["date"]) == {day.isoformat() for day in DAYS}


def test_weekends_are_quieter():
    """Numbers follow the week."""
    saturday, tuesday = (
        search_rows(SEARCH, [day], Needs())["impressions"].sum()
        for day in (DAYS[2], DAYS[4] + timedelta(1))
    )
    assert saturday < tuesday


def test_the_empty_target_is_no_page():
    """The quirk of links to nowhere does not show up as a row."""
    table = crawl_collection("crawl.x", "x", SHOP).table(None, 0)
    assert not (table.rows(Needs())["url"] == "").any()


@pytest.mark.parametrize("kind", ["crawl", "search"])
def test_a_collection_describes_its_fields(kind):
    """The description lists dimensions and metrics with the API's keys."""
    days = (date(2024, 1, 1), date(2024, 2, 28))
    collection = (
        crawl_collection("crawl.20240301", "x", SHOP)
        if kind == "crawl"
        else search_collection(SHOP, *days)
    )
    described = datamodel_json(collection)
    fields = pl.DataFrame(
        [
            {k: f[k] for k in ("id", "kind", "type", "multiple")}
            for f in described["datasets"][0]["fields"]
        ]
    )
    if kind == "crawl":
        assert ("outlinks_internal.graph.url", "dimension", "string", True) in fields.rows()
        assert ("count_urls_crawl", "metric", "integer", False) in fields.rows()
        assert described["metadata"]["date_start"] is None
    else:
        assert ("count_clicks", "metric", "integer", False) in fields.rows()
        assert described["metadata"]["date_end"] == "2024-02-28"
