"""Answers when something changes, against models that know keys and values only.

DEPENDENCIES  A workflow of up to five steps, each reading some earlier ones in any way, some there
              only sometimes, some done by the machine.  Answered, changed, undone, and worked on
              while the run changes elsewhere: a step is asked again if and only if something that
              it read changed, no stale result is stored, an outward act is done at most once.
FILES         Steps are put in, taken out, moved, renamed and given other fields between answers:
              what was answered stands under its own key, or is kept, and nowhere else.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Input
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipulate.engine import answers, changed, doing
from pipulate.engine.errors import OutOfOrder, Refused
from pipulate.engine.job import Job
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow
from tests.trust.table import tried

SHORT = settings(
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

LONG = settings(SHORT, max_examples=2000)
PLANTED = settings(SHORT, max_examples=1000, phases=(Phase.generate,), database=None)
Values = dict[str, Any]


class Machine(RuleBasedStateMachine):
    """A store of its own, and an event loop that it runs by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "pipulate.db")
        self.loop = asyncio.new_event_loop()

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        tried()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.store.close()
        self.folder.cleanup()


# --- dependencies


@dataclass
class Plan:
    """One step: what it reads, and how; on which earlier step's 1 it depends to be there."""

    work: bool
    reads: list[tuple[str, int]]  #: ("answer" | "fields" | "whole", the step's number)
    when: int | None
    again: bool


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    made: list[Plan] = []
    for number in range(draw(st.integers(2, 5))):
        earlier = st.integers(0, number - 1)
        ways = st.sampled_from(["answer", "answer", "fields", "whole"])
        reads = draw(st.lists(st.tuples(ways, earlier), max_size=2)) if number else []
        when = draw(st.none() | st.none() | earlier) if number else None
        work = number > 0 and draw(st.booleans())
        made.append(Plan(work, reads, when, draw(st.integers(0, 5)) == 0))
    return made


@dataclass
class Held:
    """An answer, and what was seen when it was given."""

    data: Values
    seen: list[Any]


@dataclass
class Model:
    """The run, as its user understands it."""

    plans: list[Plan]
    top: dict[int, Held] = field(default_factory=dict)
    was: dict[int, Held] = field(default_factory=dict)
    acts: list[tuple[str, Any]] = field(default_factory=list)  #: what can be undone

    def seen(self, number: int) -> list[Any]:
        before = {other: held.data for other, held in self.top.items() if other < number}
        found: list[Any] = []
        for way, other in self.plans[number].reads:
            data = before.get(other, {})
            found.append({"answer": data.get(f"k{other}"), "fields": data, "whole": before}[way])
        return deepcopy(found)

    def is_there(self, number: int) -> bool:
        other = self.plans[number].when
        if other is None:
            return True
        return other in self.top and self.top[other].data.get(f"k{other}") == "1"

    @property
    def open(self) -> int:
        for number in range(len(self.plans)):
            if number not in self.top and self.is_there(number):
                return number
        return len(self.plans)

    def place(self, number: int, held: Held, act: str) -> None:
        self.note(act)
        self.was |= {other: kept for other, kept in self.top.items() if other > number}
        self.top = {other: kept for other, kept in self.top.items() if other < number}
        self.was.pop(number, None)
        if number > self.open or not self.is_there(number):
            self.was[number] = held
            return
        self.top[number] = held
        for later in range(number + 1, len(self.plans)):
            if not self.is_there(later):
                continue
            kept = self.was.get(later)
            if kept is None or self.plans[later].again or kept.seen != self.seen(later):
                return
            self.top[later] = self.was.pop(later)

    def note(self, act: str) -> None:
        self.acts.append((act, deepcopy((self.top, self.was))))

    def revert(self, number: int) -> None:
        self.note("revert")
        self.was |= {other: kept for other, kept in self.top.items() if other >= number}
        self.top = {other: kept for other, kept in self.top.items() if other < number}

    def undo(self) -> bool:
        for index in reversed(range(len(self.acts))):
            act, before = self.acts[index]
            if act != "job":
                self.top, self.was = deepcopy(before)
                self.acts[index] = ("job", before)  # it can be undone once
                return True
        return False


