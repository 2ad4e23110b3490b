"""Seven classic workflows, pasted as they are: each opens from the menu and runs to its end, every
button of it; and each tab keeps its own run.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.server import Server, free_port

CLASSES = Path(__file__).parent.parent / "classic"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server, with the seven files in the user's folder."""
    folder = tmp_path_factory.mktemp("classic")
    shutil.copytree(CLASSES, folder / "workflows", ignore=shutil.ignore_patterns("__pycache__"))
    started = Server(folder, free_port()).start()
    yield started
    started.stop()


def open_from_menu(page: Page, server: Server, title: str) -> None:
    """Come to a workflow as a user does."""
    page.goto(f"{server.url}/introduction")
    page.get_by_role("navigation", name="Main").get_by_role("link", name=title, exact=True).click()


def press(page: Page, name: str) -> None:
    """Press a button of the page."""
    page.locator("#main").get_by_role("button", name=name, exact=True).click()


def fill(page: Page, label: str, value: str, button: str) -> None:
    """Type into the field of that name, and press a button."""
    page.locator("#main").get_by_role("textbox", name=label, exact=True).fill(value)
    press(page, button)


def record(server: Server, workflow: str, id: str) -> dict[str, Any]:
    """Return a run's record, as it is on disk."""
    with sqlite3.connect(server.folder / "data" / "pipulate.db") as db:
        select = "SELECT data FROM pipeline WHERE workflow = ? AND id = ?"
        found = db.execute(select, (workflow, id)).fetchone()
    return json.loads(found[0])


def main(page: Page) -> Any:
    """Return what is expected of the page's content."""
    return expect(page.locator("#main"))


def test_cards_that_load_one_another(page: Page, server: Server) -> None:
    """Answered, sealed, opened again, changed; the shipped bridge works beside it."""
    open_from_menu(page, server, "Quest")
    press(page, "Begin")  # the browser's own check keeps the empty one here
    fill(page, "Run", "arthur", "Begin")
    for label, value in (("Name", "Arthur"), ("Quest", "the Grail"), ("Color", "blue")):
        fill(page, label, value, "Answer")
    main(page).to_contain_text("Arthur seeks the Grail in blue.")
    press(page, "Finalize")
    main(page).to_contain_text("Sealed")
    page.reload()
    press(page, "Begin")
    main(page).to_contain_text("Sealed")
    main(page).to_contain_text("🔒 Color: blue")
    press(page, "Unfinalize")
    press(page, "Change Quest")
    fill(page, "Quest", "a shrubbery", "Answer")
    fill(page, "Color", "red", "Answer")
    main(page).to_contain_text("Arthur seeks a shrubbery in red.")
    press(page, "Change Name")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_count(1)
    assert "step_02" not in record(server, "quest", "arthur")
    open_from_menu(page, server, "The Bridge of Death")
    page.get_by_role("textbox", name="Run ID").fill("arthur")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="What... is your name?")).to_be_focused()
    assert "step_01" not in record(server, "bridge", "arthur")


@pytest.mark.console("status of 404")
def test_a_page_method_and_downloads(page: Page, server: Server) -> None:
    """Of a class that registers no page, by `add_route` and `@app.get`."""
    open_from_menu(page, server, "Links")
    fill(page, "Organisation", "acme", "Make the file")
    with page.expect_download() as download:
        page.get_by_role("link", name="acme links").click()
    assert download.value.path().read_text() == "source,target\n/,/a\n"
    page.goto(f"{server.url}/link-graph/count.txt")
    expect(page.locator("body")).to_have_text("1")


def test_one_that_makes_itself(page: Page, server: Server) -> None:
    """Its page is any `…_render`; no account is connected, and it says so."""
    open_from_menu(page, server, "Account")
    main(page).to_contain_text("asked by GET /account")
    press(page, "Check")
    main(page).to_contain_text("No account.")
    page.get_by_role("link", name="Connect one").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect to Botify")


def test_without_a_model_nothing_is_said(page: Page, server: Server) -> None:
    """What is broadcast is; the prompt of `chatq` is not."""
    open_from_menu(page, server, "Poem")
    main(page).to_contain_text("Written by yourself")
    page.get_by_role("textbox", name="Poem").fill("ode")
    fill(page, "Subject", "a herring", "Start")
    main(page).to_contain_text("About a herring")
    press(page, "Write it")
    main(page).to_contain_text("The muse is silent.")
    press(page, "Again")
    press(page, "Write it")
    press(page, "Tell everybody")
    main(page).to_contain_text("Told.")
    expect(page.locator("#messages strong")).to_have_text("told")
    expect(page.locator("#messages")).not_to_contain_text("Praise the subject")
    expect(page.locator("#messages")).to_contain_text("Here the user has a poem written")
    assert record(server, "poem", "ode")["step_02"] == {"poem": "The muse is silent."}


