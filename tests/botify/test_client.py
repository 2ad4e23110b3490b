"""The client against scripted answers: what it sends, makes of them, and never does."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from loguru import logger

from pipulate.botify import queries
from pipulate.botify.answers import Job
from pipulate.botify.client import BASE, TRIES, Botify, Pace, check_base
from pipulate.botify.errors import (
    AnswerLost,
    BadQuery,
    BadToken,
    BotifyError,
    ForeignAddress,
    JobFailed,
    JobRunning,
    LimitReached,
    LinkExpired,
    NoRight,
    NotThere,
    RateLimited,
    UnexpectedAnswer,
    Unreachable,
)
from pipulate.engine.errors import Unknown, Unsure

TOKEN = "0123456789abcdef0123456789abcdef01234567"
Answer = httpx2.Response | Exception
Script = Callable[[httpx2.Request], Answer]


def ok(body: Any, status: int = 200, **headers: str) -> httpx2.Response:
    """A JSON answer."""
    return httpx2.Response(status, json=body, headers=headers)


def error(status: int, code: str = "", message: str = "", **headers: str) -> httpx2.Response:
    """An error in Botify's envelope."""
    return ok(
        {"error": {"error_code": code, "message": message, "error_detail": {}}}, status, **headers
    )


def page(results: list[Any], **more: Any) -> httpx2.Response:
    """One page of a list; the last one unless `next` is given."""
    return ok(
        {
            "next": None,
            "previous": None,
            "count": len(results),
            "results": results,
            "page": 1,
            **more,
        }
    )