class Dependencies(Machine):
    """Answers, changes, undoes, and work that goes on meanwhile."""

    @initialize(plans=plans())
    def begin(self, plans: list[Plan]) -> None:
        self.model = Model(plans)
        self.paid: Counter[str] = Counter()
        self.flow = Workflow("deps")
        for number, plan in enumerate(plans):
            self.add(number, plan)
        self.flow.begin(self.flow.engine(self.store), "x")
        self.working: tuple[int, Run, Values, list[Any]] | None = None

    def add(self, number: int, plan: Plan) -> None:
        when = None
        if plan.when is not None:
            key = f"k{plan.when}"
            when = lambda run: run.get(key) == "1"  # noqa: E731
        shape = {"when": when, "again": plan.again}
        key_of_step = f"k{number}"

        async def ask(run: Run) -> Any:
            read(run, plan)
            return Input(name=key_of_step), Input(name="note")

        async def work(run: Run, job: Job) -> Values:
            found = read(run, plan)

            async def pay() -> int:
                self.paid[f"{number} {found}"] += 1
                return len(self.paid)

            await job.once("pay", pay, params=found)
            return {key_of_step: str(len(repr(found)) % 2 + 1), "note": ""}

        if plan.work:
            self.flow.work(key_of_step, "Work", **shape)(work)
        else:
            self.flow.step(key_of_step, "Ask", **shape)(ask)

    @property
    def run(self) -> Run:
        return self.flow.load(self.store, "x", Settings())

    @rule(value=st.sampled_from("12"), note=st.sampled_from(["", "a"]))
    def answer(self, value: str, note: str) -> None:
        run = self.run
        number = self.model.open
        if number == len(self.model.plans):
            return
        step = self.flow.steps[number]
        if step.work:
            self.start()
            self.finish()
            return
        seen = self.model.seen(number)
        asked = self.wait(answers.question(run, step))
        sent = {step.key: [value], "note": [note]}
        answers.store(asked, sent, self.wait(answers.accepted(asked, sent)))
        self.model.place(number, Held({step.key: value, "note": note}, seen), "answer")

    @rule(number=st.integers(0, 4))
    def change(self, number: int) -> None:
        if number in self.model.top:
            step = self.flow.steps[number]
            self.run.engine.clear_steps_from("x", step.id, self.flow.tuples)
            self.model.revert(number)

    @rule(number=st.integers(0, 4), value=st.sampled_from("12"), note=st.sampled_from(["", "a"]))
    def revise(self, number: int, value: str, note: str) -> None:
        self.change(number)
        self.answer(value, note)

    @rule()
    def undo(self) -> None:
        if self.model.undo():
            self.run.engine.undo("x")
        else:
            with pytest.raises(OutOfOrder):
                self.run.engine.undo("x")

    @rule()
    def start(self) -> None:
        """Let a piece of work begin: it has its result, but has not stored it."""
        number = self.model.open
        if self.working or number == len(self.model.plans) or not self.model.plans[number].work:
            return
        step = self.flow.steps[number]
        seen = self.run.before(step)
        result = self.wait(step.function(seen, Job(seen, step, lambda fraction, message: None)))
        self.working = (number, seen, result, self.model.seen(number))

    @precondition(lambda self: self.working)
    @rule()
    def finish(self) -> None:
        """What it was made of may have changed meanwhile."""
        if self.working is None:
            return
        (number, run, result, seen), self.working = self.working, None
        if number in self.model.top:
            doing.finish(run, self.flow.steps[number], result)
        elif self.model.seen(number) != seen:
            with pytest.raises(Refused, match="changed meanwhile"):
                doing.finish(run, self.flow.steps[number], result)
        else:
            doing.finish(run, self.flow.steps[number], result)
            self.model.place(number, Held(result, seen), "job")

    @invariant()
    def they_agree(self) -> None:
        run = self.run
        assert run.open_index == self.model.open
        done = {number: run.state[step.id] for number, step in enumerate(self.flow.steps)
                if step.id in run.state}  # fmt: skip
        assert done == {number: held.data for number, held in self.model.top.items()}
        was = {f"step_{number + 1:02d}": held.data for number, held in self.model.was.items()}
        assert run.state.get("was", {}) == was
        assert not self.paid or max(self.paid.values()) == 1


def read(run: Run, plan: Plan) -> list[Any]:
    """Read what a step reads, and return it as the model says it."""
    found: list[Any] = []
    for way, other in plan.reads:
        key = f"k{other}"
        if way == "answer":
            found.append(run.get(key))
        elif way == "fields":
            found.append(run.fields(key))
        else:
            found.append(run.answers())
    return found


# --- files


