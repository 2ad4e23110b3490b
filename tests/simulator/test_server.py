"""The simulator, through its wire: every route, every fault, every switch."""

import asyncio
import csv
import gzip
import io
import json
import socket
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.demo import DEMO_BASE, demo_simulator
from pipulate.simulator.faults import KINDS
from pipulate.simulator.inprocess import InProcessTransport
from pipulate.simulator.options import DEMO_TOKEN, Dialect, Options, Pace, User
from pipulate.simulator.projects import Analysis, Project
from pipulate.simulator.server import create_simulator, running
from tests.simulator.test_bql import GRAPH, SITE, X, body

TOKEN = "a" * 40
QUICK = Options(pace=Pace(polls=0, patience=60))
LINKS = body(["url", GRAPH], filters={"field": f"{X}.depth", "predicate": "lte", "value": 1})


def projects() -> list[Project]:
    """Two organisations; the first has two projects, one with all sorts of analyses."""

    def site():
        return SITE

    analyses = [
        Analysis("20240305", site, status="crawling"),
        Analysis("20240301-2", site, links_graph=False),
        Analysis("20240301", site),
        Analysis("20240201", site, status="failed"),
    ]
    return [
        Project("acme", "shop", "The Shop", analyses),
        Project("acme", "empty", "Nothing yet", [], has_search_console=False),
        Project("other", "secret", "Secret", [Analysis("20240301", site)]),
    ]


