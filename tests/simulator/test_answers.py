"""Bodies: the API's keys, with what is known filled in."""

from datetime import date, datetime, timedelta, timezone

import pytest

from pipulate.simulator.answers import (
    analysis_json,
    datamodel_json,
    filled,
    instant,
    light_analysis_json,
    project_json,
)
from pipulate.simulator.datamodel import Collection, crawl_collection
from pipulate.simulator.searchconsole import search_collection
from tests.simulator.examples import SITE, projects

CRAWL = crawl_collection("crawl.20240301", "x", SITE)
SEARCH = search_collection(SITE, date(2024, 1, 1), date(2024, 2, 28))


@pytest.mark.parametrize(
    ("collection", "id", "expected", "last_day"),
    [
        (CRAWL, "outlinks_internal.graph.url", ("dimension", "string", True), None),
        (CRAWL, "count_urls_crawl", ("metric", "integer", False), None),
        (SEARCH, "count_clicks", ("metric", "integer", False), "2024-02-28"),
    ],
)
def test_a_collection_describes_its_fields(collection: Collection, id, expected, last_day):
    """The description lists dimensions and metrics with the API's keys."""
    described = datamodel_json(collection)
    fields = {field["id"]: field for field in described["datasets"][0]["fields"]}
    found = fields[id]
    assert (found["kind"], found["type"], found["multiple"]) == expected
    assert described["metadata"]["date_end"] == last_day


def test_a_shape_is_filled_at_any_depth_and_stays_as_it_is():
    """What is not filled in keeps its harmless value; the next answer begins anew."""
    first = filled("project", name="x", user={"login": "acme"})
    assert (first["name"], first["user"]["login"], first["user"]["url"]) == ("x", "acme", "")
    second = filled("project")
    assert (second["name"], second["user"]["login"]) == ("", "")
    assert list(first) == list(second)


def test_a_full_analysis_is_a_light_one_and_more():
    """Both name the URLs that were fetched, and only a finished one has them."""
    shop = projects()[0]
    running, finished = shop.analyses[0], shop.analyses[2]
    light = light_analysis_json(shop, finished)
    full = analysis_json(shop, finished, 10)
    assert light.items() <= full.items()
    assert (light["urls_done"], full["config"]["export_limit"]) == (5, 10)
    assert light_analysis_json(shop, running)["urls_done"] == 0


def test_ids_are_stable_and_differ():
    """A client may keep them."""
    shop, empty, _ = projects()
    assert project_json(shop)["id"] == project_json(projects()[0])["id"]
    assert project_json(shop)["id"] != project_json(empty)["id"]


def test_times_are_in_utc_with_microseconds():
    """Whatever zone they come from."""
    zone = timezone(timedelta(hours=2))
    assert instant(datetime(2024, 3, 1, 1, tzinfo=zone)) == "2024-02-29T23:00:00.000000Z"
