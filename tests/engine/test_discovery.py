"""Discovery: what a workflow file may hold, and what is said of one that does not load."""

import pytest

from pipulate.engine import discovery
from pipulate.engine.discovery import Broken
from pipulate.engine.settings import PACKAGE
from pipulate.engine.workflow import Workflow

GOOD = """from pipulate import Workflow
flow = Workflow("mine")
@flow.step("a", "A?")
def a(run):
    return None
"""


def load(tmp_path, text):
    """Write a file and load it."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return discovery.load(path, {}, reserved={"tasks"})


def test_a_workflow_takes_its_docstring_as_training_text(tmp_path):
    """The file's docstring is what the model is told."""
    (flow,) = load(tmp_path, '"""What it is for."""\n' + GOOD)
    assert isinstance(flow, Workflow) and flow.about == "What it is for."


MADE_ELSEWHERE = """
def make():
    return Workflow("mine")

flow = make()
"""


@pytest.mark.parametrize("given", [None, {}], ids=["headless", "in the app"])
def test_the_docstring_is_the_files_wherever_the_workflow_was_made(tmp_path, monkeypatch, given):
    """Made in a function, or in a helper module with a docstring of its own: the file's is told."""
    (tmp_path / "helper_of_mine.py").write_text(f'"""A helper."""\n{GOOD}{MADE_ELSEWHERE}')
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "mine.py"
    for source in (GOOD + MADE_ELSEWHERE, "from helper_of_mine import flow\n"):
        path.write_text(f'"""What it is for."""\n{source}')
        (flow,) = discovery.load(path, given)
        assert flow.about == "What it is for."


def test_the_authors_own_words_win(tmp_path):
    """Given `about`, the docstring is not told."""
    text = GOOD.replace('Workflow("mine"', 'Workflow("mine", about="My words."')
    (flow,) = load(tmp_path, '"""What it is for."""\n' + text)
    assert flow.about == "My words."


def test_run_ids_are_read_as_the_workflow_says_or_else_the_app(tmp_path):
    """A workflow's own `normalise` wins over the app's, and the app's over the engine's."""
    path = tmp_path / "mine.py"
    for source, named in (
        (GOOD, "ARTHUR"),
        (GOOD.replace('Workflow("mine"', 'Workflow("mine", normalise=str.lower'), "arthur"),
    ):
        path.write_text(source)
        (flow,) = discovery.load(path, normalise=str.upper)
        assert flow.normalise("Arthur") == named
    (flow,) = discovery.load(PACKAGE / "workflows" / "bridge.py")
    assert flow.normalise(" Arthur ") == "Arthur"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("this is no Python", "SyntaxError"),
        ("import no_such_library", "ModuleNotFoundError"),
        ("x = 1", "defines no workflow"),
        (GOOD.replace('"mine"', '"tasks"'), "cannot be a workflow's name"),
        (GOOD.replace('"mine"', '"../x"'), "cannot be a workflow's name"),
        (GOOD + '@flow.step("a", "again")\ndef b(run):\n    pass\n', "two steps with the key"),
        ("raise SystemExit", "SystemExit"),
        ("\x00", "null bytes"),
    ],
)
def test_a_broken_file_is_told_with_its_traceback(tmp_path, text, says):
    """Whatever is wrong with a file, the others live on."""
    (found,) = load(tmp_path, text)
    assert (
        isinstance(found, Broken)
        and says in found.traceback
        and "discovery.py" not in found.traceback
    )


def test_the_users_file_wins_over_ours(tmp_path):
    """Of two files with one name the later folder's is taken; hidden and private files are none."""
    (tmp_path / "bridge.py").write_text(GOOD)
    (tmp_path / "_private.py").write_text("1/0")
    (tmp_path / ".hidden.py").write_text("1/0")
    found = discovery.files((PACKAGE / "workflows", tmp_path, tmp_path / "missing"))
    assert found["bridge"] == tmp_path / "bridge.py" and "_private" not in found and "poet" in found


def test_the_bridge_is_as_short_as_promised():
    """The smallest workflow stays within 35 lines of code."""
    text = (PACKAGE / "workflows" / "bridge.py").read_text()
    code = [
        line
        for line in text.split('"""')[2].splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) <= 35
