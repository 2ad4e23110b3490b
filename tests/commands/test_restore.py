"""`pipulate restore`: what a backup brings back, and what it refuses."""

from pipulate.engine.care import serving


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
