"""A local stand-in of the Botify API, as strict as the real one: demo mode, test double, `pipulate botify-simulator`.

ROUTES      GET  authentication/profile · projects/{u} · users/{u}/projects · analyses/{u}/{p}[/light | /{slug}]
                 projects/{u}/{p}/collections[/{id}] · jobs · jobs/{id}
            POST projects/{u}/{p}/query · jobs
            under /v1 and /api/v1, with a token; and without one the file host, /cdn/collection_exports/...
ANSWERS     Bodies: `simulated_answers`.  Queries: `bql`.  Jobs: `simulated_jobs`, their files: `exportfile`.
            What it is about: `projects`, lists of websites with analyses (generated, or folders of HTML).
UNKNOWN     What nobody outside knows of the API is an entry of `Options`; the defaults are the likeliest reading.
FAULTS      `faults`: per app (`app.state.faults`), per request (header X-Simulate), or POST /_simulate if enabled.
WATCHING    `app.state.calls` has every request; `app.state.jobs.posts` and `.created` count exports by their label,
            so that a test can say "at most one".
SPEED       The event loop only moves bytes: sites, queries and files are made in threads.

In a program: `httpx2.AsyncClient(transport=InProcessTransport(demo_simulator()))` talks to it without a port (see
`inprocess` for the reasons).  `running` serves an app on a loopback port, for other processes and real wires.
"""

import argparse
import asyncio
import contextlib
import re
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pipulate.engine.errors import Invalid, PipulateError
from pipulate.simulator.answers import (
    MESSAGES,
    analysis_json,
    collections_json,
    error_json,
    instant,
    light_analysis_json,
    project_json,
)
from pipulate.simulator.bql import Query, compile_query
from pipulate.simulator.damage import DamagedFile, Dropped
from pipulate.simulator.datamodel import describe
from pipulate.simulator.exportfile import Extra, FileFormat
from pipulate.simulator.expressions import QueryRefused
from pipulate.simulator.faults import (
    AFTER,
    FILE,
    JOB,
    LIST,
    REQUEST,
    Fault,
    Faults,
    describe_faults,
)
from pipulate.simulator.jobs import Job, Jobs, Pace, read_request
from pipulate.simulator.options import Options, User
from pipulate.simulator.projects import Analysis, Project, demo_projects

DEMO_TOKEN = "demo0000000000000000000000000000000000aa"  # noqa: S105 (public: it opens only the simulator)
DEMO_BASE = "http://localhost/v1"  # what the in-process simulator takes for its own address
DEMO_PACE = Pace(polls=1, patience=0.2)
FOREIGN = "https://elsewhere.example"


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    method: str
    path: str
    query: str
    status: int
    with_token: bool


class Calls:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self.log: deque[Call] = deque(maxlen=100_000)

    def count(self, method: str, path: str) -> int:
        """How many requests had this method, and a path that matches the regular expression in full."""
        return sum(
            call.method == method and bool(re.fullmatch(path, call.path)) for call in self.log
        )

    @property
    def tokens_at_file_host(self) -> int:
        return sum(call.with_token and call.path.startswith("/cdn/") for call in self.log)


class ApiError(Exception):
    """Answer with this status and this error code."""

    def __init__(self, status: int, code: int, message: str | None = None) -> None:
        super().__init__(message or MESSAGES[code])
        self.status = status
        self.code = code


