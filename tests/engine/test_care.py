"""Care of a data folder: one server at a time; backups, made and put back."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from pipulate.engine.care import KEEP_BACKUPS, backups, put_back, serving
from pipulate.engine.errors import Corrupt, InUse, NotSaved, Unknown
from pipulate.engine.store import Store, connect
from tests.engine_child import Child, end_at, serve, work_alone
from tests.faulty_disk import Disk
from tests.trust.table import tried


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


# --- backups made


def test_a_backup_while_others_write(store: Store) -> None:
    """A backup made while a thread writes is whole and holds one moment: both halves of each
    write, or neither."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with store.transaction():
                store["left"] = number
                store["ballast"] = "x" * (number * 997 % 60_000)
                store["right"] = number

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            backups = [store.backup("busy") for _ in range(5)]
        finally:
            stop.set()
        writing.result(timeout=60)
    for backup in backups:
        copy = Store(backup)
        assert (
            copy.get("left") == copy.get("right")
            and copy.connection.pragma("integrity_check") == "ok"
        )
        copy.close()


def test_seven_are_kept(store: Store) -> None:
    """Of many backups the newest seven stay; one written to a place of the user's choice is not
    counted."""
    made = [store.backup(f"number{number}") for number in range(KEEP_BACKUPS + 3)]
    chosen = store.backup(to=store.folder / "elsewhere" / "mine.db")
    assert backups(store.folder) == made[:-8:-1] and chosen.exists()
    assert not list(store.folder.rglob("*.part*"))


def test_a_backup_that_fails_is_none(store: Store) -> None:
    """A backup for which there is no room leaves no file that looks like one."""
    store["x"] = "y" * 50_000
    with Disk() as disk:
        disk.fail(5, apsw.FullError, on=True)
        with pytest.raises(NotSaved, match="full"):
            store.backup()
        disk.fail(None)
    assert list((store.folder / "backups").iterdir()) == []
    assert restore_of(store, store.backup()) == "y" * 50_000


def restore_of(store: Store, backup: Path) -> Any:
    """Return what `x` is in a backup."""
    copy = Store(backup)
    try:
        return copy["x"]
    finally:
        copy.close()


# --- restore


def written(path: Path, *values: int) -> list[Path]:
    """Write each value under `x` and back it up; return the backups."""
    store = Store(path)
    made = []
    for value in values:
        store["x"] = value
        made.append(store.backup())
    store.close()
    return made


def value(path: Path) -> Any:
    """Return what stands under `x`."""
    store = Store(path)
    try:
        return store["x"]
    finally:
        store.close()


def test_the_newest_backup_is_restored(path: Path) -> None:
    """Restoring takes the newest backup, sets the present database aside, and can be undone by
    that."""
    made = written(path, 1, 2)
    store = Store(path)
    store["x"] = 3
    store.close()
    used, aside = put_back(path.parent)
    assert used == made[1] and value(path) == 2
    assert aside and put_back(path.parent, aside)[0] == aside and value(path) == 3


def test_a_chosen_backup_is_restored(path: Path) -> None:
    """Any backup can be chosen, and stays where it is."""
    made = written(path, 1, 2)
    put_back(path.parent, made[0])
    assert value(path) == 1 and all(backup.exists() for backup in made)


def test_a_log_left_behind_is_not_taken_for_the_backups(path: Path) -> None:
    """After a crash with changes only in the log, the restored file is the backup and nothing
    of the log."""
    written(path, 1)
    store = Store(path)
    store["x"] = 2
    crashed = path.parent / "crashed"
    crashed.mkdir()
    for tail in ("", "-wal", "-shm"):  # as a kill leaves them: the change is in the log alone
        (crashed / f"pipulate.db{tail}").write_bytes(
            (path.parent / f"pipulate.db{tail}").read_bytes()
        )
    assert (crashed / "pipulate.db-wal").stat().st_size > 0
    (backup,) = backups(store.folder)
    store.close()
    _, aside = put_back(crashed, backup)
    assert value(crashed / "pipulate.db") == 1
    assert aside and value(aside) == 2  # what was set aside is whole, too
    (crashed / "pipulate.db").unlink()
    (crashed / "pipulate.db-wal").write_bytes((path.parent / "pipulate.db").read_bytes())
    put_back(crashed, backup)
    assert value(crashed / "pipulate.db") == 1


