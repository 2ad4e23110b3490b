"""The command line: workflows without a browser, care of the data, and errors in words."""

import json
import subprocess
import sys

import pytest

from pipulate.cli import main


@pytest.fixture
def cli(tmp_path, capsys):
    """Return a function that runs the command on a scratch folder: (status, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(
            [
                "--data",
                str(tmp_path / "data"),
                "--workflows",
                str(tmp_path / "workflows"),
                *arguments,
            ]
        )
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_the_bridge_runs_headless_and_prints_json(cli):
    """The same workflow serves cron and Unix pipes."""
    status, out, err = cli(
        "run", "bridge", "--id", "arthur", "name=Arthur", "quest=Grail", "color=blue"
    )
    assert (status, err) == (0, "")
    assert json.loads(out)["answers"] == {"name": "Arthur", "quest": "Grail", "color": "blue"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bridge", "--id", "x", "name=A"), "Step 'quest'"),
        (("bridge", "--id", "x", "name=A", "quest=B", "color=purple"), "not one of the choices"),
        (("bridge", "--id", "x", "oops"), "NAME=VALUE"),
        (("bridge", "--id", "  ", "name=A"), "A run needs an ID"),
        (("nothing", "--id", "x"), "There is no workflow 'nothing'"),
        (("byhand", "--id", "x"), "There is no workflow 'byhand' that can run here"),
    ],
)
def test_what_is_missing_or_wrong_is_told(cli, arguments, says):
    """A headless run ends with a status and a sentence, never a traceback."""
    status, out, err = cli("run", *arguments)
    assert status == 1 and out == "" and says in err and "Traceback" not in err


def test_a_headless_run_goes_on_where_it_was(cli):
    """Answers of an earlier call are kept; only what is missing is asked for."""
    cli("run", "bridge", "--id", "a", "name=Arthur")
    status, out, _ = cli("run", "bridge", "--id", "a", "quest=Grail", "color=red")
    assert status == 0 and json.loads(out)["answers"]["name"] == "Arthur"


def test_work_runs_headless(cli, tmp_path):
    """A job is done here, with its progress on stderr."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("one two two")
    status, out, err = cli("run", "work", "--id", "w", f"folder={folder}", "pause=0")
    assert (
        status == 0
        and json.loads(out)["answers"]["count"]["words"] == 3
        and "Counted 3 words" in err
    )


@pytest.mark.parametrize("template", ["bridge", "petite", "poet", "work", "byhand"])
def test_new_copies_each_template_and_the_copy_loads(cli, tmp_path, template):
    """A copy is a workflow of its own name, and nothing is overwritten."""
    from pipulate.engine import discovery

    status, out, _ = cli("new", f"my_{template}", "--from", template)
    path = tmp_path / "workflows" / f"my_{template}.py"
    assert status == 0 and str(path) in out
    if template != "byhand":
        (found,) = discovery.load(path, {})
        assert found.name == f"my_{template}", found
    else:
        assert f'APP_NAME = "my_{template}"' in path.read_text()
    again, _, err = cli("new", f"my_{template}", "--from", template)
    assert again == 1 and "exists already" in err


@pytest.mark.parametrize(
    ("name", "says"),
    [("Has Space", "small letters"), ("../x", "small letters"), ("ok", "no template")],
)
def test_new_refuses_bad_names_and_templates(cli, name, says):
    """The name becomes a file and an address."""
    status, _, err = cli("new", name, *(["--from", "none"] if name == "ok" else []))
    assert status == 1 and says in err


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


def test_backup_and_restore(cli, tmp_path):
    """A backup brings back what was deleted since."""
    cli("run", "bridge", "--id", "arthur", "name=A", "quest=B", "color=red")
    path = cli("backup")[1].strip()
    cli("runs", "delete", "bridge", "arthur")
    status, out, _ = cli("restore", path)
    assert status == 0 and "in place again" in out and "arthur" in cli("runs")[1]
    assert cli("restore", str(tmp_path / "none.db"))[0] == 1


def test_context_counts_the_core(cli):
    """The core is small enough to be read whole: 40,000 tokens."""
    status, out, _ = cli("context", "--counts")
    total = int(out.splitlines()[-1].split()[0].replace(",", ""))
    assert status == 0 and 10_000 < total <= 40_000


def test_doctor_is_well_and_names_a_broken_file(cli, tmp_path):
    """What is wrong is told with how to mend it."""
    status, out, _ = cli("doctor")
    assert status == 0 and "All is well" in out
    (tmp_path / "workflows").mkdir(exist_ok=True)
    (tmp_path / "workflows" / "bad.py").write_text("1/0")
    status, out, _ = cli("doctor")
    assert status == 1 and "ZeroDivisionError" in out


def test_the_module_is_the_command(tmp_path):
    """`python -m pipulate --help` lists every command."""
    out = subprocess.run(
        [sys.executable, "-m", "pipulate", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert all(
        f"    {name}" in out
        for name in ("new", "run", "runs", "backup", "restore", "context", "doctor")
    )
