"""Classic workflows in an app: their page, their run, whose address it is, and what fails."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fasthtml.common import FastHTML
from starlette.testclient import TestClient

from pipulate.app import create_app
from pipulate.botify import token
from pipulate.chat.models import Models
from pipulate.chat.talk import Talk
from pipulate.engine.discovery import HandWritten
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.voice import Silent
from tests.chat.fakes import FakeModel

HERE = "http://127.0.0.1:5001"
CLASSES = Path(__file__).parent.parent / "classic"
Write = Callable[..., TestClient]

BROWSER = {"Sec-Fetch-Dest": "document"}  #: a page that is opened


def of(page: str, **more: str) -> dict[str, str]:
    """Return the headers of HTMX on a page."""
    return {"HX-Request": "true", "HX-Current-URL": f"{HERE}{page}", **more}


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Give `write(name=text)`, which makes an app of these files and ours, and a client."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    apps: list[FastHTML] = []

    def make(**texts: str) -> TestClient:
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)
        folders = (PACKAGE / "workflows", folder)
        app = create_app(Settings(tmp_path / "data", workflows=folders))
        apps.append(app)
        client = TestClient(app, HERE, client=("127.0.0.1", 5000), raise_server_exceptions=False)
        client.headers["Origin"] = HERE
        return client

    yield make
    for app in apps:
        app.state.store.close()


def main(answer: httpx2.Response) -> str:
    """Return a page's content."""
    assert answer.status_code == 200, answer.text
    found = re.search(r"<main id=\"main\".*</main>", answer.text, re.DOTALL)
    assert found, answer.text
    return found[0]


STAR = "from fasthtml.common import *\n"
FLOW = STAR + 'class Flow:\n    """About it."""\n    STEPS = []\n'


# --- the page at the menu's address


@pytest.mark.parametrize(
    "body",
    [
        "    def landing(self): return P('shown')\n",
        "    async def landing(self, request): return Titled('It', P('shown'))\n",
        "    async def start_form(self): return Container(P('shown'))\n",
        "    def mine_render(self, req=None): return H1('It'), P('shown')\n",
        "    def a_render(self, step): ...\n    def b_render(self): return 'shown'\n",
        "    def __init__(self, app): app.get('/mine')(self.x)\n"
        "    def x(self): return P('shown')\n",
        "    def __init__(self, app, prefix='/other'):\n        self.prefix = prefix\n"
        "        app.post('/other')(self.x)\n        app.get('/other')(self.x)\n"
        "    def x(self): return P('shown')\n    def a_render(self): ...\n",
        "    def __init__(self, app, prefix='/other'): app.get('/other')(self.index)\n"
        "    def index(self): ...\n    def landing(self): return P('shown')\n",
        "    def __init__(self, app):\n        rt('/a/b')(self.y)\n        rt('/a')(self.x)\n"
        "    def x(self): return P('shown')\n    def y(self): ...\n",
    ],
    ids=["landing", "async", "form", "render", "second", "route", "prefix", "first", "routes"],
)
def test_the_menu_leads_to_its_page(write: Write, body: str) -> None:
    """Inside the shell, in the column of all pages; the model is told what it is about."""
    client = write(mine=FLOW + body)
    answer = client.get("/mine")
    assert "shown" in main(answer) and 'href="/mine"' in answer.text
    assert main(answer).count("<main") == 1 and 'class="page"' in main(answer)
    assert client.app.state.about["/mine"] == ("Mine", "About it.")


def test_its_page_has_its_title(write: Write) -> None:
    """Its own, if it says one."""
    client = write(mine=FLOW + "    TITLE = 'By me'\n    def landing(self): return P('x')\n")
    assert "<title>By me · Pipulate</title>" in client.get("/mine").text


