"""The engine: what every public method returns, refuses and keeps; undo, deletion, damage; two
processes on one run."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine.errors import Finalized, Invalid, OutOfOrder, Stale, Unknown
from pipulate.engine.exchange import import_run
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.record import normalise_id
from pipulate.engine.store import Store
from tests.arthur import ACT, STEPS, answered, damage, next_undo, rev, without_times
from tests.engine_child import Child, append
from tests.trust.table import tried

# --- reading


def test_a_run_that_does_not_exist(engine: Pipulate) -> None:
    """Asking about an unknown run makes none: its state is {}, nothing of it is done, and
    loading says so."""
    assert engine.get_state("lancelot") == {} and engine.row("lancelot") is None
    assert (
        engine.get_step_data("lancelot", "step_01") == {}
        and engine.get_step_data("lancelot", "step_01", 7) == 7
    )
    assert engine.get_all_step_data("lancelot", STEPS) == dict.fromkeys(
        ("name", "quest", "color"), "???"
    )
    assert engine.get_last_completed_step_number("lancelot", STEPS) == 0
    assert engine.get_step_summary("lancelot", "step_02", STEPS) == ({}, [])
    assert engine.history("lancelot") == [] and engine.undoable("lancelot") is None
    assert not engine.should_advance("lancelot", "step_01", {})
    with pytest.raises(Unknown, match=r"lancelot.*bridge"):
        engine.load("lancelot")
    assert [row["id"] for row in engine.runs()] == ["arthur"]


def test_begin(engine: Pipulate) -> None:
    """Beginning stores creation time (UTC) and what is given; beginning again changes nothing."""
    record = engine.initialize_if_missing(
        "lancelot", {"version": 2, "step_01": {"name": "Lancelot"}}
    )
    assert (
        record["version"] == 2
        and record["created"].endswith("+00:00")
        and record["created"] == record["updated"]
    )
    assert engine.load("lancelot") == (record, 1)
    assert engine.initialize_if_missing("  lancelot ", {"version": 9}) == record
    assert [act["act"] for act in engine.history("lancelot")] == ["begin"]


def test_answers(engine: Pipulate) -> None:
    """Answers stand under their step by field name, and are read back by step or all together
    by key."""
    answered(engine)
    engine.set_step_data("arthur", "finalize", {"finalized": True})
    assert engine.get_step_data("arthur", "step_02") == {"quest": "I seek the Grail"}
    everything = {"name": "Arthur", "quest": "I seek the Grail", "color": "blue"}
    assert engine.get_all_step_data("arthur", STEPS) == everything
    assert engine.get_all_step_data("arthur", STEPS, exclude_final=False) == everything | {
        "finalize": {"finalized": True}
    }
    assert engine.get_last_completed_step_number("arthur", STEPS[:3]) == 3


def test_runs(engine: Pipulate) -> None:
    """Runs are listed newest first, found by a part of their ID, by profile, and for all
    workflows by the nameless one."""
    engine.initialize_if_missing("Lancelot", profile_id=2)
    engine.for_workflow("petite").initialize_if_missing("arthur")
    engine.store.write("UPDATE pipeline SET updated = '2020' WHERE id = 'Lancelot'")

    def ids(engine: Pipulate, **named: Any) -> list[str]:
        return [row["id"] for row in engine.runs(**named)]

    assert ids(engine) == ["arthur", "Lancelot"] and ids(engine, limit=1) == ["arthur"]
    assert ids(engine, search="LANCE") == ["Lancelot"] and ids(engine, search="%") == []
    assert ids(engine, profile_id=2) == ["Lancelot"] and ids(engine, profile_id=1) == ["arthur"]
    assert [(row["workflow"], row["id"]) for row in engine.for_workflow("").runs("arthur")] == [
        ("petite", "arthur"),
        ("bridge", "arthur"),
    ]


def test_the_same_id_in_two_workflows(engine: Pipulate) -> None:
    """One ID in two workflows names two runs, with records and histories of their own."""
    petite = engine.for_workflow("petite")
    petite.initialize_if_missing("arthur")
    petite.set_step_data("arthur", "step_01", {"x": 1})
    engine.delete("arthur")
    assert (
        petite.get_step_data("arthur", "step_01") == {"x": 1} and len(petite.history("arthur")) == 2
    )


def shop(text: str) -> str:
    """Read any page of a shop as the shop."""
    return normalise_id(text).partition(".example/")[0] + ".example/"


def test_every_method_takes_the_id_as_it_was_typed(engine: Pipulate) -> None:
    """Whatever names a run is read by the engine's own `normalise`, kept for its other
    workflows too."""
    engine = Pipulate(engine.store, "other", shop).for_workflow("bridge")
    typed = " shop.example/shoes?page=2 "
    engine.initialize_if_missing(typed)
    engine.set_step_data(typed, "step_01", {"x": 1})
    assert [row["id"] for row in engine.runs("shop")] == ["shop.example/"]
    assert engine.get_state(typed) == engine.load(typed)[0] == engine.get_state("shop.example/")
    assert next_undo(engine, typed) == (Kind.ANSWER, "set step_01")
    engine.clear_steps_from(typed, "step_01", STEPS)
    engine.undo(typed)
    engine.finalize(typed)
    engine.unfinalize(typed)
    engine.checkpoint(typed, lambda record: {**record, "once": ACT})
    assert engine.repair(typed)["step_01"] == {"x": 1}
    engine.delete(typed)
    assert engine.row(typed) is None and engine.undelete(typed)["once"] == ACT
    assert engine.history(typed) == engine.history("shop.example/") != []


@pytest.mark.parametrize("call", [Pipulate.load, Pipulate.history, Pipulate.delete, Pipulate.undo])
def test_what_names_no_run_is_refused(engine: Pipulate, call: Callable[..., Any]) -> None:
    """An ID that cannot be one is refused in words, whichever method it is given to."""
    with pytest.raises(Invalid, match="A run needs an ID"):
        call(engine, " ")


# --- changing


def test_each_change_counts(engine: Pipulate) -> None:
    """Every change raises the revision by one, and appends the whole record to history."""
    answered(engine)
    assert rev(engine) == 4
    acts = [(act["rev"], act["act"]) for act in engine.history("arthur")]
    assert acts == [(1, "begin"), (2, "set step_01"), (3, "set step_02"), (4, "set step_03")]
    assert json.loads(engine.history("arthur")[-1]["data"]) == engine.get_state("arthur")


def test_no_change_is_no_act(engine: Pipulate) -> None:
    """A function that returns the record it got writes nothing."""
    engine.change("arthur", "nothing", lambda record: record)
    engine.checkpoint("arthur", lambda record: record)
    assert rev(engine) == 1 and len(engine.history("arthur")) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda engine, rev: engine.set_step_data("arthur", "step_01", {"name": "Galahad"}, rev=rev),
        lambda engine, rev: engine.clear_steps_from("arthur", "step_01", STEPS, rev=rev),
        lambda engine, rev: engine.finalize("arthur", rev=rev),
        lambda engine, rev: engine.unfinalize("arthur", rev=rev),
        lambda engine, rev: engine.undo("arthur", rev=rev),
    ],
    ids=["set", "revert", "finalize", "unfinalize", "undo"],
)
def test_a_stale_page_changes_nothing(
    engine: Pipulate, act: Callable[[Pipulate, int], Any]
) -> None:
    """A change made on an older revision is refused and merged into nothing; on the present one
    it is made."""
    answered(engine)
    before = engine.load("arthur"), engine.history("arthur")
    for wrong in (rev(engine) - 1, rev(engine) + 1, 0):
        with pytest.raises(Stale, match="older than the run"):
            act(engine, wrong)
    assert (engine.load("arthur"), engine.history("arthur")) == before
    act(engine, rev(engine))


CHANGES: list[Callable[[Pipulate], Any]] = [
    lambda engine: engine.set_step_data("arthur", "step_01", {"name": "Galahad"}),
    lambda engine: engine.clear_steps_from("arthur", "step_01", STEPS),
    lambda engine: engine.change("arthur", "anything", lambda record: {**record, "x": 1}),
    lambda engine: engine.undo("arthur"),
]


@pytest.mark.parametrize("change", CHANGES, ids=["set", "revert", "change", "undo"])
def test_a_finalized_run_refuses_every_change(
    engine: Pipulate, change: Callable[[Pipulate], Any]
) -> None:
    """While a run is finalized nothing in it changes, whatever is tried; unfinalized, it
    changes again."""
    answered(engine).finalize("arthur")
    before = engine.load("arthur"), engine.history("arthur")
    with pytest.raises(Finalized, match="finalized"):
        change(engine)
    assert (engine.load("arthur"), engine.history("arthur")) == before
    engine.unfinalize("arthur")
    change(engine)
    assert engine.load("arthur") != before[0]


def test_finalize_twice_is_finalize_once(engine: Pipulate) -> None:
    """Locking a locked run and opening an open one are no acts."""
    answered(engine).finalize("arthur")
    engine.finalize("arthur")
    engine.unfinalize("arthur")
    engine.unfinalize("arthur")
    assert [act["act"] for act in engine.history("arthur")][-2:] == ["finalize", "unfinalize"]
    assert "finalized" not in engine.get_state("arthur")


def test_a_finalized_run_keeps_a_late_jobs_result(engine: Pipulate) -> None:
    """What was done in the world is noted even in a locked run, without making its pages old."""
    answered(engine).finalize("arthur")
    before = rev(engine)
    engine.checkpoint("arthur", lambda record: {**record, "once": ACT})
    assert engine.get_state("arthur")["once"] == ACT and rev(engine) == before


@pytest.mark.parametrize("step_id", ["once", "was", "version", "finalized", "created", "updated"])
def test_the_engines_own_keys_are_no_steps(engine: Pipulate, step_id: str) -> None:
    """A step cannot be stored over what the engine keeps: outward acts, the lock, the version."""
    with pytest.raises(Invalid, match="another id"):
        engine.set_step_data("arthur", step_id, {})


def test_what_cannot_be_stored_changes_nothing(engine: Pipulate) -> None:
    """Data that is no JSON is refused, and the record stays readable."""
    before = engine.load("arthur")
    with pytest.raises(Invalid, match="not plain JSON"):
        engine.set_step_data("arthur", "step_01", {"x": {1, 2}})
    assert engine.load("arthur") == before


@pytest.mark.parametrize("change", CHANGES[:3], ids=["set", "revert", "change"])
def test_an_unknown_run_is_not_made_by_a_change(
    engine: Pipulate, change: Callable[[Pipulate], Any]
) -> None:
    """Only `initialize_if_missing` begins a run."""
    engine.delete("arthur")
    with pytest.raises(Unknown):
        change(engine)
    assert engine.row("arthur") is None


def test_revert_to_no_step(engine: Pipulate) -> None:
    """Reverting to a step that the workflow does not have is refused."""
    with pytest.raises(OutOfOrder, match="step_09"):
        engine.clear_steps_from("arthur", "step_09", STEPS)


# --- undo


def test_revert_then_undo_brings_everything_back(engine: Pipulate) -> None:
    """A revert keeps the answers as `was`; undo brings the later steps back as they were."""
    before = answered(engine).get_state("arthur")
    reverted = engine.clear_steps_from("arthur", "step_02", STEPS)
    assert "step_02" not in reverted and reverted["was"]["step_03"] == {"color": "blue"}
    assert next_undo(engine) == (Kind.REVERT, "revert step_02")
    assert without_times(engine.undo("arthur")) == without_times(before)
    assert engine.load("arthur")[1] == 6


def test_undo_goes_back_one_act_at_a_time(engine: Pipulate) -> None:
    """Undo after undo walks back through all acts to the beginning of the run, and then refuses."""
    states = [without_times(engine.get_state("arthur"))]
    for act in (
        lambda: engine.set_step_data("arthur", "step_01", {"name": "Arthur"}),
        lambda: engine.set_step_data("arthur", "step_02", {"quest": "Grail"}),
        lambda: engine.clear_steps_from("arthur", "step_01", STEPS),
        lambda: engine.set_step_data("arthur", "step_01", {"name": "Galahad"}),
    ):
        act()
        states.append(without_times(engine.get_state("arthur")))
    while len(states) > 1:
        assert without_times(engine.get_state("arthur")) == states.pop()
        engine.undo("arthur")
    assert without_times(engine.get_state("arthur")) == states.pop()
    assert engine.undoable("arthur") is None
    with pytest.raises(OutOfOrder, match="nothing left to undo"):
        engine.undo("arthur")


def test_an_act_after_an_undo_is_undone_next(engine: Pipulate) -> None:
    """Undo, answer, undo, undo: the new answer goes first, then what stood before the first
    undo's act."""
    answered(engine, 2)
    engine.undo("arthur")
    engine.set_step_data("arthur", "step_02", {"quest": "shrubbery"})
    assert engine.undo("arthur").get("step_02") is None
    assert next_undo(engine) == (Kind.ANSWER, "set step_01")
    assert engine.undo("arthur").get("step_01") is None


