"""The door: a request acts for the profile of its window, see `web.windows`.

It is read once.  If it was deleted, nothing is done.  If another one is chosen
by now, the answer says so, and a redirect keeps the window's.
"""

from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipulate.engine import profiles
from pipulate.engine.errors import Refused
from pipulate.engine.store import Store
from pipulate.web.windows import CARRIER, carried, name, note

NOTE = "pipulate-note"  #: the header with what `note` says
GONE = (
    "The profile that this window showed was deleted meanwhile, so nothing was "
    "done. Bring it back in Profiles, or go on with the one that is chosen now."
)

Refuse = Callable[[Request, Refused], Response]


class Door:
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
            app = self.refuse(Request(scope, receive), gone)

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
    if not (named.isdecimal() and name(store, named)):
        raise Refused(GONE)
    return int(named)