class Stage:
    """A client, its script of answers, its requests, and a clock that only its sleeping moves."""

    def __init__(self, *answers: Answer | Script, base: str = BASE) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.slept: list[float] = []
        self.now = 1000.0
        self.api = Botify(
            TOKEN,
            base,
            transport=httpx2.MockTransport(self._handle),
            clock=lambda: self.now,
            sleep=self._sleep,
            rng=lambda: 0.5,
        )

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not isinstance(answer, httpx2.Response | Exception):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        # A Response can be sent only once; the last one of a script may be needed again.
        return httpx2.Response(
            answer.status_code, stream=httpx2.ByteStream(answer.content), headers=answer.headers
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def do(self, what: Callable[[Botify], Awaitable[Any]]) -> Any:
        """Call the client."""
        async with self.api as api:
            return await what(api)

    @property
    def sent(self) -> list[str]:
        """The requests as "METHOD /path?query"."""
        return [f"{r.method} {r.url.raw_path.decode()}" for r in self.requests]


# --- requests ---


async def test_every_request_carries_token_and_name() -> None:
    """`Authorization: Token ...`, who we are, and nothing else that tells about the user."""
    stage = Stage(ok({"success": True, "data": {"username": "ada.lovelace"}}))
    await stage.do(lambda api: api.profile())
    request = stage.requests[0]
    assert str(request.url) == "https://api.botify.com/v1/authentication/profile"
    assert request.headers["authorization"] == f"Token {TOKEN}"
    assert request.headers["x-botify-client"] == "pipulate"
    assert request.headers["user-agent"].startswith("pipulate/")


async def test_at_most_four_requests_in_any_second() -> None:
    """Twenty tasks that share a client stay below Botify's limit, in every window of a second."""
    times: list[float] = []
    stage = Stage(
        lambda request: times.append(stage.now) or ok({"job_id": 1, "job_status": "DONE"})
    )
    async with stage.api as api:
        await asyncio.gather(*(api.job("1") for _ in range(20)))
    assert len(times) == 20
    assert all(times[i + 4] - times[i] >= 1.0 for i in range(16))
    assert times[-1] - times[0] < 5.0


async def test_pace_does_not_delay_the_unhurried() -> None:
    """Whoever asks seldom never waits."""
    now, slept = [0.0], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    pace = Pace(4, lambda: now[0], sleep)
    for _ in range(10):
        await pace.turn()
        now[0] += 0.3
    assert slept == []


@pytest.mark.parametrize(
    "trouble",
    [
        httpx2.ConnectError("x"),
        httpx2.ReadTimeout("x"),
        httpx2.RemoteProtocolError("x"),
        error(429),
        error(500),
        httpx2.Response(502, html="<h1>Bad gateway</h1>"),
    ],
)
@pytest.mark.parametrize("ask", ["get", "query"])
async def test_safe_requests_are_repeated(trouble: Answer, ask: str) -> None:
    """A GET or a query that met with trouble is asked again, after 1 and 2 seconds with jitter."""
    stage = Stage(trouble, trouble, page([]))
    call = (
        (lambda api: api.projects("acme"))
        if ask == "get"
        else (lambda api: api.query("acme", "shop", {"x": 1}))
    )
    assert await stage.do(call) == []
    assert len(stage.requests) == 3
    assert stage.slept == [0.75, 1.5]
    assert len({r.content for r in stage.requests}) == 1


async def test_repeating_ends() -> None:
    """After `TRIES` the trouble is reported, with advice, and waits grow but stay bounded."""
    stage = Stage(error(503))
    with pytest.raises(Unreachable, match=r"503.*Try again later"):
        await stage.do(lambda api: api.job("1"))
    assert len(stage.requests) == TRIES
    assert stage.slept == [0.75, 1.5, 3.0, 6.0]


@pytest.mark.parametrize(
    ("value", "waits"), [("7", 7.0), ("0", 0.0), ("100000", 60.0), ("soon", 0.75), ("", 0.75)]
)
async def test_retry_after_is_obeyed_within_reason(value: str, waits: float) -> None:
    """As many seconds as asked, a minute at most; nonsense is as good as nothing."""
    stage = Stage(error(429, "1053", **{"retry-after": value}), ok({"job_id": 1}))
    await stage.do(lambda api: api.job("1"))
    assert stage.slept == [waits]


async def test_retry_after_may_be_a_date() -> None:
    """HTTP allows a date in its place."""
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    stage = Stage(error(429, **{"retry-after": when}), ok({"job_id": 1}))
    await stage.do(lambda api: api.job("1"))
    assert 25 < stage.slept[0] <= 30


REFUSALS = [
    (error(401, "1001", "Not Authorized"), BadToken, "regenerated.*app.botify.com/account"),
    (
        error(403, "1002", "Permission denied"),
        NoRight,
        "no right to the analysis.*Permission denied",
    ),
    (
        error(404, "1004", "Analysis was not found"),
        NotThere,
        "does not know the analysis 20240301 of acme/shop.*1004",
    ),
    (ok({"detail": "Not found."}, 404), NotThere, "Not found"),
    (error(400, "1029", "Field does not exist"), BadQuery, r"Field does not exist \(code 1029\)"),
    (
        ok({"error": {"error_code": 1029, "message": "No", "error_detail": {"field": "x"}}}, 400),
        BadQuery,
        '"field": "x"',
    ),
    (ok({"error": "a plain text"}, 400), BadQuery, "a plain text"),
    (httpx2.Response(400, text="<html>"), BadQuery, r"\(400\)\.$"),
    (error(405, "1039", "Method not allowed"), BadQuery, "Method not allowed"),
    (error(400, "1043", "The query is too big"), LimitReached, "too big"),
    (
        httpx2.Response(302, headers={"location": "https://evil.example/"}),
        UnexpectedAnswer,
        "not followed",
    ),
    (httpx2.Response(200, text="<html>"), UnexpectedAnswer, "no JSON"),
    (ok([1]), UnexpectedAnswer, "no object"),
]


@pytest.mark.parametrize(("answer", "kind", "says"), REFUSALS, ids=range(len(REFUSALS)))
async def test_refusals_are_not_repeated_and_say_what_to_do(
    answer: httpx2.Response, kind: type, says: str
) -> None:
    """Every definite answer becomes one error, at once, whose text holds the API's words."""
    stage = Stage(answer)
    with pytest.raises(kind, match=f"(?s){says}"):
        await stage.do(lambda api: api.analysis("acme", "shop", "20240301"))
    assert len(stage.requests) == 1 and not stage.slept


async def test_persistent_429_is_rate_limited() -> None:
    """When waiting does not help, the error says so, and for how long the server wants rest."""
    stage = Stage(error(429, "1053", "Too many requests", **{"retry-after": "90"}))
    with pytest.raises(RateLimited, match="too many requests") as caught:
        await stage.do(lambda api: api.job("1"))
    assert caught.value.retry_after == 90


def test_unknown_things_are_also_the_frameworks_unknown() -> None:
    """So that a page answers 404, and a lost answer counts as Unsure."""
    assert issubclass(NotThere, Unknown) and issubclass(AnswerLost, Unsure)


@pytest.mark.parametrize(
    "base",
    [
        BASE,
        f"{BASE}/",
        "https://app.botify.com/api/v1",
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "http://[::1]:1/v1",
    ],
)
def test_bases_that_may_get_the_token(base: str) -> None:
    """Botify's hosts over TLS, and this machine."""
    assert check_base(base) == base.rstrip("/")


@pytest.mark.parametrize(
    "base",
    [
        "http://api.botify.com/v1",
        "https://evilbotify.com/v1",
        "https://api.botify.com@evil.example/v1",
        "https://api.botify.com.evil.example/v1",
        "https://api.botify.com:8443/v1",
        "ftp://127.0.0.1/v1",
        "https:///v1",
        "https://api.botify.com/v1?x=",
        "https://api.botify.com/../v1",
        "http://192.168.0.1/v1",
        "http://127.0.0.1:x/v1",
        "https://api.botify.com\\@evil.example/v1",
        "",
    ],
)
def test_bases_that_must_not_get_the_token(base: str) -> None:
    """Anything else, however it is dressed up."""
    with pytest.raises(ForeignAddress):
        check_base(base)


@pytest.mark.parametrize(
    ("org", "shown"),
    [("..", None), (".", None), ("", None), ("a/../b", "a%2F..%2Fb"), ("a?b#c", "a%3Fb%23c")],
)
async def test_names_stay_one_segment_of_the_path(org: str, shown: str | None) -> None:
    """A name cannot climb to another route, nor begin a query."""
    stage = Stage(page([]))
    if shown is None:
        with pytest.raises(NotThere):
            await stage.do(lambda api: api.projects(org))
        assert stage.requests == []
    else:
        await stage.do(lambda api: api.projects(org))
        assert stage.sent[0].startswith(f"GET /v1/projects/{shown}?")


async def test_token_is_in_no_log_repr_or_error(caplog: pytest.LogCaptureFixture) -> None:
    """Neither ours, nor the HTTP library's at its most talkative."""
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", diagnose=True, backtrace=True)
    stage = Stage(error(500), error(401))
    try:
        await stage.do(lambda api: api.profile())
    except BotifyError as e:
        logger.opt(exception=e).error("failed")
        lines += [str(e), repr(e)]
    finally:
        logger.remove(sink)
    assert any("authentication/profile: 401" in line for line in lines)
    assert TOKEN not in "".join(map(str, lines)) + caplog.text + repr(stage.api) + repr(
        vars(stage.api)
    )


async def test_outside_its_block_the_client_says_how_to_use_it() -> None:
    """A programmer's mistake, told plainly."""
    with pytest.raises(RuntimeError, match="async with"):
        await Stage(page([])).api.projects("acme")


# --- who and what ---


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"username": "ada.lovelace"}, "Ada Lovelace"),
        ({"username": "al", "first_name": "Ada", "last_name": "Lovelace"}, "Ada Lovelace"),
        ({"username": "al", "first_name": "Ada", "last_name": None}, "Ada"),
    ],
)
async def test_profile_names_the_user(data: dict[str, Any], name: str) -> None:
    """By first and last name where they are told, else by what the login suggests."""
    profile = await Stage(ok({"success": True, "data": data})).do(lambda api: api.profile())
    assert (profile.username, profile.name) == (data["username"], name)


