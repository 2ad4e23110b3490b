"""The first layer: who may speak to this server, by the ASGI scope alone.

HOST     must be one of our names, else a foreign name that resolves to
         127.0.0.1 could read us (DNS rebinding).
ORIGIN   an unsafe method, and every WebSocket, must come from our own page:
         `Origin` equal to our scheme and host.  Without `Origin` it needs
         Sec-Fetch-Site: same-origin or the HX-Request header, which no other
         site can send without a CORS preflight, and we answer none.  So the
         forms need no token.  At AGENTS programs speak, which have no Origin
         but a key, checked there, and JSON, which needs a preflight as well.
BODY     in time; so must a request's head come: `protocol` sees to it.
HEADERS  on all answers: no inline script, nothing from elsewhere.
"""

import asyncio
import re

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from pipulate.engine.settings import LOCAL

MAX_BODY = 2 * 1024 * 1024
MAX_UPLOAD = 2 * 1024 * 1024 * 1024  #: for files, streamed to disk
PATIENCE = 20.0  #: seconds without anything, or behind SLOWEST
SLOWEST = 1000.0  #: bytes a second: drops of a body must not hold a connection
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
AGENTS = "/mcp"

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; "
        b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


def refusal(scope: Scope, hosts: frozenset[str] = LOCAL) -> tuple[int, str] | None:
    """Return (status, reason) if this must not be answered, else None."""
    headers = Headers(scope=scope)
    if len(headers.getlist("host")) != 1 or _name(headers["host"]) not in hosts:
        return 421, "This server answers only to its own name."
    if not scope.get("raw_path", b"/").startswith(b"/"):
        return 400, "The address must be a path."
    websocket = scope["type"] == "websocket"
    if not websocket and scope["method"] in SAFE:
        return None
    agent = not websocket and scope.get("path") == AGENTS
    if not _from_our_page(scope, headers, websocket, agent):
        why = "Only this app's own pages may change something. Open the app and use it there."
        return 403, why
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if agent and kind != "application/json":
        return 415, "Only JSON is accepted here."
    if not (websocket or agent) and kind and kind not in FORMS:
        return 415, "Only forms are accepted here."
    length = headers.get("content-length", "")
    most = _most(scope)
    # Python reads no endless number.
    few = length.isdecimal() and len(length) < 20
    if length and not (few and int(length) <= most):
        return 413, f"At most {most // 1024 // 1024} MB can be sent at once."
    return None


def _from_our_page(scope: Scope, headers: Headers, websocket: bool, agent: bool) -> bool:
    site = ",".join(headers.getlist("sec-fetch-site"))
    if site in ("cross-site", "same-site"):
        return False
    origins = [origin.lower() for origin in headers.getlist("origin")]
    if origins or websocket:
        scheme = scope.get("scheme", "http").replace("ws", "http")
        return origins == [f"{scheme}://{headers['host']}".lower()]
    return site == "same-origin" or (not site and (agent or headers.get("hx-request") == "true"))


def _most(scope: Scope) -> int:
    if scope.get("path", "").endswith("/upload"):
        return MAX_UPLOAD
    return MAX_BODY


def _name(host: str) -> str:
    """Return the name; "" if this is anything but NAME or NAME:PORT."""
    found = re.fullmatch(r"([\w.-]+|\[[\w.:-]*:[\w.:-]*\])(:\d{1,5})?", host, re.ASCII)
    return found[1].strip("[]").lower() if found else ""


class Guard:
    """ASGI middleware: `refusal`, the body's limits, security headers."""

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str] = frozenset(), own_address: bool = False
    ) -> None:
        self.app = app
        self.hosts = LOCAL | hosts
        self.own_address = own_address  #: the address connected to is a name of ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        app = self.app
        hosts = self.hosts
        if self.own_address:
            hosts |= {scope["server"][0]}
        if refused := refusal(scope, hosts):
            app = _hang_up(*refused)
        if scope["type"] == "websocket":
            if refused:
                app = WebSocketClose(1008)
            await app(scope, receive, send)
            return
        limited = Limited(receive, send, _most(scope))
        try:
            await app(scope, limited.receive, limited.send)
        except TooMuch as error:
            if not limited.started:
                why = "The request was too large or too slow, so it was dropped."
                await _hang_up(error.args[0], why)(scope, receive, limited.send)
        except asyncio.CancelledError:  # the server stops, and this took too long
            if not limited.started:
                why = "Pipulate is being stopped. Start it, then look whether this was saved."
                await _hang_up(503, why)(scope, receive, limited.send)
        except ClientDisconnect:
            pass  # it went amid its body: nothing was done, nobody waits


def _hang_up(status: int, reason: str) -> ASGIApp:
    return PlainTextResponse(reason, status, {"connection": "close"})


class TooMuch(Exception):
    """The body is too large or slow; its argument is the HTTP status."""


class Limited:
    """One request: so much body, in time, and an answer with our headers."""

    def __init__(self, receive: Receive, send: Send, left: int) -> None:
        self._receive = receive
        self._send = send
        self.left = left  #: bytes that may come
        self._due = asyncio.get_running_loop().time()
        self.started = False  #: the answer is on its way

    async def receive(self) -> Message:
        """Pass on what may come; raises TooMuch."""
        if self.started:  # only the disconnect is waited for
            return await self._receive()
        last = min(self._due, asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout_at(last + PATIENCE):
                message = await self._receive()
        except TimeoutError:
            raise TooMuch(408) from None
        came = len(message.get("body", b""))
        self._due += came / SLOWEST
        self.left -= came
        if self.left < 0:
            raise TooMuch(413)
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the headers that it lacks."""
        if message["type"] == "http.response.start":
            self.started = True
            names = {key.lower() for key, _ in message["headers"]}
            more = [pair for pair in HEADERS if pair[0] not in names]
            message["headers"] = [*message["headers"], *more]
        await self._send(message)
