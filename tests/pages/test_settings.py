"""The page of settings: the theme, the folders, the backups."""

from pathlib import Path
from typing import Any

import httpx2
import pytest


async def test_the_chosen_theme_is_on_every_page(app: Any, client: httpx2.AsyncClient) -> None:
    """It outlives the server, and can be given back to the system."""
    assert "data-theme" not in (await client.get("/introduction")).text
    reply = await client.post("/settings/theme", data={"theme": "dark"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/settings")
    assert 'data-theme="dark"' in (await client.get("/introduction")).text
    assert app.state.store["theme"] == "dark"
    await client.post("/settings/theme", data={"theme": ""})
    assert "data-theme" not in (await client.get("/introduction")).text


@pytest.mark.parametrize("data", [{"theme": 'dark"><script>'}, {}])
async def test_a_theme_that_is_none_changes_nothing(
    app: Any, client: httpx2.AsyncClient, data: dict[str, str]
) -> None:
    """The attribute of the page is one of ours."""
    await client.post("/settings/theme", data={"theme": "light"})
    await client.post("/settings/theme", data=data)
    assert app.state.store["theme"] == "light"


async def test_the_page_says_where_things_are(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    """Data, downloads, workflows and log; and every part's card is there."""
    shown = (await client.get("/settings")).text
    for folder in ("data", "downloads", "workflows", "data/log/pipulate.log"):
        assert f"<code>{tmp_path / folder}</code>" in shown
    for card in ("Appearance", "Model", "Folders and backups", "Agents of other programs"):
        assert f"<h2>{card}</h2>" in shown


async def test_a_backup_can_be_made_now(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    """It is listed with its name."""
    assert "No backup yet." in (await client.get("/settings")).text
    assert (await client.post("/settings/backup")).status_code == 303
    (made,) = (tmp_path / "data" / "backups").glob("pipulate-*.db")
    assert f"<code>{made.name}</code>" in (await client.get("/settings")).text
