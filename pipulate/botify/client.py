"""Botify's REST API, version 1: the one place that talks to it.

    async with Botify(token) as api:
        for project in await api.projects("acme"): ...

PACE    At most 4 requests a second (Botify's limit is 5) of one Botify.
SAFE    GET and /query are repeated after a dropped connection, a time-out,
        429 or 5xx: up to `TRIES` times, after 1, 2, 4 ... seconds with
        jitter, or as long as Retry-After asks (a minute at most).
PAID    POST /jobs costs credits each time it is received: it is sent once.
        4xx, or no connection: nothing was started.  All else raises
        AnswerLost: the job may run, look for it by its name.
TOKEN   goes into one header of requests to `base`, Botify's or this
        machine.  Neither redirects nor `next` links are followed.
PAGES   {"results": [...], "next": url or null, "count": n}; the latter two
        may be missing.  A list ends with a false `next`, an empty page, one
        like its predecessor, or 404 past the last.

Facts: Botify's Swagger file and documentation, programs seen to work.
"""

import asyncio
import contextlib
import random
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import httpx2
from loguru import logger

from pipulate.botify.answers import (
    BAD_TOKEN,
    Analysis,
    AnalysisDetail,
    Collection,
    Job,
    Profile,
    Project,
    Row,
    at,
    read_fields,
    refusal,
    retry_after,
    whole_number,
)
from pipulate.botify.download import Progress, Sleep, download, is_loopback
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
from pipulate.botify.queries import Json
from pipulate.botify.token import Token
from pipulate.engine import foreign
from pipulate.graph.shelf import in_time

BASE = "https://api.botify.com/v1"
RATE = 4  #: requests a second
TRIES = 5
MOST_BYTES = 16 << 20  #: of an answer, unpacked
LONGEST_WAIT = 60.0  #: seconds between two tries
PAGE = 100  #: entries of a list asked for at once
ROWS = 500  #: rows of a query asked for at once; Botify gives at most 2,000
MOST_PAGES = 1_000
JOB_DEADLINE = 3_600.0  #: seconds we wait for an export in one go
PATIENCE = 3  #: times that a job may be done and have no file yet

Params = Mapping[str, Any]