class Api:
    """A client of one simulator: paths under /v1, with the token unless told otherwise."""

    def __init__(self, **arguments: Any) -> None:
        tokens = {TOKEN: User("first.last"), "b" * 40: User("second", orgs=frozenset({"acme"}))}
        self.app = create_simulator(projects(), tokens=tokens, **arguments)
        self.state = self.app.state
        self.http = httpx2.AsyncClient(
            transport=InProcessTransport(self.app), base_url="http://simulated"
        )

    async def send(
        self, method: str, path: str, json: Any = None, token: str | None = TOKEN, **headers: str
    ):
        if token:
            headers = {"Authorization": f"Token {token}", **headers}
        return await self.http.request(
            method, path if "://" in path else f"/v1{path}", json=json, headers=headers
        )

    async def get(self, path: str, **more: Any):
        return await self.send("GET", path, **more)

    async def query(
        self, request: dict, parameters: str = "", project: str = "acme/shop", **more: Any
    ):
        return await self.send(
            "POST", f"/projects/{project}/query{parameters}", json=request, **more
        )

    async def job(self, request: dict | None = None, headers: dict | None = None, **payload: Any):
        posted = {
            "username": "acme",
            "project": "shop",
            "connector": "direct_download",
            "formatter": "csv",
        }
        payload = {**posted, "query": request or LINKS, **payload}
        return await self.send(
            "POST", "/jobs", {"job_type": "export", "payload": payload}, **(headers or {})
        )

    async def file(self, **job: Any):
        """Create a job, look at it once, fetch its file."""
        created = (await self.job(**job)).json()
        done = (await self.get(f"/jobs/{created['job_id']}")).json()
        assert done["job_status"] == "DONE", done
        return await self.http.get(done["results"]["download_url"])


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A simulator whose jobs are done at once."""
    found = Api(options=QUICK)
    yield found
    await found.http.aclose()


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(gzip.decompress(content).decode())))


EDGES = [
    ["https://x/", "https://x/a"],
    ["https://x/", "https://x/b"],
    ["https://x/a", "https://x/a"],
    ["https://x/a", "http://x/é"],
    ["https://x/b", "https://x/blocked"],
    ["https://x/b", ""],
]

# ---------------------------------------------------------------------------------------------------- routes


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
        ("/projects/acme?size=1", ("next",), "http://simulated/v1/projects/acme?size=1&page=2"),
        ("/projects/acme?size=1&page=2", ("next",), None),
        (
            "/projects/acme?size=1&page=2",
            ("previous",),
            "http://simulated/v1/projects/acme?size=1&page=1",
        ),
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
        (
            "/analyses/acme/shop?fields=slug,status",
            ("results", 0),
            {"slug": "20240301-2", "status": "success"},
        ),
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
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (status, code)
    assert set(answer.json()["error"]) == {"error_code", "message", "error_detail"}


@pytest.mark.parametrize(
    "header", [None, "Token wrong", f"Bearer {TOKEN}", "Token", f"Token {TOKEN} x"]
)
async def test_only_a_known_token_comes_in(api, header):
    """Everything else is 401 with code 1001, on every route."""
    headers = {} if header is None else {"Authorization": header}
    for method, path in (("GET", "/authentication/profile"), ("POST", "/jobs"), ("GET", "/jobs/1")):
        answer = await api.send(method, path, token=None, **headers)
        assert (answer.status_code, answer.json()["error"]["error_code"]) == (401, "1001")


async def test_a_token_without_right_on_an_organisation_is_denied(api):
    """403 with code 1002 for its projects, and its jobs are not there."""
    job = (await api.job(username="other", project="secret")).json()
    for path in (
        "/projects/other",
        "/analyses/other/secret/light",
        "/projects/other/secret/collections",
    ):
        answer = await api.get(path, token="b" * 40)
        assert (answer.status_code, answer.json()["error"]["error_code"]) == (403, "1002")
    assert (await api.get(f"/jobs/{job['job_id']}", token="b" * 40)).status_code == 404
    assert (await api.get("/jobs", token="b" * 40)).json()["count"] == 0
    assert (await api.get("/projects/second", token="b" * 40)).json()["count"] == 2


async def test_a_query_is_answered_in_pages(api):
    """Envelope, absolute next, no count unless asked for."""
    answer = (await api.query(LINKS, "?size=4")).json()
    assert set(answer) == {"next", "previous", "page", "size", "results"}
    assert answer["next"] == "http://simulated/v1/projects/acme/shop/query?size=4&page=2"
    assert answer["results"] == [{"dimensions": edge, "metrics": []} for edge in EDGES[:4]]
    last = (await api.query(LINKS, "?size=4&page=2&count")).json()
    assert (last["next"], last["count"], len(last["results"])) == (None, 6, 2)
    assert (await api.query(LINKS, "?size=9999")).json()["size"] == 2000


async def test_a_bad_query_is_refused_with_its_reason(api):
    """400, the code of the mistake and its words."""
    answer = await api.query(body(["url"], collections=["crawl.1"]))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == 'Unknown collection "crawl.1".'
    answer = await api.query(body(["nope"]))
    assert answer.json()["error"]["error_code"] == "1029"


async def test_a_job_from_post_to_file():
    """201, a number, a relative address; CREATED, PROCESSING, DONE; then a gzip file of data rows only."""
    api = Api(options=Options(pace=Pace(patience=60)))
    created = await api.job(export_job_name="label", export_size=1000)
    job = created.json()
    assert created.status_code == 201
    assert isinstance(job["job_id"], int)
    assert job["job_url"] == f"/v1/jobs/{job['job_id']}"
    assert (job["job_status"], job["results"], job["user"], job["metadata"]) == (
        "CREATED",
        None,
        "first.last",
        None,
    )
    assert "username" not in job["payload"] and "project" not in job["payload"]
    assert job["payload"]["query"] == LINKS
    looks = [(await api.get(f"/jobs/{job['job_id']}")).json() for _ in range(3)]
    assert [look["job_status"] for look in looks] == ["CREATED", "PROCESSING", "DONE"]
    assert set(looks[2]["results"]) == {"download_url"}
    file = await api.http.get(looks[2]["results"]["download_url"])
    assert file.content[:2] == b"\x1f\x8b" and "content-encoding" not in file.headers
    assert int(file.headers["content-length"]) == len(file.content)
    assert rows(file.content) == EDGES
    assert api.state.jobs.posts == api.state.jobs.created == {"label": 1}
    assert api.state.calls.count("POST", "/v1/jobs") == 1
    assert api.state.calls.count("GET", r"/v1/jobs/\d+") == 3
    assert api.state.calls.tokens_at_file_host == 0


async def test_jobs_are_listed_newest_first_and_filtered(api):
    """To find a lost job by its name."""
    for name, project in (("one", "shop"), ("two", "shop"), ("three", "empty")):
        await api.job(export_job_name=name, project=project)

    async def names(parameters: str) -> list[str]:
        listed = (await api.get(f"/jobs?{parameters}")).json()["results"]
        return [job["payload"]["export_job_name"] for job in listed]

    assert await names("job_type=export") == ["three", "two", "one"]
    assert await names("project=shop&size=1") == ["two"]
    assert await names("analysis=20240301&project=shop") == ["two", "one"]
    assert await names("analysis=20240201") == []
    assert await names("job_type=logs_urls_export") == []


async def test_a_file_can_be_fetched_in_parts_and_only_by_its_address(api):
    """Ranges work as on a content network; a guess is 403, as there."""
    whole = await api.file()
    url = str(whole.request.url)
    part = await api.http.get(url, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    for wrong in (
        url.replace("shop-", "x-"),
        url[:-40],
        "http://simulated/cdn/collection_exports/0/shop.csv.gz",
    ):
        assert (await api.http.get(wrong)).status_code in (403, 404)


async def test_a_token_at_the_file_host_is_noticed(api):
    """It is tolerated, as in reality, but counted."""
    url = str((await api.file()).request.url)
    assert (await api.http.get(url, headers={"Authorization": f"Token {TOKEN}"})).status_code == 200
    assert api.state.calls.tokens_at_file_host == 1


async def test_the_file_is_as_the_formatter_config_says(api):
    """A header only when asked for; zip when asked for; cut at export_size."""
    asked = {"print_header": True, "print_delimiter": True, "header_format": "slug"}
    file = await api.file(formatter_config=asked, export_size=1)
    assert gzip.decompress(file.content).decode().splitlines() == [
        "sep=,",
        "url,outlinks_internal.graph.url",
        "https://x/,https://x/a",
    ]
    file = await api.file(extra_config={"compression": "zip"})
    archive = zipfile.ZipFile(io.BytesIO(file.content))
    assert str(file.request.url).endswith(".csv.zip") and len(archive.namelist()) == 1


# ---------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry_after"),
    [
        ("401", 401, "1001", None),
        ("403", 403, "1002", None),
        ("404", 404, "1000", None),
        ("429", 429, "1053", None),
        ("429=7", 429, "1053", "7"),
        ("500", 500, "html", None),
        ("502", 502, "html", None),
        ("503=1", 503, "html", "1"),
        ("html", 200, "html", None),
    ],
)
@pytest.mark.parametrize("place", ["app", "header", "admin"])
async def test_faults_of_requests(fault, status, kind, retry_after, place):
    """The same text works for the app, for one request, and by the admin route; nothing was done."""
    api = Api(
        options=replace(QUICK, admin=True),
        faults=f"{fault} on=/jobs times=1" if place == "app" else "",
    )
    if place == "admin":
        assert (
            await api.http.post("/_simulate", json={"faults": f"{fault} on=/jobs times=1"})
        ).status_code == 200
    answer = await api.job(headers={"X-Simulate": fault} if place == "header" else {})
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    if kind == "html":
        assert answer.text.startswith("<html>")
    else:
        assert answer.json()["error"]["error_code"] == kind
    assert not api.state.jobs.all
    assert (await api.job()).status_code == 201


@pytest.mark.parametrize(("fault", "created"), [("drop", 0), ("lost", 1)])
async def test_a_dropped_connection_before_or_after_the_act(api, fault, created):
    """The client cannot tell them apart; the jobs can."""
    with pytest.raises(httpx2.RemoteProtocolError):
        await api.job(headers={"X-Simulate": fault}, export_job_name="once")
    assert api.state.jobs.created["once"] == created


async def test_a_slow_answer_meets_the_clients_time_limit(api):
    """It is only late: without the limit it would come."""
    with pytest.raises(httpx2.ReadTimeout):
        await api.http.get(
            "/v1/authentication/profile",
            headers={"Authorization": f"Token {TOKEN}", "X-Simulate": "slow=60"},
            timeout=0.01,
        )
    assert (await api.get("/authentication/profile", **{"X-Simulate": "slow=0"})).status_code == 200


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


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("job-fails", ["CREATED", "PROCESSING", "FAILED"]),
        ("job-fails-silently", ["CREATED", "PROCESSING", "FAILED"]),
        ("job-stuck", ["CREATED", "PROCESSING", "PROCESSING"]),
        ("job-no-processing", ["CREATED", "CREATED", "DONE"]),
    ],
)
async def test_faults_of_jobs(fault, statuses):
    """A fault in the header of POST /jobs stays with that job."""
    api = Api(options=Options(pace=Pace(patience=60)))
    job = (await api.job(headers={"X-Simulate": fault})).json()
    looks = [(await api.get(f"/jobs/{job['job_id']}")).json() for _ in range(3)]
    assert [look["job_status"] for look in looks] == statuses
    assert ("error" in looks[2]) == (fault == "job-fails")


async def test_a_job_that_is_gone_and_one_on_another_host(api):
    """404 while polling; an absolute job_url elsewhere."""
    job = (await api.job(headers={"X-Simulate": "job-gone"})).json()
    assert (await api.get(f"/jobs/{job['job_id']}")).status_code == 404
    job = (await api.job(headers={"X-Simulate": "job-url-foreign"})).json()
    assert job["job_url"].startswith("https://elsewhere.example/")


@pytest.mark.parametrize(
    ("fault", "head"),
    [
        ("plain", b"https://x/,https://x/a\n"),
        ("zip", b"PK"),
        ("sep", b"sep=,\nhttps://x/,"),
        ("v1-header", b"sep=,\nFull URL,Internal Outlinks Graph\nhttps://x/,"),
        ("empty", b""),
    ],
)
async def test_faults_of_files(api, fault, head):
    """Another packing, other first lines, no rows."""
    content = (await api.file(headers={"X-Simulate": fault})).content
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert content.startswith(head) and (content or fault == "empty")


async def test_faults_of_downloads(api):
    """Truncated and corrupt files do not unpack, a cut one breaks off, an expired one is 403 until the next look."""
    good = await api.file()
    url, job = str(good.request.url), next(iter(api.state.jobs.all))
    for fault, error in (("truncated", EOFError), ("corrupt", Exception)):
        file = await api.http.get(url, headers={"X-Simulate": fault})
        with pytest.raises(error):
            gzip.decompress(file.content)
    with pytest.raises(httpx2.RemoteProtocolError):
        await api.http.get(url, headers={"X-Simulate": "cut"})
    assert (await api.http.get(url, headers={"X-Simulate": "expired"})).status_code == 403
    assert (await api.http.get(url)).status_code == 403
    fresh = (await api.get(f"/jobs/{job}")).json()["results"]["download_url"]
    assert fresh != url
    assert (await api.http.get(fresh)).content == good.content


async def test_a_fault_may_be_for_one_token(api):
    """Others do not meet it."""
    api.state.faults.set(f"500 token={TOKEN}")
    assert (await api.get("/authentication/profile")).status_code == 500
    assert (await api.get("/authentication/profile", token="b" * 40)).status_code == 200


async def test_a_fault_that_does_not_exist_is_refused(api):
    """In a header as in the constructor."""
    answer = await api.get("/authentication/profile", **{"X-Simulate": "explode"})
    assert answer.status_code == 400 and "explode" in answer.json()["error"]["message"]


def test_every_kind_of_fault_is_tested_here():
    """A new fault cannot be added without a test that names it."""
    text = Path(__file__).read_text()
    assert [kind for kind in KINDS if f'"{kind}' not in text] == []


# --------------------------------------------------------------------------------------------------- options


async def answer_of(options: Options, path: str, **more: Any):
    return await Api(options=options).get(path, **more)


async def test_a_bad_token_may_be_answered_otherwise():
    """403, or the framework's own body."""
    answer = await answer_of(Options(bad_token_status=403), "/jobs", token="x")
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (403, "1001")
    answer = await answer_of(Options(bad_token_detail=True), "/jobs", token="x")
    assert answer.json() == {"detail": "Invalid token."}


