"""Other devices of the local network: with `pipulate --lan`, not without.

The card in Settings, the code in the terminal, the gate's place in the app,
the server's name on the network (by multicast DNS; where that fails, the
address works).  Who may come in, `pairing` decides.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from fasthtml.common import (
    FT,
    Code,
    Div,
    FastHTML,
    Img,
    Li,
    Middleware,
    P,
    RedirectResponse,
    Request,
    Response,
    Ul,
)
from loguru import logger

from pipulate import pairing
from pipulate.engine.errors import PipulateError
from pipulate.engine.settings import LOCAL, Settings
from pipulate.guard import Guard
from pipulate.pages.settings import card
from pipulate.pairing import LIFETIME, Gate, Offer, Pairing
from pipulate.web.components import button
from pipulate.web.state import State

GUESTS = (
    "Paired devices see and use workflows, tasks, profiles, runs and graphs. "
    "Settings, the connection to Botify, memory, the chat, paths on this machine "
    "and the import of runs stay here. What passes is not encrypted: pair in "
    "networks that you trust."
)


EXTRA = ("segno", "zeroconf")  #: libraries of the extra [lan]


def outward(settings: Settings) -> str:
    """Our address for other machines; "" without `--lan`."""
    if not settings.lan:
        return ""
    if settings.host not in (*LOCAL, "0.0.0.0"):  # noqa: S104 - compared
        return settings.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # looks up the route, sends nothing
            return str(probe.getsockname()[0])
        except OSError:  # no way out
            return "127.0.0.1"


def local_name() -> str:
    """This server's name on the network: pipulate-HOSTNAME.local."""
    host = socket.gethostname().lower().partition(".")[0]
    plain = re.sub(r"[^a-z0-9]+", "-", host).strip("-")[:40]
    return f"pipulate-{plain or 'here'}.local"


def announce(name: str, address: str, port: int) -> Callable[[], None]:
    """Tell `name` by multicast DNS in 1 s; returns what withdraws it."""
    from zeroconf import IPVersion, ServiceInfo, Zeroconf

    kind = "_http._tcp.local."
    title = name.removesuffix("local") + kind
    at = [socket.inet_aton(address)]
    info = ServiceInfo(kind, title, port=port, addresses=at, server=f"{name}.")
    network = Zeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    try:
        network.register_service(info, allow_name_change=True)
    except BaseException:
        network.close()
        raise
    return network.close  # which withdraws what was registered


class Lan:
    """What `--lan` adds to an app."""

    def __init__(self, state: State) -> None:
        self.settings = state.settings
        # Cookies know no ports, and there may be two of us.
        self.pairing = Pairing(state.store, f"pipulate_{state.settings.port}")
        self.name = local_name()
        self._address = outward(state.settings)
        self._home = f"http://{self._address}:{state.settings.port}"
        self._announced: asyncio.Task[Callable[[], None] | None]

    def _qr_code(self, offer: Offer) -> Any:
        import segno

        return segno.make(f"{self._home}/pair?token={offer.code}", micro=False)

    async def begin(self) -> None:
        """Show a code in the terminal, and the name on the network."""
        offer = self.pairing.make()
        print(  # not logged: the log is kept, and a code is a secret
            f"Other devices: scan this within {LIFETIME / 60:.0f} minutes, "
            f"or open {self._home} (perhaps also "
            f"http://{self.name}:{self.settings.port}) and type {offer.spelled}",
            flush=True,
        )
        try:
            self._qr_code(offer).terminal(compact=True, border=2)
        except UnicodeEncodeError:
            pass  # a terminal without block characters: the code can be typed
        self._announced = asyncio.create_task(asyncio.to_thread(self._announce))

    def _announce(self) -> Callable[[], None] | None:
        from zeroconf import Error

        try:
            return announce(self.name, self._address, self.settings.port)
        except (OSError, Error) as error:
            advice = "{} is not announced here ({}); use the address."
            logger.warning(advice, self.name, error)
            return None

    async def end(self) -> None:
        """Withdraw the name."""
        if withdraw := await self._announced:
            await asyncio.to_thread(withdraw)

    def section(self, _: FastHTML) -> FT:
        """The card in Settings."""
        if self.settings.lan:
            return card("Other devices", P(GUESTS), self._code(), self._devices())
        use = "To use Pipulate from a phone or another computer of your network"
        start = Code("pipulate --lan")
        return card("Other devices", P(f"{use}, start it with ", start, "."))

    def _code(self) -> FT:
        offer = self.pairing.offer
        if offer is None:
            return button("/settings/devices", "Pair a device", cls="")
        left = round((offer.until - self.pairing.clock()) / 60)
        minutes = "1 more minute"
        if left > 1:
            minutes = f"{left} more minutes"
        picture = self._qr_code(offer).svg_data_uri(scale=5, light="#fff")
        return Div(
            Img(
                src=picture,
                alt="QR code of the pairing address",
                width=185,
                height=185,
            ),
            P(
                "Scan this with the device, or open ",
                Code(self._home),
                " there and type ",
                Code(offer.spelled, style="white-space:nowrap"),
                f". It works once, for {minutes}.",
            ),
        )

    def _devices(self) -> FT:
        if not self.pairing.devices:
            return P("No device is paired.", cls="hint")
        rows = [_row(key, it) for key, it in self.pairing.devices.items()]
        return Ul(*rows, cls="editable")


def _row(key: str, device: dict[str, str]) -> FT:
    name = device["name"]
    paired = P(f"paired {device['paired'][:10]}", cls="hint")
    remove = button(f"/settings/devices/{key}/remove", "Remove", label=f"Remove {name}")
    return Li(Div(name, paired), remove)


def routes(app: FastHTML) -> None:
    """Add pairing page, card in Settings, and, with `--lan`, the gate."""
    lan = Lan(app.state)
    app.state.offer(lan)
    app.state.add_settings("Other devices", lan.section)
    if lan.settings.lan:
        _open(app, lan)

    @app.get("/pair")
    async def pair(request: Request) -> Response:
        return await pairing.pair(lan.pairing, request)

    @app.post("/settings/devices")
    async def offer_code() -> Response:
        if lan.settings.lan:
            lan.pairing.make()
        return RedirectResponse("/settings", 303)

    @app.post("/settings/devices/{key}/remove")
    async def remove_device(key: str) -> Response:
        await asyncio.to_thread(lan.pairing.remove, key)
        return RedirectResponse("/settings", 303)


def _open(app: FastHTML, lan: Lan) -> None:
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise PipulateError(
            f"--lan needs {' and '.join(missing)}, not installed here: pip install 'pipulate[lan]'"
        )
    layers = app.user_middleware
    guard = [layer.cls for layer in layers].index(Guard)
    hosts = lan.settings.hosts | {lan.name}
    layers[guard].kwargs |= {"hosts": hosts, "own_address": True}
    state: State = app.state
    own = Middleware(Gate, pairing=lan.pairing, own=lambda: state.reserved)
    layers.insert(guard + 1, own)
    app.state.begin.append(lan.begin)
    app.state.end.append(lan.end)
