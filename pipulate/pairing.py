"""Who may come in from other devices of the network.

GATE    The second layer, behind the guard.  It goes by the address of the
        socket and by nothing that a request says of itself: who connects over
        loopback is at home; anyone else needs the cookie of a paired device,
        or gets the pairing page and nothing of ours.
GUESTS  Paired devices reach the addresses of GUESTS, and the workflows.  What
        is not named there stays at home, as does, of what is, AT_HOME: what
        configures, what a model may do, the owner's chat, imported runs.
        While they ask, `host.away` holds: they name no path of this machine.
CODE    10 characters, 50 bits, for one device within 10 minutes.  Each wrong
        try is answered a second late, and the tenth makes the code void: a
        guess succeeds once in 10^14.
COOKIE  256 random bits; the store holds their SHA-256, so that a copy of the
        database opens nothing.  Removing a device ends its open WebSocket
        with the next news.

The network sees what passes: no browser would believe a certificate of ours.
"""

import asyncio
import hashlib
import ipaddress
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from pipulate.engine import host
from pipulate.engine.errors import PipulateError, Unknown
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store, now
from pipulate.guard import SAFE

LIFETIME = 600.0  #: seconds for which a code is good
TRIES = 10  #: wrong ones, then the code is void
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter like a digit
COOKIE_AGE = 365 * 24 * 3600
#: First segments of the app's own addresses that paired devices reach.
GUESTS = frozenset(
    {
        "",
        "static",
        "offered",
        "introduction",
        "download",
        "cosmograph",
        "graph",
        "profiles",
        "tasks",
        "runs",
        "stream",
        "docs",
        "find",
        "pair",
    }
)
#: One or two first segments that no other device reaches.
AT_HOME = frozenset({"settings", "connect", "memory", "mcp", "chat", "runs/import"})


@dataclass(frozen=True)
class Offer:
    """A code that one device may use."""

    code: str
    until: float  #: by the Pairing's clock

    @property
    def spelled(self) -> str:
        """The code as it is read: 7K3QZ-9M2XA."""
        return f"{self.code[:5]}-{self.code[5:]}"


