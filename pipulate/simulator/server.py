"""A local stand-in of the Botify API, as strict as the real one: demo mode and test double.

ROUTES      `ROUTES` under /v1 and /api/v1, with a token; and without one the file host,
            /cdn/collection_exports/...
ANSWERS     Endpoints: `reading` and `exports`; their bodies: `answers`.  Queries: `bql`.  Jobs:
            `jobs`, their files: `exportfile`.  What it is about: `projects`, lists of websites with
            analyses (generated, or folders of HTML).
UNKNOWN     What nobody outside knows of the API is an entry of `Options`; the defaults are the
            likeliest reading.
FAULTS      `faults`: per app (`app.state.faults`), per request (header X-Simulate), or POST
            /_simulate if enabled.
WATCHING    `app.state.calls` has every request; `app.state.jobs.posts` and `.created` count exports
            by their label, so that a test can say "at most one".
SPEED       The event loop only moves bytes: sites, queries and files are made in threads.

In a program: `httpx2.AsyncClient(transport=InProcessTransport(demo_simulator()))` talks to it
without a port (see `inprocess` for the reasons).  `running` serves an app on a loopback port, for
other processes and real wires.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pipulate.engine.errors import Invalid
from pipulate.simulator import exports, reading
from pipulate.simulator.damage import Dropped
from pipulate.simulator.errors import Refusal, error_json
from pipulate.simulator.faults import AFTER, REQUEST, Fault, Faults
from pipulate.simulator.options import DEMO_TOKEN, Options, User
from pipulate.simulator.projects import Project
from pipulate.simulator.service import Call, Service
from pipulate.simulator.visit import Visit

Handler = Callable[[Visit], Awaitable[Response]]

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/authentication/profile", reading.profile),
    ("GET", "/projects/{org}", reading.list_projects),
    ("GET", "/users/{org}/projects", reading.list_projects),
    ("GET", "/analyses/{org}/{project}", reading.list_analyses),
    ("GET", "/analyses/{org}/{project}/light", reading.list_light_analyses),
    ("GET", "/analyses/{org}/{project}/{slug}", reading.one_analysis),
    ("GET", "/projects/{org}/{project}/collections", reading.list_collections),
    ("GET", "/projects/{org}/{project}/collections/{id}", reading.one_collection),
    ("POST", "/projects/{org}/{project}/query", reading.run_query),
    ("POST", "/jobs", exports.create_job),
    ("GET", "/jobs", exports.list_jobs),
    ("GET", "/jobs/{id}", exports.one_job),
]
FILE_HOST = "/cdn/collection_exports/{secret}/{name}"


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

    `tokens` says who may come in (default: DEMO_TOKEN, who sees all).  `faults` is a text as
    `faults` explains.  `folder` keeps the jobs and their files across restarts; without it they
    last as long as the app.  `app.state` has `projects`, `calls`, `jobs`, `faults`.  Raises Invalid
    for a fault that does not exist.
    """
    options = options or Options()
    tokens = tokens or {DEMO_TOKEN: User()}
    service = Service(projects, tokens, options, Faults(faults), folder, clock)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.jobs.close)

    app = Starlette(
        routes=_routes(service),
        lifespan=lifespan,
        middleware=_middleware(options),
        exception_handlers={HTTPException: _no_such_route},
    )
    app.router.redirect_slashes = False
    app.state.projects = service.projects
    app.state.calls = service.calls
    app.state.jobs = service.jobs
    app.state.faults = service.faults
    return app


def _middleware(options: Options) -> list[Middleware]:
    origins = options.allowed_origins
    if not origins:
        return []
    return [Middleware(CORSMiddleware, allow_origins=origins, allow_headers=["Authorization"])]


def _routes(service: Service) -> list[Route]:
    routes = [
        Route(prefix + path, _endpoint(service, _with_token(handler)), methods=[method])
        for prefix in ("/v1", "/api/v1")
        for method, path, handler in ROUTES
    ]
    routes.append(Route(FILE_HOST, _endpoint(service, exports.send_file), methods=["GET"]))
    if service.options.admin:
        admin = _administration(service)
        routes.append(Route("/_simulate", admin, methods=["GET", "POST"]))
    return routes


# --- the way of a request -------------------------------------------------------------------------


def _endpoint(service: Service, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route: faults, then the handler; noted in `calls`."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await _answer(Visit(service, request), handler)
        except Refusal as refusal:
            response = _refused(service.options, refusal)
        with_token = "authorization" in request.headers
        call = (request.method, request.url.path, request.url.query, response.status_code)
        service.calls.log.append(Call(*call, with_token))
        return response

    return endpoint


def _with_token(handler: Handler) -> Handler:
    async def enter(visit: Visit) -> Response:
        visit.enter()
        return await handler(visit)

    return enter


async def _answer(visit: Visit, handler: Handler) -> Response:
    for fault in visit.committed(REQUEST):
        if fault.kind != "slow":
            return _spoilt(fault)
        await asyncio.sleep(float(fault.value or 0))
    response = await handler(visit)
    return Dropped() if visit.committed(AFTER) else response


def _refused(options: Options, refusal: Refusal) -> Response:
    status = refusal.status
    body = error_json(refusal)
    headers = {}
    if refusal.code == 1001:
        status = options.bad_token_status
        if options.bad_token_detail:
            body = {"detail": "Invalid token."}
    if refusal.code == 1053 and options.retry_after is not None:
        headers["Retry-After"] = str(options.retry_after)
    return JSONResponse(body, status, headers)


def _spoilt(fault: Fault) -> Response:
    """The answer to a request that a fault spoils."""
    headers = {"Retry-After": fault.value} if fault.value else {}
    match fault.kind:
        case "drop":
            return Dropped()
        case "html":
            return HTMLResponse("<html><body>Welcome to the hotel's network</body></html>")
        case "500" | "502" | "503":
            page = f"<html><body><h1>{fault.kind}</h1></body></html>"
            return HTMLResponse(page, int(fault.kind), headers)
        case _:
            code = {"401": 1001, "403": 1002, "404": 1000, "429": 1053}[fault.kind]
            return JSONResponse(error_json(Refusal(code=code)), int(fault.kind), headers)


async def _no_such_route(request: Request, error: Exception) -> Response:
    refusal = Refusal(code=1000)
    if isinstance(error, HTTPException) and error.status_code == 405:
        refusal = Refusal(code=1039)
    return JSONResponse(error_json(refusal), refusal.status)


def _administration(service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def administer(request: Request) -> Response:
        """GET: what happened so far.  POST {"faults": "..."}: the faults to commit from now on."""
        if request.method == "POST":
            try:
                service.faults.set((await request.json())["faults"])
            except (ValueError, KeyError, TypeError, Invalid) as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(
            {
                "faults": str(service.faults),
                "calls": Counter(f"{call.method} {call.path}" for call in service.calls.log),
                "posts": service.jobs.posts,
                "created": service.jobs.created,
                "tokens_at_file_host": service.calls.tokens_at_file_host,
            }
        )

    return administer


# --- on a wire ------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve an app on a loopback port, from a thread, while the block runs; gives the base URL.

    For other processes, or a client that should meet a real wire.  Port 0 takes a free one.  Raises
    Invalid for a port in use.
    """
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    listener = _listen(port)
    thread = threading.Thread(target=server.run, args=[[listener]], name="botify-simulator")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback: who connects before the server is up waits in its queue."""
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
