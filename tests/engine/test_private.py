"""What Pipulate writes is its user's alone: in processes of ours, and in a notebook."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipulate.engine import private
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Lock

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


def mode(path: Path) -> int:
    """Return who may do what."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """Give a data folder as 0.1.0 left it, one file of it elsewhere."""
    data = tmp_path / "data"
    (data / "uploads").mkdir(parents=True)
    (data / "uploads" / "table.csv").write_text("secret")
    (data / "uploads" / "run").write_text("")
    (data / "pipulate.db").touch(0o600)
    (tmp_path / "elsewhere").write_text("")
    (data / "link").symlink_to(tmp_path / "elsewhere")
    for path in (data, data / "uploads", data / "uploads" / "run"):
        path.chmod(0o755)
    for path in (data / "uploads" / "table.csv", tmp_path / "elsewhere"):
        path.chmod(0o644)
    return data


def test_a_process_of_ours_writes_for_its_user_alone(tmp_path: Path) -> None:
    """Whoever writes, children too; and what called it has its umask back."""
    before = os.umask(0o022)
    try:
        with private.process():
            (tmp_path / "ours").touch()
            touch = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"
            command = [sys.executable, "-c", touch]
            subprocess.run([*command, str(tmp_path / "childs")], check=True)
            private.run([*command, str(tmp_path / "browsers")])
        (tmp_path / "yours").touch()
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("ours", "childs")] == [0o600] * 2
    assert [mode(tmp_path / name) for name in ("browsers", "yours")] == [0o644] * 2


def test_a_notebook_writes_data_for_its_user_alone(tmp_path: Path) -> None:
    """The folder, the database, its log, backups and locks; its umask stays as it is."""
    before = os.umask(0)
    try:
        engine = Pipulate.open(tmp_path / "data", "bridge")
        engine.initialize_if_missing("arthur")
        engine.store.backup()
        lock = Lock(tmp_path / "data" / "locks" / "a.lock")
        lock.acquire()
        found = private.opened(tmp_path / "data")
        names = {path.name for path in (tmp_path / "data").iterdir()}
        lock.release()
        engine.store.close()
    finally:
        assert os.umask(before) == 0
    assert found == [] and {"pipulate.db", "pipulate.db-wal", "backups", "locks"} <= names


def test_a_database_is_made_once(tmp_path: Path) -> None:
    """By many at once; one that is there is left alone."""
    made = tmp_path / "new.db"
    makers = [threading.Thread(target=private.database, args=[made]) for _ in range(20)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert mode(made) == 0o600
    made.write_text("full")
    private.database(made)
    private.database(tmp_path / "nowhere" / "new.db")  # SQLite says what is wrong
    assert made.read_text() == "full"


def test_what_is_open_is_found_and_closed(loose: Path) -> None:
    """What the user may do stays; what a link names is elsewhere."""
    names = {"data", "uploads", "table.csv", "run"}
    assert {path.name for path in private.opened(loose)} == names
    assert len(private.close(private.opened(loose))) == 4
    assert private.opened(loose) == [] and mode(loose.parent / "elsewhere") == 0o644
    assert mode(loose / "uploads" / "run") == 0o700
    assert mode(loose / "uploads" / "table.csv") == 0o600


def test_an_open_folder_is_closed_in_words_and_once(loose: Path) -> None:
    """A closed one is not walked: nobody reaches what is in it."""
    told = private.closed_if_open(loose)
    assert f"Others of this machine could read {loose}" in told and "(4 files" in told
    (loose / "uploads").chmod(0o755)
    assert private.closed_if_open(loose) == private.closed_if_open(loose / "none") == ""


def test_what_cannot_be_closed_is_not_told_as_closed(
    loose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's file, or a disk that knows no rights."""
    monkeypatch.setattr(Path, "chmod", lambda path, mode: None)
    assert private.close(private.opened(loose)) == [] and private.closed_if_open(loose) == ""


def test_what_is_no_data_keeps_its_rights(loose: Path) -> None:
    """Whoever names a project as the data folder: it is closed, and one chmod opens it again."""
    (loose / "pipulate.db").unlink()
    assert "(1 files and folders)" in private.closed_if_open(loose) and mode(loose) == 0o700
    assert mode(loose / "uploads") == 0o755 and mode(loose / "uploads" / "table.csv") == 0o644
    assert Settings().database.name == private.OURS


def test_a_folder_for_all_stays_that(loose: Path) -> None:
    """Whoever puts data into /tmp keeps nobody else out of it."""
    loose.chmod(0o1777)
    assert private.closed_if_open(loose) == "" and mode(loose) == 0o1777
    assert mode(loose / "uploads") == 0o755


def test_elsewhere_nothing_is_done(loose: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has other rights."""
    monkeypatch.setattr(private, "POSIX", False)
    assert private.opened(loose) == []