class Pairing:
    """The code on offer, if any, and the devices that were paired."""

    def __init__(
        self,
        store: Store,
        cookie: str = "pipulate",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.cookie = cookie  #: its name
        self.clock = clock
        self.delay = 1.0  #: seconds before a wrong try is answered
        #: By SHA-256 of the cookie: name, and when it was paired.
        self.devices: dict[str, dict[str, str]] = store.get("devices", {})
        self._offer: Offer | None = None
        self._wrong = 0

    @property
    def offer(self) -> Offer | None:
        """The code that may be used now."""
        if self._offer and self.clock() >= self._offer.until:
            self._offer = None
        return self._offer

    def make(self) -> Offer:
        """Offer a new code; an earlier one is void."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(10))
        self._offer = Offer(code, self.clock() + LIFETIME)
        self._wrong = 0
        return self._offer

    def take(self, typed: str) -> bool:
        """Use the code up: True if `typed` is the one on offer."""
        offer = self.offer
        if offer is None:
            return False
        given = re.sub(r"[\s-]", "", typed).upper().translate(str.maketrans("OIL", "011"))
        right = secrets.compare_digest(given.encode(), offer.code.encode())
        self._wrong += not right
        if right or self._wrong >= TRIES:
            self._offer = None
        return right

    def add(self, name: str) -> str:
        """Pair a device; returns its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._keep({**self.devices, _digest(cookie): {"name": name, "paired": now()}})
        return cookie

    def remove(self, key: str) -> None:
        """Forget a device: its cookie is void.  Raises Unknown."""
        if key not in self.devices:
            raise Unknown("There is no such device (any more).")
        self._keep({other: device for other, device in self.devices.items() if other != key})

    def device(self, visitor: HTTPConnection) -> str | None:
        """Return the key of the paired device that asks, or None."""
        key = _digest(visitor.cookies.get(self.cookie, ""))
        return key if key in self.devices else None

    def _keep(self, devices: dict[str, dict[str, str]]) -> None:
        self.store["devices"] = devices
        self.devices = devices


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


class Gate:
    """ASGI middleware: lets in who is at home, and devices as guests."""

    def __init__(
        self,
        app: ASGIApp,
        pairing: Pairing,
        own: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.app = app
        self.pairing = pairing
        self.own = own  #: the first segments of the app's own addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or here(scope):
            await self.app(scope, receive, send)
            return
        device = self.pairing.device(HTTPConnection(scope))

        async def while_paired(message: Message) -> None:
            if device not in self.pairing.devices:
                await send({"type": "websocket.close", "code": 1008})
                # As if it had gone: the handler forgets it.
                raise OSError("this device is no longer paired")
            await send(message)

        token = host.away.set(True)
        try:
            if scope["type"] == "http":
                await self._answer(device, scope)(scope, receive, send)
            elif device and self._is_for_guests(scope):
                await self.app(scope, receive, while_paired)
            else:
                await WebSocketClose(1008)(scope, receive, send)
        finally:
            host.away.reset(token)

    def _answer(self, device: str | None, scope: Scope) -> ASGIApp:
        pairs = scope["path"] == "/pair" and scope["method"] in SAFE
        if device is None and not pairs:
            return plain("Pair this device", FORM, 403)
        if device and not self._is_for_guests(scope):
            return _not_here(scope)
        return self.app

    def _is_for_guests(self, scope: Scope) -> bool:
        first, second = [*scope["path"].split("/")[1:], "", ""][:2]
        if {first, f"{first}/{second}"} & AT_HOME:
            return False
        return first in GUESTS or first not in self.own()  # the others are of workflows


def here(scope: Scope) -> bool:
    """Say whether this comes from this machine itself."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


# --- what a stranger sees

_PAGE = PACKAGE / "stranger.html"
FORM = """<form action="/pair"><label>Code
<input name="token" required autocomplete="off" autocapitalize="characters"
spellcheck="false" size="12"></label> <button>Pair this device</button></form>
<p>The code is shown when Pipulate is started with --lan, and by Settings,
Other devices, on the machine on which it runs.</p>"""
WRONG = f"""<p role="alert">This code is wrong, used or too old.
After {TRIES} wrong tries a new one has to be made.</p>{FORM}"""
UNSAVED = """<p role="alert">This could not be saved.
Make a new code and try again.</p>"""
REFUSED = (
    "This is for the machine on which Pipulate runs: settings, Botify's token, "
    "memory, the chat, runs from elsewhere. All else works here too."
)


def plain(title: str, inside: str, status: int) -> HTMLResponse:
    """Return a page that shows nothing of ours."""
    page = _PAGE.read_text(encoding="utf-8").format(title=title, inside=inside)
    return HTMLResponse(page, status, {"cache-control": "no-store"})


def _not_here(scope: Scope) -> HTMLResponse:
    if any(key == b"hx-request" for key, _ in scope["headers"]):
        return HTMLResponse(f'<p class="error">{REFUSED}</p>', 403)
    return plain("Not on this device", f'<p>{REFUSED}</p><p><a href="/">Back</a></p>', 403)


async def pair(pairing: Pairing, request: Request) -> Response:
    """Answer /pair: a right code makes a device of whoever asks."""
    if here(request.scope) or pairing.device(request):
        return RedirectResponse("/", 303)
    given = request.query_params.get("token")
    previewed = request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", "")
    if given is None or previewed:
        return plain("Pair this device", FORM, 200)
    if not pairing.take(given):
        await asyncio.sleep(pairing.delay)
        return plain("Pair this device", WRONG, 403)
    try:
        value = await asyncio.to_thread(pairing.add, _name(request))
    except PipulateError:
        logger.exception("a device could not be paired")
        return plain("Pair this device", UNSAVED, 503)
    answer = RedirectResponse("/", 303, {"cache-control": "no-store"})
    answer.set_cookie(pairing.cookie, value, COOKIE_AGE, httponly=True, samesite="strict")
    return answer


def _name(request: Request) -> str:
    agent = request.headers.get("user-agent", "")
    systems = ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux")
    system = next((word for word in systems if word in agent), "Device")
    address, *_ = request.client or ("an unknown address",)
    return f"{system.replace('Macintosh', 'Mac')} at {address}"