class Files(Machine):
    """A file that is edited between answers; each value says for which key it was typed."""

    @initialize()
    def begin(self) -> None:
        self.keys = ["a", "b", "c"]
        self.fields = {key: key for key in self.keys}
        self.fresh = 0
        self.place: dict[str, str] = {}  #: the key under which each latest value belongs
        Pipulate(self.store, "evo").initialize_if_missing("x")

    @property
    def flow(self) -> Workflow:
        flow = Workflow("evo")
        for key in self.keys:
            flow.step(key, key)(asks(self.fields[key]))
        return flow

    @property
    def run(self) -> Run:
        return self.wait(changed.opened(self.flow, self.store, "x", Settings()))

    def name(self) -> str:
        self.fresh += 1
        return f"n{self.fresh}"

    @rule()
    def answer(self) -> None:
        run = self.run
        if run.open_index == len(self.keys):
            return
        step = run.flow.steps[run.open_index]
        asked = self.wait(answers.question(run, step))
        self.fresh += 1
        value = f"{step.key} {self.fresh}."  # no beginning of another
        sent = {self.fields[step.key]: [value]}
        answers.store(asked, sent, self.wait(answers.accepted(asked, sent)))
        self.place = {old: key for old, key in self.place.items() if key != step.key}
        self.place[value] = step.key

    @rule(number=st.integers(0, 4))
    def change(self, number: int) -> None:
        run = self.run
        if number < run.open_index:
            run.engine.clear_steps_from("x", run.flow.steps[number].id, run.flow.tuples)

    @rule(place=st.integers(0, 4))
    def insert(self, place: int) -> None:
        key = self.name()
        self.keys.insert(place, key)
        self.fields[key] = key

    @rule(place=st.integers(0, 4))
    def remove(self, place: int) -> None:
        if place < len(self.keys) > 1:
            del self.keys[place]

    @rule(key=st.sampled_from("abc"), place=st.integers(0, 4))
    def put_back(self, key: str, place: int) -> None:
        if key not in self.keys:
            self.keys.insert(place, key)

    @rule(one=st.integers(0, 4), other=st.integers(0, 4))
    def swap(self, one: int, other: int) -> None:
        if max(one, other) < len(self.keys):
            keys = self.keys
            keys[one], keys[other] = keys[other], keys[one]

    @rule(place=st.integers(0, 4), both=st.booleans())
    def rename(self, place: int, both: bool) -> None:
        if place < len(self.keys):
            old = self.keys[place]
            self.keys[place] = new = self.name()
            self.fields[new] = self.fields[old]
            if both and self.fields[old] == old:
                self.fields[new] = new

    @rule(place=st.integers(0, 4))
    def refield(self, place: int) -> None:
        if place < len(self.keys):
            self.fields[self.keys[place]] = self.name()

    @rule()
    def take(self) -> None:
        """Say yes, where it is asked whether a step is a former one."""
        run = self.run
        if run.open_index == len(self.keys):
            return
        step = run.flow.steps[run.open_index]
        inside = self.wait(answers.question(run, step)).inside
        keys = changed.former(run, step, inside)
        if not keys:
            with pytest.raises(OutOfOrder):
                changed.take(run, step, inside, "nobody")
            return
        changed.take(run, step, inside, keys[0])
        for value in [value for value, key in self.place.items() if key == keys[0]]:
            self.place[value] = step.key

    @invariant()
    def each_stands_under_its_own_key(self) -> None:
        run = self.run
        kept = repr(run.state)
        for value, key in self.place.items():
            assert value in kept, "an answer was lost"
            for step in run.flow.steps:
                if value in repr(run.get(step.key)):
                    assert step.key == key, f"{value!r} stands under {step.key!r}"

    @invariant()
    def headless_agrees(self) -> None:
        """The record alone says the same to a reader that calls no form."""
        run = self.run
        again = run.flow.load(self.store, "x", Settings())
        assert (again.state, again.rev) == (run.state, run.rev)


def asks(name: str) -> Callable[[Run], Any]:
    async def form(run: Run) -> Any:
        return Input(name=name)

    return form


def test_a_step_is_asked_again_if_and_only_if_what_it_read_changed() -> None:
    """The short form."""
    run_state_machine_as_test(Dependencies, settings=SHORT)  # type: ignore[no-untyped-call]


def test_answers_follow_their_keys() -> None:
    """The short form."""
    run_state_machine_as_test(Files, settings=SHORT)  # type: ignore[no-untyped-call]


@pytest.mark.trust("Earlier answers change: only what read them is asked again")
def test_dependencies_at_length() -> None:
    """2,000 runs."""
    run_state_machine_as_test(Dependencies, settings=LONG)  # type: ignore[no-untyped-call]


@pytest.mark.trust("Workflow files change: no answer stands under another question")
def test_files_at_length() -> None:
    """2,000 histories."""
    run_state_machine_as_test(Files, settings=LONG)  # type: ignore[no-untyped-call]


def test_a_lookup_by_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant one: an answer is taken for the one at its number, whatever its key."""
    monkeypatch.setattr("pipulate.engine.record.knows", lambda record, places: True)
    with pytest.raises(BaseException, match=r"stands under|exceptions|was lost"):
        run_state_machine_as_test(Files, settings=PLANTED)  # type: ignore[no-untyped-call]


def test_a_result_kept_whatever_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant it: all answers hold."""
    monkeypatch.setattr(answers, "holds", lambda seen, reads: True)
    with pytest.raises(BaseException):  # noqa: B017
        run_state_machine_as_test(Dependencies, settings=PLANTED)  # type: ignore[no-untyped-call]