def test_undo_leaves_outward_acts_alone(engine: Pipulate) -> None:
    """What a job did in the world is not undone, and is no act that undo would stop at."""
    answered(engine, 1)
    engine.checkpoint("arthur", lambda record: {**record, "once": ACT})
    assert next_undo(engine) == (Kind.ANSWER, "set step_01")
    undone = engine.undo("arthur")
    assert "step_01" not in undone and undone["once"] == ACT


def test_undo_passes_over_lock_and_unlock(engine: Pipulate) -> None:
    """An unlocked run's undo takes the last answer back; it would otherwise lock the run again,
    for ever."""
    answered(engine, 2).finalize("arthur")
    engine.unfinalize("arthur")
    assert next_undo(engine) == (Kind.ANSWER, "set step_02")
    undone = engine.undo("arthur")
    assert "step_02" not in undone and "finalized" not in undone


def test_undo_does_not_take_an_upgrade_back(engine: Pipulate) -> None:
    """The conversion of an old record is not the user's act: undo goes to the act before it."""
    answered(engine, 1)
    version = {"version": 2}
    engine.change("arthur", "upgrade to 2", lambda r: {**r, **version}, kind=Kind.UPGRADE)
    assert next_undo(engine) == (Kind.ANSWER, "set step_01")


def test_every_act_tells_its_kind(engine: Pipulate, tmp_path: Path) -> None:
    """History says of each act what it was, whatever words it is told in."""
    answered(engine, 1).finalize("arthur")
    engine.unfinalize("arthur")
    engine.checkpoint("arthur", lambda record: {**record, "once": ACT})
    engine.clear_steps_from("arthur", "step_01", STEPS)
    engine.undo("arthur")
    engine.delete("arthur")
    engine.undelete("arthur")
    damage(engine)
    engine.repair("arthur")
    assert [act["kind"] for act in engine.history("arthur")] == [
        Kind.BEGIN,
        Kind.ANSWER,
        Kind.FINALIZE,
        Kind.UNFINALIZE,
        Kind.JOB,
        Kind.REVERT,
        Kind.UNDO,
        Kind.DELETE,
        Kind.UNDELETE,
        Kind.REPAIR,
    ]
    import_run(engine, {"id": "lancelot", "record": {}})
    assert [act["kind"] for act in engine.history("lancelot")] == [Kind.IMPORT]


