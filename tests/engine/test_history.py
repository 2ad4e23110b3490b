"""History tells acts by what they changed: any state is rebuilt as it was, or known to be lost, and
the file grows with what is answered."""

import json
import shutil
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipulate.engine import history, past
from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, OutOfOrder
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.record import Record
from tests.engine.told import LONG, STEPS, damage, rows, stored, told
from tests.trust.table import tried

# --- the difference of two records

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e300])
    | st.text("aé🏰\"\\\n[{'", max_size=3)
)
KEYS = st.sampled_from(["a", "b", "c", "step_01", "was", ""])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)

RECORDS = st.dictionaries(KEYS, VALUES, max_size=5)


@st.composite
def edited(draw: st.DrawFn, record: Record) -> Record:
    """Return a record with some of its values, at any depth, replaced, dropped or added."""
    new: Record = {}
    for key, value in record.items():
        fate = draw(st.sampled_from(["same", "same", "drop", "new", "within"]))
        if fate == "within" and isinstance(value, dict):
            new[key] = draw(edited(value))
        elif fate == "new":
            new[key] = draw(VALUES)
        elif fate != "drop":
            new[key] = value
    return new | draw(st.dictionaries(KEYS, VALUES, max_size=2))


PAIRS = st.tuples(RECORDS, RECORDS) | RECORDS.flatmap(
    lambda old: st.tuples(st.just(old), edited(old))
)


@given(PAIRS)
def test_a_difference_makes_the_new_record_of_the_old_one(pair: tuple[Record, Record]) -> None:
    """To the byte: types, order of keys and all; and neither record is touched."""
    old, new = pair
    before = rec.dumps(old), rec.dumps(new)
    change = history.difference(old, new)
    if change is None:
        assert list(new) != [key for key in (*old, *(new.keys() - old.keys())) if key in new]
        return
    made = rec.loads(before[0]) if "was" not in old else json.loads(before[0])
    past.apply(made, json.loads(rec.encode(change)))
    assert rec.encode(made) == before[1]
    assert (rec.dumps(old), rec.dumps(new)) == before


@given(RECORDS)
def test_nothing_changed_is_nothing(record: Record) -> None:
    """Whether it is the same object or an equal one."""
    assert history.difference(record, deepcopy(record)) == {}


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ({}, {"a": 1}, {"a": [1]}),
        ({"a": 1}, {}, {"a": []}),
        ({"a": 1}, {"a": True}, {"a": [True]}),
        ({"a": 1}, {"a": 1.0}, {"a": [1.0]}),
        ({"a": [1]}, {"a": [True]}, {"a": [[True]]}),
        ({"a": []}, {"a": {}}, {"a": [{}]}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, {"a": {"b": [3]}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, {"a": [{"c": 2, "b": 1}]}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        ({"a": 1}, {"a": 1, 2: 3}, None),
        ({"a": {}}, {"a": {2: 3}}, {"a": [{2: 3}]}),
    ],
)
def test_differences(old: Record, new: Record, change: Record | None) -> None:
    """A list holds the new value, an empty one none, an object what changed within."""
    assert history.difference(old, new) == change


def test_what_is_nested_without_end_is_told_whole() -> None:
    """Below some levels a value is replaced; so nothing here recurses as deep as JSON may."""
    old: Any = 1
    new: Any = 2
    for _ in range(200):
        old, new = {"a": old, "b": 0}, {"a": new, "b": 0}
    change = history.difference(old, new)
    assert change is not None
    past.apply(old, change)
    assert old == new
    assert rec.encode(change).count("[") == 1


@pytest.mark.parametrize("change", [{"a": {"x": [1]}}, {"b": []}, {"a": [1, 2]}, {"a": 3}])
def test_a_change_that_fits_nothing_is_refused(change: Record) -> None:
    """What no difference says is not taken for one."""
    with pytest.raises(Corrupt):
        past.apply({"a": 1}, change)


# --- what the rows say


