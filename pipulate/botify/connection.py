"""Which Botify a run speaks to: the real one with the user's token, or the simulator inside this process.

DEMO   The organisation "demo" is the simulator's once the demo was switched on (`--demo`, or "Try it without an account").
       It stays on: a demo run can be resumed like any other.  Its export jobs are kept in data/demo, so they survive a
       restart as the real ones do.  Folders of HTML pages can be added as further demo projects.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from starlette.applications import Starlette

from pipulate.botify import token
from pipulate.botify.client import Botify
from pipulate.botify.errors import BadToken
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.simulator.demo import DEMO_BASE, demo_simulator
from pipulate.simulator.inprocess import InProcessTransport
from pipulate.simulator.options import DEMO_TOKEN

DEMO_ORG = "demo"


def demo_is_on(settings: Settings, store: Store) -> bool:
    """Whether the organisation "demo" is the simulator's."""
    return settings.demo or bool(store.get("demo"))


def demo_folders(store: Store) -> tuple[Path, ...]:
    """The folders of HTML pages that the simulator serves as sites."""
    return tuple(Path(folder) for folder in store.get("demo_folders", []) if Path(folder).is_dir())


@lru_cache(maxsize=4)
def _simulator(folder: Path, html: tuple[Path, ...]) -> Starlette:
    return demo_simulator(folder, html=html)


def simulator(settings: Settings, store: Store) -> Starlette:
    """The simulator of this data folder; the same one each time.  Slow when folders of HTML are read at first."""
    return _simulator(settings.data / "demo", demo_folders(store))


@asynccontextmanager
async def connected(settings: Settings, store: Store, org: str) -> AsyncIterator[Botify]:
    """Open the API for an organisation's data.  Raises BadToken, which says where to connect."""
    if org == DEMO_ORG and demo_is_on(settings, store):
        import asyncio

        app = await asyncio.to_thread(simulator, settings, store)
        async with Botify(DEMO_TOKEN, DEMO_BASE, transport=InProcessTransport(app)) as api:
            yield api
        return
    kept = token.load(settings.data)
    if kept is None:
        raise BadToken(
            "There is no connection to Botify yet. Connect on the page “Connect to Botify”, then try again."
        )
    async with Botify(kept, settings.botify) as api:
        yield api
