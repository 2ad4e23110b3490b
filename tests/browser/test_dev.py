"""With --dev a saved workflow file shows on the open page, and nothing that was typed is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipulate.app import create_app
from pipulate.engine.settings import Settings
from tests.conftest import Serve

FLOW = """
import time
from pathlib import Path
from fasthtml.common import Input, Label
from pipulate import Workflow
from words import WORD

flow = Workflow("mine", title="First title")

@flow.step("name", "Who?")
def name(run):
    return Label(WORD, Input(name="name", required=True)), Input(name="photo", type="file")

@name.accept
def check(run, form):
    while Path(__file__).with_name("wait").exists():
        time.sleep(0.01)
    return form

@flow.step("end", "The end?")
def end(run):
    return Label("End", Input(name="end"))
"""
MARKED = "window.mark === 1"  # the page was not drawn anew
Save = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of workflow files."""
    made = tmp_path / "workflows"
    made.mkdir()
    (made / "mine.py").write_text(FLOW)
    (made / "words.py").write_text("WORD = 'Your name'")
    return made


@pytest.fixture
def card(folder: Path, tmp_path: Path, serve: Serve, page: Page) -> Page:
    """The first card of a run, open in a browser."""
    app = create_app(Settings(tmp_path / "data", tmp_path / "downloads", (folder,), dev=True))
    page.goto(f"{serve(app)}/mine")
    page.get_by_label("Run ID").fill("x")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_label("Your name")).to_be_focused()
    page.evaluate("window.mark = 1")
    return page


def test_a_saved_file_shows_and_what_was_typed_stays(card: Page, folder: Path):
    """The file itself, one that it imports, one that is broken and mended again."""
    card.get_by_label("Your name").fill("Ada")
    (folder / "mine.py").write_text(FLOW.replace("First title", "Second title"))
    expect(card.get_by_role("heading", name="Second title")).to_be_visible()
    expect(card.get_by_label("Your name")).to_have_value("Ada")
    (folder / "words.py").write_text("WORD = 'First name'")
    expect(card.get_by_label("First name")).to_have_value("Ada")
    (folder / "words.py").write_text("WORD = 'First")
    expect(card.get_by_text("words.py, line 1: WORD")).to_be_visible()
    (folder / "words.py").write_text("WORD = 'Name'")
    expect(card.get_by_label("Name", exact=True)).to_have_value("Ada")


def test_what_nobody_keeps_is_not_thrown_away(card: Page, folder: Path, tmp_path: Path):
    """A chosen file: a line offers to draw the page anew; without it the page does so itself."""
    photo = tmp_path / "photo.txt"
    photo.write_text("cheese")
    card.locator("[name=photo]").set_input_files(photo)
    (folder / "mine.py").write_text(FLOW.replace("First title", "Second title"))
    expect(card.get_by_text("A workflow file was saved.")).to_be_visible()
    assert card.evaluate(MARKED) and card.locator("[name=photo]").evaluate("it => it.files.length")
    card.locator("[name=photo]").set_input_files([])
    expect(card.get_by_role("heading", name="Second title")).to_be_visible()
    expect(card.get_by_text("A workflow file was saved.")).to_have_count(0)


def test_an_answer_on_its_way_is_waited_for(card: Page, folder: Path):
    """Its card comes first, and the page is drawn anew after that."""
    card.clock.install()
    card.reload()
    expect(card.get_by_label("Your name")).to_be_focused()
    with card.expect_request("**/static/files"):
        card.clock.run_for(5_000)
    card.evaluate("window.mark = 1")
    (folder / "wait").touch()
    card.get_by_label("Your name").fill("Ada")
    with card.expect_request("**/mine/card1/upload*"):
        card.get_by_role("button", name="Next").click()
    (folder / "mine.py").write_text(FLOW.replace("First title", "Second title"))
    looked: list[str] = []
    card.on("request", lambda request: looked.append(request.url))
    card.clock.run_for(20_000)
    assert card.evaluate(MARKED)
    assert looked == []
    (folder / "wait").unlink()
    expect(card.get_by_role("textbox", name="End")).to_be_visible()
    expect(card.get_by_role("heading", name="Second title")).to_be_visible()
    expect(card.get_by_role("textbox", name="End")).to_be_focused()
