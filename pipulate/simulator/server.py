"""A local stand-in of the Botify API, as strict as the real one.

ROUTES are under /v1 and /api/v1, with a token; FILES needs none.  What nobody
outside knows of the API is an entry of `Options`.  `app.state.calls` has
every request; `app.state.jobs.posts` and `.created` count exports by label: a
test can say "at most one".  The event loop only moves bytes.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
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
from pipulate.simulator.errors import Json, Refusal
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
FILES = "/cdn/collection_exports/{secret}/{name}"


def create_simulator(
    projects: Sequence[Project],
    *,
    tokens: Mapping[str, User] | None = None,
    options: Options | None = None,
    faults: str = "",
    folder: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """A simulator; nothing is shared between two.  Raises Invalid (faults).

    `tokens` may come in (default: DEMO_TOKEN, who sees all).  `folder` keeps
    jobs and their files across restarts; else they last as long as the app.
    """
    options = options or Options()
    tokens = tokens or {DEMO_TOKEN: User()}
    service = Service(projects, tokens, options, Faults(faults), folder, clock)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.jobs.close)

    cors = Middleware(
        CORSMiddleware,
        allow_origins=options.allowed_origins,
        allow_headers=["Authorization"],
    )
    app = Starlette(
        routes=_routes(service),
        lifespan=lifespan,
        middleware=[cors] if options.allowed_origins else [],
        exception_handlers={HTTPException: _no_such_route},
    )
    app.router.redirect_slashes = False
    for name in ("projects", "calls", "jobs", "faults"):
        setattr(app.state, name, getattr(service, name))
    return app


def _routes(service: Service) -> list[Route]:
    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(path, partial(_serve, service, handler), methods=[method])

    routes = [
        route(method, prefix + path, handler)
        for prefix in ("/v1", "/api/v1")
        for method, path, handler in ROUTES
    ]
    routes.append(route("GET", FILES, exports.send_file))
    if service.options.admin:
        administer = partial(_administer, service)
        routes.append(Route("/_simulate", administer, methods=["GET", "POST"]))
    return routes


# --- the way of a request ---


async def _serve(service: Service, handler: Handler, request: Request) -> Response:
    try:
        response = await _answer(Visit(service, request), handler)
    except Refusal as refusal:
        response = _refused(service.options, refusal)
    with_token = "authorization" in request.headers
    call = Call(request.method, request.url.path, response.status_code, with_token)
    service.calls.log.append(call)
    return response


async def _answer(visit: Visit, handler: Handler) -> Response:
    for fault in visit.committed(REQUEST):
        if fault.kind != "slow":
            return _spoilt(fault)
        await asyncio.sleep(float(fault.value or 0))
    if handler is not exports.send_file:  # which needs no token
        visit.enter()
    response = await handler(visit)
    return Dropped() if visit.committed(AFTER) else response


def _refused(options: Options, refusal: Refusal) -> Response:
    status = refusal.status
    body: Json = refusal.envelope()
    headers = {}
    if refusal.code == 1001:
        status = options.bad_token_status
        if options.bad_token_detail:
            body = {"detail": "Invalid token."}
    if refusal.code == 1053 and options.retry_after is not None:
        headers["Retry-After"] = str(options.retry_after)
    return JSONResponse(body, status, headers)


def _spoilt(fault: Fault) -> Response:
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
            codes = {"401": 1001, "403": 1002, "404": 1000, "429": 1053}
            refusal = Refusal(code=codes[fault.kind])
            return JSONResponse(refusal.envelope(), refusal.status, headers)


async def _no_such_route(request: Request, error: Exception) -> Response:
    wrong_method = isinstance(error, HTTPException) and error.status_code == 405
    refusal = Refusal(code=1039 if wrong_method else 1000)
    return JSONResponse(refusal.envelope(), refusal.status)


async def _administer(service: Service, request: Request) -> Response:
    """POST {"faults": "..."} sets those from now on."""
    if request.method == "POST":
        try:
            service.faults.set((await request.json())["faults"])
        except (ValueError, KeyError, TypeError, Invalid) as error:
            return JSONResponse({"error": str(error)}, 400)
    told = {
        "faults": str(service.faults),
        "calls": Counter(f"{call.method} {call.path}" for call in service.calls.log),
        "posts": service.jobs.posts,
        "created": service.jobs.created,
        "tokens_at_file_host": service.calls.tokens_at_file_host,
    }
    return JSONResponse(told)


# --- on a wire ---


@contextlib.contextmanager
def running(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve an app on loopback, from a thread, during the block; base URL.

    Port 0 takes a free one.  Raises Invalid for a port in use.
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
    # who connects before the server is up waits in its queue
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Invalid(f"Port {port} cannot be used: {why}. Choose another with --port.") from error
