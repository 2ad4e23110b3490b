"""Other devices of the local network, with `pipulate --lan` and not without: the card in Settings,
the code in the terminal, the gate's place in the app, and the server's name on the network.

Who may come in, `web.pairing` decides.  The name is told by multicast DNS, from a thread of its
own; a network without that still has the address.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any

from fastcore.xml import FT, H2, Code, Div, Img, Li, P, Section, Ul
from fasthtml.common import FastHTML
from loguru import logger
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse

from pipulate.engine.settings import LOCAL, Settings
from pipulate.web import pairing
from pipulate.web.components import button
from pipulate.web.guard import Guard
from pipulate.web.pairing import LIFETIME, Gate, Offer, Pairing
from pipulate.web.state import State

GUESTS = (
    "Paired devices use workflows, tasks, runs and graphs. Settings, the connection to Botify, "
    "memory, and what a model may do stay here. "
    "What passes is not encrypted: pair in networks that you trust."
)


# --- where others find this machine


def outward(settings: Settings) -> str:
    """Return the address at which others reach this machine: that of its way to the outside."""
    if settings.host not in (*LOCAL, "0.0.0.0"):  # noqa: S104 - compared
        return settings.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # only looks up the route: nothing is sent
            return str(probe.getsockname()[0])
        except OSError:  # no way out: a network of its own, or none
            return "127.0.0.1"


def local_name() -> str:
    """Return this server's name on the network: pipulate-HOSTNAME.local."""
    host, _, _ = socket.gethostname().lower().partition(".")
    plain = re.sub(r"[^a-z0-9]+", "-", host).strip("-")[:40]
    return f"pipulate-{plain or 'here'}.local"


def announce(name: str, address: str, port: int) -> Callable[[], None]:
    """Make `name` known by multicast DNS on the network of `address`; returns what withdraws it.

    Both take a second.
    """
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


# --- the part


class Lan:
    """What `--lan` adds to an app."""

    def __init__(self, state: State) -> None:
        self.settings = state.settings
        # Cookies know no ports, and there may be two of us.
        self.pairing = Pairing(state.store, f"pipulate_{state.settings.port}")
        self.address = outward(state.settings) if state.settings.lan else ""
        self.name = local_name()
        self._announced: asyncio.Task[Callable[[], None] | None] | None = None

    @property
    def home(self) -> str:
        """The address that other devices open."""
        return f"http://{self.address}:{self.settings.port}"

    def url(self, offer: Offer) -> str:
        """Return the address that the QR code holds."""
        return f"{self.home}/pair?token={offer.code}"

    async def begin(self) -> None:
        """Show a code in the terminal, and the name on the network."""
        import segno

        offer = self.pairing.make()
        print(  # not logged: the log is kept, and a code is a secret
            f"Other devices: scan this within {LIFETIME / 60:.0f} minutes, or open {self.home} "
            f"(perhaps also http://{self.name}:{self.settings.port}) and type {offer.spelled}",
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
            logger.warning("{} is not announced here ({}); use the address.", self.name, error)
            return None

    async def end(self) -> None:
        """Withdraw the name."""
        if self._announced and (withdraw := await self._announced):
            await asyncio.to_thread(withdraw)

    def section(self, _: FastHTML) -> FT:
        """Return the card in Settings."""
        head = H2("Other devices")
        if not self.settings.lan:
            how = "To use Pipulate from a phone or another computer of your network, start it with "
            return Section(head, P(how, Code("pipulate --lan"), "."), cls="card open")
        return Section(head, P(GUESTS), self.code(), self.devices(), cls="card open")

    def code(self) -> FT:
        """Return the code as picture and as text, or the button that makes one."""
        offer = self.pairing.offer
        if offer is None:
            return button("/settings/devices", "Pair a device", cls="")
        import segno

        minutes = max(1, round((offer.until - self.pairing.clock()) / 60))
        picture = segno.make(self.url(offer), micro=False).svg_data_uri(scale=5, light="#fff")
        ending = "s" if minutes > 1 else ""
        return Div(
            Img(src=picture, alt="QR code of the pairing address", width="185", height="185"),
            P(
                "Scan this with the device, or open ",
                Code(self.home),
                " there and type ",
                Code(offer.spelled, style="white-space:nowrap"),
                f". It works once, for {minutes} more minute{ending}.",
            ),
        )

    def devices(self) -> FT:
        """Return the list of the paired devices."""
        if not self.pairing.devices:
            return P("No device is paired.", cls="hint")
        return Ul(*[_row(key, it) for key, it in self.pairing.devices.items()], cls="editable")


def _row(key: str, device: dict[str, str]) -> FT:
    name = device["name"]
    paired = P(f"paired {device['paired'][:10]}", cls="hint")
    remove = button(f"/settings/devices/{key}/remove", "Remove", label=f"Remove {name}")
    return Li(Div(name, paired), remove)


def routes(app: FastHTML) -> None:
    """Add the pairing page, the card in Settings, and, with `--lan`, the gate."""
    state: State = app.state
    lan = Lan(state)
    state.offer(lan)
    state.add_settings("Other devices", lan.section)
    if state.settings.lan:
        _open(app, lan)

    @app.route("/pair", methods=["GET"])
    async def pair(request: Request) -> Any:
        return await pairing.pair(lan.pairing, request)

    @app.route("/settings/devices", methods=["POST"])
    async def offer_code() -> Any:
        if state.settings.lan:
            lan.pairing.make()
        return RedirectResponse("/settings", 303)

    @app.route("/settings/devices/{key}/remove", methods=["POST"])
    async def remove_device(key: str) -> Any:
        await asyncio.to_thread(lan.pairing.remove, key)
        return RedirectResponse("/settings", 303)


def _open(app: FastHTML, lan: Lan) -> None:
    """Let others in: the guard knows our further names, and the gate stands right behind it."""
    at = [layer.cls for layer in app.user_middleware].index(Guard)
    hosts = lan.settings.hosts | {lan.name}
    app.user_middleware[at].kwargs |= {"hosts": hosts, "own_address": True}
    app.user_middleware.insert(at + 1, Middleware(Gate, pairing=lan.pairing))
    app.state.begin.append(lan.begin)
    app.state.end.append(lan.end)
