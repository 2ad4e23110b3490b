"""The chat panel's addresses and news: what a page sends, what every open page is shown."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from pipulate import create_app
from pipulate.chat.talk import Talk
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from pipulate.pages.chat import Panel

HERE = "http://127.0.0.1:5001"
FROM_A_PAGE = {"Host": "127.0.0.1:5001", "Origin": HERE, "HX-Request": "true"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give an app on a scratch folder; no model answers."""
    monkeypatch.setattr("pipulate.chat.providers.OLLAMA_URL", "http://127.0.0.1:9")
    settings = Settings(data=tmp_path, downloads=tmp_path / "d", workflows=(PACKAGE / "workflows",))
    made = create_app(settings)
    yield made
    made.state.store.close()


@pytest.fixture
async def client(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client that sends what a page of the app sends."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=FROM_A_PAGE) as made:
        yield made


def content(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    names = store.read("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {row["name"]: store.read(f"SELECT * FROM {row['name']}") for row in names}


async def test_looking_at_any_page_writes_nothing(app: Any, client: httpx2.AsyncClient) -> None:
    """Every address that is read without naming a thing leaves all tables as they were."""
    before = content(app.state.store)
    paths = [
        route.path
        for route in app.router.routes
        if isinstance(route, Route) and "GET" in (route.methods or ()) and "{" not in route.path
    ]
    assert {"/memory", "/settings", "/chat/conversations"} <= set(paths)
    for path in [*paths, *(f"/{name}" for name in app.state.found), "/nothing/there"]:
        await client.get(path)
        assert content(app.state.store) == before, path


def test_an_open_page_writes_nothing_until_something_is_said(app: Any) -> None:
    """The page's note is shown at once, and stored with the first message; then no page is lost."""
    store = app.state.store
    with TestClient(app, HERE) as client:
        before = content(store)
        client.get("/bridge")
        with client.websocket_connect("/chat/ws?page=/bridge", headers=FROM_A_PAGE) as page:
            listed = page.receive_text()
            assert "You opened “The Bridge" in listed and "bridgekeeper" in listed
            assert content(store) == before
            client.post("/chat/send", data={"text": "/tasks"}, headers=FROM_A_PAGE)
            while "There are no tasks" not in page.receive_text():
                pass
    told = [row["about"].split(" ")[0] for row in store.read("SELECT about FROM message")]
    assert told == ["page", "", "tool"]


class OpenPage:
    """A page's end of the WebSocket: what it shows."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.query_params = {"page": "/nowhere"}
        self.shown = ""
        self.listed = asyncio.Event()

    async def accept(self) -> None:
        pass

    async def send_text(self, text: str) -> None:
        if 'id="messages"' in text:  # the whole list takes the place of what was there
            self.shown = ""
            self.listed.set()
        self.shown += text

    async def receive_text(self) -> str:
        await asyncio.Event().wait()
        return ""


async def test_a_page_that_connects_shows_each_message_once(app: Any) -> None:
    """Also one that is said while the page connects, or was stored by then and is told later."""
    talk = app.state.part(Talk)
    talk.listener = panel = Panel(talk)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def found() -> list[Any]:
        asked.set()
        await go_on.wait()
        return []

    talk.models = SimpleNamespace(found=found, getting=None)
    early: Any = OpenPage(app)
    late: Any = OpenPage(app)
    listening = [asyncio.create_task(panel.listen(early))]
    await asked.wait()
    await talk.say("First.")
    stored = talk.conversations.append(talk.conversation, "note", "Second.", "said")
    go_on.set()
    listening.append(asyncio.create_task(panel.listen(late)))
    for page in (early, late):
        await page.listed.wait()
    await panel.said({"id": stored, "role": "note", "content": "Second.", "about": "said"})
    await talk.say("Third.")
    for task in listening:
        task.cancel()
    for page in (early, late):
        assert [page.shown.count(text) for text in ("First.", "Second.", "Third.")] == [1, 1, 1]


async def test_what_is_refused_is_told_where_alerts_are(client: httpx2.AsyncClient) -> None:
    """An act that cannot be done answers 409 with the reason, aimed at the alert line."""
    for path in ("/chat/yes/7", "/chat/open/7", "/chat/restore/7", "/chat/get/gpt"):
        reply = await client.post(path)
        assert (reply.status_code, reply.headers["hx-retarget"]) == (409, "#alert"), path
        assert 'class="error"' in reply.text


async def test_a_list_of_conversations_that_is_cut_says_so(
    app: Any, client: httpx2.AsyncClient
) -> None:
    """And one that is whole does not."""
    for number in range(31):
        assert "newest" not in (await client.get("/chat/conversations")).text
        app.state.part(Talk).conversations.new(f"talk {number}")
    listed = (await client.get("/chat/conversations")).text
    assert "These are the 30 newest" in listed
    assert "talk 30" in listed and ">talk 0<" not in listed


async def test_conversations_are_listed_searched_and_opened_again(
    app: Any, client: httpx2.AsyncClient
) -> None:
    """A new conversation is none until something is said in it; deleting takes it off the list."""
    for said in ("/tasks turnips", "/tasks leeks"):
        await client.post("/chat/new")
        await client.post("/chat/send", data={"text": said})
        await app.state.part(Talk).settled()
    await client.post("/chat/new")
    listed = (await client.get("/chat/conversations")).text
    assert listed.count("<li>") == 2 and "aria-current" not in listed
    found = (await client.get("/chat/conversations?q=turnips")).text
    assert "/chat/open/1" in found and "leeks" not in found
    await client.post("/chat/open/1")
    assert app.state.part(Talk).messages()[0]["content"] == "/tasks turnips"
    await client.post("/chat/delete/1")
    assert "turnips" not in (await client.get("/chat/conversations")).text
    assert app.state.part(Talk).messages() == []
