"""The run `arthur` of three questions, which the tests of the engine share."""

from typing import Any

from pipulate.engine.pipeline import Kind, Pipulate

STEPS = [
    ("name", "step_01", "Name"),
    ("quest", "step_02", "Quest"),
    ("color", "step_03", "Color"),
    ("finalize", "finalize", "Finalize"),
]
ACT = {"export:job:1": {"begun": "2026-11-23T19:10:00+00:00", "result": {"url": "/jobs/1"}}}


def answered(engine: Pipulate, count: int = 3) -> Pipulate:
    """Answer the first steps of `arthur`."""
    for key, step_id, value in [
        ("name", "step_01", "Arthur"),
        ("quest", "step_02", "I seek the Grail"),
        ("color", "step_03", "blue"),
    ][:count]:
        engine.set_step_data("arthur", step_id, {key: value})
    return engine


def damage(engine: Pipulate, text: str = '{"step_01": {"name": "Art') -> None:
    """Overwrite the record of `arthur` as no code of ours would."""
    engine.store.write("UPDATE pipeline SET data = ? WHERE id = 'arthur'", text)


def rev(engine: Pipulate, id: str = "arthur") -> int:
    """Return the present revision."""
    return engine.load(id)[1]


def next_undo(engine: Pipulate, id: str = "arthur") -> tuple[Kind, str] | None:
    """Return what undo would take back: its kind, and in words."""
    act = engine.undoable(id)
    return act and (act.kind, act.words)


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record without the time of its last change."""
    return {key: value for key, value in record.items() if key != "updated"}
