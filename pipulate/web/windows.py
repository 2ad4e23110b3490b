"""A window acts for the profile that it shows, whatever another one chose.

CARRIED  HTMX says it in a header (static/app.js), a form in its action: see
         `carrying`, which has every form of a page, whoever wrote it.
DOOR     `Windows` reads it, once; who acts or lists asks `profiles.shown`.
TOLD     If another profile is chosen by now, by a header, on a page above
         its content; a redirect keeps the window's.
KEPT     while the tab is open (static/app.js); without JavaScript, a page
         that no form led to shows the chosen one.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import (
    parse_qsl,
    quote,
    urlencode,
    urlsplit,
    urlunsplit,
)

from starlette.datastructures import (
    Headers,
    MutableHeaders,
    QueryParams,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import (
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
)

from pipulate.engine import profiles
from pipulate.engine.errors import Refused
from pipulate.engine.store import Store

CARRIER = "pipulate-profile"  #: the header, and the key in a query
NOTE = "pipulate-note"  #: the header with what `note` says
GONE = (
    "The profile that this window showed was deleted meanwhile, so nothing was "
    "done. Bring it back in Profiles, or go on with the one that is chosen now."
)
_ACTION = re.compile(r'(<form\b[^<>]*?\saction="/(?!/)[^"#]*)')

Refuse = Callable[[Request, Refused], Awaitable[Response]]


class Windows:
    """ASGI middleware: a request is its window's."""

    def __init__(self, app: ASGIApp, store: Store, refuse: Refuse) -> None:
        self.app = app
        self.store = store
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await app(scope, receive, send)
            return
        try:
            id = _window(self.store, scope)
        except Refused as gone:
            id = profiles.chosen(self.store)
            app = await self.refuse(Request(scope, receive), gone)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and (words := note(self.store)):
                headers = MutableHeaders(raw=message["headers"])
                headers[NOTE] = quote(words)
                there = headers.get("location", "")
                if there.startswith("/") and CARRIER not in there:
                    headers["location"] = carried(there, id)
            await send(message)

        with profiles.window(id):
            await app(scope, receive, tell)


def _window(store: Store, scope: Scope) -> int:
    """Return which profile the window shows; raises Refused."""
    chosen = profiles.chosen(store)
    query = QueryParams(scope["query_string"])
    named = Headers(scope=scope).get(CARRIER) or query.get(CARRIER)
    if named in (None, str(chosen)):
        return chosen
    for id in names(store):
        if named == str(id):
            return id
    raise Refused(GONE)


def carried(address: str, profile: int | None = None) -> str:
    """Return an address, on this server, that names this profile or none."""
    parts = urlsplit(address)
    path = "/" + parts.path.lstrip("/")  # two slashes lead to another server
    query = parse_qsl(parts.query, keep_blank_values=True)
    query = [pair for pair in query if pair[0] != CARRIER]
    if profile:
        query.append((CARRIER, str(profile)))
    return urlunsplit(("", "", path, urlencode(query), parts.fragment))


def carrying(html: str, profile: int) -> str:
    """Return HTML whose forms name a profile in their actions."""

    def carry(found: re.Match[str]) -> str:
        joint = "&amp;" if "?" in found[1] else "?"
        return f"{found[1]}{joint}{CARRIER}={profile}"

    return _ACTION.sub(carry, html)


def note(store: Store) -> str:
    """Say whose window this is, if another profile is chosen."""
    shown, chosen = profiles.shown(store), profiles.chosen(store)
    if shown == chosen:
        return ""
    named = names(store)
    here = f"“{named.get(shown, 'a deleted profile')}”"
    there = f"“{named.get(chosen, 'another profile')}”"
    return f"This window is for {here}, and what you do in it, too. Elsewhere {there} is chosen."


def names(store: Store) -> dict[int, str]:
    """What menus may show of each profile, by id."""
    rows = store.read("SELECT id, menu_name FROM profile ORDER BY priority, id")
    return {row["id"]: row["menu_name"] or f"Profile {row['id']}" for row in rows}