async def test_lists_may_be_answered_otherwise():
    """Default size, next without size, no next at the end, 404 past the end, count always, no names."""
    first = (await answer_of(Options(list_size=1), "/projects/acme")).json()
    assert (len(first["results"]), first["size"]) == (1, 1)
    link = (await answer_of(Options(next_keeps_size=False), "/projects/acme?size=1")).json()["next"]
    assert link == "http://simulated/v1/projects/acme?page=2"
    assert "next" not in (await answer_of(Options(last_next="absent"), "/projects/acme")).json()
    assert (
        await answer_of(Options(past_end="missing"), "/projects/acme?page=3")
    ).status_code == 404
    assert set(
        (await answer_of(Options(profile_names=False), "/authentication/profile")).json()["data"]
    ) == {"username"}
    answer = await Api(options=Options(always_count=True)).query(LINKS)
    assert answer.json()["count"] == 6


@pytest.mark.parametrize("place", ["error", "failure_reason", "results", "metadata", "nowhere"])
async def test_the_reason_of_a_failed_job_may_stand_anywhere(place):
    """Or nowhere."""
    api = Api(options=replace(QUICK, failure_in=place))
    job = (await api.job(request=body(["nope"]))).json()
    failed = (await api.get(f"/jobs/{job['job_id']}")).json()
    assert failed["job_status"] == "FAILED"
    assert ('Field "nope" does not exist' in json.dumps(failed).replace('\\"', '"')) == (
        place != "nowhere"
    )
    assert place == "nowhere" or failed[place]


