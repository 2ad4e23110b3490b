"""`pipulate runs`: what is here, in lines that another machine can read."""

import json


def test_runs_are_listed_shown_exported_deleted_and_imported(cli, tmp_path):
    """A run travels as JSON lines."""
    cli("run", "bridge", "--id", "arthur", "name=Arthur", "quest=Grail", "color=blue")
    assert "arthur" in cli("runs")[1]
    line = json.loads(cli("runs", "list", "--json")[1])
    assert line["id"] == "arthur" and line["record"]["step_01"] == {"name": "Arthur"}
    file = tmp_path / "run.json"
    file.write_text(cli("runs", "export", "bridge", "arthur")[1])
    assert cli("runs", "delete", "bridge", "arthur")[0] == 0 and cli("runs")[1] == ""
    assert cli("runs", "import", str(file))[1].strip() == "arthur"
    assert json.loads(cli("runs", "show", "bridge", "arthur")[1])["record"] == line["record"]
    assert cli("runs", "import", str(tmp_path / "none"))[0] == 1


def test_an_act_on_one_run_needs_its_name(cli):
    """Half an address deletes nothing."""
    status, _, err = cli("runs", "delete", "bridge")
    assert status == 1 and "needs a workflow and a run ID" in err