@pytest.mark.parametrize(
    "answer",
    [
        error(401),
        error(403),
        ok({"success": False, "data": {"username": "x"}}),
        ok({"detail": "Invalid token."}, 401),
    ],
)
async def test_bad_token_however_it_is_said(answer: httpx2.Response) -> None:
    """401, 403, or a friendly 200 that says false."""
    with pytest.raises(BadToken):
        await Stage(answer).do(lambda api: api.profile())


@pytest.mark.parametrize(
    "answer", [ok({"data": {}}), ok({}), ok([]), ok({"data": {"username": ""}})]
)
async def test_profile_without_a_user_is_unexpected(answer: httpx2.Response) -> None:
    """Some other server."""
    with pytest.raises(UnexpectedAnswer):
        await Stage(answer).do(lambda api: api.profile())


async def test_projects_know_their_owner() -> None:
    """From `user.login`, else `organization.slug`, else whom we asked for; no slug, no project."""
    stage = Stage(
        page(
            [
                {
                    "slug": "a",
                    "name": "A",
                    "user": {"login": "org-a"},
                    "organization": {"slug": "x"},
                },
                {"slug": "b", "organization": {"slug": "org-b"}},
                {"slug": "c", "user": "text"},
                {"name": "no slug"},
                None,
            ]
        )
    )
    projects = await stage.do(lambda api: api.projects("me"))
    assert [(p.owner, p.slug, p.name) for p in projects] == [
        ("org-a", "a", "A"),
        ("org-b", "b", "b"),
        ("me", "c", "c"),
    ]