async def test_bad_jobs_may_be_refused_at_once():
    """400 at POST in place of FAILED later; the attempt counts, no job is made."""
    api = Api(options=Options(refuse_bad_jobs=True))
    assert (await api.job(request=body(["nope"]), export_job_name="n")).status_code == 400
    assert (await api.job(export_size=0)).status_code == 400
    assert (await api.job(project="nothing")).status_code == 404
    assert not api.state.jobs.created and api.state.jobs.posts == {"n": 1, "": 2}


async def test_the_second_crawl_of_a_day_may_be_named_otherwise():
    """Its collection id is a guess, so it can be another."""
    listed = (await answer_of(Options(same_day_mark="_"), "/projects/acme/shop/collections")).json()
    assert listed[0]["id"] == "crawl.20240301_2"
    assert (
        await Api(options=Options(same_day_mark="_")).query(
            body(["url"], collections=["crawl.20240301_2"])
        )
    ).status_code == 200


async def test_limits_of_exports():
    """Too large a size is cut or refused; too many jobs at once are refused."""
    api = Api(options=Options(export_limit=2, pace=QUICK.pace))
    assert (await api.job(export_size=10)).json()["payload"]["export_size"] == 2
    assert rows((await api.file()).content) == EDGES[:2]
    api = Api(options=Options(export_limit=2, refuse_over_limit=True))
    assert (await api.job(export_size=10)).status_code == 400
    refused = await Api(options=Options(running_jobs=0)).job()
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (400, "1058")


