"""An older file gets to the tables of today, whole, whatever comes in between; its history is told
anew, shorter, and says the same."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from pipulate.engine import migrations
from pipulate.engine import record as rec
from pipulate.engine import store as stores
from pipulate.engine.care import backups
from pipulate.engine.errors import Corrupt
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.schema import SCHEMA
from pipulate.engine.store import Store, connect
from tests.engine_child import Child, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database's path in a fresh data folder."""
    return tmp_path / "data" / "pipulate.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A fresh store."""
    store = Store(path)
    yield store
    store.close()


def older(path: Path, schema: int) -> None:
    """Make a database as the version of Pipulate with that schema would have left it, with a
    run and a task."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = connect(path)
    for script in SCHEMA[:schema]:
        db.execute(script)
    db.pragma("user_version", schema)
    record = json.dumps({"step_01": {"name": "Arthur"}, "created": "2026-01-01T00:00:00+00:00"})
    db.execute(
        """INSERT INTO pipeline (workflow, id, data, rev, profile_id, created, updated)
           VALUES ('bridge', 'arthur', ?, 1, 1, '2026', '2026')""",
        (record,),
    )
    db.execute("INSERT INTO task (name, priority) VALUES ('Find the Grail', 3)")
    db.close()


@pytest.mark.parametrize("schema", range(1, len(SCHEMA)))
def test_every_older_schema_is_migrated_with_a_backup(path: Path, schema: int) -> None:
    """A database of any older schema opens with all its rows, and the backup made before holds
    it as it was."""
    older(path, schema)
    store = Store(path)
    assert store.connection.pragma("user_version") == len(SCHEMA)
    assert json.loads(store.read("SELECT data FROM pipeline")[0]["data"])["step_01"] == {
        "name": "Arthur"
    }
    assert store.db.t.task[1]["priority"] == 3
    fresh = Store(path.parent / "fresh.db")
    tables = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert store.read(tables) == fresh.read(tables)
    (backup,) = backups(store.folder)
    assert "before-migration" in backup.name
    copy = connect(backup)
    assert (
        copy.pragma("user_version") == schema
        and copy.execute("SELECT name FROM task").get == "Find the Grail"
    )
    for closable in (copy, fresh, store):
        closable.close()


def test_a_fresh_database_needs_no_backup(store: Store) -> None:
    """Making the database is no migration."""
    assert backups(store.folder) == []


def test_opening_again_changes_nothing(path: Path) -> None:
    """An up-to-date database is opened without a migration or a backup."""
    older(path, len(SCHEMA))
    store = Store(path)
    assert backups(store.folder) == []
    store.close()


def test_a_failing_migration_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails halfway is rolled back whole; with a mended one the file opens."""
    older(path, len(SCHEMA))
    add = "ALTER TABLE task ADD COLUMN due TEXT;"
    monkeypatch.setattr(stores, "LATEST", len(SCHEMA) + 1)
    monkeypatch.setattr(migrations, "SCHEMA", [*SCHEMA, add + "SELECT no_such_function();"])
    with pytest.raises(apsw.SQLError):
        Store(path)
    monkeypatch.setattr(migrations, "SCHEMA", [*SCHEMA, add])
    store = Store(path)
    assert (
        store.db.t.task[1]["due"] is None
        and store.connection.pragma("user_version") == len(SCHEMA) + 1
    )
    store.close()


@pytest.mark.parametrize("schema", [0, 1])
def test_processes_that_open_it_at_once(path: Path, schema: int) -> None:
    """Six processes that make or migrate the same file in the same moment all get it, migrated
    once."""
    path.parent.mkdir()
    if schema:
        older(path, schema)
    together = Child.context.Barrier(6)
    children = [Child(open_store, path, together) for _ in range(6)]
    assert [child.rest() for child in children] == [[len(SCHEMA)]] * 6
    store = Store(path)
    assert len(store.read("SELECT * FROM profile")) == 1
    store.close()


def _damage(path: Path) -> None:
    older(path, len(SCHEMA))
    data = bytearray(path.read_bytes())
    data[100:4000] = os.urandom(3900)  # the page that says where the tables are
    path.write_bytes(data)


def _other_program(path: Path) -> None:
    db = connect(path)
    db.execute("CREATE TABLE photos (id)")
    db.close()


def _newer(path: Path) -> None:
    older(path, len(SCHEMA))
    db = connect(path)
    db.pragma("user_version", 999)
    db.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("This is no database at all. " * 50), "damaged.*restore"),
        (_damage, "damaged.*restore"),
        (_other_program, "another program's"),
        (_newer, "newer Pipulate.*999"),
    ],
    ids=["text", "damaged", "other", "newer"],
)
def test_a_file_that_is_not_ours_is_refused(
    path: Path, make: Callable[[Path], None], words: str
) -> None:
    """A damaged, foreign or newer file is refused with what to do, and no table is added to it."""
    path.parent.mkdir()
    make(path)
    with pytest.raises(Corrupt, match=words):
        Store(path)
    if make is _other_program:
        assert connect(path).execute("SELECT group_concat(name) FROM sqlite_schema").get == "photos"