async def test_projects_may_come_as_a_bare_list() -> None:
    """One of Botify's descriptions has it so."""
    projects = await Stage(ok([{"slug": "a"}])).do(lambda api: api.projects("me"))
    assert [p.slug for p in projects] == ["a"]


async def test_analyses_are_newest_first_with_their_day() -> None:
    """Second crawls of a day come after the first; odd slugs are left out; counts may be text."""
    slugs = [
        "20240101-2",
        "20240101-10",
        "20240301",
        "20240101",
        "latest",
        "20241399",
        "../../x",
        "20240301",
    ]
    stage = Stage(
        page([{"slug": s, "urls_done": "12", "status": "success", "name": s} for s in slugs])
    )
    analyses = await stage.do(lambda api: api.analyses("acme", "shop"))
    assert [a.slug for a in analyses] == ["20240301", "20240101-10", "20240101-2", "20240101"]
    assert analyses[1].date == date(2024, 1, 1) and analyses[1].urls == 12 and analyses[1].done
    assert stage.sent == ["GET /v1/analyses/acme/shop/light?only_success=true&page=1&size=100"]


async def test_analyses_in_progress_only_on_request() -> None:
    """`only_success` is always said, as its default is easily forgotten."""
    stage = Stage(page([{"slug": "20240301", "status": "crawling"}, {"slug": "20240302"}]))
    analyses = await stage.do(lambda api: api.analyses("acme", "shop", only_success=False))
    assert [(a.slug, a.done) for a in analyses] == [("20240302", False), ("20240301", False)]
    assert "only_success=false" in stage.sent[0]


@pytest.mark.parametrize(
    ("answer", "graph", "limit"),
    [
        (
            {
                "features": {"links": {"links_graph": True}},
                "config": {"export_limit": 500000, "max_depth": "7"},
            },
            True,
            500_000,
        ),
        (
            {"features": {"links": {"links_graph": False}}, "config": {"export_limit": "500000"}},
            False,
            500_000,
        ),
        ({"features": None}, None, None),
        ({}, None, None),
    ],
)
async def test_analysis_tells_what_it_can(
    answer: dict[str, Any], graph: bool | None, limit: int | None
) -> None:
    """None, not a guess, where the API is silent."""
    detail = await Stage(ok(answer)).do(lambda api: api.analysis("acme", "shop", "20240301-2"))
    assert (detail.links_graph, detail.export_limit) == (graph, limit)


async def test_collections_are_a_bare_list_with_dates() -> None:
    """Dates in any of the forms seen; null or missing is None."""
    stage = Stage(
        ok(
            [
                {
                    "id": "crawl.20240301",
                    "name": "x",
                    "timestamped": False,
                    "date": "2024-03-01",
                    "date_start": None,
                },
                {
                    "id": "search_console",
                    "name": "y",
                    "timestamped": True,
                    "date_start": "2022-11-01",
                    "date_end": "20240305",
                },
                {"name": "no id"},
            ]
        )
    )
    crawl, console = await stage.do(lambda api: api.collections("acme", "shop"))
    assert (crawl.id, crawl.first, crawl.timestamped) == ("crawl.20240301", None, False)
    assert (console.first, console.last, console.timestamped) == (
        date(2022, 11, 1),
        date(2024, 3, 5),
        True,
    )
    assert stage.sent == ["GET /v1/projects/acme/shop/collections"]


