"""The tables: what each migration makes of what the version before it left."""

from pathlib import Path

import pytest

from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.schema import SCHEMA
from pipulate.engine.store import LATEST, Store, connect

ACTS = [
    ("begin", None, Kind.BEGIN),
    ("set step_01", None, Kind.ANSWER),
    ("revert step_01", None, Kind.REVERT),
    ("undo revert step_01", 3, Kind.UNDO),
    ("job checkpoint", None, Kind.JOB),
    ("job step_02", None, Kind.JOB),
    ("upgrade to 2", None, Kind.UPGRADE),
    ("an author's own act", None, Kind.ANSWER),
    ("finalize", None, Kind.FINALIZE),
    ("unfinalize", None, Kind.UNFINALIZE),
    ("delete", None, Kind.DELETE),
    ("undelete", None, Kind.UNDELETE),
    ("import", None, Kind.IMPORT),
    ("repair", None, Kind.REPAIR),
]


def test_the_store_knows_how_many_there_are() -> None:
    """Without reading them."""
    assert len(SCHEMA) == LATEST


def left_by_0_1_0(path: Path, acts: list[tuple[str, int | None, Kind]]) -> None:
    """Make a database of version 0.1.0 in which `arthur` has had these acts."""
    db = connect(path)
    for script in SCHEMA[:2]:
        db.execute(script)
    db.pragma("user_version", 2)
    db.execute("INSERT INTO pipeline VALUES ('bridge', 'arthur', '{}', 9, 1, '', '')")
    insert = """INSERT INTO history (workflow, id, rev, at, act, undoes, data)
                VALUES ('bridge', 'arthur', ?, '', ?, ?, '{}')"""
    for number, (act, undoes, _) in enumerate(acts, 1):
        db.execute(insert, (number, act, undoes))
    db.close()


def test_every_act_gets_its_kind(tmp_path: Path) -> None:
    """What 0.1.0 told by the first word of an act is in a column of its own; the words stay."""
    path = tmp_path / "pipulate.db"
    left_by_0_1_0(path, ACTS)
    store = Store(path)
    rows = Pipulate(store, "bridge").history("arthur")
    assert [(row["act"], row["undoes"], Kind(row["kind"])) for row in rows] == ACTS
    store.close()


@pytest.mark.parametrize(
    ("count", "undone"),
    [
        (1, None),
        (2, "set step_01"),
        (3, "revert step_01"),
        (7, "set step_01"),
        (8, "an author's own act"),
        (12, "an author's own act"),
        (13, None),
        (14, None),
    ],
)
def test_undo_is_what_it_was(tmp_path: Path, count: int, undone: str | None) -> None:
    """After each of these acts, undo takes back what it would have taken back in 0.1.0."""
    path = tmp_path / "pipulate.db"
    left_by_0_1_0(path, ACTS[:count])
    store = Store(path)
    act = Pipulate(store, "bridge").undoable("arthur")
    assert (act.words if act else None) == undone
    store.close()