def create_simulator(
    projects: Sequence[Project],
    *,
    tokens: Mapping[str, User] | None = None,
    options: Options | None = None,
    faults: str = "",
    folder: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Build the simulator.  Nothing is shared between two of them.

    `tokens` says who may come in (default: DEMO_TOKEN, who sees all).  `faults` is a text as `faults` explains.
    `folder` keeps the jobs and their files across restarts; without it they last as long as the app.
    `app.state` has `calls`, `jobs`, `faults`.  Raises Invalid for a fault that does not exist.
    """
    simulator = Simulator(
        projects,
        tokens or {DEMO_TOKEN: User()},
        options or Options(),
        Faults(faults),
        folder,
        clock,
    )
    return simulator.app()


T = TypeVar("T")
Handler = Callable[["Simulator", Request, User], Awaitable[Response]]


class Simulator:
    """The parts of one simulated API and its request cycle.  The handlers of its routes are functions below."""

    def __init__(
        self,
        projects: Sequence[Project],
        tokens: Mapping[str, User],
        options: Options,
        faults: Faults,
        folder: Path | None,
        clock: Callable[[], float],
    ) -> None:
        self.projects = list(projects)
        self.tokens = tokens
        self.options = options
        self.faults = faults
        self.clock = clock
        self.calls = Calls()
        self.jobs = Jobs(self.compile_job, self.form_of, options.pace, clock, folder)
        self.recent: dict[str, deque[float]] = {}  # times of each token's latest requests

    def app(self) -> Starlette:
        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            await run_in_threadpool(self.jobs.close)

        api = [
            ("GET", "/authentication/profile", profile),
            ("GET", "/projects/{org}", list_projects),
            ("GET", "/users/{org}/projects", list_projects),
            ("GET", "/analyses/{org}/{project}", list_analyses),
            ("GET", "/analyses/{org}/{project}/light", list_light_analyses),
            ("GET", "/analyses/{org}/{project}/{slug}", one_analysis),
            ("GET", "/projects/{org}/{project}/collections", list_collections),
            ("GET", "/projects/{org}/{project}/collections/{id}", one_collection),
            ("POST", "/projects/{org}/{project}/query", run_query),
            ("POST", "/jobs", create_job),
            ("GET", "/jobs", list_jobs),
            ("GET", "/jobs/{id}", one_job),
        ]
        routes = [
            Route(prefix + path, self.endpoint(handler), methods=[method])
            for prefix in ("/v1", "/api/v1")
            for method, path, handler in api
        ]
        file_host = self.open_endpoint(partial(send_file, self))
        routes.append(Route("/cdn/collection_exports/{secret}/{name}", file_host, methods=["GET"]))
        if self.options.admin:
            routes.append(Route("/_simulate", self.administer, methods=["GET", "POST"]))
        cors = Middleware(
            CORSMiddleware,
            allow_origins=self.options.allowed_origins,
            allow_headers=["Authorization"],
        )
        app = Starlette(
            routes=routes,
            lifespan=lifespan,
            middleware=[cors] if self.options.allowed_origins else [],
            exception_handlers={HTTPException: _no_such_route},
        )
        app.router.redirect_slashes = False
        app.state.projects = self.projects
        app.state.calls, app.state.jobs, app.state.faults = self.calls, self.jobs, self.faults
        return app

    # -- the request cycle

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A route of the API: faults, token, rate, then the handler."""

        async def act(request: Request) -> Response:
            user = self.authenticate(request)
            self.limit(request)
            return await handler(self, request, user)

        return self.open_endpoint(act)

    def open_endpoint(
        self, act: Callable[..., Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route without a token: faults, then the handler; noted in `calls`."""

        async def endpoint(request: Request) -> Response:
            response = await self.answer(request, act)
            with_token = "authorization" in request.headers
            status = response.status_code
            self.calls.log.append(
                Call(request.method, request.url.path, request.url.query, status, with_token)
            )
            return response

        return endpoint

    async def answer(self, request: Request, act: Callable[..., Awaitable[Response]]) -> Response:
        try:
            request.state.faults = Faults(request.headers.get("x-simulate", ""))
            for fault in self.committed(request, REQUEST):
                if fault.kind == "slow":
                    await asyncio.sleep(float(fault.value or 0))
                else:
                    return _refusal(fault)
            response = await act(request)
        except ApiError as error:
            return self.refuse(error)
        except QueryRefused as refusal:
            return JSONResponse(error_json(refusal.code, str(refusal)), 400)
        except Invalid as error:  # of the header X-Simulate
            return JSONResponse(error_json(1020, str(error)), 400)
        return Dropped() if self.committed(request, AFTER) else response

    def committed(self, request: Request, moment: str) -> list[Fault]:
        """The faults to commit now: those of the request's header, then those in force."""
        token, path = _token(request), request.url.path
        mine: Faults = request.state.faults
        return mine.take(moment, request.method, path, token) + self.faults.take(
            moment, request.method, path, token
        )

    def authenticate(self, request: Request) -> User:
        user = self.tokens.get(_token(request) or "")
        if user is None:
            raise ApiError(self.options.bad_token_status, 1001)
        return user

    def limit(self, request: Request) -> None:
        """Refuse what is more than `rate` requests of this token within a second."""
        if self.options.rate is None:
            return
        recent = self.recent.setdefault(_token(request) or "", deque())
        now = self.clock()
        while recent and now - recent[0] >= 1:
            recent.popleft()
        if len(recent) >= self.options.rate:
            raise ApiError(429, 1053)
        recent.append(now)

    def refuse(self, error: ApiError) -> Response:
        if error.code == 1001 and self.options.bad_token_detail:
            return JSONResponse({"detail": "Invalid token."}, error.status)
        wait = self.options.retry_after if error.code == 1053 else None
        headers = {} if wait is None else {"Retry-After": str(wait)}
        return JSONResponse(error_json(error.code, str(error)), error.status, headers)

    # -- what the handlers look up

    def project(self, request: Request, user: User) -> Project:
        """The project of the address.  Rights come first, as with any organisation one is not a member of."""
        return self.find_project(request.path_params["org"], request.path_params["project"], user)

    def find_project(self, org: str, slug: str, user: User) -> Project:
        known = [project for project in self.projects if project.org == org]
        if known and not user.may_see(org):
            raise ApiError(403, 1002)
        for project in known:
            if project.slug == slug:
                return project
        raise ApiError(404, 1010)

    def collection_id(self, slug: str) -> str:
        return f"crawl.{slug[:8]}{slug[8:].replace('-', self.options.same_day_mark)}"

    def compile(self, project: Project, body: Any) -> Query:
        """Compile a query of the project (in a thread: the site may have to be made first)."""
        return compile_query(
            body, lambda id: project.collection(id, self.collection_id), self.options.bql
        )

    def compile_job(self, job: Job) -> Query:
        project = next(p for p in self.projects if (p.org, p.slug) == (job.org, job.project))
        return self.compile(project, job.payload["query"])

    def form_of(self, job: Job) -> FileFormat:
        """How the file of a job is written: as asked, or as its faults have it."""
        config = job.payload["formatter_config"]
        old = "v1-header" in job.faults
        return FileFormat(
            config["delimiter"],
            config["print_header"] or old,
            config["print_delimiter"] or old or "sep" in job.faults,
            "verbose" if old else config["header_format"],
            tuple(Extra(**extra) for extra in config.get("prepend_columns", [])),
            tuple(Extra(**extra) for extra in config.get("append_columns", [])),
            job.packing,
            self.options.booleans,
        )

    # -- watching

    async def administer(self, request: Request) -> Response:
        """GET: what happened so far.  POST {"faults": "..."}: the faults to commit from now on."""
        if request.method == "POST":
            try:
                self.faults.set((await request.json())["faults"])
            except (ValueError, KeyError, TypeError, Invalid) as error:
                return JSONResponse({"error": str(error)}, 400)
        calls = Counter(f"{call.method} {call.path}" for call in self.calls.log)
        return JSONResponse(
            {
                "faults": str(self.faults),
                "calls": calls,
                "posts": self.jobs.posts,
                "created": self.jobs.created,
                "tokens_at_file_host": self.calls.tokens_at_file_host,
            }
        )


# -------------------------------------------------------------------------------------------------- handlers


async def profile(simulator: Simulator, request: Request, user: User) -> Response:
    data: dict[str, Any] = {"username": user.username}
    if simulator.options.profile_names:
        data |= {
            "email": f"{user.username}@example.com",
            "first_name": user.first_name,
            "last_name": user.last_name,
        }
        data["is_organization"] = False
    return JSONResponse({"success": True, "data": data})


async def list_projects(simulator: Simulator, request: Request, user: User) -> Response:
    """The projects of an organisation, or all that a user may see."""
    org = request.path_params["org"]
    known = [p for p in simulator.projects if org in (p.org, user.username)]
    if not known:
        raise ApiError(404, 1007)
    seen = [p for p in known if user.may_see(p.org)]
    if not seen:
        raise ApiError(403, 1002)
    wanted = request.query_params.get("name", "").lower()
    named = [
        project for project in seen if wanted in project.name.lower() or wanted in project.slug
    ]
    return await _page(simulator, request, named, project_json)


async def list_analyses(simulator: Simulator, request: Request, user: User) -> Response:
    project = simulator.project(request, user)
    limit = simulator.options.export_limit
    fields = [name for name in request.query_params.get("fields", "").split(",") if name]

    def full(analysis: Analysis) -> dict[str, Any]:
        body = analysis_json(project, analysis, _urls(project, analysis), limit)
        return {key: value for key, value in body.items() if key in fields} if fields else body

    return await _page(simulator, request, _wanted(project, request), full)


async def list_light_analyses(simulator: Simulator, request: Request, user: User) -> Response:
    project = simulator.project(request, user)

    def light(analysis: Analysis) -> dict[str, Any]:
        return light_analysis_json(project, analysis, _urls(project, analysis))

    return await _page(simulator, request, _wanted(project, request), light)


async def one_analysis(simulator: Simulator, request: Request, user: User) -> Response:
    project = simulator.project(request, user)
    for analysis in project.analyses:
        if analysis.slug == request.path_params["slug"]:
            urls = await run_in_threadpool(_urls, project, analysis)
            return JSONResponse(
                analysis_json(project, analysis, urls, simulator.options.export_limit)
            )
    raise ApiError(404, 1004)


def _wanted(project: Project, request: Request) -> Sequence[Analysis]:
    only = request.query_params.get("only_success", "true").lower() not in ("false", "0")
    return project.finished if only else project.analyses


def _urls(project: Project, analysis: Analysis) -> int | None:
    """How many URLs the analysis fetched (in a thread: the site may have to be made first)."""
    if analysis.status != "success":
        return None
    return int((project.site(analysis.slug).pages["http_code"] > 0).sum())


async def list_collections(simulator: Simulator, request: Request, user: User) -> Response:
    project = simulator.project(request, user)
    crawls = {simulator.collection_id(analysis.slug): analysis for analysis in project.finished}
    return JSONResponse(collections_json(project, crawls))


async def one_collection(simulator: Simulator, request: Request, user: User) -> Response:
    project, id = simulator.project(request, user), request.path_params["id"]
    collection = await run_in_threadpool(project.collection, id, simulator.collection_id)
    if collection is None:
        raise ApiError(404, 1000, f'Unknown collection "{id}".')
    return JSONResponse(describe(collection))


async def run_query(simulator: Simulator, request: Request, user: User) -> Response:
    project = simulator.project(request, user)
    body = await _json(request)
    page, size = _paging(request, simulator.options.query_size, simulator.options.query_size_limit)
    counted = simulator.options.always_count or "count" in request.query_params

    def run() -> tuple[list[dict[str, list]], int | None]:
        query = simulator.compile(project, body)
        return query.results((page - 1) * size, size + 1), query.count() if counted else None

    rows, count = await run_in_threadpool(run)
    links = _links(simulator, request, page, more=len(rows) > size)
    answer = {**links, "page": page, "size": size, "results": rows[:size]}
    return JSONResponse(answer if count is None else {**answer, "count": count})


async def create_job(simulator: Simulator, request: Request, user: User) -> Response:
    """POST /jobs.  Counted by label before anything is checked, as an attempt to spend."""
    body = await _json(request)
    payload = body.get("payload")
    label = payload.get("export_job_name") if isinstance(payload, dict) else None
    simulator.jobs.posts[str(label or "")] += 1
    org, slug, payload = read_request(
        body, simulator.options.export_limit, simulator.options.refuse_over_limit
    )
    project = simulator.find_project(org, slug, user)
    if simulator.options.refuse_bad_jobs:
        await run_in_threadpool(simulator.compile, project, payload["query"])
    if (
        simulator.options.running_jobs is not None
        and simulator.jobs.running() >= simulator.options.running_jobs
    ):
        raise ApiError(400, 1058)
    faults = [fault.kind for fault in simulator.committed(request, JOB)]
    job = simulator.jobs.create(user.username, org, slug, payload, faults)
    return JSONResponse(_job_json(simulator, request, job, "CREATED"), 201)


async def list_jobs(simulator: Simulator, request: Request, user: User) -> Response:
    """The jobs of the organisations one may see, newest first."""
    wanted = request.query_params
    analysis = simulator.collection_id(wanted["analysis"]) if "analysis" in wanted else None
    jobs = [
        job
        for job in reversed(simulator.jobs.all.values())
        if user.may_see(job.org)
        and wanted.get("job_type", "export") == "export"
        and wanted.get("project", job.project) == job.project
        and (analysis is None or analysis in job.payload["query"].get("collections", []))
        and "job-gone" not in job.faults
    ]
    status = {job.id: await simulator.jobs.look(job, poll=False) for job in jobs}
    return await _page(
        simulator, request, jobs, lambda job: _job_json(simulator, request, job, status[job.id])
    )


async def one_job(simulator: Simulator, request: Request, user: User) -> Response:
    id = request.path_params["id"]
    job = simulator.jobs.all.get(int(id)) if id.isdecimal() else None
    if job is None or not user.may_see(job.org) or "job-gone" in job.faults:
        raise ApiError(404, 1059)
    status = await simulator.jobs.look(job, poll=True)
    return JSONResponse(_job_json(simulator, request, job, status))


def _job_json(simulator: Simulator, request: Request, job: Job, status: str) -> dict[str, Any]:
    """A job as POST and GET answer it: the payload comes back without username and project."""
    base = FOREIGN if "job-url-foreign" in job.faults else ""
    answer: dict[str, Any] = {
        "job_id": job.id,
        "job_type": "export",
        "job_url": f"{base}/v1/jobs/{job.id}",
        "job_status": status,
        "payload": job.payload,
        "results": None,
        "date_created": instant(datetime.fromtimestamp(job.created, UTC)),
        "user": job.user,
        "metadata": None,
        "crawl_date": None,
    }
    if status == "DONE":
        files = (simulator.options.file_base or f"{request.base_url}cdn").rstrip("/")
        answer["results"] = {
            "download_url": f"{files}/collection_exports/{job.secret}/{job.file_name}"
        }
        if simulator.options.results_extra:
            answer["results"]["file_size"] = simulator.jobs.path(job).stat().st_size
    if status == "FAILED" and job.failure is not None:
        reason = {"message": job.failure, "type": "ExportError"}
        where = simulator.options.failure_in
        if where in ("results", "metadata"):
            answer[where] = {"error": reason}
        elif where != "nowhere":
            answer[where] = reason if where == "error" else job.failure
    return answer


async def send_file(simulator: Simulator, request: Request) -> Response:
    """The file host.  Like a content network it answers 403 for what it does not (any longer) have."""
    job = simulator.jobs.by_secret(request.path_params["secret"])
    gone = HTMLResponse(
        "<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml"
    )
    if job is None or job.file_name != request.path_params["name"]:
        return gone
    path = simulator.jobs.path(job)
    media_type = {"zip": "application/zip", "plain": "text/csv"}.get(
        job.packing, "application/gzip"
    )
    for fault in simulator.committed(request, FILE):
        if fault.kind == "expired":
            job.stale = True
            return gone
        return DamagedFile(path, fault.kind, media_type)
    return FileResponse(path, media_type=media_type)


# ------------------------------------------------------------------------------------------ parts of the handlers


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, 1020) from error
    if not isinstance(body, dict):
        raise ApiError(400, 1020)
    return body


def _token(request: Request) -> str | None:
    """The token of `Authorization: Token <token>`, the word in any case."""
    found = re.fullmatch(
        r"token\s+(\S+)\s*", request.headers.get("authorization", ""), re.IGNORECASE
    )
    return found[1] if found else None


def _paging(request: Request, size: int, limit: int | None = None) -> tuple[int, int]:
    """The parameters page and size; a size above the limit is cut to it."""
    numbers = []
    for name, default in (("page", 1), ("size", size)):
        text = request.query_params.get(name, str(default))
        if not text.isdecimal() or not 0 < int(text) < 10**9:
            raise ApiError(400, 1020, f"{name}: a whole number above 0 was expected.")
        numbers.append(int(text))
    return numbers[0], min(numbers[1], limit or numbers[1])


def _links(
    simulator: Simulator, request: Request, page: int, *, more: bool
) -> dict[str, str | None]:
    """`next` and `previous`, absolute, as the options and faults have them."""
    committed = [fault.kind for fault in simulator.committed(request, LIST)]

    def address(number: int) -> str:
        url = request.url.include_query_params(page=number)
        return str(url if simulator.options.next_keeps_size else url.remove_query_params("size"))

    following = address(page + 1) if more else None
    if "next-repeats" in committed:
        following = address(page)
    if "next-foreign" in committed:
        following = f"{FOREIGN}{request.url.path}?page={page + 1}"
    links = {"next": following, "previous": address(page - 1) if page > 1 else None}
    if following is None and simulator.options.last_next == "absent":
        del links["next"]
    return links


async def _page(
    simulator: Simulator,
    request: Request,
    items: Sequence[T],
    to_json: Callable[[T], dict[str, Any]],
) -> Response:
    """One page of a list, in the envelope that all lists have."""
    page, size = _paging(request, simulator.options.list_size)
    shown = items[(page - 1) * size : page * size]
    if page > 1 and not shown and simulator.options.past_end == "missing":
        raise ApiError(404, 1000, "Invalid page.")
    results = await run_in_threadpool(lambda: [to_json(item) for item in shown])
    links = _links(simulator, request, page, more=page * size < len(items))
    return JSONResponse(
        {**links, "count": len(items), "results": results, "page": page, "size": size}
    )


def _refusal(fault: Fault) -> Response:
    """The answer to a request that a fault spoils."""
    headers = {"Retry-After": fault.value} if fault.value else {}
    match fault.kind:
        case "drop":
            return Dropped()
        case "html":
            return HTMLResponse("<html><body>Welcome to the hotel's network</body></html>")
        case "500" | "502" | "503":
            return HTMLResponse(
                f"<html><body><h1>{fault.kind}</h1></body></html>", int(fault.kind), headers
            )
        case _:
            code = {"401": 1001, "403": 1002, "404": 1000, "429": 1053}[fault.kind]
            return JSONResponse(error_json(code), int(fault.kind), headers)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse(error_json(1039 if status == 405 else 1000), status)


# -------------------------------------------------------------------------------------------- ways to run it


def demo_simulator(folder: Path | None = None, *, html: Sequence[Path] = ()) -> Starlette:
    """The simulator of the app's demo mode: the demo projects, and jobs that take a second or two.

    Use it through `InProcessTransport(app)` with DEMO_BASE and DEMO_TOKEN.  `folder` remembers its jobs.
    """
    return create_simulator(
        demo_projects(folders=html), options=Options(pace=DEMO_PACE), folder=folder
    )


@contextlib.contextmanager
def running(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve an app on a loopback port, from a thread, while the block runs; gives the API's base URL.

    For other processes, or a client that should meet a real wire.  Port 0 takes a free one.
    """
    listener = _listen(port)
    server = _server(app)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="botify-simulator"
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback: whoever connects before the server is up waits in its queue."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise Invalid(
            f"Port {port} cannot be used: {error.strerror}. Choose another with --port."
        ) from error
    listener.listen(128)
    return listener


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2))


def main(argv: Sequence[str] | None = None, settings: object = None) -> int:
    """`pipulate botify-simulator`: serve demo data until interrupted.  Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="pipulate botify-simulator",
        description="A local stand-in of the Botify API with demo data. No account, no network.",
        epilog=f"faults (KIND[=VALUE] on=PATH method=VERB skip=N times=N; ...):\n{describe_faults()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765, help="on 127.0.0.1 (default: 8765)")
    parser.add_argument("--links", type=int, help="add a generated site with this many links")
    parser.add_argument(
        "--html", type=Path, action="append", default=[], help="add a folder of HTML (repeatable)"
    )
    parser.add_argument("--token", default=DEMO_TOKEN, help="the token to accept")
    parser.add_argument(
        "--faults", default="", help="what to do wrong, for example: 500 times=2; truncated"
    )
    parser.add_argument("--folder", type=Path, help="remember jobs and their files here")
    arguments = parser.parse_args(argv)
    try:
        app = create_simulator(
            demo_projects(arguments.links, arguments.html),
            tokens={arguments.token: User()},
            options=Options(rate=5, admin=True, pace=DEMO_PACE),
            faults=arguments.faults,
            folder=arguments.folder,
        )
        listener = _listen(arguments.port)
    except PipulateError as error:
        print(error, file=sys.stderr)
        return 2
    projects: list[Project] = app.state.projects
    print(
        "A simulation of the Botify API with demo data: nothing here is real, and no account is needed."
    )
    print(f"  API       http://127.0.0.1:{listener.getsockname()[1]}/v1")
    print(f"  token     {arguments.token}")
    for project in projects:
        print(f"  project   {project.url}   {project.name}")
    print("Stop it with Ctrl+C.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        _server(app).run(sockets=[listener])
    return 0
