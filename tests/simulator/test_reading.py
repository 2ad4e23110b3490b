"""The endpoints that show what an account has, through the wire."""

import json

import pytest

from pipulate.simulator.options import Dialect, Options
from tests.simulator.examples import EDGES, EDGES_QUERY, TOKEN, Api, body, refused, where

ACME = "http://simulated/v1/projects/acme"
SLUG_AND_STATUS = {"slug": "20240301-2", "status": "success"}


@pytest.mark.parametrize(
    ("path", "keys", "expected"),
    [
        ("/authentication/profile", ("success",), True),
        ("/authentication/profile", ("data", "username"), "first.last"),
        ("/projects/acme", ("count",), 2),
        ("/projects/acme", ("results", 0, "user", "login"), "acme"),
        ("/projects/acme?name=SHOP", ("count",), 1),
        ("/projects/first.last", ("count",), 3),
        ("/users/acme/projects", ("results", 1, "slug"), "empty"),
        ("/projects/acme?size=1", ("next",), f"{ACME}?size=1&page=2"),
        ("/projects/acme?size=1&page=2", ("next",), None),
        ("/projects/acme?size=1&page=2", ("previous",), f"{ACME}?size=1&page=1"),
        ("/projects/acme?size=1&page=9", ("results",), []),
        ("/analyses/acme/shop/light", ("results", 0, "slug"), "20240301-2"),
        ("/analyses/acme/shop/light", ("results", 0, "name"), "2024 Mar. 1st"),
        ("/analyses/acme/shop/light", ("results", 1, "urls_done"), 5),
        ("/analyses/acme/shop/light", ("size",), 500),
        ("/analyses/acme/shop/light?only_success=false", ("results", 0, "status"), "crawling"),
        ("/analyses/acme/shop/light?only_success=false", ("count",), 4),
        ("/analyses/acme/shop/light", ("count",), 2),
        ("/analyses/acme/empty/light", ("results",), []),
        ("/analyses/acme/shop", ("results", 1, "features", "links", "links_graph"), True),
        ("/analyses/acme/shop?fields=slug,status", ("results", 0), SLUG_AND_STATUS),
        ("/analyses/acme/shop/20240301-2", ("features", "links", "links_graph"), False),
        ("/analyses/acme/shop/20240301", ("config", "export_limit"), 1_000_000),
        ("/analyses/acme/shop/20240201", ("status",), "failed"),
        ("/projects/acme/shop/collections", (0, "id"), "crawl.20240301-2"),
        ("/projects/acme/shop/collections", (1, "date"), "2024-03-01"),
        ("/projects/acme/shop/collections", (2, "date_end"), "2024-02-28"),
        ("/projects/acme/shop/collections", (3, "id"), "global"),
        ("/projects/acme/empty/collections", (0, "id"), "global"),
        ("/projects/acme/shop/collections/crawl.20240301", ("datasets", 0, "id"), "main"),
        ("/projects/acme/shop/collections/search_console", ("metadata", "date_end"), "2024-02-28"),
        ("/jobs", ("count",), 0),
    ],
)
async def test_each_route_answers(api, path, keys, expected):
    """One value of each answer stands for its shape; the same is at /api/v1."""
    answer = await api.get(path)
    assert answer.status_code == 200
    other = await api.http.get(f"/api/v1{path}", headers={"authorization": f"TOKEN  {TOKEN}"})
    assert other.json() == json.loads(answer.text.replace("/v1/", "/api/v1/"))
    value = answer.json()
    for key in keys:
        value = value[key]
    assert value == expected


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/projects/nobody", 404, "1007"),
        ("GET", "/analyses/acme/nothing/light", 404, "1010"),
        ("GET", "/analyses/nobody/shop/light", 404, "1010"),
        ("GET", "/analyses/acme/shop/20990101", 404, "1004"),
        ("GET", "/projects/acme/shop/collections/logs", 404, "1000"),
        ("GET", "/jobs/1", 404, "1059"),
        ("GET", "/jobs/x", 404, "1059"),
        ("GET", "/nowhere", 404, "1000"),
        ("GET", "/projects/acme/shop/query", 405, "1039"),
        ("POST", "/projects/acme", 405, "1039"),
        ("GET", "/projects/acme?page=0", 400, "1020"),
        ("GET", "/projects/acme?size=all", 400, "1020"),
        ("POST", "/jobs", 400, "1020"),
        ("POST", "/projects/acme/shop/query", 400, "1020"),
    ],
)
async def test_what_is_not_there_is_refused_with_the_apis_code(api, method, path, status, code):
    """The error envelope, with the code as a text."""
    answer = await api.send(method, path)
    assert refused(answer) == (status, code)
    assert set(answer.json()["error"]) == {"error_code", "message", "error_detail"}


async def test_a_profile_may_have_only_a_name():
    """Names and address are not promised."""
    answer = await Api(Options(profile_names=False)).get("/authentication/profile")
    assert answer.json()["data"] == {"username": "first.last"}


async def test_a_query_is_answered_in_pages(api):
    """Envelope, absolute next, no count unless asked for."""
    answer = (await api.query(EDGES_QUERY, "?size=4")).json()
    assert set(answer) == {"next", "previous", "page", "size", "results"}
    assert answer["next"] == f"{ACME}/shop/query?size=4&page=2"
    assert answer["results"] == [{"dimensions": edge, "metrics": []} for edge in EDGES[:4]]
    last = (await api.query(EDGES_QUERY, "?size=4&page=2&count")).json()
    assert (last["next"], last["count"], len(last["results"])) == (None, 6, 2)
    assert (await api.query(EDGES_QUERY, "?size=9999")).json()["size"] == 2000


async def test_a_bad_query_is_refused_with_its_reason(api):
    """400, the code of the mistake and its words."""
    answer = await api.query(body(["url"], collections=["crawl.1"]))
    assert refused(answer) == (400, "1022")
    assert answer.json()["error"]["message"] == 'Unknown collection "crawl.1".'
    assert refused(await api.query(body(["nope"]))) == (400, "1029")


async def test_the_second_crawl_of_a_day_may_be_named_otherwise():
    """Its collection id is a guess, so it can be another."""
    api = Api(Options(same_day_mark="_"))
    listed = (await api.get("/projects/acme/shop/collections")).json()
    assert listed[0]["id"] == "crawl.20240301_2"
    answer = await api.query(body(["url"], collections=["crawl.20240301_2"]))
    assert answer.status_code == 200


async def test_bql_may_be_read_otherwise(api):
    """The dialect is an option of the simulator."""
    request = body(["url"], filters=where("depth", "in", [0]))
    assert (await api.query(request)).status_code == 400
    lenient = Api(Options(bql=Dialect(allow_in=True)))
    assert (await lenient.query(request)).status_code == 200
