"""`pipulate doctor`: well or not, and what to do about it."""

import io
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest

from pipulate.commands.doctor import MANY, examine, version
from pipulate.engine.kept import keep
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.values import encode


def test_doctor_is_well_and_names_a_broken_file(cli, tmp_path):
    """What is wrong is told with how to mend it."""
    status, out, _ = cli("doctor")
    assert status == 0 and "All is well" in out and "none yet" in out
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "bad.py").write_text("1/0")
    status, out, _ = cli("doctor")
    assert status == 1 and "ZeroDivisionError" in out and "1 problem(s)" in out


def test_doctor_says_what_each_file_is(cli, tmp_path):
    """A helper is no problem, nor is one's own version of a workflow that comes with Pipulate."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "words.py").write_text("LABEL = 'Name?'")
    (folder / "own.py").write_text("from pipulate import Workflow\nflow = Workflow('bridge')")
    status, out, _ = cli("doctor")
    assert status == 0 and "words.py defines no workflow; others in its folder may" in out
    assert f"Served is bridge: {folder / 'own.py'}, not " in out


def test_doctor_counts_what_is_there(cli, tmp_path):
    """Runs and backups."""
    cli("run", "bridge", "--id", "arthur", "name=A")
    cli("backup")
    out = cli("doctor")[1]
    assert "pipulate.db: ok, 1 runs, 1 backups" in out
    with closing(Store(tmp_path / "data" / "pipulate.db")) as store:
        assert len(store.read("SELECT * FROM pipeline")) == 1  # looking changed nothing


def test_what_is_not_installed_is_said_with_the_way_out():
    """No traceback for a library that is missing."""
    assert version("apsw")[0].isdigit()
    assert "make run" in version("no-such-library")


def test_what_only_the_lan_needs_is_told_as_that(cli, monkeypatch):
    """Without it all is well."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert "segno 1" in cli("doctor")[1]
    monkeypatch.setattr(metadata, "version", missing)
    status, out, _ = cli("doctor")
    assert status == 0 and "segno is not installed: only --lan needs it" in out


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with one folder of workflow files."""
    (tmp_path / "workflows").mkdir()
    return Settings(data=tmp_path / "data", workflows=(tmp_path / "workflows",))


def test_nothing_is_wrong_with_no_data(settings: Settings) -> None:
    """Before the first start there is no database, and looking makes none."""
    found = examine(settings)
    assert (found.verdict, found.runs, found.problems) == ("", 0, 0)
    assert not settings.database.exists()


def test_what_is_found(settings: Settings) -> None:
    """The database's soundness, what it holds, its backups, and each file that does not load."""
    store = Store(settings.database)
    store.write("INSERT INTO pipeline VALUES ('bridge', 'arthur', '{}', 1, 1, '', '', NULL)")
    store.backup()
    store.close()
    (settings.workflows[0] / "mine.py").write_text("1 / 0")
    found = examine(settings)
    assert (found.verdict, found.runs, found.backups, found.problems) == ("ok", 1, 1, 1)
    assert "ZeroDivisionError" in str(found.broken[0])


def test_doctor_misses_files_that_runs_name(cli, tmp_path):
    """As after a copy of the database alone."""
    data = tmp_path / "data"
    file = keep(io.BytesIO(b"a"), "links.csv", data)
    with closing(Store(data / "pipulate.db")) as store:
        record = {"step_01": encode({"table": file}, data)[0]}
        Pipulate(store, "petite").initialize_if_missing("arthur", record)
    assert "All is well" in cli("doctor")[1]
    file.path.unlink()
    status, out, _ = cli("doctor")
    assert status == 1 and "A run names the file links.csv (petite arthur), which is not" in out


def test_doctor_closes_what_others_may_read(cli, tmp_path):
    """Each is named, the data folder's own mode or not; then all is well."""
    cli("run", "bridge", "--id", "arthur", "name=A")
    (tmp_path / "data" / "backups").mkdir()
    (tmp_path / "data" / "backups").chmod(0o755)
    status, out, err = cli("doctor")
    assert status == 0 and "backups: it is yours alone now" in out and err == ""
    assert "yours alone" not in cli("doctor")[1]


def test_doctor_names_what_it_cannot_close(cli, tmp_path, monkeypatch):
    """As another user's file; few of many are named."""
    (tmp_path / "data").mkdir(0o700)
    for number in range(MANY + 5):
        (tmp_path / "data" / f"{number}").touch()
        (tmp_path / "data" / f"{number}").chmod(0o644)
    monkeypatch.setattr(Path, "chmod", lambda path, mode: None)
    status, out, _ = cli("doctor")
    assert status == 1 and f"{MANY + 5} problem(s)" in out
    assert out.count("cannot forbid it") == MANY
    monkeypatch.undo()
    status, out, _ = cli("doctor")
    assert status == 0 and "So could they 5 more: all are yours alone now." in out


def test_a_folder_of_before_is_closed_as_a_command_begins(cli, tmp_path):
    """And that is said, once; the command does what it does."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    told = [cli("runs", "list") for _ in range(2)]
    assert "Others of this machine could read" in told[0][2]
    assert told[1] == (0, "", "")
