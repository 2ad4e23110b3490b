"""The event loop waits for nobody: every page is shown while another process keeps the database
locked, and a handler that forgets it is found.
"""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from pipulate.app import create_app, lifespan
from pipulate.engine.errors import NotSaved
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import connect
from tests.engine.test_store import WAITS
from tests.test_app import HERE, addresses
from tests.trust.table import tried

AT_ONCE = 20  #: acts that wait at a time
#: What a form of any page may send.
SENT = {"name": "Ask", "text": "Who?", "theme": "dark", "content": "It is blue."}
PAGES = "The database is locked for long: every page is shown, then every act is done"
PLANTED = "Planted bug found: the store used on the event loop"


@pytest.mark.parametrize("some", [7, pytest.param(1, marks=pytest.mark.trust(PAGES))])
async def test_no_page_waits_for_another_process(tmp_path: Path, some: int) -> None:
    """All acts wait at once, each page is shown meanwhile, then all acts are done."""
    folder = PACKAGE / "workflows"
    app = create_app(Settings(tmp_path / "data", tmp_path / "downloads", (folder,)))
    served = lifespan(app)
    await anext(served)
    found = addresses(app)
    acts = [path for method, path in found if method == "POST"]
    pages = [path for method, path in found if method == "GET"]
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url=HERE, headers={"Origin": HERE}
    ) as client:
        await client.post("/bridge/open", data={"id": "arthur"})
        waited = 0
        turns = range(0, len(acts), AT_ONCE * some)
        for turn, first in enumerate(turns):  # each page once
            asked = acts[first : first + AT_ONCE]
            shown = pages[turn :: some * len(turns)]
            waited += await _all_waiting(app.state.store.path, client, asked, shown)
    assert waited
    await anext(served, None)


async def _all_waiting(
    path: Path, client: httpx2.AsyncClient, acts: list[str], pages: list[str]
) -> int:
    """Return how many of the acts had to wait."""
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    begun = [
        asyncio.create_task(client.post(act, params={"id": "arthur"}, data=SENT)) for act in acts
    ]
    for page in pages:
        shown = await client.get(page, params={"id": "arthur"})
        assert shown.status_code < 500, page
        tried()
    waiting = sum(not act.done() for act in begun)
    other.execute("ROLLBACK")
    other.close()
    for act in begun:
        reply = await act
        assert reply.status_code < 500, reply.text
        assert reply.status_code != NotSaved.status
        tried()
    return waiting


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize("form", ["short", pytest.param("long", marks=pytest.mark.trust(PLANTED))])
def test_a_handler_that_forgets_it_is_found(tmp_path: Path, kind: str, form: str) -> None:
    """Whatever it asks of the store; the page says that nothing was saved."""

    def part(app: Any) -> None:
        @app.post("/planted")
        async def planted() -> str:
            WAITS[kind](app.state.store)
            return "It was done."

    app = create_app(Settings(tmp_path / "data", workflows=()), (part,))
    with TestClient(app, HERE, headers={"Origin": HERE}, raise_server_exceptions=False) as client:
        reply = client.post("/planted")
        assert reply.status_code == 500, reply.text
        assert "asyncio.to_thread" in reply.text and "Nothing was saved" in reply.text
        tried()
