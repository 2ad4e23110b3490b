"""What workflows written by hand ask of the engine: answers, summaries, records, empty cards."""

import subprocess
import sys
from typing import Any

import pytest
from fasthtml.common import to_xml

from pipulate.engine.errors import Finalized
from pipulate.engine.pipeline import Pipulate
from tests.arthur import ACT, STEPS, answered


def test_it_is_read_when_it_is_asked_for() -> None:
    """Who runs a `Workflow` never reads it."""
    code = (
        "import sys\nfrom pipulate.engine import *\nname = 'pipulate.engine.byhand'\n"
        "before = name in sys.modules\nprint(before, Pipulate.should_advance.__doc__[:3])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said == "False Say\n"


@pytest.mark.parametrize(
    ("done", "highest"),
    [([], 0), ([1], 1), ([1, 2], 2), ([2], 2), ([1, 3], 3), ([1, 2, 3], 3)],
)
def test_the_highest_done_step(engine: Pipulate, done: list[int], highest: int) -> None:
    """It counts from 1, whatever is open before it; 0 if none is done."""
    engine.initialize_if_missing("robin", {f"step_{number:02d}": {"x": "1"} for number in done})
    assert engine.get_last_completed_step_number("robin", STEPS) == highest


def test_any_answer_may_be_kept(engine: Pipulate) -> None:
    """Step data need not be a form: any JSON value is kept, and data without the key's name is
    given whole."""
    engine.set_step_data("arthur", "step_01", {"rows": 12, "url": "/a"})
    engine.set_step_data("arthur", "step_02", ["a", "b"])
    assert engine.get_all_step_data("arthur", STEPS) == {
        "name": {"rows": 12, "url": "/a"},
        "quest": ["a", "b"],
        "color": "???",
    }
    assert engine.get_step_summary("arthur", "step_02", STEPS) == (
        {"name": {"rows": 12, "url": "/a"}, "quest": ["a", "b"]},
        ["- Name: {'rows': 12, 'url': '/a'}"],
    )


@pytest.mark.parametrize(
    ("step_id", "condition", "advance"),
    [
        ("step_01", {}, True),
        ("step_01", {"name": "Arthur"}, True),
        ("step_01", {"name": "Lancelot"}, False),
        ("step_01", {"name": "Arthur", "age": None}, True),
        ("step_02", {}, False),  # emptied
        ("step_03", {}, True),  # done, though no dictionary
        ("step_03", {"color": "blue"}, False),
        ("step_04", {}, False),  # unknown
        ("step_01", {"name": "*"}, True),  # any
        ("step_01", {"age": "*"}, False),
        ("step_02", {"quest": "*"}, False),
        ("step_05", {"finalized": "*"}, True),
        ("step_05", {"finalized": False}, False),
    ],
)
def test_should_advance(
    engine: Pipulate, step_id: str, condition: dict[str, Any], advance: bool
) -> None:
    """One may go on when the step is done and holds all that the condition asks for."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    engine.set_step_data("arthur", "step_02", {"quest": ""})
    engine.set_step_data("arthur", "step_03", "blue")
    engine.set_step_data("arthur", "step_05", {"finalized": True})
    assert engine.should_advance("arthur", step_id, condition) is advance


def test_summary(engine: Pipulate) -> None:
    """A summary has the answers up to the given step, and tells those before it."""
    answered(engine)
    assert engine.get_step_summary("arthur", "step_02", STEPS) == (
        {"name": "Arthur", "quest": "I seek the Grail"},
        ["- Name: Arthur"],
    )
    assert engine.get_step_summary("arthur", "step_01", STEPS) == ({"name": "Arthur"}, [])
    engine.clear_steps_from("arthur", "step_02", STEPS)
    assert engine.get_step_summary("arthur", "step_03", STEPS) == (
        {"name": "Arthur"},
        ["- Name: Arthur"],
    )


def test_a_whole_record_is_saved(engine: Pipulate) -> None:
    """As classes by hand do: an act that can be undone, which forgets no outward act."""
    answered(engine)
    engine.checkpoint("arthur", lambda record: {**record, "once": ACT})
    state = engine._get_state("arthur")
    del state["step_03"], state["once"], state["created"]
    engine._save_state("arthur", {**state, "step_05": {"finalized": True}})
    saved = engine.get_state("arthur")
    assert "step_03" not in saved and saved["step_05"] == {"finalized": True}
    assert saved["once"] == ACT and saved["created"]
    engine._save_state("arthur", saved)
    assert [act["act"] for act in engine.history("arthur")][-2:] == ["job checkpoint", "save"]
    assert engine.undo("arthur")["step_03"] == {"color": "blue"}
    assert engine._save_state("new", {"step_01": {"name": "Bors"}})["step_01"] == {"name": "Bors"}


def test_what_is_saved_may_unlock_but_not_change_what_is_locked(engine: Pipulate) -> None:
    """A class by hand takes the mark out of the record, or is refused."""
    engine.finalize("arthur")
    state = engine.get_state("arthur")
    with pytest.raises(Finalized):
        engine._save_state("arthur", {**state, "step_01": {"name": "Mordred"}})
    del state["finalized"]
    assert "finalized" not in engine._save_state("arthur", state)


def test_placeholders(engine: Pipulate) -> None:
    """One empty div a step: those up to the start load themselves, each later one waits for the
    one before it."""
    html = [
        to_xml(part, indent=False)
        for part in engine.generate_step_placeholders(STEPS, "/bridge/", start_from=1)
    ]
    assert [f'id="{step[1]}"' in part for step, part in zip(STEPS, html, strict=True)] == [True] * 4
    assert [
        f'hx-get="/bridge/{step[1]}"' in part for step, part in zip(STEPS, html, strict=True)
    ] == [True] * 4
    assert ['hx-trigger="load"' in part for part in html] == [True, True, False, False]
    assert (
        'hx-trigger="step_02-done from:body"' in html[2]
        and 'hx-trigger="step_03-done from:body"' in html[3]
    )


@pytest.mark.parametrize(("done", "loading"), [(0, 1), (1, 2), (3, 4)])
def test_chain(engine: Pipulate, done: int, loading: int) -> None:
    """The chain loads every done step and the first open one."""
    html = to_xml(
        answered(engine, done).generate_step_chain("bridge", "arthur", STEPS), indent=False
    )
    assert html.count('hx-trigger="load"') == loading and 'id="bridge-chain"' in html