async def test_more_requests_than_the_rate_allows_are_refused_until_a_second_has_passed():
    """Per token; with or without Retry-After."""
    now = 100.0
    api = Api(options=Options(rate=5, retry_after=2), clock=lambda: now)
    statuses = [(await api.get("/authentication/profile")).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    refused = await api.get("/authentication/profile")
    assert (refused.headers["Retry-After"], refused.json()["error"]["error_code"]) == ("2", "1053")
    assert (await api.get("/authentication/profile", token="b" * 40)).status_code == 200
    now = 101.0
    assert (await api.get("/authentication/profile")).status_code == 200


async def test_files_may_be_spelt_and_placed_otherwise():
    """Booleans as True and False; another file host; more keys in results."""
    options = Options(booleans=("True", "False"), pace=QUICK.pace, results_extra=True)
    file = await Api(options=options).file(request=body([f"{X}.sitemaps.present"], sort=[0]))
    assert rows(file.content) == [["False"], ["True"], []] or rows(file.content)[:2] == [
        ["False"],
        ["True"],
    ]
    api = Api(options=replace(options, file_base="https://files.example/x/"))
    job = (await api.job()).json()
    results = (await api.get(f"/jobs/{job['job_id']}")).json()["results"]
    assert results["download_url"].startswith("https://files.example/x/collection_exports/")
    assert results["file_size"] > 0


async def test_bql_may_be_read_otherwise():
    """The dialect is an option of the simulator."""
    request = body(["url"], filters={"field": f"{X}.depth", "predicate": "in", "value": [0]})
    assert (await Api().query(request)).status_code == 400
    assert (
        await Api(options=Options(bql=Dialect(allow_in=True))).query(request)
    ).status_code == 200


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://ok.example", "https://ok.example"), ("https://no.example", None)],
)
async def test_cors_is_for_those_named(origin, allowed):
    """Nobody by default."""
    api = Api(options=Options(allowed_origins=("https://ok.example",)))
    assert (await api.get("/jobs", Origin=origin)).headers.get(
        "access-control-allow-origin"
    ) == allowed
    assert "access-control-allow-origin" not in (await Api().get("/jobs", Origin=origin)).headers


