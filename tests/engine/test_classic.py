"""The names that classic workflows take for granted, each used as they use it."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from apswutils.db import NotFoundError

from pipulate.engine import classic, handwritten, profiles
from pipulate.engine.byhand import Whichever
from pipulate.engine.classic import Db, Names, Page, Runs, Table
from pipulate.engine.errors import Invalid
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store
from pipulate.engine.voice import Silent, voice


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an empty store."""
    made = Store(tmp_path / "pipulate.db")
    yield made
    made.close()


@pytest.fixture
def names(store: Store) -> Names:
    """Give what a file of the workflow "mine" finds."""
    return Names(Pipulate(store, "mine"), {"app": lambda: "the app"})


# --- the list


def test_every_name_is_there(names: Names) -> None:
    """None is promised and missing; what an app adds is asked for at each use."""
    for name in names:
        assert names[name] is not None, name
    assert {*handwritten.NAMES} - {*names} == {"rt", "endpoint_messages"}  # the app's
    with pytest.raises(KeyError):
        names["oracle"]
    asked = []
    more = Names(names.engine, {"model": lambda: asked.append(1) or "gemma3"})
    assert (more["model"], more["model"], len(asked)) == ("gemma3", "gemma3", 2)


def test_the_manual_lists_every_name(names: Names) -> None:
    """Each in so many words, and what the engine does for them."""
    manual = (PACKAGE / "docs" / "howto" / "classic.md").read_text("utf-8")
    assert [name for name in {*names, *handwritten.NAMES} if f"`{name}`" not in manual] == []
    assert [word for word in handwritten.WORDS if f"`{word}`" not in manual] == []
    calls = re.findall(r"^\| `(.*)` \|", manual, re.MULTILINE)
    for name in re.findall(r"(\w+)\(id", " ".join(calls)):
        assert callable(getattr(Pipulate, name)), name


def test_what_no_part_of_the_app_knows(names: Names) -> None:
    """A phrase, whichever model answers, no account."""
    assert names["limiter"].startswith("in under")
    assert isinstance(names["model"], Whichever) and names["model"] == ""
    assert names["username"] == names["api_key"] == ""


def test_the_same_thing_at_each_use(names: Names) -> None:
    """A table keeps what was set on it, and a row is an instance of its dataclass."""
    for name in ("db", "tasks", "Task", "pipeline", "pipulate"):
        assert names[name] is names[name]


def test_names_for_one_of_several(names: Names) -> None:
    """Its runs are its own; all else is the same."""
    own = names.own("other")
    assert own["pipulate"].workflow == own["pipeline"].engine.workflow == "other"
    assert (names["pipulate"].workflow, own["app"]) == ("mine", "the app")
    names.call("renamed")
    assert names["pipulate"].workflow == names["pipeline"].engine.workflow == "renamed"


async def test_a_broadcast_is_said(names: Names) -> None:
    """In the chat panel, by the voice of the request."""
    said = []

    class Heard(Silent):
        async def say(self, text: str) -> None:
            said.append(text)

    token = voice.set(Heard())
    await names["chat"].broadcast("Ni!")
    voice.reset(token)
    assert said == ["Ni!"]


# --- db


def test_db_is_a_dictionary_on_disk(store: Store) -> None:
    """Get, set, delete, in, items, keys, values; any JSON value."""
    db = Db(store)
    db["shrubbery"] = {"height": 2}
    db.set("herring", "red")
    assert db["shrubbery"]["height"] == 2 and db.get("knights") is None
    assert "herring" in db and "knights" not in db and db.get("knights", 3) == 3
    assert dict(db.items()) == {"shrubbery": {"height": 2}, "herring": "red"}
    assert [*db.keys()] == [*db] == ["shrubbery", "herring"] and "red" in [*db.values()]
    del db["herring"]
    assert len(db) == 1 and Db(store)["shrubbery"] == {"height": 2}
    with pytest.raises(KeyError):
        db["herring"]
    with pytest.raises(KeyError):
        del db["herring"]


