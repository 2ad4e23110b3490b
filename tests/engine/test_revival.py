"""Runs deleted, brought back, repaired, taken over."""

import pytest

from pipulate.engine.errors import Corrupt, Stale, Unknown
from pipulate.engine.pipeline import Kind, Pipulate
from tests.arthur import ACT, answered, damage, next_undo, rev, without_times

# --- deletion


def test_undelete(engine: Pipulate) -> None:
    """A deleted run comes back with its record, its profile and its undo, whatever profile is
    chosen meanwhile."""
    engine.initialize_if_missing("lancelot", profile_id=3)
    before = engine.set_step_data("lancelot", "step_01", {"name": "Lancelot"})
    engine.delete("lancelot")
    assert engine.get_state("lancelot") == {} and [row["id"] for row in engine.runs()] == ["arthur"]
    engine.store["profile_id"] = 7
    assert engine.undelete("lancelot") == before
    row = engine.row("lancelot")
    assert row and row["profile_id"] == 3 and row["created"] == before["created"]
    assert next_undo(engine, "lancelot") == (Kind.ANSWER, "set step_01")


def test_what_cannot_be_undeleted(engine: Pipulate) -> None:
    """A run that exists, was never there, or was begun anew since is not brought back over what
    is there."""
    for id in ("arthur", "nobody"):
        with pytest.raises(Unknown, match="no deleted run"):
            engine.undelete(id)
    with pytest.raises(Unknown, match="no run 'nobody'"):
        engine.delete("nobody")
    answered(engine).delete("arthur")
    engine.initialize_if_missing("arthur")
    with pytest.raises(Unknown):
        engine.undelete("arthur")
    assert engine.get_step_data("arthur", "step_01") == {}


def test_a_run_begun_again_repeats_no_outward_act(engine: Pipulate) -> None:
    """Deleted and begun anew under its ID, a run has no answers, but knows what was done and
    outdates old pages."""
    answered(engine).checkpoint("arthur", lambda record: {**record, "once": ACT})
    old = rev(engine)
    engine.delete("arthur")
    record = engine.initialize_if_missing("arthur")
    assert record["once"] == ACT == engine.get_state("arthur")["once"] and "step_01" not in record
    assert rev(engine) > old + 1 and engine.undoable("arthur") is None
    with pytest.raises(Stale):
        engine.set_step_data("arthur", "step_01", {"name": "x"}, rev=old)


# --- damage


@pytest.mark.parametrize("text", ['{"step_01": {"name": "Art', "", "[]", '{"once": 3}'])
def test_a_damaged_record_is_set_aside_and_repaired(engine: Pipulate, text: str) -> None:
    """A corrupt record is reported, hurts no other run, and its last good state comes back; who
    looks at it changes nothing."""
    good = answered(engine).get_state("arthur")
    engine.initialize_if_missing("lancelot")
    damage(engine, text)
    for _ in range(2):
        with pytest.raises(Corrupt, match=r"arthur.*damaged.*quarantine"):
            engine.get_state("arthur")
    with pytest.raises(Corrupt):
        engine.set_step_data("arthur", "step_01", {"name": "x"})
    assert engine.store.read("SELECT data FROM quarantine") == []
    assert engine.get_state("lancelot") and len(engine.runs()) == 2
    assert without_times(engine.repair("arthur")) == without_times(good)
    assert without_times(engine.get_state("arthur")) == without_times(good) and rev(engine) == 5


def test_repair_keeps_the_damaged_text(engine: Pipulate) -> None:
    """Once for each time that it was damaged."""
    damage(engine, "{")
    for _ in range(2):
        engine.repair("arthur")
    assert [row["data"] for row in engine.store.read("SELECT data FROM quarantine")] == ["{"]


def test_repair_of_a_sound_record(engine: Pipulate) -> None:
    """There is nothing to repair in a sound record, so nothing changes, and undo goes on to
    work."""
    answered(engine, 1)
    before = engine.load("arthur")
    assert engine.repair("arthur") == before[0] and engine.load("arthur") == before
    assert next_undo(engine) == (Kind.ANSWER, "set step_01")


def test_repair_of_no_run(engine: Pipulate) -> None:
    """A run that does not exist, or has no history, cannot be repaired."""
    with pytest.raises(Unknown, match="nobody"):
        engine.repair("nobody")


def test_a_damaged_run_may_be_deleted(engine: Pipulate) -> None:
    """A damaged run can be deleted, brought back in its last good state, and its ID used again."""
    good = answered(engine).get_state("arthur")
    damage(engine)
    engine.delete("arthur")
    assert engine.undelete("arthur") == good
    damage(engine)
    engine.delete("arthur")
    assert "step_01" not in engine.initialize_if_missing("arthur")
    assert engine.set_step_data("arthur", "step_01", {"name": "x"})


# --- another name


def test_runs_of_a_former_name_come_with_their_history(engine: Pipulate) -> None:
    """But for those whose ID is taken."""
    answered(engine)
    engine.initialize_if_missing("lancelot")
    renamed = engine.for_workflow("bridge_of_death")
    renamed.initialize_if_missing("lancelot")
    assert renamed.take_over("bridge") and not renamed.take_over("bridge")
    assert renamed.get_step_data("arthur", "step_03") == {"color": "blue"}
    assert len(renamed.history("arthur")) == 4 and engine.row("lancelot")
    assert renamed.undo("arthur").get("step_03") is None