async def test_the_admin_route_is_there_only_when_enabled():
    """It tells what happened, and refuses a fault that does not exist."""
    assert (await Api().http.get("/_simulate")).status_code == 404
    api = Api(options=Options(admin=True))
    await api.job(export_job_name="n")
    told = (await api.http.get("/_simulate")).json()
    assert (told["posts"], told["created"], told["calls"]) == (
        {"n": 1},
        {"n": 1},
        {"POST /v1/jobs": 1},
    )
    for bad in ({"faults": "explode"}, {"fault": ""}, []):
        assert (await api.http.post("/_simulate", json=bad)).status_code == 400


# ------------------------------------------------------------------------------------------- ways to run it


async def test_the_demo_in_process(tmp_path):
    """The tiny demo site, exported through the transport; a second simulator on the folder knows the job."""
    headers = {"Authorization": f"Token {DEMO_TOKEN}"}
    posted = {
        "job_type": "export",
        "payload": {
            "username": "demo",
            "project": "tiny",
            "connector": "direct_download",
            "formatter": "csv",
            "query": json.loads(
                json.dumps(body(["url", GRAPH], collections=[X])).replace(X, "crawl.20261102")
            ),
        },
    }
    first = demo_simulator(tmp_path)
    async with httpx2.AsyncClient(
        transport=InProcessTransport(first), base_url=DEMO_BASE, headers=headers
    ) as http:
        job = (await http.post("/jobs", json=posted)).json()
        assert (await http.get(f"/jobs/{job['job_id']}")).json()["job_status"] == "CREATED"
    first.state.jobs.close()
    transport = InProcessTransport(demo_simulator(tmp_path))
    async with httpx2.AsyncClient(transport=transport, base_url=DEMO_BASE, headers=headers) as http:
        done = job
        while done["job_status"] != "DONE":  # each look waits a moment for the file
            done = (await http.get(f"/jobs/{job['job_id']}")).json()
        file = await http.get(done["results"]["download_url"])
    assert done["results"]["download_url"].startswith("http://localhost/cdn/")
    assert len(rows(file.content)) == 1_000


async def test_the_loop_is_free_while_a_big_site_is_made_and_exported():
    """Other work goes on: the portal (300,000 links) is made and counted while the loop keeps turning."""
    turns = 0
    done = False

    async def other_work() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0.005)

    transport = InProcessTransport(demo_simulator())
    worker = asyncio.create_task(other_work())
    async with httpx2.AsyncClient(transport=transport, base_url=DEMO_BASE, timeout=60) as http:
        request = {
            "collections": ["crawl.20261102"],
            "query": {"dimensions": [], "metrics": ["crawl.20261102.count_urls_crawl"]},
        }
        answer = await http.post(
            "/projects/demo/portal/query",
            json=request,
            headers={"Authorization": f"Token {DEMO_TOKEN}"},
        )
    done = True
    await worker
    assert answer.json()["results"][0]["metrics"][0] > 9_000
    assert turns > 20


async def test_on_a_real_wire():
    """`running` serves on loopback; a file that is cut and a dropped answer are errors there, too."""
    app = create_simulator(projects(), tokens={TOKEN: User()}, options=QUICK)
    with running(app) as base:
        async with httpx2.AsyncClient(
            base_url=base, timeout=60, headers={"Authorization": f"Token {TOKEN}"}
        ) as http:
            posted = {
                "username": "acme",
                "project": "shop",
                "connector": "direct_download",
                "formatter": "csv",
            }
            job = (
                await http.post(
                    "/jobs", json={"job_type": "export", "payload": {**posted, "query": LINKS}}
                )
            ).json()
            url = (await http.get(f"/jobs/{job['job_id']}")).json()["results"]["download_url"]
            assert url.startswith(base.removesuffix("/v1"))
            assert rows((await http.get(url)).content) == EDGES
            for fault, path in (("cut", url), ("drop", "/jobs"), ("lost", "/jobs")):
                with pytest.raises(httpx2.TransportError):
                    await http.get(path, headers={"X-Simulate": fault})


def test_a_port_in_use_is_said():
    """A message, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(Invalid, match=f"Port {port} cannot be used"),
            running(demo_simulator(), port),
        ):
            pass
