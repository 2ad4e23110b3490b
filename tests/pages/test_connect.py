"""The way to Botify: a token that is checked and told to nobody, demo data, folders of HTML."""

from pathlib import Path

import httpx2
import pytest
from fasthtml.common import FastHTML
from starlette.testclient import TestClient

from pipulate.app import create_app
from pipulate.botify import token
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.pages import connect
from pipulate.simulator.demo import demo_projects
from pipulate.simulator.options import DEMO_TOKEN
from pipulate.simulator.server import create_simulator, running
from tests.pages.conftest import HERE


def test_a_good_token_is_kept_and_greeted_and_can_be_forgotten(tmp_path: Path) -> None:
    """The page shows whose it is, never the token itself."""
    with running(create_simulator(demo_projects())) as url:
        app = create_app(Settings(data=tmp_path, botify=f"{url.removesuffix('/v1')}/v1"))
        with TestClient(app, base_url=HERE, headers={"Origin": HERE}) as client:
            client.post("/connect/token", data={"token": f" {DEMO_TOKEN} "})
            shown = client.get("/connect").text
            assert "Welcome, Demo User." in shown and DEMO_TOKEN not in shown
            client.post("/connect/forget")
            assert token.load(tmp_path) is None
            assert "API token" in client.get("/connect").text


@pytest.mark.parametrize("typed", ["", "two words", "ungarbled" * 40])
async def test_what_is_no_token_is_told_and_not_kept(
    app: FastHTML, client: httpx2.AsyncClient, typed: str
) -> None:
    """In the card, without repeating it."""
    answer = await client.post("/connect/token", data={"token": typed})
    assert 'role="alert"' in answer.text
    assert not typed or typed not in answer.text
    assert not token.path(app.state.settings.data).exists()


async def test_the_demo_begins_a_run_and_stays_on(
    app: FastHTML, client: httpx2.AsyncClient
) -> None:
    """One press leads to the first card of a demo project."""
    assert connect.demo_url("tiny") not in (await client.get("/connect")).text
    answer = await client.post("/connect/demo")
    assert answer.headers["location"] == connect.project_link("shop")
    assert Pipulate(app.state.store, "link_graph").get_state(connect.demo_url("shop"))
    assert connect.demo_url("tiny") in (await client.get("/connect")).text


async def test_a_folder_of_html_becomes_a_project(
    client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """It is listed with a link to its run."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "index.html").write_text('<title>Home</title><a href="a.html">A</a>')
    (folder / "a.html").write_text("<title>A</title>")
    answer = await client.post("/connect/folder", data={"folder": str(folder)})
    assert answer.status_code == 303
    shown = (await client.get("/connect")).text
    assert str(folder) in shown and connect.demo_url("handbook") in shown


@pytest.mark.parametrize("name", ["", "nowhere", "empty"])
async def test_a_folder_without_pages_is_refused(
    client: httpx2.AsyncClient, tmp_path: Path, name: str
) -> None:
    """What was typed stays in the field."""
    (tmp_path / "empty").mkdir()
    typed = name and str(tmp_path / name)
    answer = await client.post("/connect/folder", data={"folder": typed})
    assert 'role="alert"' in answer.text and f'value="{typed}"' in answer.text
