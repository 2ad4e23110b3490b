"""The tutorial's code is run as it stands on its page."""

import json
import re
from pathlib import Path

from pipulate.cli import main

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


def test_the_readmes_workflow_runs(tmp_path, capsys):
    """The first screen's code is a workflow."""
    code = re.findall(
        r"```python\n(.*?)```", Path("README.md").read_text(encoding="utf-8"), re.DOTALL
    )[0]
    (tmp_path / "bridge.py").write_text(code, encoding="utf-8")
    assert (
        main(
            [
                "--data",
                str(tmp_path / "d"),
                "--workflows",
                str(tmp_path),
                "run",
                "bridge",
                "--id",
                "x",
                "name=A",
                "color=blue",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["answers"] == {"name": "A", "color": "blue"}
