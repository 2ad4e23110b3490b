"""Hand-written workflows: which class is one, what it gets, and what its file finds."""

import pytest

from pipulate.engine import discovery
from pipulate.engine.classic import Names
from pipulate.engine.discovery import Broken, HandWritten
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow


def load(tmp_path, text, **given):
    """Write a file and load it in an app that gives these things."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    engine = Pipulate(Store(tmp_path / "pipulate.db"), "mine")
    more = {name: lambda value=value: value for name, value in given.items()}
    return discovery.load(path, Names(engine, more))


DATACLASS = "from dataclasses import dataclass\n@dataclass\n"
FLOW = "class Flow:\n    STEPS = ()\n"


@pytest.mark.parametrize(
    "text",
    [
        FLOW,
        "class Flow:\n    steps = []\n",
        "class Flow:\n    APP_NAME = 'mine'\n    def __init__(self, app, extra=1): ...\n",
        "class Flow:\n    def __init__(self, app, pipulate, prefix='/mine'): ...\n",
        "class Flow:\n    def __init__(self, app, route_prefix='/mine', id_suffix=''): ...\n",
        "class Flow:\n    def __init__(self, app, *args, **others): ...\n",
        "class Base:\n    def __init__(self, app, rate): ...\nclass Flow(Base):\n    STEPS = ()\n"
        "    def __init__(self, app): super().__init__(app, 1)\n",
    ],
    ids=[
        "STEPS",
        "steps",
        "APP_NAME",
        "app, pipulate, prefix",
        "app, route_prefix",
        "app, **others",
        "a subclass",
    ],
)
def test_a_class_that_declares_itself(tmp_path, text):
    """By its steps, by its name, or by a constructor that an app can call."""
    (found,) = load(tmp_path, text, app="the app")
    assert isinstance(found, HandWritten) and type(found.instance).__name__ == "Flow"


@pytest.mark.parametrize(
    "helper",
    [
        "class Helper:\n    def landing(self):\n        steps = 'STEPS'\n        return steps\n",
        "class Helper:\n    def __init__(self, steps):\n        1 / 0\n    def init(self): ...\n",
        "class Helper:\n    @property\n    def steps(self): ...\n    def index(self): ...\n",
        "class Helper:\n    steps = 3\n    def register(self): ...\n",
        "class Helper:\n    def __init__(self, app, title):\n        1 / 0\n",
        "class Helper(dict):\n    'Its steps.'\n    def home(self): ...\n",
        "from pipulate.engine.handwritten import HandWritten\n",
        f"{DATACLASS}class Plan:\n    rows: int\n    steps: tuple = ()\n",
    ],
    ids=["local", "parameter", "property", "number", "needs more", "builtin", "imported", "data"],
)
def test_a_helper_is_no_workflow(tmp_path, helper):
    """Whatever words stand in it: what it does not declare, it is not, and it is never made."""
    (found,) = load(tmp_path, helper + FLOW, app="the app")
    assert isinstance(found, HandWritten) and type(found.instance).__name__ == "Flow"


@pytest.mark.parametrize(
    "helper",
    [
        FLOW,
        "class Sidebar:\n    def __init__(self, app):\n        1 / 0\n",
        "class Export:\n    APP_NAME = 'mine'\n    def __init__(self, rows): ...\n",
        f"{DATACLASS}class Export:\n    rows: int\n    steps: tuple = ()\n",
    ],
    ids=["steps", "app", "name", "data"],
)
@pytest.mark.parametrize("first", [True, False])
def test_beside_a_workflow_every_class_is_a_helper(tmp_path, helper, first):
    """Whatever it declares, and wherever it stands: the author's workflow is what is served."""
    flow = "from pipulate import Workflow\nflow = Workflow('mine')\n"
    (found,) = load(tmp_path, helper + flow if first else flow + helper, app="the app")
    assert isinstance(found, Workflow) and found.name == "mine"


def made(tmp_path, text):
    """Return the instance of the one class in the text."""
    (found,) = load(tmp_path, text, app="the app")
    assert isinstance(found, HandWritten), found
    return found.instance


def test_a_class_gets_what_its_constructor_names(tmp_path):
    """By name; what has no default and is the workflow's is made of its name."""
    text = (
        "class Flow:\n    '''By hand.'''\n    steps = []\n"
        "    def __init__(self, app, app_name, prefix, id_suffix, chatq=None, extra=5):\n"
        "        self.got = (app, app_name, prefix, id_suffix, extra)\n"
        "        self.ask = chatq\n"
    )
    (found,) = load(tmp_path, text, app="the app")
    assert isinstance(found, HandWritten)
    assert found.instance.got == ("the app", "mine", "/mine", "", 5)
    assert found.instance.ask.__name__ == "chatq"
    assert (found.name, found.title, found.about) == ("mine", "Mine", "By hand.")