async def test_fields_of_all_datasets_without_prefix() -> None:
    """A name may come with or without the collection before it."""
    stage = Stage(
        ok(
            {
                "datasets": [
                    {
                        "id": "main",
                        "fields": [
                            {"id": "depth"},
                            {"id": "crawl.20240301.http_code"},
                            {"name": "no id"},
                        ],
                    },
                    {"id": "js", "fields": [{"id": "js.rendering.ok"}]},
                    {"id": "none"},
                ]
            }
        )
    )
    fields = await stage.do(lambda api: api.fields("acme", "shop", "crawl.20240301"))
    assert fields == {"depth", "http_code", "js.rendering.ok"}
    assert stage.sent == ["GET /v1/projects/acme/shop/collections/crawl.20240301?sequenced=false"]


# --- pages ---

NEXT = "https://api.botify.com/v1/somewhere?page=2"


def paged(
    *pages: list[str], next: str = NEXT, count: int | None = None, always_next: bool = False
) -> Script:
    """A list of projects in pages; beyond the last one there is nothing."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        number = int(request.url.params["page"])
        body: dict[str, Any] = {
            "results": [{"slug": s} for s in (pages[number - 1] if number <= len(pages) else [])]
        }
        body["next"] = next if number < len(pages) or always_next else None
        if count is not None:
            body["count"] = count
        return ok(body)

    return handle


async def listed(script: Script) -> tuple[list[str], Stage]:
    """What the client makes of a list."""
    stage = Stage(script)
    return [p.slug for p in await stage.do(lambda api: api.projects("acme"))], stage


async def test_all_pages_are_read() -> None:
    """Until there is no next one."""
    slugs, stage = await listed(paged(["a", "b"], ["c", "d"], ["e"], count=5))
    assert slugs == ["a", "b", "c", "d", "e"]
    assert [r.url.params["page"] for r in stage.requests] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/v1/projects/acme?page=2",
        "https://api.botify.com@evil.example/",
        "//evil.example/",
        "nonsense",
    ],
)
async def test_next_is_never_followed_elsewhere(next: str) -> None:
    """A forged `next` says only that there is more; requests, and the token, stay with the base."""
    slugs, stage = await listed(paged(["a"], ["b"], next=next))
    assert slugs == ["a", "b"]
    assert {r.url.host for r in stage.requests} == {"api.botify.com"}


async def test_next_that_never_ends_is_ended_by_an_empty_page() -> None:
    """A `next` that always names the same page does not send us in circles."""
    slugs, stage = await listed(paged(["a"], ["b"], always_next=True))
    assert slugs == ["a", "b"] and len(stage.requests) == 3


async def test_page_past_the_end_may_be_404() -> None:
    """As Django's paging does it."""
    script = paged(["a"], ["b"], always_next=True)
    slugs, _ = await listed(lambda r: script(r) if r.url.params["page"] in "12" else error(404))
    assert slugs == ["a", "b"]


async def test_server_that_ignores_page_is_noticed() -> None:
    """The same page again is the end; if it should not be, that is an error, not half a list."""
    slugs, stage = await listed(lambda r: page([{"slug": "a"}], next=NEXT))
    assert slugs == ["a"] and len(stage.requests) == 2
    with pytest.raises(UnexpectedAnswer, match="says that the projects of acme are 9"):
        await listed(lambda r: page([{"slug": "a"}], next=NEXT, count=9))


async def test_list_that_exceeds_its_count_is_stopped() -> None:
    """More and more entries than there are."""
    with pytest.raises(UnexpectedAnswer, match="does not end"):
        await listed(lambda r: page([{"slug": r.url.params["page"]}], next=NEXT, count=3))


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": {}}, "text", None, 3])
async def test_list_of_another_form_is_unexpected(body: Any) -> None:
    """Not an empty list: something is wrong."""
    with pytest.raises(UnexpectedAnswer):
        await listed(lambda r: ok(body))


# --- queries ---


