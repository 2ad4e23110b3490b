"""`pipulate restore`: what a backup brings back, and what it refuses."""

import os
import shutil
import time

from pipulate.engine.care import serving
from pipulate.engine.collecting import DAY, MONTH, collect
from pipulate.engine.store import Store, backups

UPLOAD = """
from fasthtml.common import Input
from pipulate import Workflow
flow = Workflow("letters")
flow.step("letter", "Letter")(lambda run: Input(type="file", name="letter", required=True))
"""


def test_a_backup_brings_back_what_was_deleted_since(cli, tmp_path):
    """The database it replaced is kept."""
    cli("run", "bridge", "--id", "arthur", "name=A", "quest=B", "color=red")
    path = cli("backup")[1].strip()
    cli("runs", "delete", "bridge", "arthur")
    status, out, _ = cli("restore", path)
    assert status == 0 and f"{path} is in place again." in out and "arthur" in cli("runs")[1]
    assert list((tmp_path / "data").glob("pipulate.db.replaced-*"))


def test_without_a_file_the_newest_backup_is_taken(cli):
    """Their names sort by time."""
    assert cli("restore")[0] == 1  # there is none
    cli("run", "bridge", "--id", "first", "name=A")
    cli("backup")
    cli("run", "bridge", "--id", "second", "name=A")
    newest = cli("backup")[1].strip()
    assert newest in cli("restore")[1] and "second" in cli("runs")[1]


def test_it_refuses_while_a_server_runs_and_what_is_no_backup(cli, tmp_path):
    """And says so; the database stays as it is."""
    cli("run", "bridge", "--id", "arthur", "name=A", "quest=B", "color=red")
    path = cli("backup")[1].strip()
    lock = serving(tmp_path / "data", "http://127.0.0.1:5001")
    status, _, err = cli("restore", path)
    assert status == 1 and "http://127.0.0.1:5001" in err
    lock.release()
    (tmp_path / "text.db").write_text("no database")
    for name in ("text.db", "none.db"):
        assert cli("restore", str(tmp_path / name))[0] == 1
    assert "arthur" in cli("runs")[1]


def test_files_come_back_with_their_answers_and_what_is_missing_is_told(cli, tmp_path):
    """The files of runs are in no backup; but while one may need them, they are not thrown away."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "letters.py").write_text(UPLOAD)
    (tmp_path / "a.txt").write_text("Dear Arthur")
    cli("run", "letters", "--id", "arthur", f"letter={tmp_path / 'a.txt'}")
    _, path, told = cli("backup")
    assert f"Copy them, too: {tmp_path / 'data' / 'uploads'}." in told
    folder = next((tmp_path / "data" / "uploads").iterdir())
    aside = tmp_path / "data" / "trash" / "uploads" / folder.name
    (tmp_path / "data" / "pipulate.db").unlink()  # somebody began anew
    with_age(folder / "a.txt", 2 * DAY)
    store = Store(tmp_path / "data" / "pipulate.db")
    collect(store)
    with_age(aside, 2 * MONTH)
    with_age(backups(store.folder)[0], 3 * MONTH)
    collect(store)
    store.close()
    assert aside.exists() and not folder.exists()
    status, out, _ = cli("restore", path.strip())
    assert status == 0 and "any more" not in out and (folder / "a.txt").is_file()
    shutil.rmtree(folder)
    assert "Not there any more: a.txt of letters arthur" in cli("restore", path.strip())[1]


def with_age(path, age):
    """Make a file or folder older."""
    os.utime(path, (0, time.time() - age))
