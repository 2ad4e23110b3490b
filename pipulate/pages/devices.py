"""Other devices on the local network: `pipulate --lan`, and nothing without it.

GATE      The second layer, behind the guard. It goes by the address of the socket and by nothing that a request says of itself:
          who connects over loopback is at home; anyone else needs the cookie of a paired device, or gets the pairing page and
          nothing of ours. Paired devices are guests: what configures (AT_HOME) and what a model may do stay at home.
CODE      10 characters, 50 bits, for one device within 10 minutes; as QR code in the terminal at the start, then made in
          Settings. Each wrong try is answered a second late, and the tenth makes the code void: a guess succeeds once in 10^14.
COOKIE    256 random bits; the store holds their SHA-256, so a copy of the database opens nothing. Removing a device ends its
          open WebSocket with the next news.
NAME      One name by multicast DNS, from a thread of its own; a network without it still has the address.

The network sees what passes, since there is no certificate a browser would believe: docs/security.md says so.
"""

import asyncio
import hashlib
import ipaddress
import re
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import segno
from fasthtml.common import (
    FT,
    H2,
    Button,
    Code,
    Div,
    FastHTML,
    Form,
    Img,
    Li,
    P,
    Section,
    Ul,
    to_xml,
)
from loguru import logger
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipulate.engine.errors import PipulateError, Unknown
from pipulate.engine.settings import LOCAL, Settings
from pipulate.engine.store import Store, now
from pipulate.web.guard import SAFE, Guard

LIFETIME = 600.0  #: seconds for which a code is good
TRIES = 10  #: wrong ones, then the code is void
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter that looks like a digit
COOKIE_AGE = 365 * 24 * 3600
AT_HOME = frozenset(
    {"settings", "connect", "memory", "mcp"}
)  #: first parts of addresses that no other device reaches
REFUSED = "This is for the machine on which Pipulate runs: settings, Botify's token, memory, and what a model may do. All else works here too."
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:12vh auto;padding:0 1rem}}input,button{{font:inherit;padding:.5rem;margin:.2rem 0}}</style>
</head><body><main><h1>{title}</h1>{inside}</main></body></html>"""
FORM = """<form action="/pair"><label>Code <input name="token" required autocomplete="off" autocapitalize="characters" spellcheck="false" size="12"></label>
<button>Pair this device</button></form>
<p>The code is shown when Pipulate is started with --lan, and by Settings, Other devices, on the machine on which it runs.</p>"""


def here(scope: Scope) -> bool:
    """Say whether the request comes from this machine itself."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def outward(settings: Settings) -> str:
    """Return the address under which other machines reach this one: that of the way to the outside."""
    if settings.host not in LOCAL and settings.host != "0.0.0.0":  # noqa: S104 - compared, not bound
        return settings.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(
                ("203.0.113.1", 9)
            )  # a datagram socket only looks up the route: nothing is sent
            return str(probe.getsockname()[0])
        except OSError:  # no way out: a network of its own, or none
            return "127.0.0.1"


def local_name() -> str:
    """Return this server's name on the network: pipulate-HOSTNAME.local."""
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().split(".")[0].lower()).strip("-")[:40]
    return f"pipulate-{host or 'here'}.local"


# -------------------------------------------------------------------- pairing


@dataclass(frozen=True)
class Offer:
    """A code that one device may use."""

    code: str
    until: float  #: by the clock of the Pairing


class Pairing:
    """The code on offer, if any, and the devices that were paired."""

    def __init__(
        self, store: Store, clock: Callable[[], float] = time.monotonic, delay: float = 1.0
    ) -> None:
        self.store, self.clock, self.delay = store, clock, delay
        self.devices: dict[str, dict[str, str]] = store.get(
            "devices", {}
        )  # SHA-256 of the cookie -> name, paired
        self._offer: Offer | None = None
        self._wrong = 0

    @property
    def offer(self) -> Offer | None:
        """The code that may be used now."""
        return self._offer if self._offer and self.clock() < self._offer.until else None

    def make(self) -> Offer:
        """Offer a new code; an earlier one is void."""
        self._offer, self._wrong = (
            Offer("".join(secrets.choice(ALPHABET) for _ in range(10)), self.clock() + LIFETIME),
            0,
        )
        return self._offer

    def take(self, typed: str) -> bool:
        """Use the code up: True if `typed` is the one on offer.  The tenth wrong try makes the code void."""
        given = re.sub(r"[\s-]", "", typed).upper().translate(str.maketrans("OIL", "011"))
        if (offer := self.offer) is None:
            return False
        if right := secrets.compare_digest(given.encode(), offer.code.encode()):
            self._offer = None
        else:
            self._wrong += 1
            if self._wrong >= TRIES:
                self._offer = None
        return right

    def add(self, name: str) -> str:
        """Pair a device; returns what its cookie holds."""
        cookie = secrets.token_urlsafe(32)
        self._keep({**self.devices, _digest(cookie): {"name": name, "paired": now()}})
        return cookie

    def remove(self, key: str) -> None:
        """Forget a device: its cookie is worth nothing from now on.  Raises Unknown."""
        if key not in self.devices:
            raise Unknown("There is no such device (any more).")
        self._keep({other: device for other, device in self.devices.items() if other != key})

    def device(self, cookie: str) -> str | None:
        """Return the key of the device that holds this cookie."""
        key = _digest(cookie)
        return key if key in self.devices else None

    def _keep(self, devices: dict[str, dict[str, str]]) -> None:
        self.store["devices"] = devices
        self.devices = devices


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


