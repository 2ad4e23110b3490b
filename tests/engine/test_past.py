"""History is read back: of damage, what is given was so, or is known to be lost."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.engine import past
from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt
from pipulate.engine.pipeline import Pipulate
from tests.engine.told import LONG, STEPS, damage, rows, stored, told


def a_long_run(engine: Pipulate) -> list[str]:
    """Answer so often that there are whole records among the changes; return every state."""
    states = [stored(engine)]
    for number in range(60):
        data = {"n": [number], "text": f"{number} {LONG[:400]}"}
        engine.set_step_data("arthur", f"step_{number % 4:02d}", data)
        states.append(stored(engine))
    assert 6 < len(wholes(engine)) < 20 and wholes(engine)[-1] < 58
    return states


def spoil(engine: Pipulate, place: int, data: str) -> None:
    """Overwrite a row of history."""
    seq = rows(engine)[place]["seq"]
    engine.store.write("UPDATE history SET data = ? WHERE seq = ?", data, seq)


def wholes(engine: Pipulate) -> list[int]:
    """Return the places of the records that are told whole."""
    return [place for place, row in enumerate(rows(engine)) if row["tail"] == 0]


@pytest.mark.parametrize("data", ["", "[", "[{}]", "[3]", "{}", "[" * 100_000, '["x"]', "[null]"])
@pytest.mark.parametrize("place", [30, -1])
def test_one_damaged_row_costs_little(engine: Pipulate, place: int, data: str) -> None:
    """All states before it, and those from the next whole record on, are there; none is wrong."""
    states = a_long_run(engine)
    place %= len(states)
    spoil(engine, place, data)
    until = next((whole for whole in wholes(engine) if whole > place), len(states))
    found = told(engine)
    assert found[:place] == states[:place]
    assert found[until:] == states[until:]
    assert all(text in (None, state) for text, state in zip(found, states, strict=True))
    given = [row["data"] for row in engine.history("arthur")]
    assert given[:place] == states[:place]


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_damage_makes_a_state_another_one(
    rows_and_states: tuple[list[tuple[str, int]], list[str]], data: st.DataObject
) -> None:
    """Whatever becomes of some rows, what is given was so."""
    good, states = rows_and_states
    damaged: list[tuple[str, int | None]] = list(good)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(good) - 1))
        text, crc = damaged[place]
        at = data.draw(st.integers(0, len(text)))
        new = data.draw(st.sampled_from(["", "x", '"', "0", "]", text[:at]]))
        damaged[place] = (text[:at] + new + text[at + 1 :], crc)
    for gone in data.draw(st.sets(st.integers(0, len(good) - 1), max_size=2)):
        damaged[gone] = ("[{}]", damaged[gone][1])
    found = list(past.texts(damaged))
    assert all(text in (None, state) for text, state in zip(found, states, strict=True))
    last = max((place for place, text in enumerate(found) if text), default=None)
    expected = {} if last is None else rec.loads(states[last])
    assert past.last_good(damaged) == expected


@pytest.fixture(scope="module")
def rows_and_states(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[tuple[str, int]], list[str]]:
    """The rows of a long run, and its states."""
    engine = Pipulate.open(tmp_path_factory.mktemp("data"), "bridge")
    engine.initialize_if_missing("arthur")
    states = a_long_run(engine)
    found = [(row["data"], row["crc"]) for row in rows(engine)]
    engine.store.close()
    return found, states


def test_a_missing_row_is_noticed(engine: Pipulate) -> None:
    """What follows it is not told by what was before it."""
    states = a_long_run(engine)
    place = next(at for at in range(20, 60) if not {at, at + 1} & set(wholes(engine)))
    engine.store.write("DELETE FROM history WHERE seq = ?", rows(engine)[place]["seq"])
    del states[place]
    found = told(engine)
    assert found[place] is None
    assert all(text in (None, state) for text, state in zip(found, states, strict=True))
    engine.store.write("DELETE FROM history WHERE seq = ?", rows(engine)[-1]["seq"])
    engine.set_step_data("arthur", "step_01", {"n": 99})
    assert rows(engine)[-1]["data"] == stored(engine)


@pytest.mark.parametrize("prior", [None, 1, 999, -1])
def test_a_broken_chain_ends_there(engine: Pipulate, prior: int | None) -> None:
    """What is before it cannot be undone any more, least of all what another run did."""
    engine.for_workflow("petite").initialize_if_missing("arthur")  # its row is number 2
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    engine.set_step_data("arthur", "step_02", {"quest": "Grail"})
    engine.store.write(
        "UPDATE history SET prior = ? WHERE act = 'set step_02'", prior and prior + 1
    )
    before = engine.load("arthur")
    with pytest.raises(Corrupt, match="damaged"):
        engine.undo("arthur")
    assert engine.load("arthur") == before
    assert engine.history("arthur")[-1]["data"] == stored(engine)
    engine.set_step_data("arthur", "step_03", {"color": "blue"})
    assert "step_03" not in engine.undo("arthur")


def test_acts_of_a_job_are_passed_over(engine: Pipulate) -> None:
    """However many there are between an answer and its undo."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    for number in range(50):
        engine.checkpoint(
            "arthur", lambda record, number=number: {**record, "once": {"posts": {"n": number}}}
        )
    undone = engine.undo("arthur")
    assert "step_01" not in undone and undone["once"] == {"posts": {"n": 49}}


def test_undo_never_brings_back_what_was_not(engine: Pipulate) -> None:
    """If what was before is lost, undo says so and changes nothing; later acts are undone."""
    a_long_run(engine)
    spoil(engine, -2, "[{}]")
    before = engine.load("arthur")
    with pytest.raises(Corrupt, match=r"set step_03.*damaged.*Change the step"):
        engine.undo("arthur")
    assert engine.load("arthur") == before
    engine.clear_steps_from("arthur", "step_01", STEPS)
    assert "step_01" not in engine.get_state("arthur")


def test_repair_takes_the_last_state_that_is_certain(engine: Pipulate) -> None:
    """Record and newest rows are damaged: what was before them comes back."""
    states = a_long_run(engine)
    for place in (-1, -2):
        spoil(engine, place, "[{}]")
    damage(engine)
    good = rec.loads(states[-3])
    assert {**engine.repair("arthur"), "updated": ""} == {**good, "updated": ""}


def test_a_deleted_run_comes_back_over_damage(engine: Pipulate) -> None:
    """The row of its deletion is damaged: it comes back as it was told before."""
    states = a_long_run(engine)
    engine.delete("arthur")
    spoil(engine, -1, "{")
    assert engine.undelete("arthur") == rec.loads(states[-1])