def test_db_shows_no_secret(store: Store, names: Names) -> None:
    """Neither by name nor in a list; nor does the table."""
    store["model_key"] = "canary"
    db = names["db"]
    assert "model_key" not in db and "canary" not in str([*db.items()])
    assert "canary" not in str(names["store"]())
    table = names["store"]
    assert table("key = 'model_key'") == [] and "model_key" not in table
    assert table.get("model_key", 3) == 3
    with pytest.raises(NotFoundError, match="model_key"):
        table["model_key"]


def test_each_page_keeps_its_run(store: Store) -> None:
    """Whatever another chooses; all scripts share one."""
    db = Db(store)
    pages = {name: Page(None) for name in ("first", "second")}

    def on(name: str) -> Db:
        classic.asking.set(pages[name])
        return db

    on("first")["pipeline_id"] = "arthur"
    assert "pipeline_id" not in on("second") and db.get("pipeline_id", "") == ""
    assert "pipeline_id" not in [*db] and pages["first"].chosen
    on("second")["pipeline_id"] = "bors"
    assert on("first")["pipeline_id"] == "arthur" == dict(db.items())["pipeline_id"]
    classic.asking.set(None)
    assert "pipeline_id" not in db
    db["pipeline_id"] = "robin"
    assert db["pipeline_id"] == store["pipeline_id"] == "robin"
    del on("second")["pipeline_id"]
    assert pages["second"].run is None and on("first")["pipeline_id"] == "arthur"
    assert store["pipeline_id"] == "robin"
    on("first")["herring"] = "red"  # all else is everybody's
    assert on("second")["herring"] == "red"
    classic.asking.set(None)


# --- tables


def test_rows_are_dataclasses_and_dictionaries(names: Names) -> None:
    """As the MiniDataAPI has it; a task is of the profile that the window shows."""
    tasks, task = names["tasks"], names["Task"]
    assert is_dataclass(task) and "done" in [column.name for column in fields(task)]
    with profiles.window(7):
        made = tasks.insert(task(name="Find the Grail"))
    assert isinstance(made, task) and (made.name, made["name"]) == ("Find the Grail",) * 2
    assert (made.profile_id, made.get("nothing", 5), dict(made)["done"]) == (7, 5, 0)
    made.done = 1
    tasks.update(made)
    tasks.update(name="Find it", id=made.id)
    tasks.update({"id": made.id, "priority": 3})
    found = tasks[made.id]
    assert (found.name, found.done, found.priority) == ("Find it", 1, 3)
    assert made.id in tasks and tasks(where="done = ?", where_args=[1]) == [found]
    assert tasks.insert({"name": "Rest", "profile_id": 2}).profile_id == 2
    tasks.delete(made.id)
    with pytest.raises(names["NotFoundError"]):
        tasks[made.id]
    with pytest.raises(KeyError):
        made["oracle"]


def test_a_table_may_be_narrowed(names: Names) -> None:
    """`xtra` holds for what is read and written; another file's table is not narrowed."""
    tasks = names["tasks"]
    tasks.insert(name="Theirs", profile_id=2)
    tasks.xtra(profile_id=3)
    assert tasks.insert(name="Ours").profile_id == 3
    assert [row.name for row in tasks()] == ["Ours"]
    assert len(names.own("other")["tasks"]()) == 2


def test_clients_are_profiles(names: Names) -> None:
    """Under their older name, with a dataclass of their own."""
    made = names["clients"].insert(names["Client"](name="Camelot", menu_name="C"))
    assert type(made).__name__ == "Client" and made.menu_name == "C"
    assert [row.name for row in names["profiles"](order_by="id")][-1] == "Camelot"
    assert isinstance(names["profiles"][made.id], names["Profile"])