@pytest.mark.parametrize("own", ["'/bridge'", "''", "0"])
def test_its_own_defaults_win(tmp_path, own):
    """A prefix, a name, a phrase: what the class says itself is not overridden."""
    text = (
        f"class Flow:\n    def __init__(self, app, prefix={own}, limiter={own}, db={own}):\n"
        "        self.got = [prefix, limiter, db]\n"
    )
    assert made(tmp_path, text).got == [eval(own)] * 3


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ("APP_NAME = 'other'", "other"),
        ("app_name = 'other'", "other"),
        ("APP_NAME = 'Oh!'", "mine"),
    ],
)
def test_the_engine_it_gets_is_its_own(tmp_path, named, name):
    """Its runs are kept under its own name, if it declares one; else under the file's."""
    text = (
        f"class Flow:\n    {named}\n"
        "    def __init__(self, app, pipulate, pipeline):\n        self.got = pipulate, pipeline\n"
        "    def everywhere(self): return pipulate\n"
    )
    flow = made(tmp_path, text)
    engine, runs = flow.got
    assert engine.workflow == runs.engine.workflow == flow.everywhere().workflow == name


def test_one_that_makes_itself_is_not_made_twice(tmp_path):
    """Whatever it takes; a base of another is none."""
    text = (
        "made = []\n"
        "class Base:\n    STEPS = []\n"
        "class Flow(Base):\n    APP_NAME = 'other'\n"
        "    def __init__(self, app, pipulate, number):\n"
        "        made.append(number)\n        self.engine = pipulate\n"
        "flow = again = Flow(app, pipulate, 7)\n"
    )
    (found,) = load(tmp_path, text, app="the app")
    assert isinstance(found, HandWritten) and found.name == "other"
    assert found.instance.__init__.__globals__["made"] == [7]
    assert found.instance.engine.workflow == "other"


def test_several_in_one_file_have_names_and_runs_of_their_own(tmp_path):
    """Also where they were given the same things."""
    text = (
        "class Flow:\n"
        "    def __init__(self, app, pipulate, pipeline, prefix='/third'):\n"
        "        self.engine, self.runs, self.prefix = pipulate, pipeline, prefix\n"
        "class Other(Flow):\n    APP_NAME = 'fourth'\n"
        "one = Flow(app, pipulate, pipeline, '/first')\n"
        "two = Flow(app, pipulate, pipeline, '/second')\n"
    )
    found = load(tmp_path, text, app="the app")
    assert [flow.name for flow in found] == ["first", "second", "fourth"]
    for flow in found:
        assert flow.instance.engine.workflow == flow.instance.runs.engine.workflow == flow.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class Tasks:\n    STEPS = []\n", "tasks_classic"),
        ("class Flow:\n    APP_NAME = 'tasks'\n", "flow"),
        ("class Flow:\n    STEPS = []\n    prefix = '/to-do'\n", "to-do"),
    ],
)
def test_a_name_of_the_apps_pages_is_not_taken(tmp_path, text, name):
    """A file may be called like one all the same."""
    path = tmp_path / "tasks.py"
    path.write_text(text)
    (found,) = discovery.load(path, reserved={"tasks"})
    assert isinstance(found, HandWritten) and found.name == name


def test_given_names_stand_behind_all_others(tmp_path):
    """A file's own and imported ones come first, and Python's builtins."""
    text = (
        "from pathlib import PurePath as Path\n"
        "limiter = 'mine'\n"
        "class Flow:\n    STEPS = ()\n"
        "    def names(self): return limiter, Path.__name__, len(['x']), datetime.__name__, app\n"
        "    def failing(self): return oracle\n"
    )
    flow = made(tmp_path, text)
    assert flow.names() == ("mine", "PurePath", 1, "datetime", "the app")
    with pytest.raises(NameError, match="oracle"):
        flow.failing()


def test_a_row_of_clients_is_meant_by_their_name(tmp_path):
    """FastHTML has a `Client` too, which a star brings over ours."""
    text = (
        "from fasthtml.common import *\n"
        "class Flow:\n    STEPS = ()\n"
        "    def add(self): return clients.insert(Client(name='Camelot')).name\n"
    )
    assert made(tmp_path, text).add() == "Camelot"


def test_without_an_app_it_is_only_described(tmp_path):
    """The command line knows the shipped one by name, and makes nothing."""
    (found,) = discovery.load(PACKAGE / "workflows" / "byhand.py")
    assert isinstance(found, HandWritten)
    assert (found.name, found.title, found.instance) == ("byhand", "By hand", None)
    assert found.about.startswith("The Bridge of Death by hand")


def test_without_an_app_one_that_makes_itself_is_described(tmp_path):
    """It gets as far as it can; a name that nobody has is an error there as well."""
    text = (
        "from fasthtml.common import Card\n"
        "class Flow:\n    'Its own.'\n    STEPS = []\n"
        "    def step(self, at: Optional[datetime] = None) -> PlainTextResponse: ...\n"
        "flow = Flow({}, tasks)\n"
    )
    path = tmp_path / "mine.py"
    path.write_text(text.format("app"))
    (found,) = discovery.load(path)
    assert isinstance(found, HandWritten) and (found.name, found.about) == ("mine", "Its own.")
    path.write_text(text.format("oracle"))
    (found,) = discovery.load(path)
    assert isinstance(found, Broken) and "oracle" in str(found)


def test_one_that_cannot_be_made_is_broken(tmp_path):
    """A class with steps that asks for what no app has is a broken file with its traceback."""
    text = FLOW + "    def __init__(self, app, oracle): ...\n"
    (found,) = load(tmp_path, text, app="the app")
    assert isinstance(found, Broken)
