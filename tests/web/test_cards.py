"""A run's chain of cards: which there are, and what each shows."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Article, Form, Input, Label, to_xml

from pipulate.engine.answers import Question, answer, question
from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.jobs import Jobs, Progress
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.values import File
from pipulate.engine.workflow import Workflow
from pipulate.web import cards


class Case:
    """A workflow of two questions and a piece of work, and a run of it."""

    def __init__(self, folder):
        self.flow = Workflow("case")
        self.flow.step("name", "Who?")(lambda run: Input(name="name", required=True))
        self.color = self.flow.step("color", "Which?")(lambda run: Input(name="color"))
        self.flow.work("export", "Export", auto=False)(lambda run, job: None)
        self.engine = Pipulate.open(folder, "case")
        self.settings = Settings(data=folder)
        self.jobs = Jobs(self.engine.store, self.settings)
        self.flow.begin(self.engine, "x")

    def run(self, **answers):
        """Return the run, answered so far."""
        for number, value in enumerate(answers.items(), 1):
            self.engine.set_step_data("x", f"step_{number:02d}", dict([value]))
        return self.flow.load(self.engine.store, "x", self.settings)

    def question(self, inside):
        """Return the first step's question, asked by this form."""
        run = self.run()
        return Question(run, self.flow.steps[0], run, inside)

    async def chain(self, **what):
        """Return the chain as text."""
        run = self.flow.load(self.engine.store, "x", self.settings)
        return to_xml(await cards.chain(run, self.jobs, **what))


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path)
    yield made
    made.engine.store.close()


async def test_the_chain_ends_at_the_first_open_card(case):
    """What is not reached is not there; what was refused stands above and in the open card."""
    run = case.run(name="Ada")
    last = await cards.card(run, case.jobs, 1, {"color": "typed here"})
    shown = await case.chain(message="Too late.", last=last)
    assert re.findall(r'id="(card\d|result)"', shown) == ["card1", "card2"]
    assert "Too late." in shown and 'value="typed here"' in shown
    assert "Ada" in shown and "data-current" in shown


async def test_the_asked_for_card_gets_the_focus(case):
    """The address names a card; one beyond the open card is no reason to fail."""
    case.run(name="Ada")
    assert await case.chain(at=1) != await case.chain(at=9) == await case.chain()
    assert "data-focus" in (await case.chain(at=1)).split('id="card2"')[0]


async def test_a_bug_shows_in_its_card_and_the_others_live_on(case):
    """The author sees where; the earlier answer is there."""

    def fail(run):
        raise ZeroDivisionError("by zero")

    case.run(name="Ada")
    case.color.function = fail
    shown = await case.chain()
    assert "Ada" in shown and "ZeroDivisionError: by zero" in shown
    place = re.search(r"test_cards\.py, line \d+: <code>(.*)</code>", shown)
    assert place and place[1] == 'raise ZeroDivisionError("by zero")'
    assert "--dev" in shown and "Traceback" not in shown.split("<details")[0]


async def test_a_service_that_is_down_is_no_fault_of_the_code(case):
    """What was raised on purpose stands as it is, without a place in the file."""

    def fail(run):
        raise PipulateError("The service is down; try again later.")

    case.run(name="Ada")
    case.color.function = fail
    shown = await case.chain()
    assert "The service is down" in shown and "code failed" not in shown and "line" not in shown


async def test_a_done_card_that_cannot_be_shown_can_be_changed(case):
    """The bug may be in how it is shown only."""

    def fail(run):
        raise ZeroDivisionError("by zero")

    case.run(name="Ada")
    case.flow.steps[0].show(fail)
    shown = await case.chain()
    assert "ZeroDivisionError" in shown and "/case/revert1" in shown


async def test_controls_without_a_label_are_named_by_their_card(case):
    """A screen reader says the card's title; a label of the author's own wins; no id is twice."""
    inside = (Input(name="bare"), Label("Own", Input(name="own")), Input(name="x", id="x"))
    cards.name_controls(inside, "card1-title")
    shown = to_xml(inside)
    assert shown.count('aria-labelledby="card1-title"') == 2 and 'id="x"' not in shown


async def test_a_card_that_the_author_drew_is_made_to_post(case):
    """Its own form is sent like any other, also FastHTML's, which is multipart by default."""
    shown = to_xml(cards.asking(case.question(Article(Form(Input(name="name"))))))
    assert 'hx-post="/case/card1?id=x&amp;step=name"' in shown and 'id="card1"' in shown
    assert "multipart" not in shown and "card-error" not in shown
    refused = cards.asking(case.question(Article(Form(Input(name="name")))), {}, Invalid("Say it."))
    assert '<p role="alert" class="error" id="card-error">Say it.</p>' in to_xml(refused)


