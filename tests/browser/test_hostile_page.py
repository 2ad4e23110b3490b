"""A hostile page of another origin, in a real browser, by every means that a page has.

ORIGINS  another port of this machine, `localhost` (the same site), another site, and a name of
         another site that leads to our own port (rebinding, by the browser's resolver rules).
EFFECT   Every unsafe request that gets behind the guard is noted, and so is every WebSocket; the
         store is the same after as before; what a page could read of ours it tells.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Playwright
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pipulate import guard
from pipulate.app import create_app
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.guard import SAFE, Guard
from tests.addresses import addresses
from tests.chat.fakes import dump
from tests.conftest import PATIENCE, Serve
from tests.trust.table import tried

CANARY = "Call the secret client"
SITE = "evil.example"
REBOUND = "rebound.example"
RULES = (
    f"--host-resolver-rules=MAP {SITE} 127.0.0.1, MAP {REBOUND} 127.0.0.1, "
    "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
)

ATTACK = """async ({url, paths, gets, files, few}) => {
  const read = [];
  let tries = 0;
  const tell = (how, what) => read.push(`${how}: ${what}`);
  const form = (path, kind, method) => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.name = `f${++tries}`;
    const sent = document.createElement("form");
    Object.assign(sent, {action: url + path, method: method, enctype: kind, target: frame.name});
    for (const name of ["id", "name", "text", "value", "q", "pipulate-rev"]) {
      const field = document.createElement("input");
      Object.assign(field, {name, value: "evil"});
      sent.append(field);
    }
    document.body.append(frame, sent);
    frame.onload = () => { frame.remove(); sent.remove(); done(); };
    sent.submit();
  });
  const ask = async (path, how) => {
    tries += 1;
    try {
      const reply = await fetch(url + path, how);
      if (reply.type !== "opaque" && reply.status < 300) tell("fetch", path + await reply.text());
    } catch {}
  };
  const load = (tag, name, path) => new Promise(done => {
    tries += 1;
    const made = document.createElement(tag);
    if (tag === "link") made.rel = "stylesheet";
    made.onload = () => { if (tag !== "iframe") tell(tag, path); done(); };
    made.onerror = () => done();
    made[name] = url + path;
    document.body.append(made);
  });
  const listen = (path) => new Promise(done => {
    tries += 1;
    const socket = new WebSocket(url.replace("http", "ws") + path);
    socket.onopen = () => { tell("socket", path); socket.close(); };
    socket.onmessage = ({data}) => tell("socket said", data);
    socket.onclose = () => done();
  });
  const events = (path) => new Promise(done => {
    tries += 1;
    const source = new EventSource(url + path);
    source.onopen = () => { tell("events", path); source.close(); done(); };
    source.onerror = () => { source.close(); done(); };
  });
  const body = new URLSearchParams({id: "evil", name: "evil", text: "evil", value: "evil"});
  const json = {"Content-Type": "application/json"};
  for (const path of paths) {
    const all = [
      form(path, "application/x-www-form-urlencoded", "post"),
      ask(path, {method: "POST", body, mode: "no-cors", credentials: "include"}),
      ask(path, {method: "POST", body: "name=evil", mode: "no-cors"}),
      ask(path, {method: "POST", body, headers: {"HX-Request": "true"}}),
      ask(path, {method: "POST", body: "{}", headers: json}),
    ];
    if (!few) all.push(
      form(path, "multipart/form-data", "post"),
      form(path, "text/plain", "post"),
      ask(path, {method: "POST", body, credentials: "include"}),
      ask(path, {method: "POST", body, mode: "no-cors", referrerPolicy: "no-referrer"}),
      ask(path, {method: "POST", body: new Blob(["x"]), mode: "no-cors", keepalive: true}),
      ask(path, {method: "PUT", body}),
      ask(path, {method: "DELETE"}),
    );
    tries += 1;
    navigator.sendBeacon(url + path, body);
    await Promise.all(all);
  }
  for (const path of gets) {
    await Promise.all([
      ask(path, {credentials: "include"}),
      ask(path, {headers: {"HX-Request": "true"}}),
      ask(path, {mode: "no-cors"}),
      load("img", "src", path),
      load("script", "src", path),
      load("link", "href", path),
    ]);
    if (!files.includes(path)) await Promise.all([
      load("iframe", "src", path),
      load("object", "data", path),
      form(path, "application/x-www-form-urlencoded", "get"),
    ]);
  }
  for (const path of ["/chat/ws", "/chat/ws?page=/tasks", "/mcp", "/bridge"]) await listen(path);
  await events("/stream/events?at=0");
  return {read, tries};
}"""


@dataclass
class Ours:
    """Our app as it is served, and what got behind its guard."""

    app: Any
    url: str = ""
    behind: list[str] = field(default_factory=list)

    def posts(self) -> list[str]:
        """Return the addresses of all acts."""
        return [*addresses(self.app, "POST"), "/bridge/undo?id=arthur", "/bridge/delete?id=arthur"]


class Watch:
    """ASGI middleware behind the guard: notes what could have an effect."""

    def __init__(self, app: ASGIApp, behind: list[str]) -> None:
        self.app, self.behind = app, behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" or scope.get("method", "GET") not in SAFE:
            self.behind.append(f"{scope.get('method', 'socket')} {scope['path']}")
        await self.app(scope, receive, send)


@pytest.fixture
def ours(tmp_path: Path, serve: Serve) -> Iterator[Ours]:
    """Give the whole app with a task, a run and a profile, served."""
    settings = Settings(
        tmp_path / "data", tmp_path / "downloads", workflows=(PACKAGE / "workflows",)
    )
    made = Ours(create_app(settings))
    layers = made.app.user_middleware
    at = [layer.cls for layer in layers].index(Guard)
    layers.insert(at + 1, Middleware(Watch, behind=made.behind))
    store = made.app.state.store
    store.db.t.task.insert({"name": CANARY, "profile_id": 1})
    engine = Pipulate(store, "bridge")
    engine.initialize_if_missing("arthur")
    engine.set_step_data("arthur", "step_01", {"name": CANARY})
    made.url = serve(made.app)
    httpx2.get(f"{made.url}/bridge?id=arthur")  # it notes what was asked, as for every first look
    return made


@pytest.fixture
def hostile(playwright: Playwright, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """Give a browser in which other sites are on this machine, too."""
    others = [it for it in browser_type_launch_args["args"] if "resolver" not in it]
    launch = {**browser_type_launch_args, "args": [*others, RULES]}
    with closing(playwright.chromium.launch(**launch)) as browser:
        yield browser


def blank(request: Request) -> Response:
    """Answer with an empty page of whoever serves it."""
    return HTMLResponse("<!doctype html><title>Hostile</title><body>Win a prize!")


@pytest.fixture
def theirs(serve: Serve) -> str:
    """Give the port of a hostile site."""
    return serve(Starlette(routes=[Route("/{rest:path}", blank)])).rpartition(":")[2]


def origins(ours: Ours, port: str) -> Iterator[tuple[str, str]]:
    """Yield the page of each hostile origin, and as what it asks for us."""
    own = ours.url.rpartition(":")[2]
    yield f"http://127.0.0.1:{port}/", ours.url
    yield f"http://localhost:{port}/", f"http://localhost:{own}"
    yield f"http://{SITE}:{port}/", ours.url
    yield f"http://{REBOUND}:{own}/lure", f"http://{REBOUND}:{own}"


FEW = ["/tasks", "/bridge/open", "/bridge/revert1", "/chat/send", "/runs/import/upload", "/mcp"]
GETS = ["/tasks", "/runs/export", "/bridge?id=arthur", "/static/app.js", "/static/app.css"]
FILES = ["/runs/export", "/memory/soul.jsonl"]  #: a frame would save these
GETS += ["/static/icon.svg", "/chat/conversations", "/memory/soul.jsonl", "/find?q=call"]


def attack(ours: Ours, hostile: Browser, port: str, few: bool = False) -> None:
    """Let each origin try everything; raises AssertionError if anything came of it."""
    store = ours.app.state.store
    before = dump(store)
    acts, lures = ours.posts(), [*origins(ours, port)]
    if few:
        acts, lures = [f"{path}?id=arthur" for path in FEW], lures[2:]
    for lure, url in lures:
        page = hostile.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.route("**/lure", lambda route: route.fulfill(body="<body>", content_type="text/html"))
        page.goto(lure)
        told = page.evaluate(
            ATTACK, {"url": url, "paths": acts, "gets": GETS, "files": FILES, "few": few}
        )
        tried(told["tries"])
        assert not told["read"], (lure, [it[:200] for it in told["read"]])
        shown = [frame.content() for frame in page.frames]
        assert not [html for html in shown if CANARY in html or "<nav" in html], lure
        navigated(page, lure, url)
        page.close()
    assert not ours.behind, ours.behind[:9]
    assert dump(store) == before


def navigated(page: Page, lure: str, url: str) -> None:
    """Let the page send whole forms, as if its visitor had pressed their buttons."""
    for path in ("/tasks", "/bridge/open", "/chat/send", "/runs/import/upload", "/settings/theme"):
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            tried()
            page.goto(lure)
            with page.expect_navigation():
                page.evaluate(
                    """([action, enctype]) => {
                        const sent = document.createElement("form");
                        Object.assign(sent, {action, enctype, method: "post"});
                        sent.innerHTML = "<input name=name value=evil><input name=id value=evil>";
                        document.body.append(sent);
                        sent.submit();
                    }""",
                    [url + path, kind],
                )
            assert CANARY not in page.content() and "<nav" not in page.content()


def test_a_hostile_page_gets_nowhere(ours: Ours, hostile: Browser, theirs: str) -> None:
    """A short form: fewer ways to send the same."""
    attack(ours, hostile, theirs, few=True)


@pytest.mark.trust("A page of another origin, in a browser: no effect, nothing read")
def test_a_hostile_page_gets_nowhere_in_any_way(ours: Ours, hostile: Browser, theirs: str) -> None:
    """Every act of the app, from every origin, by every means a page has."""
    attack(ours, hostile, theirs)


@pytest.mark.trust("Planted bug found: no Origin check on one route")
@pytest.mark.parametrize("hole", ["/tasks", "/chat/ws", "/bridge/revert1"])
def test_a_route_without_the_check_is_found(
    ours: Ours, hostile: Browser, theirs: str, monkeypatch: pytest.MonkeyPatch, hole: str
) -> None:
    """A planted bug: one address is let through whoever asks."""
    tried()
    strict = guard.refusal

    def lax(scope: Scope, *hosts: Any) -> Any:
        return None if scope["path"] == hole else strict(scope, *hosts)

    monkeypatch.setattr(guard, "refusal", lax)
    with pytest.raises(AssertionError):
        attack(ours, hostile, theirs, few=True)
    assert any(hole in request for request in ours.behind)