def test_a_damaged_database_is_replaced(path: Path) -> None:
    """The case that restore is for: the database does not open any more, and the backup takes
    its place."""
    written(path, 1)
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(Corrupt):
        Store(path)
    _, aside = put_back(path.parent)
    assert value(path) == 1 and aside and aside.read_bytes().startswith(b"rubbish")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"rubbish" * 1000,
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:5000] + os.urandom(8000) + data[13_000:],
    ],
    ids=["rubbish", "empty", "truncated", "overwritten"],
)
def test_a_damaged_backup_is_refused(path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A backup that fails the integrity check is refused, and the database stays as it is."""
    (backup,) = written(path, 1)
    backup.write_bytes(damage(backup.read_bytes()))
    with pytest.raises(Corrupt, match="damaged"):
        put_back(path.parent)
    assert value(path) == 1


def test_another_programs_file_is_no_backup(path: Path) -> None:
    """A sound SQLite file that Pipulate did not write is refused."""
    written(path, 1)
    photos = connect(path.parent / "photos.db")
    photos.execute("CREATE TABLE photo (id)")
    photos.close()
    with pytest.raises(Corrupt, match="no backup of Pipulate"):
        put_back(path.parent, path.parent / "photos.db")
    assert value(path) == 1


def test_no_backup_to_put_back(tmp_path: Path) -> None:
    """Without a backup, or with a wrong name, restore says where it looked."""
    with pytest.raises(Unknown, match=r"no backup at .*backups"):
        put_back(tmp_path)
    with pytest.raises(Unknown, match=r"no backup at .*nowhere\.db"):
        put_back(tmp_path, tmp_path / "nowhere.db")


def test_not_while_a_server_runs(path: Path) -> None:
    """Restore is refused while a server has the data folder, and says where it is; after kill
    -9 it works."""
    written(path, 1)
    child = Child(serve, path.parent)
    child.heard()
    with pytest.raises(InUse, match=r"127\.0\.0\.1:5001"):
        put_back(path.parent)
    child.kill()
    put_back(path.parent)
    assert value(path) == 1


def test_not_while_a_notebook_has_it_open(path: Path) -> None:
    """It would go on writing; so it is named, and nothing is replaced."""
    written(path, 1)
    child = Child(work_alone, path)
    assert child.heard() == "open"
    with pytest.raises(InUse, match=rf"Process {child.process.pid} \(.+\) has .*pipulate\.db open"):
        put_back(path.parent)
    assert child.kill() == []
    assert value(path) == 2
    put_back(path.parent)
    assert value(path) == 1


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        7,
        pytest.param(
            1, marks=pytest.mark.trust("Restore killed at any change of a file: the old or the new")
        ),
    ],
)
def test_a_kill_at_any_moment_leaves_the_one_or_the_other(
    path: Path, step: int, damaged: bool
) -> None:
    """The process ends at its first, second, ... write, sync, deletion, renaming: never is
    there an empty database, or half a one.
    """
    written(path, 1)
    store = Store(path)
    store["x"] = 2
    store.close()
    (backup,) = backups(path.parent)
    before = b"rubbish" * 1000 if damaged else path.read_bytes()
    for moment in count(1, step):
        path.write_bytes(before)
        tried()
        done = Child(end_at, moment, put_back, path.parent).rest()
        if done:
            break
        try:
            assert value(path) in (1, 2)
        except Corrupt:
            assert damaged and path.read_bytes() == before
        Path(f"{path}-wal").unlink(missing_ok=True)
    assert moment > 10 and value(path) == 1 and backup.exists()
    aside = [each for each in path.parent.glob("*.replaced-*") if each.suffix != ".part"]
    assert aside
    assert not damaged or all(each.read_bytes() == before for each in aside)


def test_the_last_backup_is_the_newest(path: Path) -> None:
    """Also when the clock was wrong, and among those named before backups were numbered."""
    store = Store(path)
    folder = path.parent / "backups"
    first = store.backup()
    old = first.rename(folder / "pipulate-20991127T101500.000000Z-daily.db")
    ahead = store.backup().rename(folder / "pipulate-000001-20991127T101500.000000Z-daily.db")
    last = store.backup()
    store.close()
    odd = old.with_name("pipulate-²-20991127T101500.000000Z-daily.db")
    odd.touch()
    assert backups(path.parent) == [last, ahead, odd, old]


# --- one server


def test_two_servers_of_one_process(tmp_path: Path) -> None:
    """A second server on the same folder is told where the first one is, and may begin once
    that has ended."""
    first = serving(tmp_path, "http://127.0.0.1:5001")
    with pytest.raises(InUse, match=r"at http://127\.0\.0\.1:5001"):
        serving(tmp_path, "http://127.0.0.1:5002")
    first.release()
    second = serving(tmp_path, "http://127.0.0.1:5002")
    with pytest.raises(InUse, match="5002"):
        serving(tmp_path)
    for damaged in ("", "{", "[]", "{}"):
        (tmp_path / "server.json").write_text(damaged)
        with pytest.raises(InUse, match="Another Pipulate serves"):
            serving(tmp_path)
    second.release()
