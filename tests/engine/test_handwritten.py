"""Hand-written workflows: which class is one, and what it gets."""

import pytest

from pipulate.engine import discovery, handwritten
from pipulate.engine.discovery import Broken, HandWritten
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow


def load(tmp_path, text, **given):
    """Write a file and load it in an app that gives these things."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return discovery.load(path, given)


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
    (found,) = load(tmp_path, text, app="the app", pipulate=Pipulate(Store(tmp_path / "x.db")))
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


def test_a_class_gets_what_its_constructor_names(tmp_path):
    """Hand-written classes ask by name; unknown names keep their defaults."""
    text = (
        "class Flow:\n    '''By hand.'''\n    steps = []\n"
        "    def __init__(self, db, app_name, extra=5):\n"
        "        self.got = (db, app_name, extra)\n    def landing(self): ...\n"
    )
    (found,) = load(tmp_path, text, db="the db", app="the app")
    assert isinstance(found, HandWritten) and found.instance.got == ("the db", "mine", 5)
    assert (found.name, found.title, found.about) == ("mine", "Mine", "By hand.")


def test_the_engine_it_gets_is_its_own(tmp_path):
    """The engine keeps its runs under the class's own name, not the file's."""
    text = (
        "class Flow:\n    APP_NAME = 'other'\n"
        "    def __init__(self, app, pipulate):\n        self.engine = pipulate\n"
    )
    store = Store(tmp_path / "pipulate.db")
    (found,) = load(tmp_path, text, app="the app", pipulate=Pipulate(store, "mine"))
    assert isinstance(found, HandWritten) and found.instance.engine.workflow == "other"


def test_without_an_app_it_is_only_described(tmp_path):
    """The command line knows the shipped one by name, and makes nothing."""
    (found,) = discovery.load(PACKAGE / "workflows" / "byhand.py")
    assert isinstance(found, HandWritten)
    assert (found.name, found.title, found.instance) == ("byhand", "By hand", None)
    assert found.about.startswith("The Bridge of Death by hand")


def test_one_that_cannot_be_made_is_broken(tmp_path):
    """A class with steps that asks for what no app has is a broken file with its traceback."""
    text = FLOW + "    def __init__(self, app, oracle): ...\n"
    (found,) = load(tmp_path, text, app="the app")
    assert isinstance(found, Broken)


def test_a_table_is_this_threads(tmp_path):
    """The table that a class keeps works in whichever thread handles a request."""
    store = Store(tmp_path / "pipulate.db")
    table = handwritten.Table(store, "task")
    task = table.insert(name="Find the Grail")
    assert task["id"] in table and table[task["id"]]["name"] == "Find the Grail"
    assert [row["name"] for row in table(where="done = 0")] == ["Find the Grail"]