async def test_query_reads_all_pages_by_posting_again() -> None:
    """The same body each time; values in the order of the request; a missing half is empty."""
    body = queries.depth_profile("crawl.20240301")
    stage = Stage(
        ok(
            {
                "next": NEXT,
                "page": 1,
                "size": 2,
                "results": [{"dimensions": [0], "metrics": [5, 1]}, {"metrics": [7]}],
            }
        ),
        ok({"page": 2, "size": 2, "results": [{"dimensions": ["é", None, True], "metrics": []}]}),
    )
    rows = await stage.do(lambda api: api.query("acme", "shop", body, size=2))
    assert rows == [((0,), (5, 1)), ((), (7,)), (("é", None, True), ())]
    assert stage.sent == [f"POST /v1/projects/acme/shop/query?page={n}&size=2" for n in (1, 2)]
    assert all(json.loads(r.content) == body for r in stage.requests)


@pytest.mark.parametrize("row", [None, 3, [], {}, {"dimensions": 3}])
async def test_row_of_another_form_is_unexpected(row: Any) -> None:
    """Rather than an empty row."""
    with pytest.raises(UnexpectedAnswer):
        await Stage(page([row])).do(lambda api: api.query("acme", "shop", {}))


async def test_refused_query_gives_the_apis_words() -> None:
    """As attributes too, for a page that shows them apart."""
    with pytest.raises(BadQuery) as caught:
        await Stage(error(400, "1029", "Field does not exist")).do(
            lambda api: api.query("acme", "shop", {})
        )
    assert (caught.value.code, caught.value.words) == ("1029", "Field does not exist")


async def test_diagnosis_is_the_querys_own_refusal() -> None:
    """A failed export is explained by asking for one row of it."""
    stage = Stage(error(400, "1029", 'Unknown collection "X".'))
    assert (
        await stage.do(lambda api: api.diagnose("acme", "shop", {"a": 1}))
        == 'Unknown collection "X".'
    )
    assert stage.sent == ["POST /v1/projects/acme/shop/query?page=1&size=1"]
    assert await Stage(page([])).do(lambda api: api.diagnose("acme", "shop", {})) is None
    assert "no right" in await Stage(error(403)).do(lambda api: api.diagnose("acme", "shop", {}))


# --- exports ---

EXPORT = queries.export_body(
    "acme", "shop", queries.links_query("crawl.20240301", 2), "pipulate-links-1", 1000
)
CREATED = {
    "job_id": 3658303,
    "job_type": "export",
    "job_url": "/v1/jobs/3658303",
    "job_status": "CREATED",
    "results": None,
}


def job(
    status: str = "DONE", url: str | None = "https://x.cloudfront.net/f.csv.gz", **more: Any
) -> httpx2.Response:
    """A job object."""
    return ok(
        {**CREATED, "job_status": status, "results": {"download_url": url} if url else None, **more}
    )


@pytest.mark.parametrize("status", [200, 201])
async def test_export_is_created_once(status: int) -> None:
    """One POST with the whole body; the id is opaque and a string to us."""
    stage = Stage(ok(CREATED, status))
    created = await stage.do(lambda api: api.create_export(EXPORT))
    assert (created.id, created.status, created.done, created.url) == (
        "3658303",
        "CREATED",
        False,
        "",
    )
    assert stage.sent == ["POST /v1/jobs"] and json.loads(stage.requests[0].content) == EXPORT


LOST = [
    httpx2.ReadTimeout("x"),
    httpx2.WriteError("x"),
    httpx2.RemoteProtocolError("x"),
    httpx2.ReadError("x"),
    error(500),
    error(503),
    httpx2.Response(502, html="<h1>"),
    httpx2.Response(201, text="<html>"),
    ok({}, 201),
    ok(None, 201),
    ok({"job_id": None}, 200),
    httpx2.Response(303, headers={"location": "/x"}),
    httpx2.Response(204),
]


@pytest.mark.parametrize("answer", LOST, ids=range(len(LOST)))
async def test_lost_answer_is_never_repeated(answer: Answer) -> None:
    """Whatever leaves open whether a job was started: one POST, and an error that says to look."""
    stage = Stage(answer)
    with pytest.raises(AnswerLost, match="look for it before asking again") as caught:
        await stage.do(lambda api: api.create_export(EXPORT))
    assert len(stage.requests) == 1 and not stage.slept and not caught.value.definite