# Nothing of the request has left us when one of these is raised.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class Answer(NamedTuple):
    """What came, whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Botify:
    """A connection to the API for one token.  Share one: it keeps the pace.

    `base` is Botify's address or a stand-in's on this machine; `transport`
    reaches one inside this process.  Tests replace `clock`, `sleep`, `rng`.
    """

    def __init__(
        self,
        token: Token | str,
        base: str = BASE,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._token = Token(token) if isinstance(token, str) else token
        self.base = check_base(base)
        self._local = is_loopback(urlsplit(self.base).hostname or "")
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._pace = Pace(RATE, clock, sleep)
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Botify({self.base})"

    async def __aenter__(self) -> Self:
        # Loading the certificates takes up to 200 ms: not on the event loop.
        self._client = await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *error: object) -> None:
        client = self._http
        self._client = None
        await client.aclose()

    def _open(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=httpx2.Timeout(60.0, connect=15.0),
            transport=self._transport,
            trust_env=not self._local,  # no proxy between us and this machine
            headers={
                "User-Agent": f"pipulate/{metadata.version('pipulate')}",
                "X-Botify-Client": "pipulate",
            },
            follow_redirects=False,
        )

    @property
    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            raise RuntimeError("use Botify as `async with Botify(token) as api:`")
        return self._client

    async def profile(self) -> Profile:
        """Whose token this is; BadToken if it is not (any longer) valid."""
        try:
            return Profile.read(await self._get("authentication/profile", "your profile"))
        except NoRight as e:  # some of Botify's texts call an old token "forbidden"
            raise BadToken(BAD_TOKEN) from e

    async def projects(self, owner: str) -> list[Project]:
        """The projects of an organisation or user, or NotThere."""
        found = await self._list(_path("projects", owner), f"the projects of {owner}")
        return [read for entry in found if (read := Project.read(entry, owner))]

    async def analyses(self, org: str, project: str, only_success: bool = True) -> list[Analysis]:
        """The crawls of a project, newest first."""
        path = _path("analyses", org, project, "light")
        what = f"the analyses of {org}/{project}"
        found = await self._list(path, what, {"only_success": str(only_success).lower()})
        untold = "success" if only_success else "unknown"
        read = (Analysis.read(entry, untold) for entry in found)
        by_slug = {analysis.slug: analysis for analysis in read if analysis}
        return [by_slug[slug] for slug in sorted(by_slug, key=in_time, reverse=True)]

    async def analysis(self, org: str, project: str, slug: str) -> AnalysisDetail:
        """What one crawl allows."""
        path = _path("analyses", org, project, slug)
        what = f"the analysis {slug} of {org}/{project}"
        return AnalysisDetail.read(await self._get(path, what), slug)

    async def collections(self, org: str, project: str) -> list[Collection]:
        """The data a project has: `crawl.20240301`, ..."""
        path = _path("projects", org, project, "collections")
        found = await self._list(path, f"the collections of {org}/{project}", paged=False)
        return [read for read in map(Collection.read, found) if read]

    async def fields(self, org: str, project: str, collection: str) -> frozenset[str]:
        """The names of a collection's fields, without its own before them."""
        path = _path("projects", org, project, "collections", collection)
        what = f"the fields of {collection} in {org}/{project}"
        return read_fields(await self._get(path, what, {"sequenced": "false"}), collection)

    async def query(self, org: str, project: str, query: Json, size: int = ROWS) -> list[Row]:
        """All rows of a BQL query, or BadQuery; large ones are exported."""

        def ask(page: int) -> Awaitable[Any]:
            return self._ask(org, project, query, page, size)

        return [Row.read(row) for row in await self._pages(ask, f"a query on {org}/{project}")]

    def _ask(self, org: str, project: str, query: Json, page: int, size: int) -> Awaitable[Any]:
        path = _path("projects", org, project, "query")
        what = f"a query on {org}/{project}"
        return self._safe("POST", path, {"page": page, "size": size}, query, what)

    async def diagnose(self, org: str, project: str, query: Json) -> str | None:
        """Why an export of this query fails (no job says so), or None."""
        try:
            await self._ask(org, project, query, 1, 1)
        except (BadQuery, LimitReached, NoRight, NotThere) as error:
            return getattr(error, "words", "") or str(error)
        return None

    async def create_export(self, body: Json) -> Job:
        """Start an export of `queries.export_body`.  **Costs credits.**

        Raises AnswerLost when the job may have been started all the same:
        look for it with `find_export`.  Any other error is `definite`.
        """
        try:
            answer = await self._send("POST", "jobs", None, body)
        except _NOT_SENT as error:
            why = f"Botify could not be reached ({type(error).__name__})"
            raise _definite(Unreachable(f"{why}, so no export was started.")) from error
        except httpx2.RequestError as error:
            raise _lost(f"its answer did not come ({type(error).__name__})") from error
        except UnexpectedAnswer as error:
            raise _lost("its answer did not end") from error
        status = answer.status
        if 400 <= status < 500:
            raise _definite(refusal(status, answer.content, answer.headers, "the export"))
        if status not in (200, 201, 202):
            raise _lost(f"it answered {status}")
        try:
            return Job.read(foreign.loads(answer.content, MOST_BYTES))
        except (ValueError, UnexpectedAnswer) as error:
            raise _lost("its answer names no job") from error

    async def find_export(self, name: str, project: str) -> Job | None:
        """The export job of that unique name, or None.

        What the filter by project compares is not documented: then all are
        asked for.  Of several, one that did not fail.
        """
        with contextlib.suppress(NotThere, BadQuery):
            if job := await self._named(name, {"job_type": "export", "project": project}):
                return job
        return await self._named(name, {"job_type": "export"})

    async def _named(self, name: str, which: Params) -> Job | None:
        found = await self._list("jobs", "your export jobs", which)
        entries = [entry for entry in found if at(entry, "payload", "export_job_name") == name]
        return min(map(Job.read, entries), key=lambda job: job.failed, default=None)

    async def job(self, id: str) -> Job:
        """How an export job stands; NotThere if Botify forgot it."""
        return Job.read(await self._get(_path("jobs", id), f"the export job {id}"))

    async def wait(
        self,
        id: str,
        progress: Callable[[Job], object] = lambda job: None,
        deadline: float = JOB_DEADLINE,
        poll: tuple[float, float] = (2.0, 15.0),
    ) -> Job:
        """Ask for a job until it is done, every `poll` seconds (first, most).

        An unreachable server does not end the waiting, the `deadline` does.
        Raises JobFailed, JobRunning, NotThere, BadToken or NoRight.
        """
        end = self._clock() + deadline
        pause, longest = poll
        missing = 0
        while True:
            trouble: BotifyError | None = None
            try:
                job = await self.job(id)
            except (Unreachable, RateLimited, UnexpectedAnswer) as error:
                trouble = error
            else:
                progress(job)
                if job.failed:
                    said = job.reason and f" It says: {job.reason}"
                    raise JobFailed(f"The export job {id} failed at Botify.{said}", job.reason)
                if job.url:
                    return job
                missing += job.done
                if missing == PATIENCE:
                    raise UnexpectedAnswer(
                        f"Botify says that the export job {id} is done, but gives no address."
                    )
            if self._clock() + pause > end:
                raise trouble or JobRunning(
                    f"The export job {id} still runs at Botify after "
                    f"{deadline / 60:.0f} minutes. It goes on there: retry later "
                    "to take it up again; nothing is paid twice."
                )
            await self._sleep(pause)
            pause = min(pause * 1.5, longest)

    async def download(
        self,
        job: Job,
        target: Path,
        progress: Progress = lambda received, total: None,
        **limits: Any,
    ) -> int:
        """Fetch the file of a finished job; `limits`: `most_bytes`."""

        async def fresh() -> str:
            if url := (await self.job(job.id)).url:
                return url
            raise LinkExpired(
                f"The export job {job.id} no longer has a file. Revert this step to export anew."
            )

        return await download(
            self._http,
            job.url or await fresh(),
            target,
            fresh=fresh,
            progress=progress,
            local=self._local,
            sleep=self._sleep,
            **limits,
        )

    async def _send(
        self, method: str, path: str, params: Params | None, body: Json | None
    ) -> Answer:
        await self._pace.turn()
        begun = self._clock()
        headers = {
            "Authorization": f"Token {self._token.reveal()}",
            "Accept": "application/json",
        }
        address = f"{self.base}/{path}"
        request = self._http.build_request(
            method, address, params=params, json=body, headers=headers
        )
        response = await self._http.send(request, stream=True)
        try:
            content = await _content(response)
        finally:
            await response.aclose()
        took = self._clock() - begun
        logger.debug(
            "Botify {} {}: {} in {:.2f} s",
            method,
            path,
            response.status_code,
            took,
        )
        return Answer(response.status_code, response.headers, content)

    async def _safe(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Json | None,
        what: str,
    ) -> Any:
        """A request that may be repeated: its answer's JSON."""
        attempt = 0
        while True:
            attempt += 1
            pause: float | None = None
            try:
                answer = await self._send(method, path, params, body)
                if answer.status in (200, 201):
                    return _json(answer, what)
                pause = retry_after(answer.headers)
                raise refusal(answer.status, answer.content, answer.headers, what)
            except (Unreachable, RateLimited):
                if attempt == TRIES:
                    raise
            except httpx2.RequestError as error:
                if attempt == TRIES:
                    raise Unreachable(
                        f"Botify could not be reached ({type(error).__name__}) "
                        f"while asking for {what}. Check the connection and try "
                        "again; nothing was changed."
                    ) from error
            if pause is None:
                # Equal jitter: waits of many clients spread out, yet none is near zero.
                pause = 2.0 ** (attempt - 1) * (0.5 + self._rng() / 2)
            await self._sleep(min(pause, LONGEST_WAIT))

    async def _get(self, path: str, what: str, params: Params | None = None) -> Any:
        return await self._safe("GET", path, params, None, what)

    async def _list(
        self,
        path: str,
        what: str,
        params: Params | None = None,
        paged: bool = True,
    ) -> list[dict[str, Any]]:

        def ask(page: int) -> Awaitable[Any]:
            asked = dict(params or {})
            if paged:
                asked |= {"page": page, "size": PAGE}
            return self._get(path, what, asked)

        return [entry for entry in await self._pages(ask, what) if isinstance(entry, dict)]

    async def _pages(self, ask: Callable[[int], Awaitable[Any]], what: str) -> list[Any]:
        found: list[Any] = []
        previous: list[Any] | None = None
        for page in range(1, MOST_PAGES + 1):
            try:
                answer = await ask(page)
            except NotThere:
                if page == 1:
                    raise
                return found
            if isinstance(answer, list):
                return answer  # not paged at all
            results = at(answer, "results")
            total = whole_number(at(answer, "count"))
            if not isinstance(results, list):
                raise UnexpectedAnswer(
                    f"Botify's answer to {what} is no list. Is the address of the API right?"
                )
            if results == previous:
                if total is not None and total > len(found):
                    raise UnexpectedAnswer(
                        f"Botify says that {what} are {total:,}, but gives the same page again."
                    )
                return found
            found += results
            if not results or not answer.get("next"):
                return found
            if total is not None and len(found) > total + 2 * len(results):
                break
            previous = results
        raise UnexpectedAnswer(
            f"Botify's list of {what} does not end: {len(found):,} entries so far."
        )


