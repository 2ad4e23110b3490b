"""The model's card in Settings: which server is asked, and that its key stays where it is."""

from typing import Any

import httpx2
import pytest

from pipulate.chat.talk import Talk
from pipulate.engine.store import Store
from pipulate.pages.model import keep

URL = "http://127.0.0.1:9/v1"  # nobody answers there


@pytest.fixture
def store(app: Any) -> Store:
    """Give the app's store."""
    made: Store = app.state.store
    return made


async def test_a_server_is_kept_and_asked_at_once(
    app: Any, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of models is made anew."""
    asked = []

    async def found(fresh: bool = False) -> None:
        asked.append(fresh)

    monkeypatch.setattr(app.state.part(Talk).models, "found", found)
    sent = {"url": f" {URL}/ ", "name": "big", "key": "secret", "explain": "on"}
    reply = await client.post("/settings/model", data=sent)
    assert (reply.status_code, asked) == (303, [True])
    shown = (await client.get("/settings")).text
    assert f'value="{URL}"' in shown and 'value="big"' in shown and "secret" not in shown
    assert "kept; leave empty to keep it" in shown


def test_an_empty_key_keeps_the_old_one_while_there_is_a_server(store: Store) -> None:
    """Without a server there is nobody to show it to."""
    keep(store, URL, "", "secret", True)
    keep(store, URL, "", "", False)
    assert store["model_key"] == "secret" and store["explain"] is False
    keep(store, "", "", "", True)
    assert store["model_key"] == ""


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:x", "127.0.0.1:8080"])
def test_only_a_web_address_is_one(store: Store, url: str) -> None:
    """Anything else is none."""
    keep(store, url, "x" * 300, "", True)
    assert store["model_url"] == "" and len(store["model_name"]) == 200
