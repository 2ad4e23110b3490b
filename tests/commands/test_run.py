"""`pipulate run`: workflows without a browser, and errors in words."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from pipulate.commands.run import read
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store

BRIDGE = ("run", "bridge", "--id", "arthur")


def test_the_bridge_runs_headless_and_prints_json(cli):
    """The same workflow serves cron and Unix pipes."""
    status, out, err = cli(*BRIDGE, "name=Arthur", "quest=Grail", "color=blue")
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
        (("byhand", "--id", "x"), "'byhand' is written by hand: only its own pages"),
    ],
)
def test_what_is_missing_or_wrong_is_told(cli, arguments, says):
    """A headless run ends with a status and a sentence, never a traceback."""
    status, out, err = cli("run", *arguments)
    assert status == 1 and out == "" and says in err and "Traceback" not in err


WHEN = """from fasthtml.common import Input
from pipulate import Workflow
flow = Workflow("when")
flow.step("n", "N")(lambda run: Input(name="n", type="number", value="1"))
flow.step("more", "More", when=lambda run: run["n"] > 1)(lambda run: Input(name="more"))
"""


def test_an_answer_that_no_step_takes_is_told(cli, tmp_path):
    """A name that is mistyped; not one of a step that is left out."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "when.py").write_text(WHEN)
    status, _, err = cli("run", "when", "--id", "a", "nn=2", "more=x")
    assert status == 0 and err == "No step has a field 'nn', so that was not taken.\n"
    assert cli("run", "when", "--id", "a", "n=1", "more=x")[2] == ""


def test_a_condition_that_fails_is_told(cli, tmp_path):
    """As on the step's card; its step is neither asked nor left out."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "when.py").write_text(WHEN)
    for _ in range(2):
        status, _, err = cli("run", "when", "--id", "a", "n=", "more=x")
        assert status == 1 and "TypeError" in err and "when.py, line 5" in err


def test_a_broken_file_is_told_with_its_traceback(cli, tmp_path):
    """That traceback is the author's to read."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "bad.py").write_text("1/0")
    status, _, err = cli("run", "bad", "--id", "x")
    assert status == 1 and "bad.py cannot be loaded" in err
    assert "ZeroDivisionError: division by zero (bad.py, line 1: “1/0”)" in err


OTHERS = """from fasthtml.common import Input
from pipulate import Workflow
from words import LABEL
flow = Workflow("cats")
@flow.step("name", LABEL)
def name(run): return Input(name="name")
@name.accept
def check(run, form): return {"name": form["name"][100]}
flow = Workflow("dogs")
"""


def test_a_workflow_is_found_by_its_name_whatever_its_file_s(cli, tmp_path):
    """Two in one file, with a helper beside them; what the author's code fails at is told."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "pets.py").write_text(OTHERS)
    (folder / "words.py").write_text("LABEL = 'Its name?'\n")
    assert json.loads(cli("run", "dogs", "--id", "x")[1])["workflow"] == "dogs"
    status, _, err = cli("run", "cats", "--id", "x", "name=Tom")
    assert status == 1 and "IndexError: string index out of range (pets.py, line 8: " in err
    assert "Mend it and run this again" in err and "Traceback" not in err
    status, _, err = cli("run", "words", "--id", "x")
    assert status == 1 and "words.py defines no workflow" in err
    assert "There are: bridge, cats, dogs" in cli("run", "pets", "--id", "x")[2]


def test_a_headless_run_goes_on_where_it_was(cli):
    """Answers of an earlier call are kept; only what is missing is asked for."""
    cli(*BRIDGE, "name=Arthur")
    status, out, _ = cli(*BRIDGE, "quest=Grail", "color=red")
    assert status == 0 and json.loads(out)["answers"]["name"] == "Arthur"


def test_work_runs_headless(cli, tmp_path):
    """A job is done here, with its progress on stderr."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("one two two")
    status, out, err = cli("run", "work", "--id", "w", f"folder={folder}", "pause=0")
    assert status == 0 and "Counted 3 words" in err
    assert json.loads(out)["answers"]["count"]["words"] == 3


def test_a_name_may_be_given_twice_and_a_value_may_hold_an_equals_sign():
    """Boxes that may be ticked together share a name."""
    assert read(["a=1", "b=x=y", "a=2", "c="]) == {"a": ["1", "2"], "b": ["x=y"], "c": [""]}


def test_any_address_of_a_project_names_one_run(cli):
    """As in the browser, and for `pipulate runs` too."""
    cli("run", "bridge", "--id", "app.botify.com/acme/shop", "name=Arthur")
    address = "https://app.botify.com/acme/shop/overview"
    _, out, _ = cli("run", "bridge", "--id", address, "quest=Grail", "color=red")
    assert json.loads(out)["id"] == "https://app.botify.com/acme/shop/"
    _, shown, _ = cli("runs", "show", "bridge", address)
    assert json.loads(shown)["record"] == json.loads(out)["record"]


PAGE = Path("pipulate/docs/howto/answers.md")


def test_files_are_given_by_their_paths(cli, tmp_path):
    """The manual's workflow: a table goes in, a file comes out, whatever folder one is in."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "upper.py").write_text("\n".join(blocks), encoding="utf-8")
    table = tmp_path / "links.csv"
    table.write_text("a,b\n")
    run = ("run", "upper", "--id", "first")
    status, out, _ = cli(*run, f"table={table}")
    made = json.loads(out)
    assert status == 0 and made["answers"]["table"]["file"] == "links.csv"
    (listed,) = made["record"]["asked"]["step_02"]["files"]
    file = tmp_path / "data" / listed["path"]
    assert listed["file"] == "upper.csv" and file.read_text() == "A,B\n"
    assert made["answers"]["upper"] == {"table": listed}
    for path, says in (("nowhere.csv", "cannot be read"), ("", "Choose a file")):
        status, _, err = cli("run", "upper", "--id", "other", f"table={path}")
        assert status == 1 and says in err
    table.write_text("")
    assert "The table is empty." in cli("run", "upper", "--id", "third", f"table={table}")[2]


SEVERAL = """from fasthtml.common import Input
from pipulate import Workflow
flow = Workflow("several")
@flow.step("tables", "Tables")
def tables(run):
    return Input(name="tables", type="file", multiple=True), Input(name="when", type="date")
"""


def test_several_files_are_several_paths(cli, tmp_path):
    """And a step that was taken back keeps them, unless others are named, or none."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "several.py").write_text(SEVERAL)
    for name in "ab":
        (tmp_path / name).write_text(name)
    both = [f"tables={tmp_path / name}" for name in "ab"]

    def given(*more):
        with closing(Store(tmp_path / "data" / "pipulate.db")) as store:
            engine = Pipulate(store, "several")
            if engine.row("x"):
                engine.clear_steps_from("x", "step_01", [("tables", "step_01", "")])
        _, out, _ = cli("run", "several", "--id", "x", *more)
        answer = json.loads(out)["answers"]["tables"]
        return [file["file"] for file in answer]

    assert given(*both, "when=2026-11-23") == given() == ["a", "b"]
    assert given(both[1]) == ["b"] and given("tables=") == []
