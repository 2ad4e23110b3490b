"""The shell around every page: head, menu at the left, main column, chat panel at the right, finder, announcements."""

from typing import Any
from urllib.parse import quote

from fasthtml.common import (
    FT,
    A,
    Aside,
    Button,
    Dialog,
    Div,
    Header,
    Input,
    Li,
    Main,
    Nav,
    P,
    Section,
    Small,
    Span,
    Ul,
)
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pipulate.engine.settings import PACKAGE

HTMX = (
    '{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"defaultSettleDelay":0,"historyCacheSize":0,'
    '"refreshOnHistoryMiss":true,"scrollBehavior":"instant","responseHandling":[{"code":"204","swap":false},'
    '{"code":"[23]..","swap":true},{"code":"409","swap":true},{"code":"422","swap":true},'
    '{"code":"[45]..","swap":true,"error":true,"target":"#alert","swapOverride":"innerHTML"}]}'
)
HEAD = f"""<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="htmx-config" content='{HTMX}'><link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/app.css">
<script src="/static/vendor/htmx.min.js" defer></script><script src="/static/vendor/htmx-ws.min.js" defer></script>
<script src="/static/chat.js" defer></script><script src="/static/app.js" defer blocking="render"></script>"""


class _Files(StaticFiles):
    """Our own files, revalidated at each use: they change with an upgrade only."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


STATIC = GZipMiddleware(_Files(directory=PACKAGE / "static"), minimum_size=1000)


def shell(content: Any, request: Any) -> tuple[Any, ...]:
    """Return the body around a page's content (FastHTML's `body_wrap`)."""
    for part in content:
        if getattr(part, "tag", "") == "main":  # FastHTML's Titled brings one of its own
            part.tag, part.attrs["class"] = "div", "page"
    state, path = request.app.state, request.url.path
    flows = [(flow.title, f"/{flow.name}") for flow in state.workflows]
    groups = [("Workflows", flows), *state.menu.items()]
    menu = [
        Section(
            Small(group, id=f"menu-{group.lower()}"),
            Ul(
                *[Li(_link(title, href, path)) for title, href in items],
                aria_labelledby=f"menu-{group.lower()}",
            ),
        )
        for group, items in groups
        if items
    ]
    return (
        A("Skip to content", href="#main", cls="skip"),
        Header(
            Button(
                "☰",
                cls="quiet",
                data_toggle="menu",
                aria_label="Menu",
                aria_expanded="false",
                aria_controls="menu",
            ),
            A("Pipulate", href="/", cls="brand"),
            Button(
                "Chat",
                cls="quiet",
                data_toggle="chat",
                aria_label="Chat",
                aria_expanded="false",
                aria_controls="chat",
            ),
            cls="topbar",
        ),
        Nav(
            A("Pipulate", href="/", cls="brand"),
            Button(Span("Find anything"), Small("Ctrl K"), cls="quiet find", data_find="1"),
            Div(
                state.profile_switcher(request.app) if state.profile_switcher else None,
                id="switcher",
            ),
            *menu,
            id="menu",
            aria_label="Main",
        ),
        Main(content, id="main", tabindex="-1"),
        state.chat_panel(request)
        if state.chat_panel
        else Aside(P("No model yet.", cls="hint"), id="chat", aria_label="Chat"),
        Dialog(
            Input(
                type="search",
                name="q",
                placeholder="Find a page, run, task, profile…",
                aria_label="Find",
                autocomplete="off",
                hx_get="/find",
                hx_trigger="input changed delay:100ms, focus once",
                hx_target="#found",
                hx_swap="innerHTML",
            ),
            Ul(id="found", aria_live="polite"),
            id="finder",
            aria_label="Find anything",
        ),
        P(id="announce", role="status", cls="sr"),
        Div(id="alert", role="alert"),
        P(
            "The server does not answer. Reconnecting… What you typed is kept.",
            id="offline",
            role="status",
            hidden=True,
        ),
    )


def _link(title: str, href: str, path: str) -> FT:
    here = path == href or path.startswith(f"{href}/")
    return A(title, href=quote(href, safe="/?=&"), aria_current="page" if here else None)