def test_a_short_record_is_told_whole(engine: Pipulate) -> None:
    """Its history reads as a list of records."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    engine.set_step_data("arthur", "step_02", {"quest": "Grail"})
    assert all(row["data"].startswith("{") for row in rows(engine))
    assert rows(engine)[-1]["data"] == stored(engine)


def test_a_long_one_is_told_by_what_changed(engine: Pipulate) -> None:
    """As the manual says it, for whoever looks with a SQLite shell."""
    engine.set_step_data("arthur", "step_01", {"quest": LONG})
    engine.clear_steps_from("arthur", "step_01", STEPS)
    engine.set_step_data("arthur", "step_02", {"name": "Arthur"})
    (change,) = json.loads(rows(engine)[-1]["data"])
    change.pop("updated", None)
    assert change == {"step_02": [{"name": "Arthur"}]}
    (change,) = json.loads(rows(engine)[-2]["data"])
    change.pop("updated", None)
    assert change == {"step_01": [], "was": [{"step_01": {"quest": LONG}}]}
    assert engine.history("arthur")[-1]["data"] == stored(engine)


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        (Kind.DELETE, lambda engine: engine.delete("arthur")),
        (Kind.UNDELETE, lambda engine: (engine.delete("arthur"), engine.undelete("arthur"))),
        (Kind.REPAIR, lambda engine: (damage(engine), engine.repair("arthur"))),
        (Kind.BEGIN, lambda engine: (engine.delete("arthur"), begin_again(engine))),
    ],
    ids=["delete", "undelete", "repair", "begin"],
)
def test_a_run_that_comes_or_goes_is_told_whole(
    engine: Pipulate, kind: Kind, act: Callable[[Pipulate], Any]
) -> None:
    """So that nothing before it is needed to know it."""
    engine.set_step_data("arthur", "step_01", {"quest": LONG})
    engine.set_step_data("arthur", "step_02", {"name": "Arthur"})
    act(engine)
    last = rows(engine)[-1]
    assert (last["kind"], last["tail"]) == (kind, 0)
    assert last["data"].startswith("{")
    assert None not in told(engine)


def begin_again(engine: Pipulate) -> None:
    """Begin `arthur` with a long record."""
    engine.initialize_if_missing("arthur", {"step_01": {"quest": LONG}})


def test_a_record_changed_from_outside_is_told_whole(engine: Pipulate) -> None:
    """Somebody edits it in a SQLite shell: the next act does not tell it by what was before."""
    engine.set_step_data("arthur", "step_01", {"quest": LONG})
    engine.store.write("UPDATE pipeline SET data = replace(data, 'Grail', 'Gral')")
    before = stored(engine)
    engine.set_step_data("arthur", "step_02", {"name": "Arthur"})
    engine.set_step_data("arthur", "step_03", {"name": "Galahad"})
    assert [row["data"][0] for row in rows(engine)[-2:]] == ["{", "["]
    assert told(engine)[-1] == stored(engine)
    engine.undo("arthur")
    assert rec.loads(stored(engine))["step_01"] == rec.loads(before)["step_01"]


def test_a_function_that_changes_its_argument(engine: Pipulate) -> None:
    """It should not, and history is right all the same."""
    engine.set_step_data("arthur", "step_01", {"quest": LONG, "found": []})

    def careless(record: Record) -> Record:
        record["step_01"]["found"].append("shrubbery")
        return {**record, "step_02": {"name": "Arthur"}}

    engine.change("arthur", "careless", careless)
    assert told(engine)[-1] == stored(engine)
    assert "shrubbery" in stored(engine)


@pytest.mark.parametrize(
    "function",
    [
        lambda record: {"step_09": {"x": 1}, **record},
        lambda record: {**record, 7: "seven", "7": 7},
        lambda record: {**record, "step_02": {1: "one", None: (1, 2)}},
        lambda record: {key: record[key] for key in reversed(record)},
    ],
    ids=["first", "twice", "keys", "reversed"],
)
def test_odd_records(engine: Pipulate, function: Callable[[Record], Record]) -> None:
    """Whatever a function returns, what history gives is what is stored."""
    engine.set_step_data("arthur", "step_01", {"quest": LONG})
    engine.change("arthur", "odd", function)
    engine.set_step_data("arthur", "step_03", {"name": "Arthur"})
    assert told(engine)[-1] == stored(engine)
    assert [text for text in told(engine)[:-1] if text] == told(engine)[:-1]


# --- any acts in any order


class History(RuleBasedStateMachine):
    """One run, whose model keeps every record whole."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pipulate-history-"))
        self.engine = Pipulate.open(self.folder, "bridge")
        self.engine.store.connection.pragma("synchronous", "OFF")  # this test cuts no power
        self.texts: list[str] = []
        self.there = False
        self.note(lambda: self.engine.initialize_if_missing("arthur", {"step_05": LONG}))

    def teardown(self) -> None:
        tried()
        if hasattr(self, "engine"):
            assert told(self.engine) == self.texts
            self.engine.store.close()
            shutil.rmtree(self.folder)

    def note(self, act: Callable[[], Any]) -> None:
        count = len(rows(self.engine))
        act()
        if len(rows(self.engine)) > count:
            self.there = self.engine.row("arthur") is not None
            self.texts.append(stored(self.engine) if self.there else self.texts[-1])

    @precondition(lambda self: self.there)
    @rule(step=st.sampled_from(STEPS), value=VALUES, times=st.sampled_from([1, 1, 1, 600]))
    def answer(self, step: tuple[str, str, str], value: Any, times: int) -> None:
        data = {step[0]: value, "again": [value] * times, "fixed": {"text": "x" * times}}
        self.note(lambda: self.engine.set_step_data("arthur", step[1], data))

    @precondition(lambda self: self.there)
    @rule(step=st.sampled_from(STEPS))
    def revert(self, step: tuple[str, str, str]) -> None:
        self.note(lambda: self.engine.clear_steps_from("arthur", step[1], STEPS))

    @precondition(lambda self: self.there)
    @rule()
    def undo(self) -> None:
        act = self.engine.undoable("arthur")
        if act is None:
            with pytest.raises(OutOfOrder):
                self.engine.undo("arthur")
            return
        at = [row["seq"] for row in rows(self.engine)].index(act.seq)
        expected = rec.restore(rec.loads(self.texts[at - 1]), rec.loads(self.texts[-1]))
        self.note(lambda: self.engine.undo("arthur"))
        now = rec.loads(self.texts[-1])
        assert rec.dumps({**now, "updated": ""}) == rec.dumps({**expected, "updated": ""})

    @precondition(lambda self: self.there)
    @rule(number=st.integers(0, 9), result=VALUES)
    def checkpoint(self, number: int, result: Any) -> None:
        def do(record: Record) -> Record:
            return {**record, "once": {**record.get("once", {}), f"act {number}": [result]}}

        self.note(lambda: self.engine.checkpoint("arthur", do))

    @precondition(lambda self: self.there)
    @rule()
    def careless(self) -> None:
        def do(record: Record) -> Record:
            record["was"] = {**record.get("was", {}), "step_01": {}}
            return dict(record)

        self.note(lambda: self.engine.change("arthur", "careless", do))

    @precondition(lambda self: self.there)
    @rule()
    def delete(self) -> None:
        self.note(lambda: self.engine.delete("arthur"))

    @precondition(lambda self: not self.there)
    @rule(again=st.booleans())
    def come_back(self, again: bool) -> None:
        if again:
            self.note(lambda: self.engine.initialize_if_missing("arthur", {"step_05": LONG}))
        else:
            self.note(lambda: self.engine.undelete("arthur"))

    @precondition(lambda self: self.there)
    @rule()
    def repair(self) -> None:
        damage(self.engine)
        self.note(lambda: self.engine.repair("arthur"))
        good, now = map(rec.loads, self.texts[-2:])
        assert {**good, "updated": ""} == {**now, "updated": ""}

    @invariant()
    def the_latest_is_known(self) -> None:
        if hasattr(self, "engine"):
            assert self.engine.history("arthur")[-1]["data"] == self.texts[-1]