def test_a_page_may_be_a_whole_answer(write: Write) -> None:
    """A redirect, say."""
    client = write(mine=FLOW + "    def landing(self): return RedirectResponse('/tasks', 303)\n")
    answer = client.get("/mine", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/tasks")


def test_a_class_without_a_page_has_none(write: Write) -> None:
    """Its menu entry says so as for any address without one."""
    assert write(mine=FLOW).get("/mine").status_code == 404


def test_what_the_model_is_told(write: Write) -> None:
    """What the class says, by its name or its prefix, rather than its docstring."""
    text = FLOW + (
        "    def __init__(self, app, prefix='/other'): endpoint_messages['{}'] = 'Told.'\n"
        "    def landing(self): return P('x')\n"
    )
    client = write(mine=text.format("mine"), yours=text.format("other"))
    for name in ("mine", "yours"):
        client.get(f"/{name}")
        assert client.app.state.about[f"/{name}"][1] == "Told."


# --- registering


def test_routes_are_added_as_older_versions_had_it(write: Write) -> None:
    """`add_route(path, handler, methods=)`, `rt(path)`, decorators with parts of the path."""
    text = FLOW + (
        "    def __init__(self, app):\n"
        "        app.add_route('/mine/a', self.a, methods=['POST'])\n"
        "        app.add_route('/mine/b', self.a)\n"
        "        rt('/mine/c', methods=['PUT'])(self.a)\n"
        "        @app.get('/download/{org}/{file}')\n"
        "        def file(org: str, file: str): return PlainTextResponse(f'{org}: {file}')\n"
        "        @app.get('/download/{org}/{project}/{name}')\n"
        "        def ours(org: str, project: str, name: str): return 'taken'\n"
        "    def a(self): return P('done')\n"
    )
    client = write(mine=text)
    for method, path in (("POST", "/mine/a"), ("GET", "/mine/b"), ("PUT", "/mine/c")):
        assert "done" in client.request(method, path, headers=of("/mine")).text
    assert client.get("/mine/a").status_code in (404, 405)
    assert client.get("/download/acme/links.csv").text == "acme: links.csv"
    assert client.get("/download/acme/shop/links.csv").status_code == 404  # ours


def test_only_the_apps_own_pages_make_it_act(write: Write) -> None:
    """The guard stands before its routes as well."""
    text = FLOW + "    def __init__(self, app): app.post('/mine/a')(lambda: 'done')\n"
    client = write(mine=text)
    assert client.post("/mine/a", headers=of("/mine")).text == "done"
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/mine/a", headers=foreign).status_code == 403
    assert client.post("/mine/a", headers={"Host": "evil.example"}).status_code == 421


# --- whose address it is

BRIDGE = FLOW + (
    "    def __init__(self, app, prefix='/bridge'):\n"
    "        app.route(prefix)(self.landing)\n"
    "        app.route(f'{{prefix}}/open')(self.landing)\n"
    "        app.route(f'{{prefix}}/step_01')(self.landing)\n"
    "    def landing(self): return P('{}')\n"
)


def test_a_shipped_workflow_keeps_its_address(write: Write) -> None:
    """A class that begins with the same prefix has it for its own pages."""
    client = write(mine=BRIDGE.format("classic"))
    assert "classic" in main(client.get("/mine")) and "Run ID" in main(client.get("/bridge"))
    for path in ("/bridge", "/bridge/open", "/bridge/step_01"):
        assert client.get(path, headers=of("/mine?id=x")).text.strip() == "<p>classic</p>"
    assert client.get("/bridge/step_01").status_code == 200  # nobody else's
    opened = client.post(
        "/bridge/open", data={"id": "arthur"}, headers=of("/bridge"), follow_redirects=False
    )
    assert opened.headers["location"].startswith("/bridge?id=arthur")
    plain = client.post("/bridge/open", data={"id": "bors"}, headers={"Referer": f"{HERE}/bridge"})
    assert "What... is your name?" in plain.text


def test_two_classes_with_one_prefix(write: Write) -> None:
    """Each page's requests are answered by its own class."""
    client = write(mine=BRIDGE.format("first"), yours=BRIDGE.format("second"))
    for page, said in (("/mine", "first"), ("/yours", "second")):
        assert said in main(client.get(page))
        assert client.get("/bridge/step_01", headers=of(page)).text.strip() == f"<p>{said}</p>"


# --- the run of a page

RUNS = FLOW + (
    "    def __init__(self, app):\n"
    "        app.post('/mine/init')(self.init)\n"
    "        app.get('/mine/run')(self.run)\n"
    "        app.post('/mine/go')(self.go)\n"
    "        app.post('/mine/forget')(self.forget)\n"
    "    def landing(self): return P('run ' + db.get('pipeline_id', 'none'))\n"
    "    def run(self): return db.get('pipeline_id', 'none')\n"
    "    async def init(self, id: str):\n"
    "        db['pipeline_id'] = id\n        return self.run()\n"
    "    def forget(self):\n        del db['pipeline_id']\n        return 'forgotten'\n"
    "    def go(self, id: str):\n"
    "        db['pipeline_id'] = id\n        return RedirectResponse('/mine/run', 303)\n"
)


def test_a_page_names_its_run(write: Write) -> None:
    """What it is, the answer says only where it changes; nothing else is changed by it."""
    client = write(mine=RUNS)
    page = of("/mine", **{"pipulate-run": ""})
    begun = client.post("/mine/init", data={"id": "Sir Bors/ä"}, headers=page)
    named = begun.headers["pipulate-run"]
    assert named == "Sir%20Bors/%C3%A4"
    again = client.get("/mine/run", headers={**page, "pipulate-run": named})
    assert again.text == "Sir Bors/ä" and "pipulate-run" not in again.headers
    assert client.get("/mine/run", headers=page).text == "none"
    gone = client.post("/mine/forget", headers={**page, "pipulate-run": named})
    assert gone.headers["pipulate-run"] == ""
    assert client.app.state.store.get("pipeline_id") is None


def test_a_page_that_is_opened(write: Write) -> None:
    """In a new tab it has no run; its address can name one; a page of another class has its own."""
    client = write(mine=RUNS)
    client.post("/mine/init", data={"id": "script"})
    opened = main(client.get("/mine", headers=BROWSER))
    assert "run none" in opened and 'data-run="" data-front' in opened
    opened = main(client.get("/mine?id=bo%22rs", headers=BROWSER))
    assert "run bo" in opened and 'data-run="bo&quot;rs" data-front' in opened
    opened = main(client.get("/mine?pipulate-run=bors&id=other", headers=BROWSER))
    assert 'data-run="bors"' in opened
    assert "data-run" not in client.get("/tasks", headers=BROWSER).text


def test_a_page_that_chooses_a_run_says_so(write: Write) -> None:
    """It is not another that the tab had before."""
    text = FLOW + (
        "    def landing(self):\n        db['pipeline_id'] = 'new'\n        return P('x')\n"
    )
    opened = main(write(mine=text).get("/mine?id=old", headers=BROWSER))
    assert 'data-run="new" data-chosen data-front' in opened


def test_a_redirect_takes_the_run_along(write: Write) -> None:
    """Of a plain form, which no header follows."""
    client = write(mine=RUNS)
    answer = client.post(
        "/mine/go?pipulate-run=", data={"id": "bors"}, headers=BROWSER, follow_redirects=False
    )
    assert answer.headers["location"].endswith("/mine/run?pipulate-run=bors")
    assert client.get(answer.headers["location"], headers=BROWSER).text == "bors"


def test_scripts_share_one_run(write: Write) -> None:
    """Requests of no page, one after the other."""
    client = write(mine=RUNS)
    assert client.post("/mine/init", data={"id": "bors"}).text == "bors"
    assert client.get("/mine/run").text == "bors"
    client.post("/mine/init", data={"id": "robin"}, headers=of("/mine", **{"pipulate-run": "x"}))
    assert "run bors" in main(client.get("/mine"))


# --- what fails


class Heard(Silent):
    """A voice that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def say(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("return Oracle('x')", ["NameError", "Oracle", "Import", "Classic workflows"]),
        ("import oracle_of_delphi", ["No module named", "install it where Pipulate is"]),
        ("return {}['x']", ["KeyError"]),
    ],
)
def test_what_fails_at_a_click_is_told(write: Write, code: str, told: list[str]) -> None:
    """Its name, its line, the way out: to the user, and once to the model."""
    text = FLOW + (
        "    def __init__(self, app): app.post('/mine/a')(self.a)\n"
        f"    def a(self): {code}\n    def landing(self): {code}\n"
    )
    client = write(mine=text)
    heard = Heard()
    client.app.state.jobs.speaker = heard
    for _ in range(2):
        answer = client.post("/mine/a", headers=of("/mine"))
        assert answer.status_code == 500 and answer.headers["hx-retarget"] == "#alert"
    for word in ["mine.py", "line 6", *told]:
        assert word in answer.text and word in heard.said[0]
    assert len(heard.said) == 1 and heard.said[0].startswith("Mine failed. ")
    assert "line 7" in client.get("/mine").text and len(heard.said) == 2


def test_what_fails_at_load_is_told(write: Write) -> None:
    """On its card."""
    client = write(mine=FLOW + "    def __init__(self, app): self.x = oracle\n")
    shown = client.get("/mine").text
    for word in ("mine.py", "oracle", "is not defined", "line 5", "Import"):
        assert word in shown


# --- what other parts of the app give


def test_the_account_that_is_connected(write: Write, tmp_path: Path) -> None:
    """Its name, and that there is a key; the token itself is handed to nobody."""
    text = FLOW + "    def landing(self): return P(f'<{username}|{api_key}>')\n"
    client = write(mine=text)
    assert "&lt;|&gt;" in main(client.get("/mine"))
    token.save(tmp_path / "data", token.Token("canary-0123456789"))
    client.app.state.store["botify_name"] = "Connie"
    shown = main(client.get("/mine"))
    assert "&lt;Connie|Token(hidden)&gt;" in shown and "canary" not in shown


ASKING = FLOW + (
    "    def __init__(self, app):\n"
    "        app.post('/mine/tell')(self.tell)\n        app.post('/mine/ask')(self.ask)\n"
    "    async def tell(self): await chatq(f'Praise him {limiter}', role='system')\n"
    "    async def ask(self, name: str):\n"
    "        turns = [{'role': 'user', 'content': 'Who?'}]\n"
    "        named = {'given': model}.get(name, name)\n"
    "        return ''.join([text async for text in chat_with_llm(named, turns)])\n"
)


async def test_the_model_that_answers(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """It remarks in the background; asked by its name, by "", or by the name that is given."""
    app = write(mine=ASKING).app
    model = FakeModel("Noble.", "one", "two", "three")

    async def found(self: Models, fresh: bool = False) -> list[FakeModel]:
        return [model]

    monkeypatch.setattr(Models, "found", found)
    monkeypatch.setattr(Models, "known", [model])
    transport = httpx2.ASGITransport(app)
    headers = of("/mine", Origin=HERE)
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=headers) as page:
        assert (await page.post("/mine/tell")).status_code == 200
        await app.state.part(Talk).settled()
        said = [row["content"] for row in app.state.part(Talk).messages()]
        assert said == ["Noble."] and "Praise him in under 30 words" in model.prompts
        for name, answer in (("fake", "one"), ("", "two"), ("given", "three")):
            assert (await page.post("/mine/ask", data={"name": name})).text == answer
        refused = await page.post("/mine/ask", data={"name": "gemma3"})
        assert refused.status_code == 424 and "There is no model" in refused.text


def test_the_seven_classes_load(write: Write) -> None:
    """Each with its page; in the browser every button is pressed (tests/browser)."""
    texts = {path.stem: path.read_text() for path in CLASSES.glob("*.py")}
    client = write(**texts)
    found: dict[str, Any] = client.app.state.found
    assert len(texts) == 7
    for name in texts:
        assert isinstance(found[name], HandWritten), found[name]
        assert main(client.get(f"/{name}"))
        assert found[name].title in client.get("/find", params={"q": found[name].title}).text
