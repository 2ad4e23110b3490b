"""What the parts of an app share: offered by class, shown in a stated order, whatever order the parts came in."""

import random
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipulate import create_app
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.pages import parts
from pipulate.web.state import State


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
    """Shuffled parts make the same menu and the same settings, and every part finds what it needs of another."""
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
