"""Which Botify a run speaks to: the real one, or our simulator of it.

DEMO   The organisation "demo" is the simulator's once that was switched on
       (`--demo`, or "Try it without an account"); it stays on.  Its jobs are
       kept in data/demo.  Folders of HTML can be further demo projects.
WEIGHT Client (httpx2) and simulator (Polars) are imported when first used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipulate.botify import token
from pipulate.botify.errors import BadToken
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from pipulate.botify.client import Botify

DEMO_ORG = "demo"


def demo_is_on(settings: Settings, store: Store) -> bool:
    """Whether the organisation "demo" is the simulator's."""
    return settings.demo or bool(store.get("demo"))


def is_demo(settings: Settings, store: Store, org: str) -> bool:
    """Whether an organisation's data are the simulator's."""
    return org == DEMO_ORG and demo_is_on(settings, store)


def demo_folders(store: Store) -> tuple[Path, ...]:
    """The folders of HTML pages that the simulator serves as sites."""
    return tuple(filter(Path.is_dir, map(Path, store.get("demo_folders", []))))


@lru_cache(maxsize=4)
def _simulator(folder: Path, html: tuple[Path, ...]) -> Starlette:
    from pipulate.simulator.demo import demo_simulator

    return demo_simulator(folder, html=html)


def simulator(settings: Settings, store: Store) -> Starlette:
    """The simulator of this data folder; slow at first if it has HTML."""
    return _simulator(settings.data / "demo", demo_folders(store))


@asynccontextmanager
async def connected(settings: Settings, store: Store, org: str) -> AsyncIterator[Botify]:
    """Open the API for an organisation's data; BadToken if it is not ours."""
    async with await asyncio.to_thread(_client, settings, store, org) as api:
        yield api


def _client(settings: Settings, store: Store, org: str) -> Botify:
    from pipulate.botify.client import Botify

    if is_demo(settings, store, org):
        from pipulate.simulator.demo import DEMO_BASE
        from pipulate.simulator.inprocess import InProcessTransport
        from pipulate.simulator.options import DEMO_TOKEN

        transport = InProcessTransport(simulator(settings, store))
        return Botify(DEMO_TOKEN, DEMO_BASE, transport=transport)
    kept = token.load(settings.data)
    if kept is None:
        raise BadToken(
            "There is no connection to Botify yet. "
            "Connect on the page “Connect to Botify”, then try again."
        )
    return Botify(kept, settings.botify)