async def test_a_card_with_a_file_goes_where_files_may_go(case):
    """Other addresses take two megabytes."""
    shown = to_xml(cards.asking(case.question(Input(name="f", type="file"))))
    assert 'action="/case/card1/upload?id=x&amp;step=name&amp;pipulate-rev=' in shown
    assert "multipart/form-data" in shown


async def test_a_refused_card_keeps_what_was_typed_and_marks_the_field(case):
    """What was refused stands in the field, and the reason at it."""
    error = Invalid("No.", "name")
    card = cards.asking(case.question(Input(name="name")), {"name": "Bob"}, error)
    shown = to_xml(card)
    assert 'value="Bob"' in shown and 'aria-invalid="true"' in shown and "No." in shown


async def test_work_that_waits_shows_its_button(case):
    """And the result comes when all is done, with its lock."""
    case.run(name="Ada", color="red")
    assert 'action="/case/start3?id=x&amp;step=export&amp;' in await case.chain()
    case.run(name="Ada", color="red", export=1)
    assert "Finalize" in await case.chain()
    case.engine.finalize("x")
    locked = await case.chain()
    assert "Unlock" in locked and "Change" not in locked and "/revert" not in locked


class States:
    """Jobs of which only the state is known."""

    def __init__(self, state: str, why: str = "") -> None:
        self.known = (state, why)

    def state(self, run: Any, step: Any) -> tuple[str, str]:
        """How it stands."""
        return self.known

    def progress(self, key: Any) -> Progress:
        """How far it is."""
        return Progress(0.5, "halfway")


@pytest.mark.parametrize(
    ("state", "says", "buttons"),
    [
        ("ready", "", ["Start"]),
        ("ready", "It was last tried with other answers than these.", ["Start"]),
        ("running", "halfway", ["Cancel"]),
        ("elsewhere", "halfway", ["Cancel"]),
        ("ending", "halfway", ["Go on"]),
        ("cancelled", "What was done is kept.", ["Go on"]),
        ("failed", "No such project.", ["Try again"]),
        ("unsure", "It may have been done.", ["Look again", "Do it again"]),
    ],
)
async def test_work_is_shown_as_it_stands(case, state, says, buttons):
    """With the words of it, and the ways on."""
    run = case.run(name="Ada", color="red")
    shown = to_xml(cards.working(run, States(state, says), run.flow.steps[2]))
    assert re.findall(r"<button[^>]*>([^<]*)", shown) == buttons and says in shown
    assert ("hx-get" in shown) == (state in ("running", "elsewhere", "ending"))


async def test_a_failing_result_leaves_the_answers(case):
    """Its message stands where the result would."""
    case.run(name="Ada", color="red", export=1)
    case.flow.result(lambda run: run["nothing"])
    shown = await case.chain()
    assert "The result's code failed; all answers are safe." in shown and "Ada" in shown
    assert "KeyError" in shown and 'run["nothing"])' in shown


async def test_a_result_that_something_is_missing_for_is_no_fault_of_the_code(case):
    """Such as a file that is not there any more."""

    def fail(run):
        raise PipulateError("The file a.csv is not there any more.")

    case.run(name="Ada", color="red", export=1)
    case.flow.result(fail)
    shown = await case.chain()
    assert "a.csv is not there any more" in shown and "code failed" not in shown


async def test_a_password_is_shown_to_nobody(case):
    """Neither on its card nor to the model; code has it."""
    case.flow.steps[0].function = lambda run: (
        Input(name="name", type="password"),
        Input(name="user"),
    )
    run = case.run()
    asked = await question(run, case.flow.steps[0])
    await answer(asked, {"name": ["hunter2"], "user": ["ada"]})
    assert run["name"] == "hunter2" and "hunter2" not in await case.chain()
    assert run.summary() == "- Who?: •••"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "✓"),
        (False, "–"),
        (["a", True], "a, ✓"),
        ({"file": "a.csv", "path": "x", "size": 3, "sha256": "0" * 64}, "a.csv"),
        ([File("a.csv", 3, "0" * 64, Path("a.csv")), None], "a.csv, –"),
        ({"file": File("b.csv", 3, "0" * 64, Path("b.csv")), "n": 0}, "File: b.csv · N: 0"),
        (None, "–"),
        (0, "0"),
        ({"day": date(2026, 11, 23), "hours": 1.5}, "Day: 2026-11-23 · Hours: 1.5"),
        ({"rows": list(range(10**6))}, "Rows: " + ", ".join(map(str, range(300)))[:294] + "…"),
        ({"first_name": "Ada", "empty": "", "answered": True}, "First name: Ada · Answered: ✓"),
        ({"empty": ""}, "–"),
        ("x" * 301, "x" * 300 + "…"),
    ],
)
async def test_an_answer_is_shown_as_text(value, shown):
    """Whatever a form gave."""
    assert cards.plain(value) == shown
