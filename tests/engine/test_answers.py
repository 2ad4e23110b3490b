"""What an answer rests on: what its step read; tests/trust/test_changes.py has the long form."""

from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Input

from pipulate.engine import answers
from pipulate.engine.answers import answer, is_stored, question
from pipulate.engine.doing import finish
from pipulate.engine.errors import Finalized, Refused, Stale
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow

Given = dict[str, str]


class Case:
    """A workflow and one run of it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "pipulate.db")
        self.flow = Workflow("case")

    def asks(self, key: str, *reads: str, **more: Any) -> None:
        """Add a step that reads these answers."""

        async def form(run: Run) -> Any:
            for other in reads:
                run.get(other)
            return Input(name=key)

        self.flow.step(key, key, **more)(form)

    @property
    def run(self) -> Run:
        """The run as stored."""
        self.flow.begin(self.flow.engine(self.store), "x")
        return self.flow.load(self.store, "x", Settings())

    async def answer(self, **given: str) -> int:
        """Answer these steps; return how many held after the last."""
        back = 0
        for key, value in given.items():
            step = self.flow.find(key)
            assert step
            back = await answer(await question(self.run, step), {key: [value]})
        return back

    def change(self, key: str) -> None:
        """Go back to a step."""
        step = self.flow.find(key)
        assert step
        self.run.engine.clear_steps_from("x", step.id, self.flow.tuples)


@pytest.fixture
def case(tmp_path: Path) -> Any:
    """A case whose database is closed in the end."""
    made = Case(tmp_path)
    yield made
    made.store.close()


async def test_only_what_read_the_changed_answer_is_asked_again(case: Case) -> None:
    """The others come back by themselves, up to the first that does not hold."""
    case.asks("name")
    case.asks("city")
    case.asks("greeting", "name")
    case.asks("end", "city")
    await case.answer(name="Ann", city="Graz", greeting="Hi Ann", end=".")
    case.change("name")
    assert case.run.answers() == {}
    assert await case.answer(name="Bob") == 1
    assert case.run.answers() == {"name": "Bob", "city": "Graz"}
    assert case.run.was("greeting") == {"greeting": "Hi Ann"}
    assert await case.answer(greeting="Hi Bob") == 1
    assert case.run["end"] == "." and case.run.open_index == 4


async def test_the_same_answer_again_changes_nothing(case: Case) -> None:
    """All later ones hold, also one that read everything."""
    case.asks("name")

    @case.flow.step("all", "All")
    async def all_of_it(run: Run) -> Any:
        assert run.record["created"]
        return Input(name="all")

    await case.answer(name="Ann", all="yes")
    before = case.run.state
    case.change("name")
    assert await case.answer(name="Ann") == 1
    assert {**case.run.state, "updated": ""} == {**before, "updated": ""}
    case.change("name")
    assert await case.answer(name="Bob") == 0


async def test_a_step_can_be_asked_always(case: Case) -> None:
    """With `again`, though it read nothing."""
    case.asks("name")
    case.asks("sure", again=True)
    await case.answer(name="Ann", sure="yes")
    case.change("name")
    assert await case.answer(name="Ann") == 0 and case.run.open_index == 1


async def test_a_step_that_is_not_always_there(case: Case) -> None:
    """It is passed over where `when` says no; its answer waits for a yes."""
    case.asks("count")
    case.asks("which", when=lambda run: run["count"] != "0")
    case.asks("end")
    await case.answer(count="0")
    assert case.run.open_index == 2
    await case.answer(end=".")
    assert case.run.open_index == 3 and case.run.answers() == {"count": "0", "end": "."}
    case.change("count")
    assert await case.answer(count="7") == 0
    assert await case.answer(which="a") == 1
    case.change("count")
    assert await case.answer(count="0") == 1 and "which" not in case.run.answers()
    case.change("count")
    assert await case.answer(count="8") == 2 and case.run["which"] == "a"


async def test_a_step_whose_when_fails_is_there_to_say_so(case: Case) -> None:
    """Rather than to vanish."""
    case.asks("count", when=lambda run: run["nothing"])
    assert case.run.open_index == 0


async def test_a_result_is_stored_only_if_what_it_was_made_of_is_so(case: Case) -> None:
    """Whoever changed it meanwhile."""
    case.asks("name")
    case.asks("city")
    work = case.flow.work("work", "Work")(lambda run, job: None)
    await case.answer(name="Ann", city="Graz")
    seen = case.run.before(work)
    assert seen["name"] == "Ann"
    case.change("name")
    await case.answer(name="Bob")
    with pytest.raises(Refused, match="changed meanwhile"):
        finish(seen, work, {"for": "Ann"})
    assert "work" not in case.run.answers()


async def test_a_result_waits_for_an_answer_that_it_did_not_read(case: Case) -> None:
    """It is not lost: it holds as soon as the card before it is answered."""
    case.asks("name")
    case.asks("city")
    work = case.flow.work("work", "Work")(lambda run, job: None)
    await case.answer(name="Ann", city="Graz")
    seen = case.run.before(work)
    assert seen["name"] == "Ann"
    case.change("city")
    finish(seen, work, {"for": "Ann"})
    assert case.run.open_index == 1
    assert await case.answer(city="Wien") == 1 and case.run["work"] == {"for": "Ann"}


@pytest.mark.parametrize("result", [{}, [], "", 0, False])
async def test_an_empty_result_is_one(case: Case, result: Any) -> None:
    """The work is done, and gives back what it returned."""
    work = case.flow.work("work", "Work")(lambda run, job: None)
    finish(case.run.before(work), work, result)
    assert case.run.open_index == 1 and case.run["work"] == result
    assert type(case.run["work"]) is type(result)


async def test_the_same_form_twice_is_one_answer(case: Case) -> None:
    """A double click is no reproach; another answer to a done step is refused."""
    case.asks("name")
    case.asks("city")
    (name, city) = case.flow.steps
    await case.answer(name="Ann")
    assert is_stored(case.run, name, {"name": ["Ann"]}, rev=0)
    with pytest.raises(Stale, match="already answered"):
        is_stored(case.run, name, {"name": ["Bob"]})
    with pytest.raises(Stale, match="not reached yet"):
        is_stored(case.run.before(name), city, {"city": ["Graz"]})


async def test_of_two_answers_at_once_one_is_refused(case: Case) -> None:
    """Both were asked of the same revision."""
    case.asks("name")
    (name,) = case.flow.steps
    first = await question(case.run, name)
    second = await question(case.run, name)
    await answer(first, {"name": ["Ann"]})
    with pytest.raises(Stale):
        await answer(second, {"name": ["Bob"]})
    assert case.run["name"] == "Ann"


async def test_a_locked_run_takes_no_answer(case: Case) -> None:
    """Before its form is made."""
    case.asks("name")
    await case.answer(name="Ann")
    case.run.engine.finalize("x")
    with pytest.raises(Finalized):
        is_stored(case.run, case.flow.steps[0], {"name": ["Bob"]})


def test_what_nobody_noted_does_not_hold(case: Case) -> None:
    """As of records of 0.1.0."""
    assert not answers.holds(case.run, None) and answers.holds(case.run, {})
