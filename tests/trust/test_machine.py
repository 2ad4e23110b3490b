"""A state machine against a model: three tabs, three runs, two open stores, any order of acts.

The two never differ.  The model below is written anew in plain Python and knows nothing of SQLite,
history rows or JSON: a run is its answers and a stack of what undo would bring back.  The `Server`
stands between tabs and engine as the web part does: a tab sends the run and the revision that it
shows.  Bugs planted into it must be found, or the machine is blind.
"""

import shutil
import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pipulate.engine import record as rec
from pipulate.engine.errors import Finalized, OutOfOrder, PipulateError, Stale, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from tests.trust.table import tried

STEPS = [(f"key{number}", f"step_{number:02d}", f"Step {number}") for number in (1, 2, 3)]
IDS = ("arthur", "lancelot", "galahad")
Answers = dict[str, Any]


# --- the model


@dataclass
class State:
    """What undo brings back."""

    answers: dict[str, Answers] = field(default_factory=dict)
    was: dict[str, Answers] = field(default_factory=dict)
    finalized: bool = False


@dataclass
class Model:
    """One run, as its user understands it."""

    there: bool = False
    rev: int = 0
    state: State = field(default_factory=State)
    done_outside: set[str] = field(default_factory=set)
    undoes: list[tuple[str, State]] = field(default_factory=list)

    def begin(self) -> None:
        if not self.there:
            self.there, self.rev, self.state, self.undoes = True, self.rev + 1, State(), []

    def act(self, name: str, rev: int) -> State:
        """Begin an act: refuse it as the user is told, or push the state before it;
        return the state to change.
        """
        if not self.there:
            raise Unknown
        if rev != self.rev:
            raise Stale
        if self.state.finalized:
            raise Finalized
        self.undoes.append((name, deepcopy(self.state)))
        self.rev += 1
        return self.state

    def submit(self, step: str, answers: Answers, rev: int) -> None:
        self.act(f"set {step}", rev).answers[step] = answers

    def revert(self, step: str, rev: int) -> None:
        state = self.act(f"revert {step}", rev)
        for later in [step_id for _, step_id, _ in STEPS if step_id >= step]:
            answers = state.answers.pop(later, {})
            if any(value != "" for value in answers.values()):
                state.was[later] = answers

    def lock(self, closed: bool, rev: int) -> None:
        if not self.there:
            raise Unknown
        if rev != self.rev:
            raise Stale
        if (
            self.state.finalized != closed
        ):  # nothing that undo would stop at: the other button is its undo
            self.state.finalized, self.rev = closed, self.rev + 1

    def undo(self, rev: int) -> None:
        if not self.there:
            raise Unknown
        if rev != self.rev:
            raise Stale
        if self.state.finalized:
            raise Finalized
        if not self.undoes:
            raise OutOfOrder
        self.state = self.undoes.pop()[1]
        self.rev += 1

    def delete(self) -> None:
        if not self.there:
            raise Unknown
        self.there, self.rev = False, self.rev + 1

    def undelete(self) -> None:
        if self.there or not self.rev:
            raise Unknown
        self.there, self.rev = True, self.rev + 1


# --- what is tested, and the bugs that must be found


class Server:
    """What the web part does with a tab's request: nothing of it is kept between two requests."""

    def open(self, engine: Pipulate, id: str) -> int:
        engine.initialize_if_missing(id)
        return engine.load(id)[1]

    def submit(self, engine: Pipulate, id: str, step: str, answers: Answers, rev: int) -> Any:
        return engine.set_step_data(id, step, answers, rev=rev)

    def revert(self, engine: Pipulate, id: str, step: str, rev: int) -> Any:
        return engine.clear_steps_from(id, step, STEPS, rev=rev)

    def undo(self, engine: Pipulate, id: str, rev: int) -> Any:
        return engine.undo(id, rev=rev)

    def lock(self, engine: Pipulate, id: str, closed: bool, rev: int) -> Any:
        return (engine.finalize if closed else engine.unfinalize)(id, rev=rev)

    def delete(self, engine: Pipulate, id: str) -> Any:
        return engine.delete(id)


class GlobalRunId(Server):
    """The bug of the framework that this one learned from:
    the server keeps which run is the current one.
    """

    def open(self, engine: Pipulate, id: str) -> int:
        self.current = id
        return super().open(engine, id)

    def submit(self, engine: Pipulate, id: str, step: str, answers: Answers, rev: int) -> Any:
        return super().submit(engine, getattr(self, "current", id), step, answers, rev)


