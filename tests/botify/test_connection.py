"""Which Botify is spoken to, and that a server which speaks to none stays light."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipulate.botify import connection, token
from pipulate.botify.errors import BadToken
from pipulate.botify.token import Token
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings of a scratch folder."""
    return Settings(data=tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """Give its store."""
    made = Store(settings.database)
    yield made
    made.close()


async def test_without_a_token_the_way_to_one_is_told(settings: Settings, store: Store) -> None:
    """Also for the organisation "demo" while the demo is off: there may be a real one."""
    for org in ("acme", "demo"):
        with pytest.raises(BadToken, match="Connect to Botify"):
            async with connection.connected(settings, store, org):
                pass


async def test_a_token_leads_to_botify(settings: Settings, store: Store) -> None:
    """To the address that the settings have."""
    token.save(settings.data, Token("t" * 40))
    async with connection.connected(settings, store, "acme") as api:
        assert api.base == settings.botify


async def test_the_demo_is_the_simulator_once_it_was_switched_on(
    settings: Settings, store: Store
) -> None:
    """For its organisation only, without any token."""
    store["demo"] = True
    assert connection.is_demo(settings, store, "demo")
    assert not connection.is_demo(settings, store, "acme")
    async with connection.connected(settings, store, "demo") as api:
        projects = [project.slug for project in await api.projects("demo")]
    assert "shop" in projects
    assert connection.simulator(settings, store) is connection.simulator(settings, store)


def test_folders_that_are_gone_are_not_served(store: Store, tmp_path: Path) -> None:
    """A folder may be moved at any time."""
    store["demo_folders"] = [str(tmp_path), str(tmp_path / "gone")]
    assert connection.demo_folders(store) == (tmp_path,)


@pytest.mark.parametrize(
    "module",
    [
        "pipulate.botify.connection",
        "pipulate.botify.export",
        "pipulate.pages.connect",
        "pipulate.pages.download",
        "pipulate.pages.graphs",
    ],
)
def test_the_server_starts_without_what_it_does_not_need_yet(module: str) -> None:
    """Polars, HTTP client and simulator come when they are first used."""
    code = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(json.loads(shown.stdout))
    assert not loaded & {"polars", "httpx2", "pipulate.simulator.server"}