def test_history_only_grows(engine: Pipulate) -> None:
    """No act rewrites or removes an earlier row of history, deletion and undo included."""
    seen: list[dict[str, Any]] = []
    for act in (
        lambda: answered(engine),
        lambda: engine.clear_steps_from("arthur", "step_01", STEPS),
        lambda: engine.undo("arthur"),
        lambda: engine.finalize("arthur"),
        lambda: engine.unfinalize("arthur"),
        lambda: engine.delete("arthur"),
        lambda: engine.undelete("arthur"),
        lambda: engine.delete("arthur"),
        lambda: engine.initialize_if_missing("arthur"),
    ):
        act()
        now = engine.history("arthur")
        assert len(now) > len(seen) and now[: len(seen)] == seen
        seen = now


# --- threads and processes


def test_one_revision_is_answered_once(engine: Pipulate) -> None:
    """Of eight tabs that answer the same page in the same moment, one is taken and seven are
    stale."""
    together = threading.Barrier(8)

    def submit(tab: int) -> bool:
        together.wait()
        try:
            engine.set_step_data("arthur", "step_01", {"name": f"tab {tab}"}, rev=1)
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(submit, range(8))) == 1
    assert rev(engine) == 2


def test_one_run_begun_by_many(engine: Pipulate) -> None:
    """Eight threads that begin the same run begin it once."""
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda _: engine.initialize_if_missing("lancelot"), range(8)))
    assert all(record == records[0] for record in records) and len(engine.history("lancelot")) == 1


