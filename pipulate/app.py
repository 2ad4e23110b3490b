"""Builds the app from settings; nothing happens on import.

ORDER     the state · the middleware: guard, with --lan the gate of
          `pages.devices`, voice, door, frame · the parts, in any order: each adds its
          routes, pages in the menu, cards in Settings · the workflow files,
          which cannot take the first segment of any of these routes · the
          routes of every workflow, which take any first segment.
THREADS   Whoever waits for the database does so in one of many threads, for as
          long as another process keeps it locked; the event loop never waits.
LIFETIME  At the start: what parts have to begin, then the jobs left running.
          At the end: what parts have to end, then jobs and store.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from fasthtml.common import FastHTML, NotStr
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from pipulate import failures, pages
from pipulate.botify.urls import run_id
from pipulate.door import Door
from pipulate.engine.jobs import Jobs
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store, saved, serving
from pipulate.engine.voice import voice
from pipulate.engine.workflow import Workflow
from pipulate.frame import Frame
from pipulate.guard import Guard
from pipulate.pages.classic import Classic
from pipulate.watch import Workflows
from pipulate.web import offers
from pipulate.web.routes import Pages
from pipulate.web.shell import HEAD, shell
from pipulate.web.state import State

#: Acts that may wait for the database at once, and no page with them.  Each
#: thread has a connection, with memory of its own.
WAITING = 24


def create_app(
    settings: Settings | None = None,
    parts: Sequence[Callable[[FastHTML], None]] | None = None,
) -> FastHTML:
    """Return the app; `parts` add routes and pages (ours by default)."""
    settings = settings or Settings()
    store = Store(settings.database)
    state = State(settings, store, Jobs(store, settings), normalise=run_id, order=pages.ORDER)
    app = FastHTML(
        default_hdrs=False,
        canonical=False,
        surreal=False,
        htmx=False,
        sess_cls=None,
        secret_key=secrets.token_hex(),
        title="Pipulate",
        hdrs=(NotStr(HEAD),),
        htmlkw=state.theme,
        body_wrap=shell,
        lifespan=lifespan,
        exception_handlers=failures.HANDLERS,
    )
    app.state = state
    app.add_middleware(Frame)
    app.add_middleware(Door, store=store, refuse=failures.refused)
    app.add_middleware(Voiced, state=state)
    app.add_middleware(Guard, hosts=settings.hosts)
    files = Files(directory=PACKAGE / "static")
    app.mount("/static", GZipMiddleware(files, minimum_size=1000))
    offers.routes(app)
    if parts is None:
        parts = pages.parts()
    for part in parts:
        part(app)
    state.given = Classic(app).given
    state.reload = Workflows(app).reload
    state.reload()
    Pages(app).add()
    state.built = True
    return app


async def lifespan(app: FastHTML) -> AsyncIterator[None]:
    """Begin what the parts begin, resume jobs, serve; then end all in order."""
    state: State = app.state
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WAITING))
    for begin in state.begin:
        await begin()
    flows = {name: flow for name, flow in state.found.items() if isinstance(flow, Workflow)}
    await state.jobs.resume(flows)
    yield
    for end in state.end:
        await end()
    await state.jobs.close()
    state.store.close()


class Files(StaticFiles):
    """Our own files, revalidated at each use: an upgrade changes them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer, but let nobody keep it unasked."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


class Voiced:
    """ASGI middleware: handlers and their jobs speak with this app's voice.

    What a request saves is noted, so that `failures` tells the truth.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        voice.set(self.state.jobs.speaker)
        offers.folder.set(self.state.settings.data)
        saved.set(set())
        begun = serving.set(scope["type"] != "lifespan")
        try:
            if self.state.settings.dev and scope["type"] == "http":
                await asyncio.to_thread(self.state.reload)
            await self.app(scope, receive, send)
        finally:
            serving.reset(begun)