REFUSED = [
    (error(400, "1029", "No"), BadQuery),
    (error(401), BadToken),
    (error(403), NoRight),
    (error(404, "1010"), NotThere),
    (error(429, "1053"), RateLimited),
    (error(400, "1058", "already running"), LimitReached),
    (httpx2.ConnectError("x"), Unreachable),
    (httpx2.ConnectTimeout("x"), Unreachable),
]


@pytest.mark.parametrize(("answer", "kind"), REFUSED, ids=range(len(REFUSED)))
async def test_refused_export_is_definite_and_not_repeated(answer: Answer, kind: type) -> None:
    """A 4xx (429 too) or no connection: nothing was started, and the error says so."""
    stage = Stage(answer)
    with pytest.raises(kind) as caught:
        await stage.do(lambda api: api.create_export(EXPORT))
    assert len(stage.requests) == 1 and not stage.slept and caught.value.definite


def named(id: int, name: str | None, status: str = "DONE") -> dict[str, Any]:
    """A job of the list."""
    return {**CREATED, "job_id": id, "job_status": status, "payload": {"export_job_name": name}}


async def test_lost_export_is_found_by_its_name() -> None:
    """On whichever page it stands; jobs without a payload or of other names are passed over."""
    stage = Stage(
        page([named(1, None), {"job_id": 2}, named(3, "other")], next=NEXT, count=5),
        page([named(4, "mine"), named(5, "mine!")], count=5),
    )
    found = await stage.do(lambda api: api.find_export("mine", "shop"))
    assert found.id == "4"
    assert stage.sent[0] == "GET /v1/jobs?job_type=export&project=shop&page=1&size=100"


async def test_job_is_looked_for_without_the_project_too() -> None:
    """What the filter compares is not documented: an empty answer to it proves nothing."""
    stage = Stage(lambda r: page([] if "project" in r.url.params else [named(4, "mine")]))
    assert (await stage.do(lambda api: api.find_export("mine", "shop"))).id == "4"
    stage = Stage(lambda r: error(400) if "project" in r.url.params else page([named(4, "mine")]))
    assert (await stage.do(lambda api: api.find_export("mine", "shop"))).id == "4"
    assert (
        await Stage(page([named(3, "other")])).do(lambda api: api.find_export("mine", "shop"))
        is None
    )


async def test_of_two_exports_the_living_one_is_found() -> None:
    """A failed job of the name does not hide the other."""
    stage = Stage(page([named(1, "mine", "FAILED"), named(2, "mine", "PROCESSING")]))
    assert (await stage.do(lambda api: api.find_export("mine", "shop"))).id == "2"


async def test_job_list_that_cannot_be_read_is_an_error_not_a_no() -> None:
    """ "Not found" would allow paying twice."""
    with pytest.raises(Unreachable):
        await Stage(error(500)).do(lambda api: api.find_export("mine", "shop"))


async def test_waiting_polls_ever_more_seldom() -> None:
    """2 s, then half as long again, up to 15; each state is told; an unknown word means running."""
    states = [
        "CREATED",
        "PROCESSING",
        "QUEUED",
        "processing",
        "PROCESSING",
        "PROCESSING",
        "PROCESSING",
    ]
    stage = Stage(*(job(s, None) for s in states), job())
    seen: list[str] = []
    done = await stage.do(lambda api: api.wait("3658303", lambda j: seen.append(j.status)))
    assert done.url == "https://x.cloudfront.net/f.csv.gz"
    assert stage.slept == [2, 3, 4.5, 6.75, 10.125, 15, 15]
    assert seen[:2] == ["CREATED", "PROCESSING"] and seen[-1] == "DONE"
    assert set(stage.sent) == {"GET /v1/jobs/3658303"}


async def test_finished_job_is_not_waited_for() -> None:
    """Resuming after a week is one request."""
    stage = Stage(job("COMPLETE"))
    assert (await stage.do(lambda api: api.wait("1"))).done
    assert stage.slept == []


async def test_trouble_while_polling_does_not_end_the_job() -> None:
    """An outage of minutes, a page of HTML, too many requests: it goes on when the server does."""
    stage = Stage(
        *[error(502)] * (TRIES * 2),
        httpx2.Response(200, text="<html>"),
        *[error(429)] * TRIES,
        job(),
    )
    assert (await stage.do(lambda api: api.wait("1"))).done


