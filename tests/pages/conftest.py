"""What the tests of all pages use: the app on a scratch folder, and a client of this machine."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fasthtml.common import FastHTML

from pipulate.app import create_app
from pipulate.engine.settings import PACKAGE, Settings

HERE = "http://127.0.0.1:5001"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastHTML]:
    """Give the whole app, with our own workflows and a folder for the user's."""
    folders = (PACKAGE / "workflows", tmp_path / "workflows")
    settings = Settings(tmp_path / "data", tmp_path / "downloads", folders)
    made = create_app(settings)
    yield made
    made.state.store.close()


@pytest.fixture
async def client(app: FastHTML) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client that asks as the app's own pages do, without HTMX."""
    transport = httpx2.ASGITransport(app)
    headers = {"Origin": HERE}
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=headers) as made:
        yield made


@pytest.fixture
async def htmx(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Give the same client; it asks by HTMX, for pieces of pages."""
    client.headers["HX-Request"] = "true"
    return client
