"""`pipulate restore`: what a backup brings back, and what it refuses."""

import os
import shutil
import time

from starlette.testclient import TestClient

from pipulate.app import create_app
from pipulate.engine.care import backups, serving
from pipulate.engine.collecting import DAY, MONTH, collect
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

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


POST = """
from pathlib import Path
from pipulate import Workflow
flow = Workflow("post")
sent = Path({sent!r})

@flow.work("send", "Send")
async def send(run, job):
    job.run.engine.store.backup(to=Path({backup!r}))
    await job.once("send", lambda: sent.write_text(sent.read_text() + "x"))
"""


def test_a_job_of_a_backup_does_not_go_on_by_itself(cli, tmp_path):
    """It did things after the backup was made: only the user can tell whether to do them again."""
    backup, sent = tmp_path / "then.db", tmp_path / "sent"
    (tmp_path / "workflows").mkdir()
    sent.touch()
    code = POST.format(backup=str(backup), sent=str(sent))
    (tmp_path / "workflows" / "post.py").write_text(code)
    assert cli("run", "post", "--id", "x")[0] == 0 and sent.read_text() == "x"
    assert cli("restore", str(backup))[0] == 0
    folders = (tmp_path / "workflows",)
    app = create_app(Settings(tmp_path / "data", workflows=folders))
    here = "http://127.0.0.1:5001"
    with TestClient(app, base_url=here, client=("127.0.0.1", 5000)) as page:
        told = page.get("/post?id=x").text
        assert "look whether it is done" in told and "Go on" in told
        assert not app.state.jobs.running(("post", "x", "send"))
    assert sent.read_text() == "x"


def with_age(path, age):
    """Make a file or folder older."""
    os.utime(path, (0, time.time() - age))