def machine(runs: int, steps: int) -> None:
    """Run the machine."""
    quick = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(History, settings=quick)  # type: ignore[no-untyped-call]


def test_any_acts_in_any_order() -> None:
    """Every state is rebuilt to the byte, undo brings back what was, repair what was last."""
    machine(25, 25)


@pytest.mark.trust("Acts in any order: history rebuilds each state to the byte")
def test_any_acts_in_any_order_at_length() -> None:
    """The same, 400 runs."""
    machine(400, 40)


# --- figures


def test_beginning_a_run_reads_no_history(engine: Pipulate) -> None:
    """Of other runs: whether it was there before is looked up in an index."""
    plan = engine.store.read(
        """EXPLAIN QUERY PLAN SELECT seq, rev, profile_id FROM history
           WHERE workflow = ? AND id = ? AND kind = 'delete' ORDER BY seq DESC LIMIT 1""",
        "bridge",
        "arthur",
    )
    assert "USING INDEX history_deleted" in plan[0]["detail"]


def size(engine: Pipulate) -> int:
    """Return the bytes of the database after the last connection was closed."""
    engine.store.close()
    return engine.store.path.stat().st_size


def cards(engine: Pipulate, count: int) -> None:
    """Answer cards of 10 KB each, and take the last answer back."""
    text = "x" * 10_000
    for number in range(count):
        engine.set_step_data("arthur", f"step_{number:03d}", {"text": f"{number}{text}"})
    engine.undo("arthur")
    assert len(rec.step_ids(engine.get_state("arthur"))) == count - 1
    assert size(engine) < 2.5 * count * 10_000


def test_the_file_grows_with_what_is_answered(engine: Pipulate) -> None:
    """80 cards of 10 KB make less than 3 times their text."""
    cards(engine, 80)


@pytest.mark.trust("200 cards of 10 KB: the file is less than 3 times that")
def test_the_file_grows_with_what_is_answered_at_length(engine: Pipulate) -> None:
    """And so do 200."""
    cards(engine, 200)


def test_checkpoints_cost_what_they_note(engine: Pipulate) -> None:
    """500 acts of a step's work, of half a KB each, stay below 2 MB."""
    for number in range(500):
        act = {f"posts:post:{number}": {"begun": "2026-11-23", "result": "x" * 500}}
        engine.checkpoint(
            "arthur", lambda record, act=act: {**record, "once": {**record.get("once", {}), **act}}
        )
    assert len(engine.get_state("arthur")["once"]) == 500
    assert size(engine) < 2_000_000


def test_what_is_read_for_a_state_does_not_grow(engine: Pipulate) -> None:
    """One long answer is changed again and again: whole records come in between, not too many."""
    for number in range(300):
        engine.set_step_data("arthur", f"step_{number % 3:02d}", {"n": number, "text": LONG})
    record = len(stored(engine))
    assert max(row["tail"] for row in rows(engine)) <= 2 * record
    told_in = sum(len(row["data"]) for row in rows(engine))
    assert told_in < 1.6 * 300 * len(LONG)
