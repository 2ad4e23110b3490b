"""What stands around a page that is looked at is read before the page is made.

FastHTML puts an author's page together on the event loop.  A page that answers
an act reads it itself, see `web.components.Page`.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pipulate.web.shell import frame

#: With these HTMX asks for a whole page.
_WHOLE = {"hx-boosted", "hx-history-restore-request"}


class Frame:
    """ASGI middleware: a page that is looked at finds it in its scope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_looked_at(scope):
            scope["frame"] = await asyncio.to_thread(frame, Request(scope))
        await self.app(scope, receive, send)


def _is_looked_at(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    fetched = "hx-request" in headers and not _WHOLE & set(headers)
    looks = scope["method"] in ("GET", "HEAD")  # an act is answered by an address, as a rule
    return looks and not fetched and not scope["path"].startswith("/static/")
