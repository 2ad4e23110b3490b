"""The app as a whole: what is built when, and what begins and ends with it."""

import random
import re
import threading
from contextlib import suppress
from typing import Any

import apsw
import httpx2
import pytest
from starlette.testclient import TestClient

from pipulate.app import create_app, lifespan
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from pipulate.engine.voice import voice
from pipulate.pages import settings as appearance
from tests.addresses import addresses as addresses_of
from tests.trust.table import times

HERE = "http://127.0.0.1"


@pytest.fixture
def settings(tmp_path):
    """Give the settings of a scratch folder without workflows."""
    return Settings(tmp_path / "data", tmp_path / "downloads", workflows=())


def test_each_app_is_its_own(settings, tmp_path):
    """Nothing is kept in modules: a test can make ten."""
    apps = [create_app(Settings(tmp_path / str(number), workflows=()), ()) for number in range(3)]
    apps[0].state.store["theme"] = "dark"
    assert [app.state.store.get("theme") for app in apps] == ["dark", None, None]
    assert len({id(app.state.jobs) for app in apps}) == 3
    for app in apps:
        app.state.store.close()


def test_parts_begin_in_order_and_the_store_closes_last(settings):
    """A part may still write when it ends."""
    did: list[str] = []

    def part(name: str) -> Any:
        def routes(app):
            async def begin():
                did.append(f"begin {name}")

            async def end():
                app.state.store["ended"] = name
                did.append(f"end {name}")

            app.state.begin.append(begin)
            app.state.end.append(end)

        return routes

    app = create_app(settings, (part("a"), part("b")))
    assert did == []
    with TestClient(app, base_url=HERE):
        assert did == ["begin a", "begin b"]
    assert did[2:] == ["end a", "end b"]


async def test_jobs_that_a_process_left_running_go_on_at_the_start(settings, monkeypatch):
    """After the parts have begun, with the workflows that are there."""
    app = create_app(settings, ())
    resumed = []

    async def resume(flows):
        resumed.append(flows)

    monkeypatch.setattr(app.state.jobs, "resume", resume)
    async for _ in lifespan(app):
        assert resumed == [{}]


async def test_a_request_speaks_with_the_voice_of_its_app(settings):
    """And with the one that is set now: the chat comes later than the middleware."""

    def part(app):
        @app.route("/who", methods=["GET"])
        def who():
            return str(voice.get() is app.state.jobs.speaker)

    app = create_app(settings, (part,))
    app.state.jobs.speaker = object()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE) as client:
        assert "True" in (await client.get("/who")).text
    app.state.store.close()


def test_the_theme_is_read_at_the_start(settings):
    """What was chosen before the restart still holds."""
    first = create_app(settings, ())
    first.state.store["theme"] = "dark"
    first.state.store.close()
    app = create_app(settings, [appearance.routes])
    assert app.state.theme["data-theme"] == "dark"
    app.state.store.close()


#: What an address is tried with, by the name of its parameter.
TRIED = {
    "name": ["bridge", "index"],
    "act": ["card1", "card2", "revert1", "start1", "cancel1", "undo", "finalize", "repair", "odd"],
    "id": ["1", "99"],
    "seq": ["1", "99"],
}
#: An endless stream; what programs speak.
OTHERS = ("/static", "/chat/ws", "/stream/events", "/mcp")


def addresses(app: Any) -> list[tuple[str, str]]:
    """Return (method, address) of all that this app answers, with parameters filled in."""
    found = []
    for route in app.router.routes:
        if route.path.startswith(OTHERS):
            continue
        paths = [route.path]
        for name in re.findall(r"{(\w+)", route.path):
            hole = re.compile(rf"{{{name}(:\w+)?}}")
            paths = [
                hole.sub(value, path) for path in paths for value in TRIED.get(name, ["1", "x"])
            ]
        methods = {"GET", "POST"} & {*(route.methods or ())}
        found += [(method, path) for method in sorted(methods) for path in paths]
    return found


def bare(reply: httpx2.Response) -> bool:
    """Say whether a browser without HTMX would show a piece of a page."""
    html = reply.headers.get("content-type", "").startswith("text/html")
    return html and reply.is_success | reply.is_error and not reply.text.lower().startswith("<!doc")


