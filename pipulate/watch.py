"""Serves what is in the workflow files; with --dev, looks at each request.

What hand-written classes register goes behind the routes of the app's own
parts, so that no address is taken from these, and before those of
`web.routes`, which take any first segment.

With --dev a page says of which state of the files it is; `static/dev.js` asks
for the present one, and has the page drawn anew.
"""

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fasthtml.common import FastHTML
from loguru import logger
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from pipulate.engine.discovery import Broken, Folders
from pipulate.web.state import State

STAMP = "data-files"  #: the attribute of <html> with the state of the files


class Workflows:
    """The workflow files of an app that has all of its own routes."""

    def __init__(self, app: FastHTML) -> None:
        self.app = app
        self.state: State = app.state
        self._changes = 0
        self._start = secrets.token_hex(4)
        if self.state.settings.dev:
            app.router.routes.insert(0, Route("/static/files", self._shown))
            self._tell()
        self.reserved = first_segments(app.router.routes)
        self.state.reserved = self.reserved
        self._own = len(app.router.routes)
        # What the code of each file registered, and what of it is served.
        self._routes: dict[Path, list[BaseRoute]] = {}
        self._placed: list[BaseRoute] = []
        # Two requests may find the same change.
        self._lock = threading.Lock()
        self.folders = Folders(
            self.state.settings.workflows,
            self.state.given,
            self.reserved,
            self.state.normalise,
            self._registering,
        )

    def reload(self) -> None:
        """Read the files that are new or changed; forget what is gone."""
        with self._lock:
            before = [*self.state.found.values()]
            if not self.folders.refresh():
                return
            self._place()
            self.state.found = self.folders.found
            if self.state.settings.dev:
                self._tell()
        for item in self.state.found.values():
            if isinstance(item, Broken) and item not in before:
                logger.warning("{} does not load: {}", item.path, item.fault)
        for line in self.folders.replaced:
            logger.info("Served is {}", line)

    def _tell(self) -> None:
        self._changes += 1
        self.state.theme[STAMP] = f"{self._start}-{self._changes}"

    async def _shown(self, request: Request) -> Response:
        return PlainTextResponse(self.state.theme[STAMP])

    @contextmanager
    def _registering(self, path: Path) -> Iterator[None]:
        """Take what the code of a file registers; `_place` puts it in."""
        before = list(self.app.router.routes)
        try:
            yield
        finally:
            routes = self.app.router.routes  # replaced as routes are added
            self._routes[path] = without(routes, before)
            routes[:] = before

    def _place(self) -> None:
        """Put in the routes of the files that are served, and no others."""
        others = without(self.app.router.routes, self._placed)
        self._placed = []
        homes = dict.fromkeys(
            self.folders.homes[name]
            for name, item in self.folders.found.items()
            if not isinstance(item, Broken)
        )
        for path in homes:
            self._placed += self._routes.get(path, [])
        self.app.router.routes[:] = [
            *others[: self._own],
            *self._placed,
            *others[self._own :],
        ]


def without(
    routes: Iterable[BaseRoute],
    others: Iterable[BaseRoute],
) -> list[BaseRoute]:
    """Return the routes that are none of the others."""
    # By their identity: they compare by what they say, which takes long.
    left_out = set(map(id, others))
    return [route for route in routes if id(route) not in left_out]


def first_segments(routes: Iterable[BaseRoute]) -> frozenset[str]:
    """Return how these routes begin: names that no workflow can have."""
    firsts = set()
    for route in routes:
        path = getattr(route, "path", "").lstrip("/")
        first = path.partition("/")[0]
        if "{" not in first:
            firsts.add(first)
    return frozenset(firsts - {""})
