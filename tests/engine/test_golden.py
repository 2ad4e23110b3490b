"""Whatever a released version wrote, this one opens: with every record, its undo, and all other
rows."""

import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from pipulate.engine.errors import OutOfOrder
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.schema import SCHEMA
from pipulate.engine.store import Store
from tests.engine.golden.make import STEPS, expected

GOLDEN = sorted(Path(__file__).with_name("golden").glob("*.json"))
EDITED = (
    "The tables of {0} are not those of a fresh database: a script of SCHEMA was edited. "
    "Add a new script to the end instead; or, if {0} is not released yet, "
    "write its golden record anew: python -m tests.engine.golden.make"
)


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The golden record of one version."""
    content: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def path(golden: dict[str, Any], tmp_path: Path) -> Path:
    """The database as that version left it, made by its own SQL."""
    path = tmp_path / "pipulate.db"
    db = apsw.Connection(str(path))
    for script in golden["schema"]:
        db.execute(script)
    db.pragma("user_version", len(golden["schema"]))
    for table, rows in golden["rows"].items():
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            db.execute(
                f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", tuple(row.values())
            )
    db.close()
    return path


def test_there_is_one() -> None:
    """At least one golden record is kept."""
    assert GOLDEN


def test_it_opens(golden: dict[str, Any], path: Path) -> None:
    """It is migrated to the tables of today, and every run is what it was: answers, summary,
    next undo."""
    store, fresh = Store(path), Store(path.with_name("fresh.db"))
    tables = """SELECT type, name, sql FROM sqlite_schema
                WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"""
    assert store.connection.pragma("user_version") == len(SCHEMA)
    assert store.read(tables) == fresh.read(tables), EDITED.format(golden["version"])
    assert expected(store) == golden["expected"]
    for table, rows in golden["rows"].items():
        assert [
            {key: now[key] for key in was}
            for was, now in zip(rows, store.read(f"SELECT * FROM {table}"), strict=True)
        ] == rows
    fresh.close()
    store.close()


def test_its_runs_go_on(golden: dict[str, Any], path: Path) -> None:
    """Every run can be undone back to its beginning, taken up and finished; deleted ones come
    back."""
    store = Store(path)
    bridge = Pipulate(store, "bridge")
    bridge.undelete("deleted")
    row = bridge.row("deleted")
    assert (
        row
        and row["profile_id"] == 2
        and bridge.get_last_completed_step_number("deleted", STEPS) == 3
    )
    for id in [*golden["expected"]["states"], "deleted"]:
        bridge.unfinalize(id)
        with pytest.raises(OutOfOrder):
            for _ in range(99):
                bridge.undo(id)
        for key, step_id, _ in STEPS:
            bridge.set_step_data(id, step_id, {key: "again"})
        assert bridge.get_last_completed_step_number(id, STEPS) == 3
    assert bridge.get_state("acted")["once"] == golden["expected"]["states"]["acted"]["once"]
    store.close()


def test_its_memory_is_found(path: Path) -> None:
    """What was remembered is found by its words."""
    store = Store(path)
    assert store.read("SELECT id FROM memory_text WHERE memory_text MATCH 'blue'") == [{"id": "m1"}]
    store.close()


def test_released_scripts_are_as_they_were(golden: dict[str, Any]) -> None:
    """A new version adds scripts to the end; those before it are not edited, not by a blank."""
    assert SCHEMA[: len(golden["schema"])] == golden["schema"]


def test_every_act_of_its_history_has_its_kind(golden: dict[str, Any], path: Path) -> None:
    """What older versions told by an act's first word alone is a kind now, in every row."""
    kinds = {"set": "answer", "checkpoint": "job"}
    store = Store(path)
    for row in store.read("SELECT act, kind FROM history"):
        word = row["act"].split()[0]
        assert row["kind"] == Kind(kinds.get(word, word)), row["act"]
    store.close()