async def test_without_htmx_every_reply_is_a_whole_page_or_leads_to_one(tmp_path):
    """Whatever is sent to whichever address, refused or done."""
    folder = PACKAGE / "workflows"
    app = create_app(Settings(tmp_path / "data", tmp_path / "downloads", (folder,)))
    transport = httpx2.ASGITransport(app)
    headers = {"Origin": HERE, "Referer": f"{HERE}/tasks"}
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
        for name in ("Ask", "Build"):
            sent = await client.post("/tasks", data={"name": name})
            assert (sent.status_code, sent.headers["location"]) == (303, "/tasks")
        await client.post("/bridge/open", data={"id": "arthur"})
        refused = await client.post("/bridge/card1?id=arthur", data={"name": " "})
        assert refused.status_code == 422 and "An answer is needed here." in refused.text
        seen: dict[int, int] = {}
        found = addresses(app)
        assert len(found) > 150
        for method, path in found:
            for more in ({}, {"id": "arthur"}):
                reply = await client.request(method, path, params=more, data=more or None)
                assert not bare(reply), f"{method} {path} {more}: {reply.text[:200]}"
                assert reply.headers.get("location", "/").startswith("/"), path
                seen[reply.status_code] = seen.get(reply.status_code, 0) + 1
        assert {200, 303, 404, 409, 422} <= set(seen) and not {204, 500} & set(seen), seen
    await lifespan(app).aclose()
    app.state.store.close()


def test_a_piece_of_a_page_is_told_from_a_whole_one():
    """Only HTML is looked at, and no redirect."""
    kind = {"content-type": "text/html; charset=utf-8"}
    assert bare(httpx2.Response(422, headers=kind, text="<article>"))
    assert not bare(httpx2.Response(200, headers=kind, text="<!doctype html><html>"))
    assert not bare(httpx2.Response(200, headers={"content-type": "text/csv"}, text="a,b"))
    assert not bare(httpx2.Response(303, headers=kind, text=""))


#: What other windows may add and delete meanwhile; the first profile stays, as it is chosen.
CHANGING = ("profile", "task", "pipeline", "job", "conversation", "message", "memory")


class Restless:
    """After each read of a page, another window deletes rows of a table, or brings them back."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self.chance = chance
        self.lock = threading.Lock()
        self.connection = apsw.Connection(str(store.path))
        self.connection.pragma("synchronous", "off")
        found = self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        there = {name for (name,) in found}
        self.tables = [name for name in CHANGING if name in there]
        for name in self.tables:
            self.connection.execute(f"CREATE TEMP TABLE kept_{name} AS SELECT * FROM main.{name}")
        self.gone: set[str] = set()

    def change(self) -> None:
        """Let one table change."""
        with self.lock:
            name = self.chance.choice(self.tables)
            others = " WHERE id > 1" if name == "profile" else ""
            if name in self.gone:
                change = f"INSERT INTO {name} SELECT * FROM kept_{name}{others}"
            else:
                change = f"DELETE FROM {name}{others}"
            with suppress(apsw.BusyError):  # this page reads in a transaction
                self.connection.execute(change)
                self.gone ^= {name}


async def test_a_head_is_that_of_the_page(tmp_path):
    """At every address: HEAD answers what GET would, without its body."""
    app = create_app(Settings(tmp_path / "data", tmp_path / "downloads"))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=f"{HERE}:5001") as client:
        for address in addresses_of(app, "HEAD"):
            if "/events" in address or "/progress" in address:  # they do not end
                continue
            head = await client.head(address)
            page = await client.get(address)
            assert head.status_code == page.status_code < 500, address
    await app.state.jobs.close()
    app.state.store.close()


async def test_a_page_bears_what_changes_between_its_reads(tmp_path, monkeypatch):
    """At every address: a window that adds or deletes meanwhile makes no page fail."""
    app = create_app(Settings(tmp_path / "data", tmp_path / "downloads"))
    store = app.state.store
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    sent = {"Origin": f"{HERE}:5001"}
    client = httpx2.AsyncClient(transport=transport, base_url=f"{HERE}:5001", headers=sent)
    for address in ("/profiles", "/tasks", "/memory"):
        for name in ("a", "b"):
            await client.post(address, data={"name": name, "text": name})
    for flow in ("bridge", "poet", "petite"):
        await client.post(f"/{flow}/open", data={"id": "arthur"})
    await client.post("/chat/send", data={"text": "/help"})
    restless = Restless(store, random.Random(11))
    real = Store.read

    def read(self: Store, sql: str, *values: Any) -> Any:
        rows = real(self, sql, *values)
        restless.change()
        return rows

    monkeypatch.setattr(Store, "read", read)
    failed = set()
    for address in addresses_of(app, "GET"):
        if "/events" in address or "/progress" in address:  # they do not end
            continue
        for _ in range(times(2)):
            reply = await client.get(address)
            if reply.status_code >= 500:
                failed.add(address)
    restless.connection.close()
    monkeypatch.undo()
    await client.aclose()
    await app.state.jobs.close()
    store.close()
    assert failed == set()
