"""What the parts of an app share: offered by class, shown in one order, kept by readers."""

import random
import re
import shutil
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipulate import create_app
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.pages import parts
from pipulate.web.state import MOST_ABOUT, State


def settings(folder: Path) -> Settings:
    return Settings(data=folder, workflows=(PACKAGE / "workflows",))


def shown(app) -> tuple:
    """Return the menu, the workflows in it, and the titles of the cards in Settings."""
    state: State = app.state
    names = [flow.name for flow in state.workflows]
    with TestClient(app, base_url="http://127.0.0.1:5001", client=("127.0.0.1", 5000)) as client:
        page = client.get("/settings").text
    titles = [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]
    return state.menu, names, titles


def test_the_order_of_the_parts_shows_nowhere(tmp_path):
    """Shuffled parts make the same menu and the same settings, and each finds what it needs."""
    usual = shown(create_app(settings(tmp_path / "usual")))
    assert list(usual[0]) == ["Pages", "Apps"] and usual[0]["Pages"][0][0] == "Introduction"
    assert usual[1][:2] == ["link_graph", "explore_csv"] and len(usual[2]) >= 5
    for seed in range(3):
        shuffled = random.Random(seed).sample(parts(), len(parts()))
        app = create_app(settings(tmp_path / str(seed)), shuffled)
        assert shown(app) == usual


def test_what_is_not_named_in_the_order_follows_by_name(tmp_path):
    """A page and a workflow of somebody's own come after ours."""
    flow = "from pipulate import Workflow\nflow = Workflow('aardvark')\n"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "aardvark.py").write_text(flow)
    mine = Settings(data=tmp_path, workflows=(PACKAGE / "workflows", tmp_path / "own"))
    app = create_app(mine, [*parts(), lambda app: app.state.add_page("Aardvarks", "/ants")])
    assert app.state.workflows[-1].name == "aardvark"
    assert app.state.menu["Pages"][-1] == ("Aardvarks", "/ants")


def test_a_part_has_what_another_offers(tmp_path):
    """By its class, or a class above it; what none offers is an error that says so."""

    class Crawler:
        pass

    class Polite(Crawler):
        pass

    offered = Polite()
    app = create_app(settings(tmp_path), [lambda app: app.state.offer(offered)])
    assert app.state.part(Crawler) is app.state.part(Polite) is offered
    with pytest.raises(LookupError, match="No part of this app offers dict"):
        app.state.part(dict)


def test_no_part_asks_another_while_the_app_is_built(tmp_path):
    """Else it would depend on their order whether the app starts."""
    with pytest.raises(LookupError, match="Ask in the handler"):
        create_app(settings(tmp_path), [lambda app: app.state.part(State)])


def test_a_misspelt_name_is_an_error(tmp_path):
    """The state has the fields that its class says, and no others."""
    state = create_app(settings(tmp_path), []).state
    with pytest.raises(AttributeError):
        state.chat_pannel = None


# -------------------------------------------------------------------- readers do not write


def weight(thing, seen=None) -> int:
    """Return how many things our objects hold: what a reader must leave as it was."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, dict):
        held = list(thing.values())
    elif isinstance(thing, (list, tuple, set, frozenset)):
        held = list(thing)
    elif type(thing).__module__.startswith("pipulate"):
        names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
        held = [getattr(thing, name, None) for name in names]
    else:
        return 0
    return len(held) + sum(weight(part, seen) for part in held)


CACHED = type(lru_cache(len))


def caches() -> int:
    """Return how much all functions of ours remember."""
    modules = [module for name, module in sys.modules.items() if name.startswith("pipulate")]
    found = [value for module in modules for value in vars(module).values()]
    ours = {
        value
        for value in found
        if isinstance(value, CACHED) and value.__module__.startswith("pipulate")
    }
    return sum(function.cache_info().currsize for function in ours)


def rows(app) -> dict:
    """Return all that is in the database."""
    store = app.state.store
    tables = store.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: store.read(f'SELECT * FROM "{name}"') for name in (row["name"] for row in tables)}


def made_up(app, word: str) -> list[str]:
    """Return an address with `word` in it for each route that can be looked at, and some more."""
    paths = [
        re.sub(r"{\w+(:\w+)?}", lambda part: "7654" if part[1] == ":int" else word, route.path)
        for route in app.router.routes
        if "GET" in (getattr(route, "methods", None) or ())
    ]
    below = [
        "/bridge",
        "/bridge/card1",
        "/bridge/card1/progress",
        "/bridge/runs",
        "/work",
        "/x/y/z",
    ]
    for name in app.state.found:
        below += [f"/{name}/{act}" for act in (word, f"{word}1", f"{word}/progress", "card1")]
    query = f"?id={word}&q={word}&page={word}&with={word}&token={word}&at=9999&{word}={word}"
    return [f"{path}{query}" for path in [*paths, *below]]


def test_of_pages_shown_the_newest_are_remembered(tmp_path):
    """However many addresses a part shows something at."""
    app = create_app(settings(tmp_path), parts=())
    for number in [*range(MOST_ABOUT + 5), 5]:
        app.state.remember(f"/{number}", "Page", "It tells.")
    assert len(app.state.about) == MOST_ABOUT
    assert list(app.state.about)[-1] == "/5" and "/4" not in app.state.about
    app.state.store.close()


def test_looking_leaves_nothing_behind(tmp_path, monkeypatch):
    """All that can be looked at, with made-up names: the data stay, and nothing grows by it."""
    monkeypatch.setattr("pipulate.pages.stream.PAUSE", 0)
    for name in ("bridge", "work"):  # without the class by hand, whose routes are its author's
        shutil.copy(PACKAGE / "workflows" / f"{name}.py", tmp_path)
    (tmp_path / "oops.py").write_text("this is no Python")
    lan = Settings(data=tmp_path / "data", workflows=(tmp_path,), lan=True, host="127.0.0.2")
    app = create_app(lan)
    known = set()
    with TestClient(app, base_url="http://127.0.0.1:5001", client=("127.0.0.1", 5000)) as client:
        for id in ("aaa", "bbb"):  # runs of the bridge that are there, and damaged
            Pipulate(app.state.store, "bridge").initialize_if_missing(id)
        app.state.store.write("UPDATE pipeline SET data = '{'")
        begun = rows(app)
        for word in ("aaa", "bbb"):
            for address in made_up(app, word):
                known.add(client.get(address, follow_redirects=False).status_code)
                assert rows(app) == begun, address
            after = (weight(app.state), caches())
            if word == "aaa":
                before = after
        assert after == before
    assert len(made_up(app, "x")) > 40 and {200, 404} <= known and 500 not in known
