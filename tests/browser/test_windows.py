"""Two windows, two profiles: each acts for what it shows, and says so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from pipulate.app import create_app
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.pages.profiles import PROFILES
from pipulate.web.windows import CARRIER
from tests.conftest import Serve

NOTE = re.compile("This window is for “Default”, and what you do in it, too.")


@pytest.fixture
def site(tmp_path: Path, serve: Serve) -> Iterator[tuple[str, Any]]:
    """Serve the whole app with two profiles; give its address and the app."""
    settings = Settings(tmp_path / "data", tmp_path / "downloads", (PACKAGE / "workflows",))
    app = create_app(settings)
    PROFILES.add(app.state.store, {"name": "Camelot plc", "menu_name": "Camelot"})
    yield serve(app), app


def choose(page: Page, name: str) -> None:
    """Choose a profile in a window's menu."""
    page.locator("#switcher summary").click()
    page.locator("#switcher").get_by_role("button", name=name).click()
    expect(page.locator("#switcher strong")).to_have_text(name)


def add_task(page: Page, name: str) -> None:
    """Add a task, and see it in the list."""
    page.get_by_label("Name of the new task").fill(name)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label(f"Task of {name}")).to_be_visible()


def tasks(app: Any) -> dict[str, int]:
    """Return whose each task is."""
    rows = app.state.store.read("SELECT name, profile_id FROM task")
    return {row["name"]: row["profile_id"] for row in rows}


def test_two_windows_two_profiles(page: Page, site: tuple[str, Any]):
    """Tasks, runs, searches and the pages that a window comes to are its own profile's."""
    base, app = site
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    page.goto(f"{base}/tasks")
    add_task(page, "Ask the knight")
    expect(page.locator("#whose")).to_be_empty()
    other = page.context.new_page()
    other.goto(f"{base}/tasks")
    choose(other, "Camelot")
    expect(other).to_have_url(f"{base}/tasks")  # whose window it is, the address need not say
    add_task(other, "Build the wall")
    expect(other.locator("#whose")).to_be_empty()

    add_task(page, "Call the king")
    expect(page.locator("#whose")).to_have_text(NOTE)
    expect(page.locator("#whose")).to_contain_text("Elsewhere “Camelot” is chosen.")
    assert tasks(app) == {"Ask the knight": 1, "Build the wall": 2, "Call the king": 1}

    page.reload()
    expect(page.get_by_label("Task of Call the king")).to_be_visible()
    expect(page.locator("#whose")).to_have_text(NOTE)
    page.locator("#menu").get_by_role("link", name="The Bridge of Death").click()
    expect(page.locator("#whose")).to_have_text(NOTE)  # before that, nothing is painted
    page.locator("#run-id").fill("arthur")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#card1[data-current]")).to_be_visible()
    expect(page.locator("#whose")).to_have_text(NOTE)
    expect(page).to_have_url(f"{base}/bridge?id=arthur")
    (run,) = app.state.store.read("SELECT profile_id FROM pipeline")
    assert run["profile_id"] == 1
    other.keyboard.press("Control+k")
    other.locator("#finder input").fill("the")
    expect(other.locator("#found")).to_contain_text("Build the wall")
    expect(other.locator("#found")).not_to_contain_text("knight")

    page.go_back()
    page.go_back()
    expect(page.get_by_label("Task of Call the king")).to_be_visible()
    choose(page, "Camelot")
    expect(page.locator("#whose")).to_be_empty()
    expect(page.get_by_label("Task of Build the wall")).to_be_visible()
    acts = [it for it in sent if it.method == "POST" or it.resource_type == "xhr"]
    assert len(acts) >= 4
    for act in acts:
        assert CARRIER in act.headers or f"{CARRIER}=" in act.url, act.url


@pytest.mark.console("status of 409")
def test_a_window_of_a_profile_that_was_deleted(page: Page, site: tuple[str, Any]):
    """Its acts are refused with a sentence, and the next page goes on with another."""
    base, app = site
    page.goto(f"{base}/tasks")
    app.state.store["profile_id"] = 2
    PROFILES.delete(app.state.store, 1)
    page.get_by_label("Name of the new task").fill("Too late")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#alert")).to_contain_text("deleted meanwhile, so nothing was done")
    expect(page.get_by_label("Name of the new task")).to_have_value("Too late")
    assert tasks(app) == {}
    page.reload()
    expect(page.get_by_role("alert").first).to_contain_text("deleted meanwhile")
    page.locator("#menu").get_by_role("link", name="Tasks").click()
    add_task(page, "In time")
    assert tasks(app) == {"In time": 2}


def test_without_javascript(browser: Browser, site: tuple[str, Any]):
    """A form still says whose window it was, and the page after it stays that window's."""
    base, app = site
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{base}/bridge")
        app.state.store["profile_id"] = 2
        page.locator("#run-id").fill("arthur")
        page.get_by_role("button", name="Begin").click()
        expect(page.locator("#whose")).to_have_text(NOTE)
        page.locator("#card1 [name=name]").fill("Arthur")
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#card2[data-current]")).to_be_visible()
        expect(page.locator("#whose")).to_have_text(NOTE)
    (run,) = app.state.store.read("SELECT profile_id FROM pipeline")
    assert run["profile_id"] == 1
