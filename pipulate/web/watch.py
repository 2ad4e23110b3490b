"""Serves what is in the workflow files; with --dev, looks at each request.

What hand-written classes register goes behind the routes of the app's own
parts, so that no address is taken from these, and before those of
`web.routes`, which take any first segment.
"""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from fasthtml.common import FastHTML
from loguru import logger
from starlette.routing import BaseRoute

from pipulate.engine import discovery
from pipulate.engine.discovery import Broken
from pipulate.engine.handwritten import Table
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.voice import chat_with_llm, chatq
from pipulate.web.state import State

Stamp = tuple[Path, int, int]  #: a file, when it was changed (ns), its size


class Loaded(NamedTuple):
    """A file that was read."""

    stamp: Stamp
    names: list[str]  #: of what it defines
    routes: list[BaseRoute]  #: which its classes registered


class Workflows:
    """The workflow files of an app that has all of its own routes."""

    def __init__(self, app: FastHTML) -> None:
        self.app = app
        self.state: State = app.state
        self.reserved = first_segments(app.router.routes)
        self._own = len(app.router.routes)
        self._loaded: dict[str, Loaded] = {}
        self._lock = threading.Lock()  # two requests may find the same change

    def reload(self) -> None:
        """Read the files that are new or changed; forget what is gone."""
        with self._lock:
            files = discovery.files(self.state.settings.workflows)
            stamps = {stem: _stamp(path) for stem, path in files.items()}
            for stem, loaded in list(self._loaded.items()):
                if stamps.get(stem) != loaded.stamp:
                    self._forget(self._loaded.pop(stem))
            for stem, stamp in stamps.items():
                if stem not in self._loaded:
                    self._loaded[stem] = self._load(stem, stamp)

    def _forget(self, loaded: Loaded) -> None:
        for name in loaded.names:
            self.state.found.pop(name, None)
        routes = self.app.router.routes
        routes[:] = [route for route in routes if route not in loaded.routes]

    def _load(self, stem: str, stamp: Stamp) -> Loaded:
        router = self.app.router  # its list is replaced as routes are added
        before = list(router.routes)
        known = set(map(id, before))  # they compare by what they say, which takes long
        given = self._given(stem)
        found = discovery.load(stamp[0], given, self.reserved, self.state.normalise)
        new = [route for route in router.routes if id(route) not in known]
        router.routes[:] = [*before[: self._own], *new, *before[self._own :]]
        for item in found:
            if isinstance(item, Broken):
                logger.warning("{} does not load:\n{}", item.path, item.traceback)
            self.state.found[item.name] = item
        return Loaded(stamp, [item.name for item in found], new)

    def _given(self, stem: str) -> dict[str, Any]:
        """What an app has for a hand-written workflow, by name."""
        store = self.state.store
        return {
            "app": self.app,
            "rt": self.app.route,
            "pipulate": Pipulate(store, stem, self.state.normalise),
            "db": store,
            "pipeline": Table(store, "pipeline"),
            "chatq": chatq,
            "chat_with_llm": chat_with_llm,
        }


def first_segments(routes: Iterable[BaseRoute]) -> frozenset[str]:
    """Return how these routes begin: names that no workflow can have."""
    firsts = {getattr(route, "path", "").lstrip("/").partition("/")[0] for route in routes}
    return frozenset(first for first in firsts if first and "{" not in first)


def _stamp(path: Path) -> Stamp:
    stat = path.stat()
    return path, stat.st_mtime_ns, stat.st_size
