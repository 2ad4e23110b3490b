"""Builds the app from settings; nothing happens on import, and a test can make ten.

What handlers share stands in `app.state`, a `web.state.State`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from fasthtml.common import FastHTML, NotStr
from loguru import logger
from starlette.types import ASGIApp, Receive, Scope, Send

from pipulate import pages
from pipulate.engine import discovery
from pipulate.engine.discovery import Broken
from pipulate.engine.handwritten import offered
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.voice import voice
from pipulate.engine.workflow import Workflow
from pipulate.web import failures
from pipulate.web.guard import Guard
from pipulate.web.routes import Pages
from pipulate.web.shell import HEAD, STATIC, shell
from pipulate.web.state import State


class Voiced:
    """ASGI middleware: handlers, and the jobs they start, speak with this app's voice."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        voice.set(self.state.voice)
        if self.state.settings.dev and scope["type"] == "http":
            await asyncio.to_thread(self.state.reload)
        await self.app(scope, receive, send)


def create_app(
    settings: Settings | None = None, parts: Sequence[Callable[[FastHTML], None]] | None = None
) -> FastHTML:
    """Return the app; `parts` are functions that add routes and menu entries (all of ours by default)."""
    settings = settings or Settings()
    store = Store(settings.database)
    theme = {"lang": "en"} | ({"data-theme": store["theme"]} if store.get("theme") else {})

    async def lifespan(app: FastHTML) -> AsyncIterator[None]:
        for begin in state.begin:
            await begin()
        await state.jobs.resume(
            {name: flow for name, flow in state.found.items() if isinstance(flow, Workflow)}
        )
        yield
        for end in state.end:
            await end()
        await state.jobs.close()
        store.close()

    app = FastHTML(
        default_hdrs=False,
        canonical=False,
        surreal=False,
        htmx=False,
        sess_cls=None,
        secret_key=secrets.token_hex(),
        title="Pipulate",
        hdrs=(NotStr(HEAD),),
        htmlkw=theme,
        body_wrap=shell,
        lifespan=lifespan,
        exception_handlers=failures.HANDLERS,
    )
    app.state = state = State(settings, store, Jobs(store, settings), theme)
    app.add_middleware(Voiced, state=state)
    app.add_middleware(Guard, hosts=settings.hosts)
    app.mount("/static", STATIC)
    for part in pages.parts() if parts is None else parts:
        part(app)
    reader = Workflows(app)
    state.reload = reader.reload
    reader.reload()
    Pages(app).add()
    state.built = True
    return app


class Workflows:
    """Keeps `app.state.found` equal to the workflow files."""

    def __init__(self, app: FastHTML) -> None:
        self.app = app
        self._stamps: dict[str, tuple[Path, int, int]] = {}
        self._names: dict[str, list[str]] = {}  #: what each file defines
        self._routes: dict[
            str, list[Any]
        ] = {}  #: what hand-written classes of each file registered

    def reload(self) -> None:
        """Read the files that are new or changed, and forget those that are gone."""
        state = self.app.state
        files = discovery.files(state.settings.workflows)
        stamps = {
            stem: (path, (stat := path.stat()).st_mtime_ns, stat.st_size)
            for stem, path in files.items()
        }
        for stem in [stem for stem, stamp in self._stamps.items() if stamps.get(stem) != stamp]:
            self._forget(stem)
        for stem in [stem for stem in stamps if stem not in self._stamps]:
            self._stamps[stem] = stamps[stem]
            self._read(stem, files[stem])

    def _forget(self, stem: str) -> None:
        for name in self._names.pop(stem, []):
            self.app.state.found.pop(name, None)
        gone = self._routes.pop(stem, [])
        self.app.router.routes[:] = [route for route in self.app.router.routes if route not in gone]
        self._stamps.pop(stem, None)

    def _read(self, stem: str, path: Path) -> None:
        state, router = self.app.state, self.app.router
        before = list(router.routes)
        found = discovery.load(path, offered(self.app, Pipulate(state.store, stem)))
        self._names[stem] = [item.name for item in found]
        self._routes[stem] = [route for route in router.routes if route not in before]
        if state.built:  # before the routes that take any first segment
            router.routes[:] = [*self._routes[stem], *before]
        for item in found:
            if isinstance(item, Broken):
                logger.warning("{} does not load:\n{}", item.path, item.traceback)
            state.found[item.name] = item
