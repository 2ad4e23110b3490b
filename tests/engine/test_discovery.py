"""Discovery: what a workflow file may hold, and what is said of one that does not load."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.engine import discovery
from pipulate.engine.discovery import Broken, Folders
from pipulate.engine.found import HandWritten, Helper
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
@pytest.mark.parametrize("helper", ["a_helper", "_helper", "z_helper"])
def test_the_docstring_is_the_files_wherever_the_workflow_was_made(tmp_path, helper, given):
    """Made in a function, or by a neighbour with a docstring of its own: the file's is told."""
    (tmp_path / f"{helper}.py").write_text(f'"""A helper."""\n{GOOD}{MADE_ELSEWHERE[:-14]}')
    path = tmp_path / "mine.py"
    for source in (GOOD + MADE_ELSEWHERE[:-14], f"from {helper} import flow\n"):
        path.write_text(f'"""What it is for."""\n{source}')
        (flow,) = discovery.load(path, given)
        assert flow.about == "What it is for."
    folders = Folders([tmp_path])
    folders.refresh()
    assert [*folders.found] == ["mine"] and folders.found["mine"].about == "What it is for."


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
        ("x = 1\nthis is no Python", "SyntaxError: invalid syntax (mine.py, line 2: “this is no"),
        ("import no_such_library", "No module named 'no_such_library' (mine.py, line 1: “import"),
        (GOOD.replace('"mine"', '"tasks"'), "cannot be a workflow's name"),
        (GOOD.replace('"mine"', '"../x"'), "cannot be a workflow's name"),
        (GOOD + '@flow.step("a", "again")\ndef b(run):\n    pass\n', "two steps with the key"),
        (GOOD + 'flow = Workflow("mine")', "Two workflows of this file have the name 'mine'"),
        ("raise SystemExit", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("\x00", "null bytes"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, text, says):
    """Whatever is wrong with a file, the others live on."""
    (found,) = load(tmp_path, text)
    assert isinstance(found, Broken) and says in str(found)
    assert "discovery.py" not in found.fault.traceback


# --- several files


def flows(*names: str, **more: str) -> str:
    """Return a file that defines these workflows, all by one variable."""
    lines = (f"flow = Workflow({name!r}, **{more!r})" for name in names)
    return "\n".join(["from pipulate import Workflow", *lines])


CLASS = "class Flow:\n    APP_NAME = {!r}\n    STEPS = []\n"


@pytest.fixture
def folders(tmp_path):
    """Give a function: write files ("first/a" or "second/a"; None deletes), return the Folders."""
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        place.mkdir()
    made = Folders(places, reserved={"tasks"})

    def write(**files: str | None) -> Folders:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/', 1)}.py"
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        made.refresh()
        return made

    return write


def kinds(made: Folders) -> dict[str, str]:
    """Return what is served: the kind of each."""
    return {name: type(item).__name__ for name, item in made.found.items()}


def homes(made: Folders) -> dict[str, str]:
    """Return the file of each."""
    return {name: f"{path.parent.name}/{path.stem}" for name, path in made.homes.items()}


def test_a_workflow_is_known_by_its_name_whatever_its_files(folders):
    """Two in one file, though one variable held both; private and hidden files are none."""
    made = folders(
        first__pets=flows("cats", "dogs"),
        first___private="1 / 0",
        first__shapes=CLASS.format("square"),
        second__round=CLASS.replace("    APP_NAME = {!r}\n", ""),
    )
    assert kinds(made) == {
        "cats": "Workflow",
        "dogs": "Workflow",
        "square": "HandWritten",
        "round": "HandWritten",
    }


def test_the_users_workflow_wins_over_ours_by_its_name(folders):
    """A file that is only called like ours hides nothing; theirs deleted, ours is back."""
    made = folders(first__bridge=flows("bridge"), second__bridge=flows("mine"))
    assert homes(made) == {"bridge": "first/bridge", "mine": "second/bridge"}
    folders(second__other=flows("bridge"))
    assert homes(made)["bridge"] == "second/other" and "Broken" not in kinds(made).values()
    assert [line.split(":")[0] for line in made.replaced] == ["bridge"]
    folders(second__other=None)
    assert homes(made)["bridge"] == "first/bridge" and made.replaced == []


@pytest.mark.parametrize("second", [flows("mine"), CLASS.format("mine")], ids=["flow", "class"])
@pytest.mark.parametrize("other", ["a_copy", "z_copy"])
def test_of_two_files_with_one_workflow_the_one_with_its_name_is_served(folders, other, second):
    """The other says what is the matter; deleted, either gives way to the other."""
    made = folders(second__mine=flows("mine"), **{f"second__{other}": second})
    assert homes(made)["mine"] == "second/mine" and kinds(made)[other] == "Broken"
    assert f"{other}.py: It defines the workflow 'mine', and so does mine.py" in (
        str(made.found[other])
    )
    kept = made.found["mine"]
    folders(second__mine=None)
    assert homes(made) == {"mine": f"second/{other}"} and made.found["mine"] is not kept
    folders(second__mine=flows("mine"))
    folders(**{f"second__{other}": None})
    assert homes(made) == {"mine": "second/mine"}


def test_what_is_told_never_takes_a_workflows_address(folders):
    """Its file's name is another's: the address has the file's ending; so where it is a page's."""
    made = folders(second__a=flows("b"), second__b=flows("b", "a"), second__tasks=flows("tasks"))
    assert homes(made) == {"b": "second/b", "a": "second/b", "a.py": "second/a"} | {
        "tasks.py": "second/tasks"
    }
    assert made.found["a.py"].name == "a.py" and kinds(made)["tasks.py"] == "Broken"


def test_a_workflow_that_another_file_imports_is_one(folders):
    """It is the same, so nobody is in its way."""
    made = folders(
        second__mine=flows("mine"), second__user=f"from mine import flow\n{flows('yours')}"
    )
    assert homes(made) == {"mine": "second/mine", "yours": "second/user"}


def test_a_helper_is_no_workflow_and_hides_none(folders):
    """It says what it is; a workflow of that name is served all the same."""
    made = folders(first__bridge=flows("bridge"), second__bridge="x = 1", second__words="x = 1")
    assert kinds(made) == {"bridge": "Workflow", "words": "Helper"}
    assert "words.py defines no workflow" in str(made.found["words"])
    assert isinstance(made.found["words"], Helper)


def test_a_helper_of_a_helper_changes_and_all_is_read_again(folders):
    """Also one in a private file."""
    made = folders(
        second___base="TITLE = 'One'",
        second__words="from _base import TITLE",
        second__mine="from words import TITLE\nfrom pipulate import Workflow\n"
        "flow = Workflow('mine', title=TITLE)",
        second__other=flows("other"),
    )
    other = made.found["other"]
    assert made.found["mine"].title == "One"
    folders(second___base="TITLE = 'Another'")
    assert made.found["mine"].title == "Another" and made.found["other"] is other


def test_a_class_to_build_on_stands_in_a_file_of_its_own(folders):
    """A class that is imported is none of the file's; private files make no workflow."""
    made = folders(
        second___base=CLASS.format("base"),
        second__mine="from _base import Flow\nclass Mine(Flow):\n    APP_NAME = 'mine'",
    )
    assert kinds(made) == {"mine": "HandWritten"} and isinstance(made.found["mine"], HandWritten)


def test_what_stops_loading_keeps_its_names(folders):
    """Else ours, or nothing, would answer for its runs while it is being mended."""
    made = folders(first__dogs=flows("dogs"), second__pets=flows("cats", "dogs"))
    for text in ("this is no Python", "", "x = 1", "1 / 0"):
        folders(second__pets=text)
        assert kinds(made) == {"cats": "Broken", "dogs": "Broken"}, text
    folders(second__pets=flows("cats"))
    assert homes(made) == {"cats": "second/pets", "dogs": "first/dogs"}
    folders(second__dogs="1 / 0")  # it never loaded: it is what its file is called
    assert kinds(made)["dogs"] == "Broken"


def test_a_broken_helper_breaks_who_imports_it_and_both_say_where(folders):
    """The line that is told is the helper's."""
    made = folders(second__words="x = 1 / 0", second__mine=f"import words\n{flows('mine')}")
    assert kinds(made) == {"words": "Broken", "mine": "Broken"}
    assert made.found["mine"].fault.file == made.found["words"].fault.file == "words.py"
    folders(second__words="x = 1")
    assert kinds(made) == {"mine": "Workflow", "words": "Helper"}


def test_a_helper_with_a_librarys_name_is_told_the_way_out(folders):
    """The import fails in the library: the sentence names the other way to write it."""
    made = folders(second__csv="rows = 1", second__mine=f"from csv import rows\n{flows('mine')}")
    assert "cannot import name 'rows' from 'csv'" in str(made.found["mine"])
    assert "write `from .csv import …`" in str(made.found["mine"])


def test_a_dot_in_a_files_name_is_refused_in_words(folders):
    """It could not be imported."""
    made = folders(**{"second__mine.old": flows("mine")})
    assert "has no dot in its name" in str(made.found["mine.old"])


def former(name: str, formerly: str) -> str:
    """Return a file whose workflow had another name."""
    return flows(name, formerly=formerly)


def test_a_former_name_that_is_anothers_is_refused(folders):
    """By a live workflow, by one that is broken, by a second heir; a helper's is free."""
    made = folders(first__old=flows("old"), second__new=former("new", "old"))
    assert kinds(made) == {"old": "Workflow", "new": "Broken"}
    assert "'new' says that it was 'old' formerly, and old.py has that" in str(made.found["new"])
    folders(first__old="1 / 0")
    assert kinds(made)["new"] == "Broken"
    folders(first__old=None)
    assert kinds(made) == {"new": "Workflow"}
    folders(second__old="x = 1")
    assert kinds(made)["new"] == "Workflow"
    folders(second__other=former("other", "old"))
    assert sorted(kinds(made).values()) == ["Broken", "Helper", "Workflow"]


def test_the_bridge_is_as_short_as_promised():
    """The smallest workflow stays within 35 lines of code."""
    text = (PACKAGE / "workflows" / "bridge.py").read_text()
    code = [
        line
        for line in text.split('"""')[2].splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) <= 35


# --- one name, few files


SOURCES = st.sampled_from(
    [
        flows("a"),
        flows("b"),
        flows("a", "b"),
        flows("a", formerly="b"),
        flows("b", formerly="a"),
        CLASS.format("a"),
        CLASS.format("b"),
        "x = 1",
        "1 / 0",
    ]
)


@given(
    files=st.dictionaries(
        st.tuples(st.sampled_from(["first", "second"]), st.sampled_from("abc")), SOURCES
    ),
    name=st.sampled_from("ab"),
)
@settings(max_examples=150, deadline=None)
def test_a_name_means_the_same_in_the_terminal_and_in_the_app(tmp_path_factory, files, name):
    """Though the terminal reads few files: the same kind of thing, of the same file."""
    tmp_path = tmp_path_factory.mktemp("flows")
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        place.mkdir()
    for (folder, stem), text in files.items():
        (tmp_path / folder / f"{stem}.py").write_text(text)
    everything = Folders(places)
    everything.refresh()
    lean = Folders(places)
    found = lean.find(name)
    assert type(found) is type(everything.found.get(name))
    assert lean.homes.get(name) == everything.homes.get(name)


def test_a_name_is_looked_for_where_it_is_likely(folders, tmp_path):
    """A file that has nothing to do with it is not run; none is run twice."""
    folders(first__a=flows("a"), first__z=flows("z"), second__b=flows("b"))
    for path in tmp_path.rglob("*.py"):
        mark = f"from pathlib import Path\nran = Path({str(path)!r} + '.ran')\n"
        mark += "ran.write_text((ran.read_text() if ran.exists() else '') + 'x')\n"
        path.write_text(mark + path.read_text())

    def ran() -> dict[str, str]:
        return {path.name[0]: path.read_text() for path in tmp_path.rglob("*.ran")}

    places = [tmp_path / "first", tmp_path / "second"]
    assert isinstance(Folders(places).find("b"), Workflow) and ran() == {"b": "x"}
    assert isinstance(Folders(places).find("a"), Workflow) and ran() == {"a": "x", "b": "xx"}
    assert Folders(places).find("c") is None and ran() == {"a": "xx", "b": "xxx", "z": "x"}


def test_a_folder_with_a_files_name_is_told(folders, tmp_path):
    """Python would take the folder, and the file would be no workflow."""
    (tmp_path / "second" / "mine").mkdir()
    (tmp_path / "second" / "mine" / "__init__.py").write_text("")
    assert "A folder beside it has its name" in str(
        folders(second__mine=flows("mine")).found["mine"]
    )