class NoStaleCheck(Server):
    """The last tab wins."""

    def submit(self, engine: Pipulate, id: str, step: str, answers: Answers, rev: int) -> Any:
        return engine.set_step_data(id, step, answers)


class RevertForGood(Server):
    """A revert that deletes the answers."""

    def revert(self, engine: Pipulate, id: str, step: str, rev: int) -> Any:
        def forget(record: rec.Record) -> rec.Record:
            return {
                key: value
                for key, value in record.items()
                if not (key.startswith("step_") and key >= step)
            }

        return engine.change(id, f"revert {step}", forget, rev=rev)


class UndoOfTheWorld(Server):
    """An undo that forgets what was done outside since."""

    def undo(self, engine: Pipulate, id: str, rev: int) -> Any:
        before = engine.history(id)
        engine.undo(id, rev=rev)
        undone = engine.history(id)[-1]["undoes"]
        old = rec.loads(next(row["data"] for row in reversed(before) if row["seq"] < undone)).get(
            "once", {}
        )
        return engine.checkpoint(id, lambda record: {**record, "once": old})


class LockOnThePageOnly(Server):
    """A finalized run of which only the buttons are hidden."""

    def submit(self, engine: Pipulate, id: str, step: str, answers: Answers, rev: int) -> Any:
        return engine.change(
            id, f"set {step}", lambda record: {**record, step: answers}, rev=rev, locked=True
        )


class DeleteForGood(Server):
    """A deletion that takes the history along."""

    def delete(self, engine: Pipulate, id: str) -> Any:
        engine.delete(id)
        engine.store.write("DELETE FROM history WHERE id = ?", id)


# --- the machine

tabs, ids, sides = st.integers(0, 2), st.sampled_from(IDS), st.integers(0, 1)
steps = st.sampled_from([step_id for _, step_id, _ in STEPS])
answers = st.dictionaries(
    st.sampled_from(["x", "y"]), st.sampled_from(["", "blue", "red"]), max_size=2
)


