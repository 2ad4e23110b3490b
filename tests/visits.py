"""What tests of pages use: an app made of a few routes, and a client of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.app import create_app
from pipulate.engine.settings import PACKAGE, Settings

HERE = "http://127.0.0.1:5001"
Visit = Callable[..., Any]


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    """Give a context manager: a client of an app with these parts and our own workflows."""

    @asynccontextmanager
    async def visited(*parts: Any, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(Settings(tmp_path, workflows=(PACKAGE / "workflows",)), parts)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        sent = {"Origin": HERE, **headers}
        async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=sent) as client:
            client.app = app  # type: ignore[attr-defined]
            yield client
        await app.state.jobs.close()
        app.state.store.close()

    return visited