async def test_deadline_ends_the_waiting_not_the_job() -> None:
    """A stuck job, or a server that stays away, is told after the deadline; a retry takes it up."""
    with pytest.raises(JobRunning, match=r"after 1 minutes.*nothing is paid twice"):
        await Stage(job("PROCESSING", None)).do(lambda api: api.wait("1", deadline=60))
    with pytest.raises(Unreachable):
        await Stage(error(500)).do(lambda api: api.wait("1", deadline=60))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ""),
        ({"error": {"message": "Unknown", "type": "x"}}, ""),
        ({"error": {"message": "Too wide"}}, "Too wide"),
        ({"error": "Too wide"}, "Too wide"),
        ({"failure_reason": "Too wide"}, "Too wide"),
        ({"metadata": {"error": "Too wide"}}, "Too wide"),
        ({"results": {"failure_reason": "Too wide"}}, "Too wide"),
    ],
)
async def test_failed_job_gives_its_reason_if_it_has_one(more: dict[str, Any], reason: str) -> None:
    """Wherever it stands."""
    with pytest.raises(JobFailed) as caught:
        await Stage(job("FAILED", None, **more)).do(lambda api: api.wait("1"))
    assert caught.value.reason == reason and reason in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind"), [(error(404), NotThere), (error(401), BadToken), (error(403), NoRight)]
)
async def test_definite_answers_end_the_waiting(answer: httpx2.Response, kind: type) -> None:
    """A job that is gone, or a token that is no longer valid, is not waited for."""
    with pytest.raises(kind):
        await Stage(answer).do(lambda api: api.wait("1"))


async def test_done_without_an_address_is_asked_thrice() -> None:
    """Then it is an error, not an endless wait."""
    stage = Stage(job("DONE", None))
    with pytest.raises(UnexpectedAnswer, match="gives no address"):
        await stage.do(lambda api: api.wait("1"))
    assert len(stage.requests) == 3


async def test_download_sends_no_token_and_renews_an_expired_address(tmp_path: Path) -> None:
    """The file host gets a bare request; on 403 the job is asked for its present address."""

    def script(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "api.botify.com":
            return job(url="https://x.cloudfront.net/new")
        return (
            httpx2.Response(200, content=b"a,b\n")
            if request.url.path == "/new"
            else httpx2.Response(403)
        )

    stage = Stage(script)
    old = Job("3658303", "DONE", url="https://x.cloudfront.net/old")
    assert await stage.do(lambda api: api.download(old, tmp_path / "raw")) == 4
    assert (tmp_path / "raw").read_bytes() == b"a,b\n"
    assert [(r.url.host, "authorization" in r.headers) for r in stage.requests] == [
        ("x.cloudfront.net", False),
        ("api.botify.com", True),
        ("x.cloudfront.net", False),
    ]
    assert TOKEN not in "".join(
        str(r.headers) for r in stage.requests if r.url.host != "api.botify.com"
    )


async def test_download_of_a_job_whose_file_is_gone(tmp_path: Path) -> None:
    """Neither the old nor a fresh address works."""
    stage = Stage(lambda r: job() if r.url.host == "api.botify.com" else httpx2.Response(404))
    with pytest.raises(LinkExpired):
        await stage.do(lambda api: api.download(Job("1", "DONE"), tmp_path / "raw"))
    stage = Stage(job("DONE", None))
    with pytest.raises(LinkExpired, match="no longer has a file"):
        await stage.do(lambda api: api.download(Job("1", "DONE"), tmp_path / "raw"))
    assert list(tmp_path.iterdir()) == []


class TestBounds:
    async def test_an_answer_without_an_end_is_ended(self) -> None:
        """In words; of a paid request it is not known whether it was carried out."""
        sent = []

        async def endless() -> AsyncIterator[bytes]:
            while True:
                sent.append(1)
                yield b"[" * 1_000_000

        def answer(request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, content=endless())

        async with Botify("0" * 40, transport=httpx2.MockTransport(answer)) as api:
            with pytest.raises(UnexpectedAnswer, match="more than 16 MB, so it was not read"):
                await api.profile()
            with pytest.raises(AnswerLost, match="its answer did not end"):
                await api.create_export({})
        assert len(sent) == 2 * 17