# --- history told anew


def left_by_0_1_0(path: Path, cards: int, size: int) -> list[tuple[Any, ...]]:
    """Make a file of version 0.1.0, in which every act is told by the whole record; return the
    acts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = connect(path)
    db.pragma("journal_mode", "wal")
    for script in SCHEMA[:2]:
        db.execute(script)
    db.pragma("user_version", 2)
    acts = [(id, *act) for id in ("arthur", "lancelot") for act in acts_of_a_run(cards, size)]
    with db:
        db.execute(
            "INSERT INTO pipeline VALUES ('bridge', 'arthur', ?, 99, 1, '', '')", acts[-1][-1:]
        )
        db.executemany(
            """INSERT INTO history (workflow, id, act, rev, at, data)
               VALUES ('bridge', ?, ?, ?, '2026', ?)""",
            acts,
        )
    db.close()
    return acts


def acts_of_a_run(cards: int, size: int) -> Iterator[tuple[str, int, str]]:
    """Yield an act and the record after it."""
    record: dict[str, Any] = {"created": "2026", "updated": "2026"}
    yield "begin", 1, rec.dumps(record)
    for number in range(cards):
        record[f"step_{number:02d}"] = {"text": f"{number}" * size, "was": [number]}
        record["updated"] = str(number)
        yield f"set step_{number:02d}", number + 2, rec.dumps(record)
    yield "an author's own act", cards + 3, json.dumps(record)  # with blanks
    yield "set step_01", cards + 4, '{"step_01"'  # damaged
    record["step_01"] = {"text": "again"}
    yield "set step_01", cards + 5, rec.dumps(record)
    del record["step_02"]
    yield "revert step_02", cards + 6, rec.dumps(record)
    yield "delete", cards + 7, rec.dumps(record)


def acts_in(store: Store) -> list[tuple[Any, ...]]:
    """Return the acts that history tells."""
    engine = Pipulate(store, "bridge")
    return [
        (id, row["act"], row["rev"], row["data"])
        for id in ("arthur", "lancelot")
        for row in engine.history(id)
    ]


def test_a_file_of_0_1_0_tells_every_state_in_less(path: Path) -> None:
    """All acts are there, with the records that they left; the file becomes small, the backup
    before is as it was."""
    acts = left_by_0_1_0(path, 40, 1000)
    before = path.stat().st_size
    store = Store(path)
    assert acts_in(store) == acts
    rows = store.read("SELECT data FROM history WHERE id = 'arthur' ORDER BY seq")
    assert sum(row["data"].startswith("[") for row in rows) == 41
    assert store.connection.pragma("integrity_check") == "ok"
    assert backups(store.folder)[0].stat().st_size > before / 2
    engine = Pipulate(store, "bridge")
    assert engine.undelete("lancelot")["step_01"] == {"text": "again"}
    engine.undo("lancelot")
    assert "step_02" in engine.get_state("lancelot")
    store.close()
    assert path.stat().st_size < before / 2.5


def test_space_is_given_back_when_nobody_holds_the_file(path: Path) -> None:
    """While another program reads it, the file is migrated all the same, and shrinks when it is
    opened again."""
    acts = left_by_0_1_0(path, 60, 2000)
    before = path.stat().st_size
    other = connect(path)
    reading = other.execute("SELECT * FROM history")
    next(reading)
    store = Store(path)
    assert acts_in(store) == acts
    store.close()
    reading.close()
    other.close()
    store = Store(path)
    assert acts_in(store) == acts
    store.close()
    assert path.stat().st_size < before / 5


def test_a_kill_while_history_is_told_anew(path: Path) -> None:
    """The file is as it was, or migrated, and the next opening makes it so."""
    acts = left_by_0_1_0(path, 60, 2000)
    for moment in (0.0, 0.05, 0.1):
        child = Child(open_store, path, Child.context.Barrier(1))
        child.pipe.poll(moment)
        child.kill()
    store = Store(path)
    assert store.connection.pragma("integrity_check") == "ok"
    assert acts_in(store) == acts
    store.close()


def test_a_file_that_cannot_shrink(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays large, and whole, and shrinks another time."""
    acts = left_by_0_1_0(path, 60, 2000)
    before = path.stat().st_size
    give_back = migrations.give_back

    def cannot(action: int, *_: str | None) -> int:
        return apsw.SQLITE_DENY if action == apsw.SQLITE_ATTACH else apsw.SQLITE_OK

    def refused(db: apsw.Connection) -> None:
        db.set_authorizer(cannot)
        give_back(db)
        db.set_authorizer(None)

    for function, smaller in ((refused, False), (give_back, True)):
        monkeypatch.setattr(migrations, "give_back", function)
        store = Store(path)
        assert acts_in(store) == acts
        store.close()
        assert (path.stat().st_size < before / 5) is smaller
