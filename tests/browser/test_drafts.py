"""Nothing typed is lost: drafts of cards outlive the page, until the answer is stored."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipulate.app import create_app
from pipulate.engine.settings import Settings
from tests.conftest import Serve, behind

FLOW = """
from fasthtml.common import Fieldset, Input, Label, Option, Select, Textarea
from pipulate import Invalid, Workflow

flow = Workflow("kinds")

@flow.step("first", "First")
def first(run):
    return Label("Word", Input(name="word", required=True))

@first.accept
def check(run, form):
    if form["word"] == "no":
        raise Invalid("Not that word.", "word")
    return form

@flow.step("all", "All kinds")
def all(run):
    return (
        Label("Number", Input(name="number", type="number", value="7")),
        Label("Date", Input(name="date", type="date")),
        Label("Color", Select(Option("red"), Option("blue"), name="color")),
        Label("Pets", Select(*map(Option, ("cat", "dog", "owl")), name="pets", multiple=True)),
        *[Label(Input(type="radio", name="size", value=size), size) for size in "SML"],
        *[Label(Input(type="checkbox", name="tops", value=top), top) for top in ("ham", "egg")],
        Label(Input(type="checkbox", name="agree", checked=True), "Agree"),
        Label("Text", Textarea("As it was.", name="method")),
        Label("Link 1", Input(name="constructor")), Label("Link 2", Input(name="constructor")),
        Label("Secret", Input(name="secret", type="password")),
        Label("File", Input(name="file", type="file")),
    )

@flow.step("last", "Last")
def last(run):
    return Label("End", Input(name="end", required=True))
"""
DRAFTS = "Object.keys(localStorage).filter((key) => key.startsWith('draft'))"


@pytest.fixture
def site(tmp_path: Path, serve: Serve) -> Iterator[str]:
    """Serve a workflow with every kind of field; read again when its file changes."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "kinds.py").write_text(FLOW)
    app = create_app(Settings(tmp_path / "data", tmp_path / "downloads", (folder,), dev=True))
    yield serve(app)


def begin(page: Page, site: str, id: str = "a b") -> None:
    """Begin a run."""
    page.goto(f"{site}/kinds")
    page.locator("#run-id").fill(id)
    page.locator("#run-id").press("Enter")
    expect(page.locator("[data-draft]")).to_have_count(1)
    page.wait_for_load_state()  # nothing is painted before the scripts are there


def send(page: Page) -> None:
    """Send the open card."""
    page.locator("[data-draft] [type=submit]").click()


def answer_first(page: Page, site: str) -> None:
    """Begin a run and answer its first card; the field has the focus until it is gone."""
    begin(page, site)
    page.get_by_label("Word").fill("yes")
    page.keyboard.press("Enter")
    expect(page.locator("#card2 [data-draft]")).to_have_count(1)


def fill(page: Page, file: Path) -> None:
    """Touch every field of the second card."""
    page.get_by_label("Number").fill("12")
    page.get_by_label("Date").fill("2026-11-27")
    page.get_by_label("Color").select_option("blue")
    page.get_by_label("Pets").select_option(["cat", "owl"])
    page.get_by_label("M", exact=True).check()
    page.get_by_label("egg").check()
    page.get_by_label("Agree").uncheck()
    page.get_by_label("Text").fill("As it is.\nTwo lines.")
    page.get_by_label("Link 1").fill("one")
    page.get_by_label("Link 2").fill("two")
    page.get_by_label("Secret").fill("hunter2")
    page.get_by_label("File").set_input_files(file)


def expect_filled(page: Page) -> None:
    """Expect all of it but the secret and the file, and a word that it is not stored."""
    expect(page.locator("#card2 .draft")).to_contain_text("Not stored yet")
    expect(page.get_by_label("Number")).to_have_value("12")
    expect(page.get_by_label("Date")).to_have_value("2026-11-27")
    expect(page.get_by_label("Color")).to_have_value("blue")
    expect(page.get_by_label("Pets")).to_have_values(["cat", "owl"])
    expect(page.get_by_label("M", exact=True)).to_be_checked()
    expect(page.get_by_label("egg")).to_be_checked()
    expect(page.get_by_label("ham")).not_to_be_checked()
    expect(page.get_by_label("Agree")).not_to_be_checked()
    expect(page.get_by_label("Text")).to_have_value("As it is.\nTwo lines.")
    expect(page.get_by_label("Link 1")).to_have_value("one")
    expect(page.get_by_label("Link 2")).to_have_value("two")
    expect(page.get_by_label("Secret")).to_have_value("")
    expect(page.get_by_label("File")).to_have_value("")


def test_every_kind_of_field_outlives_the_page(page: Page, site: str, tmp_path: Path) -> None:
    """A reload, another page and back, HTMX's change of cards, a closed tab: never a secret."""
    answer_first(page, site)
    expect(page.locator(".draft")).to_have_count(0)
    assert page.evaluate(DRAFTS) == []
    (file := tmp_path / "a.csv").write_text("a,b")
    fill(page, file)
    expect(page.locator(".draft")).to_have_count(0)  # while one types, there is nothing to say
    assert "hunter2" not in page.evaluate("JSON.stringify(localStorage)")
    page.reload()
    expect_filled(page)
    page.locator("#menu").get_by_role("link", name="Tasks").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")
    page.go_back()
    expect_filled(page)
    page.get_by_role("button", name="Change: First").click()
    expect(page.get_by_label("Word")).to_have_value("yes")
    expect(page.locator(".draft")).to_have_count(0)  # what is offered is the stored answer
    send(page)
    expect_filled(page)
    other = page.context.new_page()
    page.close()
    other.goto(f"{site}/kinds?id=a+b")
    expect_filled(other)
    send(other)
    expect(other.locator("#card3 [data-draft]")).to_have_count(1)
    expect(other.locator("#card2")).to_contain_text("As it is.")
    assert other.evaluate(DRAFTS) == []


