"""`pipulate runs`: what is here, in lines that another machine can read."""

import io
import json
import shutil
import sys
from contextlib import closing

from pipulate.engine.kept import keep, small
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from pipulate.engine.values import encode


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


PADDED = """
from pipulate import Workflow
flow = Workflow("mine", normalise=lambda text: f" {text.strip()} ")
@flow.step("name", "Name")
def name(run):
    return Input(name="name", value="x")
"""


def test_a_run_is_what_its_workflow_calls_it(cli, tmp_path):
    """Its ID is found as it stands, and as typed, and it travels as it stands."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "mine.py").write_text(f"from fasthtml.common import Input\n{PADDED}")
    assert cli("run", "mine", "--id", "padded")[0] == 0
    for typed in ("padded", " padded "):
        assert json.loads(cli("runs", "show", "mine", typed)[1])["id"] == " padded "
    (folder / "mine.py").write_text("oops")
    status, lines, _ = cli("runs", "export")
    assert status == 0 and json.loads(lines)["id"] == " padded "
    assert cli("runs", "delete", "mine", " padded ")[0] == 0 and cli("runs")[1] == ""
    (tmp_path / "all").write_text(lines)
    assert cli("runs", "import", str(tmp_path / "all"))[0] == 0
    shown = json.loads(cli("runs", "show", "mine", " padded ")[1])
    assert shown["record"] == json.loads(lines)["record"]


def test_all_are_exported_but_the_damaged_which_are_named(cli, tmp_path):
    """One run that cannot be read is no reason to keep the others here."""
    for id in ("arthur", "robin"):
        cli("run", "bridge", "--id", id, "name=x", "quest=Grail", "color=blue")
    with closing(Store(tmp_path / "data" / "pipulate.db")) as store:
        store.write("UPDATE pipeline SET data = '{' WHERE id = 'robin'")
    status, lines, err = cli("runs", "export")
    assert status == 0 and "Damaged: bridge robin" in err
    assert "record" in json.loads(lines.splitlines()[1])


def test_files_travel_in_a_zip(cli, tmp_path, monkeypatch):
    """To a file, or to stdout where that is no terminal."""
    data = tmp_path / "data"
    with closing(Store(data / "pipulate.db")) as store:
        engine = Pipulate(store, "bridge")
        file = keep(io.BytesIO(b"a"), "links.csv", data)
        large = small({"rows": ["x" * 100] * 4000}, {}, "check", data)
        record = {"step_01": encode({"table": file}, data)[0], "step_02": large}
        engine.initialize_if_missing("arthur", record)
    target = tmp_path / "runs.zip"
    assert cli("runs", "export", "--to", str(target))[0] == 0
    assert cli("runs", "export", "bridge", "arthur", "--to", str(tmp_path / "one.zip"))[0] == 0
    assert target.read_bytes()[:2] == (tmp_path / "one.zip").read_bytes()[:2] == b"PK"
    shown = json.loads(cli("runs", "show", "bridge", "arthur")[1])["record"]
    assert len(shown["step_02"]["rows"]) == 4000  # to read, wherever it lies
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    status, _, err = cli("runs", "export")
    assert status == 1 and "Add --to FILE" in err
    shutil.rmtree(data)
    assert cli("runs", "import", str(target))[1:] == ("arthur\n", "")
    assert (data / file.path.relative_to(data)).read_bytes() == b"a"
    file.path.unlink()
    assert "Gone, so not exported: links.csv" in cli("runs", "export", "--to", str(target))[2]
    assert "Not among the files: links.csv" in cli("runs", "import", str(target))[2]


MANY = 100_001


def test_however_many_there_are_all_are_listed(cli, tmp_path):
    """A list that stopped would have to say so; this one does not stop."""
    with closing(Store(tmp_path / "data" / "pipulate.db")) as store:
        store.write(
            """WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO pipeline (workflow, id, data, rev, created, updated)
            SELECT 'bridge', 'run' || i, '{}', 1, '', '' FROM n""",
            MANY,
        )
    assert cli("runs")[1].count("\n") == MANY