def test_settings_are_a_table_too(names: Names) -> None:
    """`store`, of the dictionary's keys and values."""
    row = names["store"].insert(names["Store"](key="herring", value='"red"'))
    assert (row.value, names["db"]["herring"]) == ('"red"', "red")
    assert names["store"]["herring"] == row


def test_a_table_is_this_threads(store: Store) -> None:
    """The table that a class keeps works in whichever thread handles a request."""
    table = Table(store, "task")
    thread = threading.Thread(target=lambda: table.insert(name="Find the Grail"))
    thread.start()
    thread.join()
    assert [row.name for row in table(where="done = 0")] == ["Find the Grail"]


# --- runs


def test_runs_are_a_table(names: Names) -> None:
    """Of this workflow's alone; what is written is in their history."""
    runs, engine = names["pipeline"], names["pipulate"]
    data = json.dumps({"step_01": {"name": "Arthur"}})
    made = runs.insert({"url": "arthur", "data": data, "created": "x", "updated": "x"})
    assert json.loads(made.data)["step_01"] == {"name": "Arthur"}
    assert made.url == "arthur" and made.created.endswith("+00:00") and made.updated
    engine.for_workflow("other").initialize_if_missing("bors")
    assert "arthur" in runs and "bors" not in runs and len(runs()) == 1
    state = json.loads(runs["arthur"].data)
    made.data = json.dumps({**state, "step_02": {"quest": "Grail"}})
    assert "Grail" in runs.update(made).data
    runs.update(url="arthur", updated="now")
    assert [act["act"] for act in engine.history("arthur")] == ["begin", "save"]
    assert engine.undo("arthur").get("step_02") is None
    runs.delete("arthur")
    assert engine.undelete("arthur")["step_01"] == {"name": "Arthur"}


def test_runs_are_found_by_sql(names: Names) -> None:
    """With places for values, by name or in order; oldest first unless another order is named."""
    runs = names["pipeline"]
    for id in ("a/1", "a/2", "b/1"):
        runs.insert(url=id, data={"step_01": {"id": id}})

    def ids(*args: object, **named: object) -> list[str]:
        return [row.url for row in runs(*args, **named)]

    assert ids(where="url LIKE ?", where_args=["a/%"], order_by="url") == ["a/1", "a/2"]
    assert ids("url = :id", {"id": "b/1"}) == ["b/1"]
    assert ids(where="data LIKE '%b/1%' OR url = 'a/2'", order_by="url DESC") == ["b/1", "a/2"]
    assert ids(order_by="url", limit=1, offset=1) == ["a/2"]
    assert ids() == ["a/1", "a/2", "b/1"]
    runs.xtra(url="a/2")
    assert ids() == ids("data LIKE '%a/%'") == ["a/2"] and "a/1" not in runs


def test_a_run_that_is_not_there(names: Names) -> None:
    """Is not found, updated or deleted; `upsert` begins it, `insert` begins none twice."""
    runs = names["pipeline"]
    assert "arthur" not in runs and runs.get("arthur", 3) == 3
    for act in (runs.__getitem__, runs.delete, lambda id: runs.update(url=id, data="{}")):
        with pytest.raises(NotFoundError, match="arthur"):
            act("arthur")
    runs.upsert(url="arthur", data="{}")
    runs.upsert(url="arthur", data='{"step_01": {"a": 1}}')
    assert names["pipulate"].get_step_data("arthur", "step_01") == {"a": 1}
    with pytest.raises(Invalid, match="already"):
        runs.insert(url="arthur", data="{}")


@pytest.mark.parametrize("data", ["no JSON", "[1]", 7])
def test_a_runs_data_are_a_record(store: Store, data: object) -> None:
    """Anything else is refused, and nothing is stored."""
    runs = Runs(Pipulate(store, "mine"))
    with pytest.raises(Invalid, match="nothing was stored"):
        runs.insert(url="arthur", data=data)
    assert runs() == []
