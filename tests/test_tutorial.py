"""The tutorial's code is run as it stands on its page."""

import json
import re
from pathlib import Path

from pipulate.cli import main
from pipulate.workflows import bridge

PAGE = Path("pipulate/docs/tutorial-workflow.md")


def test_the_tutorials_workflow_runs(tmp_path, capsys, monkeypatch):
    """All Python blocks in order make a workflow that runs from `new` to its result."""
    folder, data = tmp_path / "workflows", tmp_path / "data"
    arguments = ["--data", str(data), "--workflows", str(folder)]
    assert main([*arguments, "new", "greeting", "--from", "bridge"]) == 0
    code = "\n\n".join(
        re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    )
    (folder / "greeting.py").write_text(code, encoding="utf-8")
    capsys.readouterr()
    assert main([*arguments, "run", "greeting", "--id", "first", "name=ada"]) == 0
    out, err = capsys.readouterr()
    made = json.loads(out)["answers"]
    assert (
        made["name"] == "Ada"
        and made["letters"] == {"counted": {"a": 2, "d": 1}}
        and "Ada has 2 different letters." in err
    )
    assert main([*arguments, "run", "greeting", "--id", "second", "name=a1"]) == 1
    assert "A name has letters only." in capsys.readouterr().err


def test_the_readme_shows_the_workflow_that_it_copies_and_runs():
    """Its first screen is the file itself, and its command answers each of its questions."""
    text = Path("README.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert shown == [Path(bridge.__file__).read_text(encoding="utf-8")]
    (line,) = re.findall("^pipulate run bridge --id lancelot (.*)$", text, re.MULTILINE)
    keys = [answer.partition("=")[0] for answer in line.split()]
    assert keys == [step.key for step in bridge.flow.steps]
