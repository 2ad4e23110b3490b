"""By hand: the same bridge, by its own routes."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from pipulate.app import create_app
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings

HERE = "http://127.0.0.1:5001"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client whose requests are the page's own."""
    app = create_app(Settings(tmp_path, workflows=(PACKAGE / "workflows",)), ())
    headers = {"Origin": HERE, "HX-Request": "true"}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=headers) as made:
        yield made
    app.state.store.close()


async def cross(client: httpx2.AsyncClient, color: str) -> str:
    """Answer the three questions; returns the verdict's card."""
    await client.post("/byhand/init", data={"id": "arthur"})
    for step, value in (("step_01", " Arthur "), ("step_02", "Grail"), ("step_03", color)):
        card = await client.post(f"/byhand/{step}_submit", data={"value": value})
        assert value.strip() in card.text and "Change: What... is your" in card.text
    return (await client.get("/byhand/step_04")).text


async def test_three_answers_and_a_verdict(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    """They are in the record like any other workflow's."""
    assert "Run ID" in (await client.get("/byhand")).text
    assert "Off you go" in await cross(client, "Blue")
    engine = Pipulate.open(tmp_path, "byhand")
    assert engine.get_step_data("arthur", "step_01") == {"name": "Arthur"}
    engine.store.close()


async def test_going_back_keeps_the_later_answers_out(client: httpx2.AsyncClient) -> None:
    """The verdict waits until the questions are answered again."""
    assert "Gorge" in await cross(client, "red")
    chain = (await client.post("/byhand/revert", data={"step_id": "step_02"})).text
    assert "step_01" in chain and "step_02" in chain
    assert "Next" in (await client.get("/byhand/step_02")).text


async def test_a_finalized_run_offers_no_change(client: httpx2.AsyncClient) -> None:
    """Unlocking brings it back."""
    await cross(client, "blue")
    for offered in (False, True):
        await client.post("/byhand/step_04_submit")
        assert ("Change" in (await client.get("/byhand/step_01")).text) == offered


async def test_a_run_has_an_address(client: httpx2.AsyncClient) -> None:
    """Its cards load as they did when it was left; one that is not there has none."""
    await cross(client, "blue")
    del client.headers["HX-Request"]
    opened = (await client.get("/byhand?id=arthur")).text
    assert 'value="arthur"' in opened and opened.count('hx-trigger="load"') == 4
    assert 'hx-trigger="load"' not in (await client.get("/byhand?id=bors")).text
