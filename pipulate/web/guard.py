"""The first layer: who may speak to this server at all.  It decides on the ASGI scope, never on a URL built from it.

HOST     must be one of our names (else a foreign name that resolves to 127.0.0.1 could read us: DNS rebinding).
ORIGIN   an unsafe method, and every WebSocket, must come from our own page: `Origin` equal to our scheme and
         host.  Without `Origin` it needs Sec-Fetch-Site: same-origin or the HX-Request header, which no other
         site can send without a CORS preflight, and we answer none.  So the forms need no token.
         At AGENTS programs speak, which have no Origin but a key (checked there), and JSON, another preflight.
BODY     At most `MAX_BODY`, and no slower than `PATIENCE` allows; form types only (at AGENTS JSON only).
SLOW     A request head must come within PATIENCE, too: `protocol` sees to that.
HEADERS  A strict Content-Security-Policy (no inline script, nothing from elsewhere) on every answer.

A cross-site *top-level* form post reaches us in every browser (Local Network Access does not cover it): hence ORIGIN.
"""

import asyncio
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipulate.engine.settings import LOCAL

MAX_BODY = 2 * 1024 * 1024
MAX_UPLOAD = 2 * 1024 * 1024 * 1024  #: for forms that carry files; they are streamed to disk
PATIENCE = 20.0
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
AGENTS = "/mcp"

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; "
        b"form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class TooMuch(Exception):
    """The body is larger or slower than allowed; its argument is the HTTP status."""


def refusal(scope: Scope, hosts: frozenset[str] = LOCAL) -> tuple[int, str] | None:
    """Return (status, reason) if this request must not be answered, else None."""
    headers = Headers(scope=scope)
    host, site = headers.get("host", ""), headers.get("sec-fetch-site", "")
    if len(headers.getlist("host")) != 1 or _name(host) not in hosts:
        return 421, "This server answers only to its own name."
    if not scope.get("raw_path", b"/").startswith(b"/"):
        return 400, "The address must be a path."
    websocket = scope["type"] == "websocket"
    if not websocket and scope["method"] in SAFE:
        return None
    scheme = scope.get("scheme", "http").replace("ws", "http")
    origins = [origin.lower() for origin in headers.getlist("origin")]
    own = origins == [f"{scheme}://{host}".lower()]
    agent = not websocket and scope.get("path") == AGENTS
    ours = site == "same-origin" or (not site and (agent or headers.get("hx-request") == "true"))
    vouched = not websocket and not origins and ours
    if not (own or vouched) or site in ("cross-site", "same-site"):
        return 403, "Only this app's own pages may change something. Open the app and use it there."
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if agent and kind != "application/json":
        return 415, "Only JSON is accepted here."
    if not (websocket or agent) and kind and kind not in FORMS:
        return 415, "Only forms are accepted here."
    length, most = headers.get("content-length", ""), _most(scope)
    if length and not (length.isdigit() and int(length) <= most):
        return 413, f"At most {most // 1024 // 1024} MB can be sent at once."
    return None


def _most(scope: Scope) -> int:
    """Return the largest body allowed: files go to addresses that end in /upload."""
    return MAX_UPLOAD if scope.get("path", "").endswith("/upload") else MAX_BODY


def _name(host: str) -> str:
    """Return the name in a Host header, "" if it is anything but NAME or NAME:PORT."""
    found = re.fullmatch(r"\[?([\w.:-]+?)\]?(:\d{1,5})?", host, re.ASCII)
    return found[1].lower() if found and ("[" in host) == ("]" in host) == (":" in found[1]) else ""


class Guard:
    """ASGI middleware that applies `refusal` and the body limits, and adds the security headers."""

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str] = frozenset(), own_address: bool = False
    ) -> None:
        self.app, self.hosts, self.own_address = app, LOCAL | hosts, own_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None
        if scope["type"] in ("http", "websocket"):  # not "lifespan"
            own = (
                {scope["server"][0]} if self.own_address else set()
            )  # the address to which it was connected
            refused = refusal(scope, self.hosts | own)
        match scope["type"]:
            case "http" if refused:
                await _answer(send, *refused)
            case "http":
                await self._limited(scope, receive, send)
            case "websocket" if refused:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            case _:
                await self.app(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, left = False, _most(scope)

        async def limited() -> Message:
            nonlocal left
            if started:  # an answer is on its way: only the disconnect is waited for
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), PATIENCE)
            except TimeoutError:
                raise TooMuch(408) from None
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooMuch(413)
            return message

        async def decorated(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = {key.lower() for key, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in HEADERS if pair[0] not in names),
                ]
            await send(message)

        try:
            await self.app(scope, limited, decorated)
        except TooMuch as error:
            if not started:
                await _answer(
                    send, error.args[0], "The request was too large or too slow, so it was dropped."
                )


async def _answer(send: Send, status: int, reason: str) -> None:
    body, kind = reason.encode(), (b"content-type", b"text/plain; charset=utf-8")
    headers = [
        kind,
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