def test_a_draft_can_be_dropped(page: Page, site: str, tmp_path: Path) -> None:
    """Then the card offers what it offered; typing that by hand is no draft either."""
    answer_first(page, site)
    (file := tmp_path / "a.csv").write_text("a,b")
    fill(page, file)
    page.reload()
    page.get_by_role("button", name="Drop it").click()
    expect(page.locator(".draft")).to_have_count(0)
    expect(page.get_by_label("Number")).to_have_value("7")
    expect(page.get_by_label("Number")).to_be_focused()
    expect(page.get_by_label("Color")).to_have_value("red")
    expect(page.get_by_label("Pets")).to_have_values([])
    expect(page.get_by_label("M", exact=True)).not_to_be_checked()
    expect(page.get_by_label("Agree")).to_be_checked()
    expect(page.get_by_label("Text")).to_have_value("As it was.")
    assert page.evaluate(DRAFTS) == []
    page.get_by_label("Number").fill("8")
    assert len(page.evaluate(DRAFTS)) == 1
    page.get_by_label("Number").fill("7")
    assert page.evaluate(DRAFTS) == []


@pytest.mark.console("status of 422")
def test_a_refused_answer_is_kept_until_it_is_stored(page: Page, site: str) -> None:
    """On the card that says why, and after a reload."""
    begin(page, site)
    page.get_by_label("Word").fill("no")
    send(page)
    expect(page.locator("#card-error")).to_have_text("Not that word.")
    expect(page.get_by_label("Word")).to_have_value("no")
    page.reload()
    expect(page.get_by_label("Word")).to_have_value("no")
    expect(page.locator(".draft")).to_be_visible()
    page.get_by_label("Word").fill("no!")
    send(page)
    expect(page.locator("#card2 [data-draft]")).to_have_count(1)
    assert page.evaluate(DRAFTS) == []


def test_a_deleted_run_takes_its_drafts_with_it_and_age_does(page: Page, site: str) -> None:
    """Those of another run stay."""
    for id in ("a", "a b"):
        begin(page, site, id)
        page.get_by_label("Word").fill(f"of {id}")
    page.goto(f"{site}/kinds")
    page.get_by_role("button", name="Delete run a", exact=True).click()
    expect(page.get_by_text("Deleted “a”.")).to_be_visible()
    left = page.evaluate(DRAFTS)
    assert len(left) == 1 and left[0].startswith('draft ["kinds", "a b", "first", ')
    month = (
        'localStorage.setItem(\'draft ["x", "y", "z"]\', JSON.stringify({ at: %s, fields: [] }))'
    )
    page.evaluate(month % "Date.now() - 29 * 86400000")
    page.evaluate("localStorage.setItem('draft broken', 'x')")
    page.reload()
    assert page.evaluate(DRAFTS) == left


def test_a_draft_follows_its_step(page: Page, site: str, tmp_path: Path) -> None:
    """Its key, not its place: a step that comes before it does not get it."""
    behind(page)
    begin(page, site)
    page.get_by_label("Word").fill("typed")
    step = (
        '@flow.step("zero", "Zero")\ndef zero(run): return Label("Nought", Input(name="word"))\n\n'
    )
    text = FLOW.replace('@flow.step("first"', step + '@flow.step("first"')
    (tmp_path / "workflows" / "kinds.py").write_text(text)
    page.reload()
    expect(page.get_by_label("Nought")).to_have_value("")
    expect(page.locator(".draft")).to_have_count(0)
    page.get_by_label("Nought").fill("0")
    send(page)
    expect(page.locator("#card2").get_by_label("Word")).to_have_value("typed")
    expect(page.locator("#card2 .draft")).to_be_visible()


@pytest.mark.console("ERR_FAILED", "status of 422")
def test_what_went_the_plain_way_is_a_draft_until_it_is_stored(page: Page, site: str) -> None:
    """Where htmx did not come through: the page that follows tells what became of it."""
    page.route(re.compile("htmx"), lambda route: route.abort())
    begin(page, site)
    page.get_by_label("Word").fill("no")
    send(page)
    expect(page.locator("#card-error")).to_have_text("Not that word.")
    assert len(page.evaluate(DRAFTS)) == 1
    page.get_by_label("Word").fill("yes")
    send(page)
    expect(page.locator("#card2 [data-draft]")).to_have_count(1)
    page.wait_for_load_state()
    assert page.evaluate(DRAFTS) == []


def test_without_javascript_a_refusal_is_a_whole_page(browser: Browser, site: str) -> None:
    """With the menu, the run's other cards, the reason and what was typed."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        answer_first(page, site)
        page.get_by_label("Number").fill("12")
        page.get_by_label("Text").fill("Kept.")
        page.get_by_label("Date").evaluate(
            "(field) => { field.type = 'text'; field.value = '32nd' }"
        )
        send(page)
        expect(page.locator("#card-error")).to_have_text(re.compile("A date is expected"))
        expect(page.locator("#menu")).to_be_visible()
        expect(page.locator("#card1")).to_contain_text("yes")
        expect(page.get_by_label("Text")).to_have_value("Kept.")
        page.get_by_label("Date").fill("2026-11-27")
        other = context.new_page()
        other.goto(f"{site}/kinds?id=a+b")
        send(page)
        expect(page.locator("#card3 [data-draft]")).to_have_count(1)
        other.get_by_role("button", name="Change: First").click()  # its page is older than the run
        expect(other.locator("#refused")).to_contain_text("Nothing was overwritten.")
        expect(other.locator("#menu")).to_be_visible()
        expect(other.locator("#card3 [data-draft]")).to_have_count(1)
