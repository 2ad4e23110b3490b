"""A window acts for the profile that it shows, whatever another one chose.

CARRIED  Each request names the profile that its window shows: HTMX's by a
         header (static/app.js), a form's by its action, which `carrying`
         sees to on every page, whoever wrote the form.
DOOR     `Windows` reads it, once; whoever acts or lists asks
         `profiles.shown`.  A profile that was deleted is refused.
TOLD     If another one is chosen by now, the answer says so: by a header, on
         a page above its content; a redirect keeps the window's profile.
KEPT     A tab keeps its profile while it is open (static/app.js); without
         JavaScript, a page that no form led to shows the chosen one.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipulate.engine import profiles
from pipulate.engine.errors import Refused
from pipulate.engine.store import Store

CARRIER = "pipulate-profile"  #: the header's name, and the query's
NOTE = "pipulate-note"  #: the header with what `note` says
_ACTION = re.compile(r'(<form\b[^<>]*?\saction="/(?!/)[^"#]*)')

Refuse = Callable[[Request, Refused], Awaitable[Response]]


class Windows:
    """ASGI middleware: a request is its window's; `refuse` words what is none."""

    def __init__(self, app: ASGIApp, store: Store, refuse: Refuse) -> None:
        self.app = app
        self.store = store
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        app = self.app
        try:
            id = profiles.named(self.store, _carried(scope))
        except Refused as gone:
            id = profiles.chosen(self.store)
            app = await self.refuse(Request(scope, receive), gone)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._tell(MutableHeaders(raw=message["headers"]))
            await send(message)

        with profiles.window(id):
            await app(scope, receive, tell)

    def _tell(self, headers: MutableHeaders) -> None:
        if words := note(self.store):
            headers[NOTE] = quote(words)
            if headers.get("location", "").startswith("/"):
                shown = profiles.shown(self.store)
                headers["location"] = carried(headers["location"], shown)


def _carried(scope: Scope) -> int:
    """Return what a request carries, 0 for nothing, -1 for what is no number."""
    query = QueryParams(scope["query_string"])
    text = Headers(scope=scope).get(CARRIER) or query.get(CARRIER) or "0"
    return int(text) if re.fullmatch(r"\d{1,15}", text, re.ASCII) else -1


def carried(address: str, profile: int) -> str:
    """Return an address of ours that names a profile, unless it does."""
    parts = urlsplit(address)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if CARRIER not in dict(query):
        query.append((CARRIER, str(profile)))
    return urlunsplit(parts._replace(query=urlencode(query)))


def carrying(html: str, profile: int) -> str:
    """Return HTML whose forms name the profile in their actions."""

    def carry(found: re.Match[str]) -> str:
        joint = "&amp;" if "?" in found[1] else "?"
        return f"{found[1]}{joint}{CARRIER}={profile}"

    return _ACTION.sub(carry, html)


def note(store: Store) -> str:
    """Say whose window this is, if another profile is chosen by now."""
    shown = profiles.shown(store)
    chosen = profiles.chosen(store)
    if shown == chosen:
        return ""
    names = profiles.names(store)
    here = names.get(shown, "a deleted profile")
    there = names.get(chosen, "another profile")
    return (
        f"This window is for “{here}”, and what you do in it, too. Elsewhere “{there}” is chosen."
    )


def back(request: Request) -> str:
    """Return, on this server, the address that a request came from."""
    came = urlsplit(request.headers.get("referer", ""))
    path = "/" + came.path.lstrip("/")  # two slashes lead to another server
    query = [pair for pair in parse_qsl(came.query, True) if pair[0] != CARRIER]
    return urlunsplit(("", "", path, urlencode(query), ""))
