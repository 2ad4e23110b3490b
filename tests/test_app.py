"""The app as a whole: what is built when, and what begins and ends with it."""

from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from pipulate.app import create_app, lifespan
from pipulate.engine.settings import Settings
from pipulate.engine.voice import voice

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
    app = create_app(settings, ())
    assert app.state.theme["data-theme"] == "dark"
    app.state.store.close()