class Pace:
    """Lets at most `rate` callers pass in any second; the others queue."""

    def __init__(self, rate: int, clock: Callable[[], float], sleep: Sleep) -> None:
        self._passed: deque[float] = deque(maxlen=rate)
        self._clock = clock
        self._sleep = sleep
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for one's turn."""
        async with self._line:
            if len(self._passed) == self._passed.maxlen:
                while (rest := self._passed[0] + 1.0 - self._clock()) > 0:
                    await self._sleep(rest)
            self._passed.append(self._clock())


def check_base(base: str) -> str:
    """The API's address without a final slash.

    ForeignAddress unless it is https to a host of botify.com, or http(s) to
    this machine: a token must not be sent there.
    """
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError:
        raise ForeignAddress(f"{base!r} is not a valid address for the API.") from None
    host = (parts.hostname or "").lower()
    plain = re.fullmatch(r"[!-~]+", base) and not re.search(r"[@\\?#]|\.\.", base)
    botify = parts.scheme == "https" and host.endswith(".botify.com") and port in (None, 443)
    stand_in = parts.scheme in ("http", "https") and is_loopback(host)
    if not plain or not (botify or stand_in):
        raise ForeignAddress(
            f"{base!r} is not Botify's API ({BASE}) nor a stand-in on this machine "
            "(http://127.0.0.1:...), so the token is not sent there."
        )
    return base.rstrip("/")


def _definite(error: BotifyError) -> BotifyError:
    error.definite = True
    return error


def _lost(why: str) -> AnswerLost:
    return AnswerLost(
        f"Botify was asked to start an export, but {why}. "
        "It may have been started: look for it before asking again."
    )


async def _content(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MOST_BYTES:
            raise UnexpectedAnswer(
                f"Botify's answer has more than {MOST_BYTES >> 20} MB, so it was not read. "
                "Is something between us and Botify, or the address of the API wrong?"
            )
    return bytes(content)


def _json(answer: Answer, what: str) -> Any:
    try:
        return foreign.loads(answer.content, MOST_BYTES)
    except ValueError as error:
        raise UnexpectedAnswer(
            f"Botify's answer to {what} is no JSON. "
            "Is something between us and Botify, or the address of the API wrong?"
        ) from error


def _path(*names: str) -> str:
    for name in names:
        if not name or set(name) == {"."}:  # dots alone would climb
            raise NotThere(f"Botify has nothing named {name!r}.")
    return "/".join(quote(name, safe="") for name in names)