class Machine(RuleBasedStateMachine):
    """Each rule is one click, or one thing that happens to the server."""

    server_class: type[Server] = Server

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pipulate-machine-"))
        self.server = self.server_class()
        self.stores = [self._open(), self._open()]
        self.models = {id: Model() for id in IDS}
        self.tabs: list[tuple[str, int]] = []
        self.touched = IDS[0]

    def _open(self) -> Store:
        return Store(self.folder / "pipulate.db")

    def teardown(self) -> None:
        tried()
        try:
            assert self.stores[0].connection.pragma("integrity_check") == "ok"
            for id in IDS:
                self.touched = id
                self.nothing_differs()
        finally:
            for store in self.stores:
                store.close()
            shutil.rmtree(self.folder)

    @initialize()
    def three_tabs_are_open(self) -> None:
        for id in IDS:
            self.models[id].begin()
            self.tabs.append((id, self.server.open(self._engine(0), id)))

    def _engine(self, side: int) -> Pipulate:
        return Pipulate(self.stores[side], "bridge")

    def _both(self, id: str, real: Any, ideal: Any) -> bool:
        """Do it in reality and in the model; both succeed, or both refuse for the same reason."""
        self.touched, refusals = id, []
        for act in (real, ideal):
            try:
                act()
                refusals.append(None)
            except PipulateError as error:
                refusals.append(type(error))
        assert refusals[0] == refusals[1], f"the engine says {refusals[0]}, the model {refusals[1]}"
        return refusals[0] is None

    def _click(self, tab: int, real: Any, ideal: Any) -> None:
        """Do what a tab asks for with what it shows; what it is answered is what it shows next."""
        id, rev = self.tabs[tab]
        if self._both(id, lambda: real(id, rev), lambda: ideal(self.models[id], rev)):
            self.tabs[tab] = id, self.models[id].rev

    @rule(tab=tabs, id=ids, side=sides)
    def open(self, tab: int, id: str, side: int) -> None:
        self.models[id].begin()
        self.touched = id
        self.tabs[tab] = id, self.server.open(self._engine(side), id)
        assert self.tabs[tab][1] == self.models[id].rev

    @rule(tab=tabs, side=sides, step=steps, answers=answers)
    def submit(self, tab: int, side: int, step: str, answers: Answers) -> None:
        self._click(
            tab,
            lambda id, rev: self.server.submit(self._engine(side), id, step, answers, rev),
            lambda model, rev: model.submit(step, answers, rev),
        )

    @rule(tab=tabs, side=sides, step=steps)
    def revert(self, tab: int, side: int, step: str) -> None:
        self._click(
            tab,
            lambda id, rev: self.server.revert(self._engine(side), id, step, rev),
            lambda model, rev: model.revert(step, rev),
        )

    @rule(tab=tabs, side=sides)
    def undo(self, tab: int, side: int) -> None:
        self._click(
            tab,
            lambda id, rev: self.server.undo(self._engine(side), id, rev),
            lambda model, rev: model.undo(rev),
        )

    @rule(tab=tabs, side=sides, closed=st.booleans())
    def lock(self, tab: int, side: int, closed: bool) -> None:
        self._click(
            tab,
            lambda id, rev: self.server.lock(self._engine(side), id, closed, rev),
            lambda model, rev: model.lock(closed, rev),
        )

    @rule(id=ids, side=sides, name=st.sampled_from(["export:links:1", "export:pages:1"]))
    def job_acts_outside(self, id: str, side: int, name: str) -> None:
        def note(record: rec.Record) -> rec.Record:
            return {**record, "once": {**record.get("once", {}), name: {"begun": "?", "result": 1}}}

        if self.models[id].there:
            self._engine(side).checkpoint(id, note)
            self.models[id].done_outside.add(name)
        self.touched = id

    @rule(id=ids, side=sides)
    def delete(self, id: str, side: int) -> None:
        self._both(id, lambda: self.server.delete(self._engine(side), id), self.models[id].delete)

    @rule(id=ids, side=sides)
    def undelete(self, id: str, side: int) -> None:
        self._both(id, lambda: self._engine(side).undelete(id), self.models[id].undelete)

    @rule(side=sides)
    def restart(self, side: int) -> None:
        self.stores[side].close()
        self.stores[side] = self._open()

    @invariant()
    def nothing_differs(self) -> None:
        rows = {row["id"]: row for row in self.stores[0].read("SELECT id, data, rev FROM pipeline")}
        assert rows.keys() == {id for id, model in self.models.items() if model.there}
        for id, row in rows.items():
            model, record = self.models[id], rec.loads(row["data"])
            assert {key: record[key] for key in rec.step_ids(record)} == model.state.answers, id
            assert record.get("was", {}) == model.state.was, id
            assert ("finalized" in record) == model.state.finalized, id
            assert set(record.get("once", {})) == model.done_outside, id
            assert row["rev"] == model.rev, id
        model = self.models[self.touched]
        if model.there:
            act = self._engine(1).undoable(self.touched)
            undone = model.undoes[-1][0] if model.undoes else None
            assert (act.words if act else None) == undone


COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def test_the_engine_does_what_the_model_does() -> None:
    """Short form: any order of acts in three tabs leads to the same records, revisions,
    refusals and undos.
    """
    run_state_machine_as_test(
        Machine, settings=settings(COMMON, max_examples=30, stateful_step_count=30)
    )


@pytest.mark.trust("Tabs, runs and processes in any order: as the model says")
def test_the_engine_does_what_the_model_does_at_length() -> None:
    """Long form: 500 times 50 acts."""
    run_state_machine_as_test(
        Machine, settings=settings(COMMON, max_examples=500, stateful_step_count=50)
    )


def at_length(bug: type[Server], told: str) -> Any:
    """Mark a bug that takes the machine long to find."""
    return pytest.param(bug, marks=pytest.mark.trust(f"Planted bug found: {told}"))


@pytest.mark.parametrize(
    "bug",
    [
        GlobalRunId,
        LockOnThePageOnly,
        at_length(NoStaleCheck, "an answer to what another tab has changed"),
        at_length(RevertForGood, "a change that cannot be undone"),
        at_length(UndoOfTheWorld, "an undo that forgets what was done outside"),
        at_length(DeleteForGood, "a deleted run that is gone for good"),
    ],
)
def test_the_machine_finds_planted_bugs(bug: type[Server]) -> None:
    """Each bug that a server of this kind may have makes the machine fail."""
    planted = type("Planted", (Machine,), {"server_class": bug})
    seeking = settings(
        COMMON,
        max_examples=300,
        stateful_step_count=30,
        phases=[Phase.generate],
        derandomize=True,
        print_blob=False,
    )
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(planted, settings=seeking)