def spelled(code: str) -> str:
    """Return a code as it is easily read: 7K3QZ-9M2XA."""
    return f"{code[:5]}-{code[5:]}"


def device_name(request: Request) -> str:
    """Return how a device is listed: its system, as far as it tells, and its address."""
    agent = request.headers.get("user-agent", "")
    systems = {
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Android": "Android",
        "Windows": "Windows",
        "Macintosh": "Mac",
        "Linux": "Linux",
    }
    system = next((name for word, name in systems.items() if word in agent), "Device")
    return f"{system} at {request.client.host if request.client else 'an unknown address'}"


# -------------------------------------------------------------------- the gate


def plain(title: str, inside: str, status: int) -> HTMLResponse:
    """Return a page that shows nothing of ours; both texts are ours."""
    return HTMLResponse(
        PAGE.format(title=title, inside=inside), status, {"cache-control": "no-store"}
    )


class Gate:
    """ASGI middleware that lets in who is at home, and paired devices as guests."""

    def __init__(self, app: ASGIApp, pairing: Pairing, cookie: str) -> None:
        self.app, self.pairing, self.cookie = app, pairing, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or here(scope):
            await self.app(scope, receive, send)
            return
        device = self.pairing.device(HTTPConnection(scope).cookies.get(self.cookie, ""))
        if scope["type"] == "websocket":
            await self._listen(device, scope, receive, send)
            return
        answer: ASGIApp = self.app
        if device is None and (scope["path"] != "/pair" or scope["method"] not in SAFE):
            answer = plain("Pair this device", FORM, 403)
        elif device and _at_home(scope):
            hx = any(key == b"hx-request" for key, _ in scope["headers"])
            answer = (
                HTMLResponse(to_xml(P(REFUSED, cls="error")), 403)
                if hx
                else plain(
                    "Not on this device", f'<p>{REFUSED}</p><p><a href="/">Back</a></p>', 403
                )
            )
        await answer(scope, receive, send)

    async def _listen(self, device: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        if device is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return

        async def while_paired(message: Message) -> None:
            if device not in self.pairing.devices:
                await send({"type": "websocket.close", "code": 1008})
                raise OSError(
                    "this device is no longer paired"
                )  # as if it had gone: the handler forgets it
            await send(message)

        await self.app(scope, receive, while_paired)


def _at_home(scope: Scope) -> bool:
    first = scope["path"].split("/")[1]
    return first in AT_HOME or (first == "chat" and scope["method"] not in SAFE)


# -------------------------------------------------------------------- the name on the network


def announce(name: str, address: str, port: int) -> Callable[[], None]:
    """Make `name` known by multicast DNS on the network of `address`; returns what withdraws it.  Both take a second."""
    from zeroconf import IPVersion, ServiceInfo, Zeroconf

    kind = "_http._tcp.local."
    title = f"{name.removesuffix('.local')}.{kind}"
    info = ServiceInfo(
        kind, title, port=port, addresses=[socket.inet_aton(address)], server=f"{name}."
    )
    network = Zeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    try:
        network.register_service(info, allow_name_change=True)
    except BaseException:
        network.close()
        raise
    return network.close  # which withdraws what was registered


# -------------------------------------------------------------------- the part


class Lan:
    """What `--lan` adds to an app."""

    def __init__(self, app: FastHTML) -> None:
        self.settings: Settings = app.state.settings
        self.pairing = Pairing(app.state.store)
        self.cookie = (
            f"pipulate_{self.settings.port}"  # cookies know no ports, and there may be two of us
        )
        self.address = outward(self.settings) if self.settings.lan else ""
        self.name = local_name()
        self._announced: asyncio.Task[Callable[[], None] | None] | None = None

    def url(self, offer: Offer) -> str:
        """Return the address that the QR code holds."""
        return f"http://{self.address}:{self.settings.port}/pair?token={offer.code}"

    async def begin(self) -> None:
        """Show a code in the terminal, and the name on the network."""
        offer = self.pairing.make()
        print(  # not logged: the log is kept, and a code is a secret
            f"Other devices: scan this within {LIFETIME / 60:.0f} minutes, or open http://{self.address}:{self.settings.port} "
            f"(perhaps also http://{self.name}:{self.settings.port}) and type {spelled(offer.code)}",
            flush=True,
        )
        try:
            segno.make(self.url(offer), micro=False).terminal(compact=True, border=2)
        except UnicodeEncodeError:
            pass  # a terminal without block characters: the code can be typed
        self._announced = asyncio.create_task(asyncio.to_thread(self._announce))

    def _announce(self) -> Callable[[], None] | None:
        from zeroconf import Error

        try:
            return announce(self.name, self.address, self.settings.port)
        except (OSError, Error) as error:
            logger.warning(
                "{} is not announced on the network ({}); use the address.", self.name, error
            )
            return None

    async def end(self) -> None:
        """Withdraw the name."""
        withdraw = await self._announced if self._announced else None
        if withdraw:
            await asyncio.to_thread(withdraw)

    async def pair(self, request: Request) -> Response:
        """Answer /pair: a right code makes a device of whoever asks."""
        paired = self.pairing.device(request.cookies.get(self.cookie, ""))
        if here(request.scope) or paired:
            return RedirectResponse("/", 303)
        given = request.query_params.get("token")
        if (
            given is None
            or request.method != "GET"
            or "prefetch" in request.headers.get("sec-purpose", "")
        ):
            return plain("Pair this device", FORM, 200)
        if not self.pairing.take(given):
            await asyncio.sleep(self.pairing.delay)
            return plain(
                "Pair this device",
                f'<p role="alert">This code is wrong, used or too old. After {TRIES} wrong tries a new one has to be made.</p>{FORM}',
                403,
            )
        try:
            cookie = await asyncio.to_thread(self.pairing.add, device_name(request))
        except PipulateError:
            logger.exception("a device could not be paired")
            return plain(
                "Pair this device",
                '<p role="alert">This could not be saved. Make a new code and try again.</p>',
                503,
            )
        answer = RedirectResponse("/", 303, {"cache-control": "no-store"})
        answer.set_cookie(self.cookie, cookie, max_age=COOKIE_AGE, httponly=True, samesite="strict")
        return answer

    def section(self, _: FastHTML) -> FT:
        """Return the part of the settings page."""
        if not self.settings.lan:
            return Section(
                H2("Other devices"),
                P(
                    "To use Pipulate from a phone or another computer of your network, start it with ",
                    Code("pipulate --lan"),
                    ".",
                ),
                cls="card open",
            )
        offer, minutes = self.pairing.offer, LIFETIME / 60
        shown = None
        if offer:
            minutes = max(1, round((offer.until - self.pairing.clock()) / 60))
            picture = segno.make(self.url(offer), micro=False).svg_data_uri(scale=5, light="#fff")
            shown = Div(
                Img(src=picture, alt="QR code of the pairing address", width="185", height="185"),
                P(
                    "Scan this with the device, or open ",
                    Code(f"http://{self.address}:{self.settings.port}"),
                    " there and type ",
                    Code(spelled(offer.code), style="white-space:nowrap"),
                    f". It works once, for {minutes:.0f} more minute{'s' if minutes > 1 else ''}.",
                ),
            )
        devices = [
            Li(
                Div(device["name"], P(f"paired {device['paired'][:10]}", cls="hint")),
                _button(f"/settings/devices/{key}/remove", "Remove", f"Remove {device['name']}"),
            )
            for key, device in self.pairing.devices.items()
        ]
        return Section(
            H2("Other devices"),
            P(
                "Paired devices use workflows, tasks, runs and graphs. Settings, the connection to Botify, memory, and what a model may do stay here. What passes is not encrypted: pair in networks that you trust."
            ),
            shown or _button("/settings/devices", "Pair a device", cls=""),
            Ul(*devices, cls="editable") if devices else P("No device is paired.", cls="hint"),
            cls="card open",
        )


def _button(action: str, text: str, label: str | None = None, cls: str = "quiet") -> FT:
    return Form(
        Button(text, type="submit", cls=cls, aria_label=label),
        method="post",
        action=action,
        enctype="application/x-www-form-urlencoded",
    )


def routes(app: FastHTML) -> None:
    """Add the pairing page, the section in Settings, and, with `--lan`, the gate."""
    lan = Lan(app)
    app.state.offer(lan)
    app.state.add_settings("Other devices", lan.section)
    if lan.settings.lan:
        at = [layer.cls for layer in app.user_middleware].index(Guard)
        app.user_middleware[at].kwargs |= {
            "hosts": lan.settings.hosts | {lan.name},
            "own_address": True,
        }
        app.user_middleware.insert(at + 1, Middleware(Gate, pairing=lan.pairing, cookie=lan.cookie))
        app.state.begin.append(lan.begin)
        app.state.end.append(lan.end)

    @app.route("/pair", methods=["GET"])
    async def pair(request: Request) -> Any:
        return await lan.pair(request)

    @app.route("/settings/devices", methods=["POST"])
    async def offer_code() -> Any:
        if lan.settings.lan:
            lan.pairing.make()
        return RedirectResponse("/settings", 303)

    @app.route("/settings/devices/{key}/remove", methods=["POST"])
    async def remove_device(key: str) -> Any:
        await asyncio.to_thread(lan.pairing.remove, key)
        return RedirectResponse("/settings", 303)
