"""A browser on another machine of the network, for the tests of who may come in."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate import create_app
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.pages.devices import Lan
from pipulate.pairing import Pairing

SERVER = "http://192.168.1.5:5001"
PHONE = "192.168.1.7"
HOME = "http://127.0.0.1:5001"
CANARY = "Call the secret client"  # a task: it stands on the page /tasks


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def build_lan(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Give a function that builds the app on one data folder, with a task in it."""
    made = []

    def make(**settings: Any) -> Any:
        made.append(lan_app(tmp_path, **settings))
        return made[-1]

    yield make
    for app in made:
        app.state.store.close()


def lan_app(folder: Path, parts: Any = None, **settings: Any) -> Any:
    """Return the app as `pipulate --lan` serves it, with a task; wrong codes are told at once."""
    usual = {"lan": True, "host": "127.0.0.2"}
    downloads = folder / "d"
    flows = (PACKAGE / "workflows",)
    app = create_app(
        Settings(data=folder, downloads=downloads, workflows=flows, **{**usual, **settings}),
        parts,
    )
    pairing(app).delay = 0
    if not app.state.store.read("SELECT id FROM task"):
        app.state.store.db.t.task.insert({"name": CANARY, "profile_id": 1})
    return app


def pairing(app: Any) -> Pairing:
    """Return the app's code and devices."""
    return app.state.part(Lan).pairing


def device(app: Any, address: str = PHONE, url: str = SERVER) -> httpx2.AsyncClient:
    """Return a browser on another machine."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, client=(address, 50000)),
        base_url=url,
        headers={"User-Agent": "Mozilla/5.0 (iPhone)"},
    )


def at_home(app: Any) -> httpx2.AsyncClient:
    """Return a browser on the machine itself."""
    return device(app, "127.0.0.1", HOME)


async def paired(app: Any) -> httpx2.AsyncClient:
    """Return a browser on another machine that has paired."""
    client = device(app)
    reply = await client.get("/pair", params={"token": pairing(app).make().code})
    assert reply.status_code == 303
    return client


def is_pairing_page(reply: httpx2.Response, status: int = 403) -> bool:
    """Say whether nothing but the pairing page came."""
    return (
        reply.status_code == status
        and "<h1>Pair this device</h1>" in reply.text
        and CANARY not in reply.text
        and "/static" not in reply.text
    )


async def websocket(
    app: Any, cookie: str = "", address: str = PHONE, path: str = "/chat/ws"
) -> tuple[list[str], Callable[[], Awaitable[None]]]:
    """Open a WebSocket, the panel's; return the types of what came, and what ends it."""
    headers = {"host": "192.168.1.5:5001", "origin": SERVER, "cookie": cookie}
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        "client": (address, 50000),
        "server": ("192.168.1.5", 5001),
        "subprotocols": [],
        "extensions": {},
    }
    sent: list[str] = []
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    task = asyncio.create_task(app(scope, incoming.get, send))

    async def end() -> None:
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(task, 60)

    while not task.done() and len(sent) < 2:
        await asyncio.sleep(0)
    return sent, end
