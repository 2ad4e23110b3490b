"""`pipulate backup`, `restore` and `doctor`."""


def test_backup_and_restore(cli, tmp_path):
    """A backup brings back what was deleted since."""
    cli("run", "bridge", "--id", "arthur", "name=A", "quest=B", "color=red")
    path = cli("backup")[1].strip()
    cli("runs", "delete", "bridge", "arthur")
    status, out, _ = cli("restore", path)
    assert status == 0 and "in place again" in out and "arthur" in cli("runs")[1]
    assert cli("restore", str(tmp_path / "none.db"))[0] == 1


def test_doctor_is_well_and_names_a_broken_file(cli, tmp_path):
    """What is wrong is told with how to mend it."""
    status, out, _ = cli("doctor")
    assert status == 0 and "All is well" in out
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "bad.py").write_text("1/0")
    status, out, _ = cli("doctor")
    assert status == 1 and "ZeroDivisionError" in out