def race(folder: Path, processes: int, each: int) -> None:
    """Let processes append to one answer at once, and check that every acknowledged word is
    there."""
    engine = Pipulate.open(folder, "shared")
    engine.initialize_if_missing("arthur")
    children = [Child(append, folder, "arthur", f"p{number}-", each) for number in range(processes)]
    acknowledged = [word for child in children for word in child.rest()]
    tried(len(acknowledged))
    words = engine.get_step_data("arthur", "step_01")["words"]
    assert len(acknowledged) == processes * each
    assert sorted(words) == sorted(acknowledged)
    assert engine.load("arthur")[1] == 1 + len(words)
    engine.store.close()


def test_two_processes_lose_no_answer(tmp_path: Path) -> None:
    """Two processes that read, change and write one record at once lose none of 100
    acknowledged answers."""
    race(tmp_path, 2, 50)


@pytest.mark.trust("Two processes, one record: no acknowledged answer is lost")
def test_two_processes_lose_no_answer_at_length(tmp_path: Path) -> None:
    """The same with 800 answers."""
    race(tmp_path, 2, 400)


def test_open_makes_the_folder(tmp_path: Path) -> None:
    """In a notebook, opening the engine on a folder that does not exist makes it."""
    engine = Pipulate.open(str(tmp_path / "deep" / "data"), "bridge")
    assert engine.get_state("arthur") == {} and isinstance(engine.store, Store)
    engine.store.close()