def test_tables_of_tasks_and_clients(page: Page, server: Server) -> None:
    """Added, done, deleted; they are the app's own."""
    open_from_menu(page, server, "Chores")
    fill(page, "Chore", "Milk", "Add")
    fill(page, "Chore", "Bread", "Add")
    press(page, "Done Milk")
    expect(page.locator("#main s")).to_have_text("Milk")
    press(page, "Delete Bread")
    main(page).not_to_contain_text("Bread")
    fill(page, "Client", "Camelot", "Add client")
    main(page).to_contain_text("Camelot (C)")
    page.goto(f"{server.url}/tasks")
    expect(page.get_by_role("textbox", name="Task of Milk")).to_have_value("Milk")
    expect(page.locator("#switcher")).to_contain_text("Default")


def test_the_table_of_runs(page: Page, server: Server) -> None:
    """Kept, changed, opened, deleted; the run that is open is forgotten."""
    open_from_menu(page, server, "Archive of notes")
    page.get_by_role("textbox", name="Text").fill("one")
    fill(page, "Note", "first", "Keep")
    page.get_by_role("textbox", name="Text").fill("two")
    press(page, "Keep")
    main(page).to_contain_text("first: two")
    press(page, "Open first")
    main(page).to_contain_text("Open: first, number 1")
    press(page, "Forget which")
    main(page).to_contain_text("Open: none, False")
    press(page, "Delete first")
    expect(page.locator("#notes li")).to_have_count(0)


def test_plain_forms_and_redirects(page: Page, server: Server) -> None:
    """No HTMX at all: a page for each question, and one of the result."""
    open_from_menu(page, server, "Survey")
    fill(page, "Who", "zoot", "Begin")
    fill(page, "Age", "19", "Next")
    fill(page, "Town", "Castle Anthrax", "Next")
    page.get_by_role("link", name="Result").click()
    main(page).to_contain_text("Result of zoot")
    main(page).to_contain_text("- Age: 19\n- Town: Castle Anthrax")
    main(page).to_contain_text("{'age': '19', 'town': 'Castle Anthrax'}")


@pytest.fixture
def tabs(page: Page) -> tuple[Page, Page]:
    """Two tabs of one browser."""
    other = page.context.new_page()
    return page, other


def test_each_tab_keeps_its_run(tabs: tuple[Page, Page], server: Server) -> None:
    """Answers of one are never stored in the other's run; nor after reloading, or coming back."""
    first, second = tabs
    for tab, id in ((first, "galahad"), (second, "bors")):
        open_from_menu(tab, server, "Quest")
        fill(tab, "Run", id, "Begin")
        expect(tab).to_have_url(re.compile(rf"/quest\?id={id}"))
    for tab, name in ((first, "Galahad"), (second, "Bors")):
        fill(tab, "Name", name, "Answer")
        expect(tab.get_by_role("textbox", name="Quest", exact=True)).to_be_visible()
    first.reload()
    expect(first.get_by_role("textbox", name="Run", exact=True)).to_have_value("galahad")
    press(first, "Begin")
    fill(first, "Quest", "the chaste", "Answer")
    second.goto(f"{server.url}/tasks")
    second.get_by_role("link", name="Quest", exact=True).click()
    expect(second.get_by_role("textbox", name="Run", exact=True)).to_have_value("bors")
    press(second, "Begin")
    fill(second, "Quest", "the rest", "Answer")
    for tab in tabs:
        expect(tab.get_by_role("textbox", name="Color", exact=True)).to_be_visible()
    kept = [record(server, "quest", id) for id in ("galahad", "bors")]
    assert [run["step_01"]["name"] for run in kept] == ["Galahad", "Bors"]
    assert [run["step_02"]["quest"] for run in kept] == ["the chaste", "the rest"]


@pytest.mark.console("status of 500")  # of a reload, until the tab has said its run
def test_each_tab_keeps_its_run_without_htmx(tabs: tuple[Page, Page], server: Server) -> None:
    """Plain forms and links name it as well."""
    for tab, id in zip(tabs, ("dingo", "piglet"), strict=True):
        open_from_menu(tab, server, "Survey")
        fill(tab, "Who", id, "Begin")
        expect(tab.get_by_role("heading", level=1)).to_have_text(f"Survey of {id}")
    for tab, age in zip(tabs, ("20", "30"), strict=True):
        fill(tab, "Age", age, "Next")
    for tab, town in zip(reversed(tabs), ("Ork", "York"), strict=True):
        fill(tab, "Town", town, "Next")
        tab.get_by_role("link", name="Result").click()
        expect(tab.locator("#main")).to_contain_text(f"- Town: {town}")
        tab.reload()
        expect(tab.locator("#main")).to_contain_text(f"- Town: {town}")
    assert record(server, "survey", "dingo")["step_01"] == {"age": "20"}
    assert record(server, "survey", "piglet")["step_02"] == {"town": "Ork"}


def test_a_run_has_an_address(page: Page, server: Server) -> None:
    """Found by Ctrl+K, a run opens with its ID."""
    open_from_menu(page, server, "Quest")
    fill(page, "Run", "patsy", "Begin")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_visible()
    page.goto(f"{server.url}/tasks")
    page.keyboard.press("Control+k")
    page.get_by_role("searchbox", name="Find").fill("patsy")
    page.locator("#found").get_by_text("patsy").click()
    expect(page.get_by_role("textbox", name="Run", exact=True)).to_have_value("patsy")
