"""The workflow files that are served: read when they change, forgotten when they go."""

import re

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from pipulate import create_app
from pipulate.engine.discovery import Broken
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.watch import first_segments

FLOW = 'from pipulate import Workflow\nflow = Workflow("{name}", title="{title}")\n'
BY_HAND = '''
class Hand:
    """By hand."""
    APP_NAME = "hand"
    def __init__(self, app):
        app.route("/hand", methods=["GET"])(lambda: "{says}")
        app.route("{also}", methods=["GET"])(lambda: "taken")
'''


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "flows"
    made.mkdir()
    return made


@pytest.fixture
def app(tmp_path, folder):
    made = create_app(Settings(data=tmp_path / "data", workflows=(folder,), dev=True))
    yield made
    made.state.store.close()


@pytest.fixture
def client(app):
    home = "http://127.0.0.1:5001"
    return TestClient(app, base_url=home, client=("127.0.0.1", 5000))


def test_what_is_saved_is_served(app, folder, client):
    """New, changed, gone: each shows at the next request, in the menu and at its address."""
    assert client.get("/mine").status_code == 404
    (folder / "mine.py").write_text(FLOW.format(name="mine", title="First title"))
    assert "First title" in client.get("/tasks").text
    (folder / "mine.py").write_text(FLOW.format(name="mine", title="Another one"))
    shown = client.get("/tasks").text
    assert "Another one" in shown and "First title" not in shown
    (folder / "mine.py").write_text(FLOW.format(name="other", title="Renamed"))
    assert client.get("/mine").status_code == 404 and client.get("/other").status_code == 200
    (folder / "mine.py").unlink()
    assert client.get("/other").status_code == 404 and not app.state.found


def test_a_file_that_breaks_is_a_page_that_says_so(app, folder, client):
    """And the mended one takes its place."""
    (folder / "mine.py").write_text("this is no Python")
    assert "SyntaxError" in client.get("/mine").text
    (folder / "mine.py").write_text(FLOW.format(name="mine", title="Mended"))
    assert "Mended" in client.get("/mine").text and "SyntaxError" not in client.get("/mine").text


def test_the_routes_of_a_class_come_and_go_with_its_file(app, folder, client):
    """Read again they are there once, and none is taken from a page of ours."""
    count = len(app.router.routes)
    for says in ("one", "two"):
        (folder / "hand.py").write_text(BY_HAND.format(says=says, also="/settings"))
        assert says in client.get("/hand").text
        assert "taken" not in client.get("/settings").text
        assert len(app.router.routes) == count + 2
    (folder / "hand.py").unlink()
    assert client.get("/hand").status_code == 404 and len(app.router.routes) == count


def test_no_workflow_takes_the_address_of_a_page(tmp_path):
    """Asked of the router: one named like the first part of a route of ours is broken."""
    data = Settings(data=tmp_path, workflows=(PACKAGE / "workflows",))
    app = create_app(data)
    ours = first_segments(app.router.routes)
    app.state.store.close()
    assert {"static", "docs", "mcp", "pair", "tasks", "runs", "find"} <= ours
    names = sorted(name for name in ours if re.fullmatch("[a-z_]+", name))
    folder = tmp_path / "flows"
    folder.mkdir()
    for name in [*names, "free"]:
        (folder / f"{name}.py").write_text(FLOW.format(name=name, title="Mine"))
    app = create_app(Settings(data=tmp_path, workflows=(folder,)))
    app.state.store.close()
    broken = {name for name, found in app.state.found.items() if isinstance(found, Broken)}
    taken = [name for name in names if name != "byhand"]
    assert broken == {f"{name}.py" for name in taken} and len(names) > 12


def test_a_helper_says_what_it_is(app, folder, client):
    """At its address, not in the menu; what is posted to it is told the same."""
    (folder / "words.py").write_text("TITLE = 'Pets'")
    shown = client.get("/words").text
    assert "words.py defines no workflow; others in its folder may import it" in shown
    assert 'href="/words"' not in shown
    reply = client.post("/words/card1?id=x", headers={"HX-Request": "true"})
    assert reply.status_code == 404 and "defines no workflow" in reply.text


def test_what_is_posted_to_a_broken_workflow_is_told_why(folder, client):
    """By its line, in HTMX's line and on a page; nothing is lost that was typed."""
    (folder / "mine.py").write_text("x = 1\nthis is no Python")
    for headers in ({}, {"HX-Request": "true"}):
        headers["Origin"] = "http://127.0.0.1:5001"
        reply = client.post("/mine/card1?id=x", headers=headers)
        assert reply.status_code == 404
        assert (
            "mine.py cannot be loaded. SyntaxError: invalid syntax (mine.py, line 2" in reply.text
        )


def test_one_class_in_two_files_answers_once(app, folder, client):
    """The file with its name serves; the other tells, and steps in when that one is deleted."""
    count = len(app.router.routes)
    hand = BY_HAND.format(says="{says}", also="/hand/{says}")
    (folder / "hand.py").write_text(hand.replace("{says}", "first"))
    (folder / "copy.py").write_text(hand.replace("{says}", "second"))
    assert "first" in client.get("/hand").text and len(app.router.routes) == count + 2
    assert client.get("/hand/second").status_code == 404
    assert "hand.py, whose is served" in client.get("/copy").text
    (folder / "hand.py").unlink()
    assert "second" in client.get("/hand").text and len(app.router.routes) == count + 2
    assert client.get("/copy").status_code == 404


def test_a_class_that_a_neighbour_imports_answers_for_its_own_file(app, folder, client):
    """Whoever is read first; read again with its neighbour alone, its routes stay."""
    (folder / "a_user.py").write_text("import hand\n" + FLOW.format(name="user", title="User"))
    (folder / "hand.py").write_text(BY_HAND.format(says="hello", also="/also"))
    assert "hello" in client.get("/hand").text
    count = len(app.router.routes)
    (folder / "a_user.py").write_text("import hand\n" + FLOW.format(name="user", title="Other"))
    assert "hello" in client.get("/hand").text and len(app.router.routes) == count
    assert "Other" in client.get("/user").text


def test_how_routes_begin():
    """One segment is one name; what begins with none, or with any, takes no name."""
    routes = [
        Mount("/", PlainTextResponse("all")),
        Mount("/static", PlainTextResponse("files")),
        Route("/", PlainTextResponse("home")),
        Route("/tasks/{id}", PlainTextResponse("a task")),
        Route("/{name}", PlainTextResponse("any")),
    ]
    assert first_segments(routes) == {"static", "tasks"}


def test_a_page_says_of_which_files_it_is(app, folder, client):
    """It is asked for the present state, which is another after each change, and only then."""
    seen = []
    for title in ("One", "Another", ""):
        if title:
            (folder / "mine.py").write_text(FLOW.format(name="mine", title=title))
        else:
            (folder / "mine.py").unlink()
        for _ in range(2):
            page = re.search('<html[^>]* data-files="([^"]+)"', client.get("/tasks").text)
            assert page and client.get("/static/files").text == page[1]
            seen.append(page[1])
    assert len(set(seen)) == 3 and seen[0::2] == seen[1::2]


def test_without_dev_no_page_asks(tmp_path, folder):
    """Nothing is watched, and the address is none."""
    made = create_app(Settings(data=tmp_path / "data", workflows=(folder,)))
    home = "http://127.0.0.1:5001"
    client = TestClient(made, base_url=home, client=("127.0.0.1", 5000))
    assert "data-files" not in client.get("/tasks").text
    assert client.get("/static/files").status_code == 404
    made.state.store.close()
