"""One request: whose it is, how often it comes, in which pages it is answered."""

import pytest

from pipulate.simulator.options import Options
from tests.simulator.examples import EDGES_QUERY, TOKEN, Api, refused

PROFILE = "/authentication/profile"
SECOND = "b" * 40  # a token that may see one organisation


@pytest.mark.parametrize(
    "header", [None, "Token wrong", f"Bearer {TOKEN}", "Token", f"Token {TOKEN} x"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", PROFILE), ("POST", "/jobs"), ("GET", "/jobs/1")]
)
async def test_only_a_known_token_comes_in(api, method, path, header):
    """Everything else is 401 with code 1001, on every route."""
    headers = {"Authorization": header} if header else {}
    answer = await api.send(method, path, token=None, **headers)
    assert refused(answer) == (401, "1001")


@pytest.mark.parametrize(
    "path",
    ["/projects/other", "/analyses/other/secret/light", "/projects/other/secret/collections"],
)
async def test_a_token_without_right_on_an_organisation_is_denied(api, path):
    """403 with code 1002 for its projects."""
    assert refused(await api.get(path, token=SECOND)) == (403, "1002")


async def test_jobs_of_others_are_not_there(api):
    """Nor are their projects listed."""
    job = (await api.job(username="other", project="secret")).json()
    assert (await api.get(f"/jobs/{job['job_id']}", token=SECOND)).status_code == 404
    assert (await api.get("/jobs", token=SECOND)).json()["count"] == 0
    assert (await api.get("/projects/second", token=SECOND)).json()["count"] == 2


async def test_more_requests_than_the_rate_allows_are_refused_until_a_second_has_passed():
    """Per token; with Retry-After if so told."""
    now = 100.0
    api = Api(Options(rate=5, retry_after=2), clock=lambda: now)
    statuses = [(await api.get(PROFILE)).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    answer = await api.get(PROFILE)
    assert (refused(answer), answer.headers["Retry-After"]) == ((429, "1053"), "2")
    assert (await api.get(PROFILE, token=SECOND)).status_code == 200
    now = 101.0
    assert (await api.get(PROFILE)).status_code == 200


async def test_lists_may_be_answered_otherwise():
    """Default size, next without size, no next at the end, 404 past the end, count always."""
    first = (await Api(Options(list_size=1)).get("/projects/acme")).json()
    assert (len(first["results"]), first["size"]) == (1, 1)
    answer = await Api(Options(next_keeps_size=False)).get("/projects/acme?size=1")
    assert answer.json()["next"] == "http://simulated/v1/projects/acme?page=2"
    answer = await Api(Options(last_next="absent")).get("/projects/acme")
    assert "next" not in answer.json()
    answer = await Api(Options(past_end="missing")).get("/projects/acme?page=3")
    assert answer.status_code == 404
    answer = await Api(Options(always_count=True)).query(EDGES_QUERY)
    assert answer.json()["count"] == 6


@pytest.mark.parametrize(
    ("fault", "link"),
    [
        ("next-repeats", "http://simulated/v1/projects/acme?size=1&page=1"),
        ("next-foreign", "https://elsewhere.example/v1/projects/acme?page=2"),
    ],
)
async def test_false_next_links(api, fault, link):
    """Lists that would never end, or that lead to another host."""
    answer = await api.get("/projects/acme?size=1", **{"X-Simulate": fault})
    assert answer.json()["next"] == link
