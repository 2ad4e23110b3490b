"""Answers when the file, or an earlier answer, changes: as the user sees it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipulate import Settings, create_app
from tests.conftest import behind

HEAD = """
from fasthtml.common import Input, P
from pipulate import Workflow
flow = Workflow("evo", title="Evolving")
"""
STEP = """
@flow.step("{key}", "Your {key}"{more})
def {key}(run):
    {reads}
    return Input(name="{key}", required=True)
"""


def step(key: str, reads: str = "pass", more: str = "") -> str:
    """Return the code of a step."""
    return STEP.format(key=key, reads=reads, more=more)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., None]:
    """Give a function that writes the workflow file anew."""

    def save(*steps: str) -> None:
        folder = tmp_path / "workflows"
        folder.mkdir(exist_ok=True)
        (folder / "evo.py").write_text(HEAD + "".join(steps))

    return save


@pytest.fixture
def address(tmp_path: Path, serve: Callable[..., str], save: Callable[..., None]) -> str:
    """Serve it, and return the address of its run."""
    save(step("name"), step("budget"), step("city"))
    folders = (*Settings.workflows[:1], tmp_path / "workflows")
    settings = Settings(data=tmp_path / "data", workflows=folders, dev=True)
    return serve(create_app(settings)) + "/evo?id=x"


@pytest.fixture(autouse=True)
def page_behind(page: Page) -> None:
    """The tests say when a page is drawn anew."""
    behind(page)


def fill(page: Page, **given: str) -> None:
    """Answer the open cards."""
    for key, value in given.items():
        field = page.get_by_role("textbox", name=f"Your {key}")
        field.fill(value)
        field.press("Enter")
        expect(page.locator(".card.done").filter(has_text=f"Your {key}")).to_contain_text(value)


def begin(page: Page, address: str, **given: str) -> None:
    """Begin the run, and answer."""
    page.goto(address)
    page.get_by_role("button", name="Begin").click()
    fill(page, **given)


def answers(page: Page) -> list[str]:
    """Return the done cards as "label: answer"."""
    cards = page.locator(".card.done").all()
    return [": ".join(card.locator(".label, .answer").all_inner_texts()) for card in cards]


def test_a_step_put_in_front(page: Page, address: str, save: Callable[..., None]) -> None:
    """Answers stay with their labels; the new card is open, then all is done."""
    begin(page, address, name="Ann", budget="1000", city="Graz")
    save(step("email"), step("name"), step("budget"), step("city"))
    page.goto(address)
    expect(page.get_by_role("textbox", name="Your email")).to_be_visible()
    fill(page, email="a@b.c")
    expect(page.locator("#chain")).to_contain_text("3 later answers still hold.")
    assert answers(page) == [
        "Your email: a@b.c",
        "Your name: Ann",
        "Your budget: 1000",
        "Your city: Graz",
    ]


def test_a_renamed_step(page: Page, address: str, save: Callable[..., None]) -> None:
    """Its card asks whether it is the former one."""
    begin(page, address, name="Ann", budget="1000", city="Graz")
    save(step("name"), step("limit"), step("city"))
    page.goto(address)
    expect(page.locator("#card2")).to_contain_text("Is ‘limit’ the former ‘budget’?")
    page.get_by_role("button", name="Yes, take that").click()
    expect(page.locator("#result")).to_be_visible()
    assert answers(page) == ["Your name: Ann", "Your limit: 1000", "Your city: Graz"]


def test_a_step_that_is_gone(page: Page, address: str, save: Callable[..., None]) -> None:
    """Its answer is kept and shown, and comes back with it."""
    begin(page, address, name="Ann", budget="1000", city="Graz")
    save(step("name"), step("city"))
    page.goto(address)
    page.get_by_text("Kept: 1 answer of a step that is gone").click()
    expect(page.get_by_text("budget: 1000")).to_be_visible()
    save(step("name"), step("city"), step("budget"))
    page.goto(address)
    expect(page.locator("#result")).to_be_visible()
    assert answers(page) == ["Your name: Ann", "Your city: Graz", "Your budget: 1000"]


@pytest.mark.console("status of 409")
def test_a_page_of_the_file_before(page: Page, address: str, save: Callable[..., None]) -> None:
    """What is sent from it is not taken for an answer to what stands there now."""
    begin(page, address, name="Ann")
    save(step("name"), step("city"), step("budget"))
    page.get_by_role("textbox", name="Your budget").fill("1000")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#refused")).to_contain_text("older than the run")
    assert answers(page) == ["Your name: Ann"]


def test_only_what_read_the_answer_is_asked_again(
    page: Page, address: str, save: Callable[..., None]
) -> None:
    """The others come back; a step that is not needed is a line."""
    greeting = step("greeting", "run['name']")
    away = step("address", more=", when=lambda run: run['city'] != 'Graz'")
    save(step("name"), step("city"), away, greeting, step("budget"))
    begin(page, address, name="Ann", city="Graz")
    expect(page.locator("#card3")).to_have_text("Your address – not needed here")
    fill(page, greeting="Hi Ann", budget="1000")
    page.get_by_role("button", name="Change: Your city").click()
    fill(page, city="Graz")
    expect(page.locator("#chain")).to_contain_text("2 later answers still hold.")
    page.get_by_role("button", name="Change: Your name").click()
    fill(page, name="Bob")
    expect(page.locator("#chain")).to_contain_text("1 later answer still holds.")
    expect(page.get_by_role("textbox", name="Your greeting")).to_have_value("Hi Ann")
    fill(page, greeting="Hi Bob")
    expect(page.locator("#result")).to_be_visible()
    assert "Your budget: 1000" in answers(page)
