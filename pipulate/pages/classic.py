"""Serves classic workflows: plain classes with routes of their own.

NAMES  What a file finds behind its own: those of `engine.classic`, the app,
       and what other parts add to `state.names`.
FRONT  /{name}, where the menu leads: their page of that address, else what a
       page method returns, else their page of their prefix.
DOOR   Stands before each of their routes.  It knows which run the asking page
       is on (static/app.js), tells the model what a page is about and what
       fails, and keeps an address that is claimed twice for the page which
       asks.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from fastcore.xml import NotStr, Title
from fasthtml.common import FastHTML
from starlette.datastructures import (
    Headers,
    MutableHeaders,
    QueryParams,
)
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import (
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
)

from pipulate.engine import classic
from pipulate.engine.calls import call
from pipulate.engine.fault import fault
from pipulate.engine.found import HandWritten
from pipulate.engine.handwritten import prefix
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import serving
from pipulate.engine.voice import voice
from pipulate.engine.workflow import Workflow
from pipulate.web.state import State

CARRIER = "pipulate-run"  #: the header, and the key in a query
#: Methods that show a page, without a route of their own.
FIRST = ("landing", "start_form")
OTHERS = ("index", "home", "page")  #: after any `…_render`
#: What FastHTML gives a handler that says no type.
ASKED = {
    "req",
    "request",
    "sess",
    "session",
    "htmx",
    "app",
}

Method = Callable[..., Any]
Flows = dict[str, HandWritten]  #: of a file, by name


class Classic:
    """What an app does for classic workflows."""

    def __init__(self, app: FastHTML) -> None:
        self.app = app
        self.state: State = app.state
        #: What the model is told of a page, by workflow.
        self.messages: dict[str, str] = {}
        self.doors: dict[str, list[_Door]] = {}  #: by workflow
        self.told = ""  #: the last failure
        # Older versions of FastHTML took more than a route.
        app.add_route = partial(_add_route, app, app.add_route)

    def given(self, path: Path) -> "Names":
        """Return the names for a file."""
        state = self.state
        engine = Pipulate(state.store, path.stem, state.normalise)
        return Names(self, engine)


def _add_route(
    app: FastHTML,
    add: Callable[[BaseRoute], None],
    route: Any,
    handler: Method | None = None,
    methods: Any = ("GET",),
    **options: Any,
) -> None:
    if handler is None:
        add(route)
        return
    register = app.route(route, methods=[*methods], **options)
    register(handler)


class Names(classic.Names):
    """The names of one file; they know what its classes register."""

    def __init__(self, served: Classic, engine: Pipulate) -> None:
        app = served.app
        more = {
            "app": lambda: app,
            "rt": lambda: app.route,
            "endpoint_messages": lambda: served.messages,
        }
        super().__init__(engine, more | served.state.names)
        self._served = served
        self._known = {id(route) for route in app.router.routes}

    def own(self, workflow: str) -> "Names":
        """Return the same for one workflow of several in a file."""
        engine = self.engine.for_workflow(workflow)
        return Names(self._served, engine)

    def serve(self, module: ModuleType, flows: list[HandWritten]) -> None:
        """Give each workflow a front, and each route a door."""
        super().serve(module, flows)
        app = self._served.app
        named = {flow.name: flow for flow in flows}
        routes = self._new()
        for flow in flows:
            _add_front(app, flow, routes)
        doors = [
            _Door(self._served, named, route) for route in self._new() if hasattr(route, "app")
        ]
        self._served.doors |= dict.fromkeys(named, doors)

    def _new(self) -> list[BaseRoute]:
        routes = self._served.app.router.routes
        return [route for route in routes if id(route) not in self._known]


# --- the front


def _add_front(
    app: FastHTML,
    flow: HandWritten,
    routes: list[BaseRoute],
) -> None:
    address = f"/{flow.name}"
    shown = [route for route in routes if isinstance(route, Route) and _shows(route)]
    pages = {route.path: route for route in shown}
    if address in pages:
        return
    thing = flow.instance
    shortest = min(pages, key=len, default="")
    for front in (
        page_method(thing, FIRST),
        pages.get(prefix(thing)),
        page_method(thing, [*_renders(thing), *OTHERS]),
        pages.get(shortest),
    ):
        if isinstance(front, Route):
            front = Route(address, front.endpoint, methods=["GET"])
            app.router.routes.append(front)
            return
        if front:
            app.get(address)(_shown(flow, front))
            return


def _shows(route: Route) -> bool:
    return "GET" in (route.methods or ()) and "{" not in route.path


def page_method(instance: Any, names: Iterable[str]) -> Method | None:
    """Return the first that shows a page, given no more than the request."""
    for name in names:
        method = getattr(instance, name, None)
        if inspect.isroutine(method) and _can_show(method):
            return method
    return None


def _renders(instance: Any) -> Iterator[str]:
    for cls in reversed(type(instance).__mro__):
        yield from (name for name in vars(cls) if name.endswith("_render"))


def _can_show(method: Method) -> bool:
    asked = inspect.signature(method).parameters.values()
    needed = {item.name for item in asked if item.default is item.empty}
    return needed <= ASKED


def _shown(flow: HandWritten, method: Method) -> Method:
    @wraps(method)
    async def show(*args: Any, **named: Any) -> Any:
        made = await call(partial(method, *args, **named))
        if isinstance(made, Response):
            return made
        if isinstance(made, str):
            made = NotStr(made)
        return Title(f"{flow.title} · Pipulate"), made

    return show


# --- the door


class _Door:
    """ASGI middleware of one route of a class."""

    def __init__(self, served: Classic, flows: Flows, route: Any) -> None:
        self.served = served
        self.flows = flows
        self.inner: ASGIApp = route.app
        self.would_match = route.matches
        route.app = self
        route.matches = self.matches

    # --- whose address it is

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match, unless another claims the address, and it is asked for his."""
        found = self.would_match(scope)
        if found[0] == Match.NONE or scope["type"] != "http":
            return found
        if self._is_others(scope):
            return Match.NONE, {}
        return found

    def _is_others(self, scope: Scope) -> bool:
        found = self.served.state.found
        first = _first(scope["path"])
        if scope["path"] == f"/{first}" and _is_opened(scope):
            return first in found and first not in self.flows
        headers = Headers(scope=scope)
        here = headers.get("hx-current-url")
        asking = _first(here or headers.get("referer", ""))
        if asking not in found or asking in self.flows:
            return False
        if isinstance(found[asking], Workflow):
            return asking == first
        theirs = self.served.doors.get(asking, ())
        return any(door.would_match(scope)[0] == Match.FULL for door in theirs)

    # --- which run it is about

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        page = self._page(scope)
        before = page and page.run

        async def tell(message: Message) -> None:
            if page and message["type"] == "http.response.start":
                if message["status"] == 200 and _is_opened(scope):
                    self._remember(scope["path"])
                headers = MutableHeaders(raw=message["headers"])
                _carry(page.run, page.run != before, headers)
            await send(message)

        if page:
            is_front = scope["path"][1:] in self.flows
            scope["main"] = partial(_attributes, page, is_front)
        token = classic.asking.set(page)
        waits = serving.set(False)  # it was written for a loop that waits
        try:
            await self.inner(scope, receive, tell)
        except Exception as error:
            await self._fail(scope["path"], error)
            raise
        finally:
            serving.reset(waits)
            classic.asking.reset(token)

    def _page(self, scope: Scope) -> classic.Page | None:
        """Return the page that asks, or is opened; None for a script."""
        headers = Headers(scope=scope)
        query = QueryParams(scope["query_string"])
        run = query.get(CARRIER)
        if run is None and CARRIER in headers:
            run = unquote(headers[CARRIER])
        if run is None and not _is_opened(scope):
            return None
        if run is None and scope["path"][1:] in self.flows:
            run = query.get("id")
        if run is None and "sec-fetch-dest" not in headers:  # by a script
            run = self.served.state.store.get(classic.RUN)
        return classic.Page(run or None)

    # --- what the model is told

    def _flow(self, path: str) -> HandWritten:
        first = next(iter(self.flows.values()))
        return self.flows.get(_first(path), first)

    def _remember(self, path: str) -> None:
        flow = self._flow(path)
        said = self.served.messages
        own = prefix(flow.instance)
        names = (flow.name, f"/{flow.name}", own, own.strip("/"))
        about = [said[name] for name in names if name in said]
        told = str([*about, flow.about][0])
        self.served.state.remember(path, flow.title, told)

    async def _fail(self, path: str, error: Exception) -> None:
        told = f"{self._flow(path).title} failed. {fault(error)}"
        if told != self.served.told:  # once in a row
            self.served.told = told
            await voice.get().say(told)


def _first(address: str) -> str:
    """Return the first segment of a path or an address."""
    return urlsplit(address).path.lstrip("/").partition("/")[0]


def _is_opened(scope: Scope) -> bool:
    """Say whether a whole page is asked for."""
    headers = Headers(scope=scope)
    return scope["method"] == "GET" and "hx-request" not in headers


def _carry(run: str | None, is_new: bool, headers: MutableHeaders) -> None:
    """Tell a page its run, and take it along to where it is sent."""
    text = quote(run or "")
    if is_new:
        headers[CARRIER] = text
    for name in ("location", "hx-redirect"):
        where = headers.get(name, "")
        is_ours = where.startswith("/") and not where.startswith("//")
        if is_ours and (run or is_new):
            there, hash, rest = where.partition("#")
            joint = "&" if "?" in there else "?"
            headers[name] = f"{there}{joint}{CARRIER}={text}{hash}{rest}"


def _attributes(page: classic.Page, is_front: bool) -> str:
    """Return what <main> says of its page."""
    said = {"data-chosen": page.chosen, "data-front": is_front}
    marks = "".join(f" {name}" for name, holds in said.items() if holds)
    return f' data-run="{escape(page.run or "")}"{marks}'
