"""The product in a second browser: every page, the flows that matter, the viewer at 100,000 links.

No flow may leave an error or a warning in the console, or ask another machine for anything.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipulate.app import create_app
from pipulate.engine.settings import Settings
from tests.chat.scripted import Reply, ScriptedModel
from tests.conftest import Serve
from tests.firefox import Firefox, Tab, find_firefox, running
from tests.graph.sites import Pages, picture_files, site
from tests.server import Server, free_port
from tests.trust.needs import no_firefox
from tests.trust.table import tried

pytestmark = [
    pytest.mark.xdist_group("firefox"),
    pytest.mark.trust("Firefox: every page, the flows, the viewer; no error in its console"),
    pytest.mark.skipif(bool(no_firefox()), reason=no_firefox()),
]
PHONE, DESK = (360, 740), (1280, 800)
#: What tells of a server that does not answer.
LOST = r"can’t establish a connection|was interrupted|htmx:sendError|htmx:afterRequest|\[object E"
SPILL = """(() => {
  const wide = document.documentElement.clientWidth + 1;
  const spills = (e) => e.getBoundingClientRect().right > wide && e.checkVisibility();
  return document.documentElement.scrollWidth < wide ? [] :
    [...document.querySelectorAll("body *")].filter(spills).map((e) => e.outerHTML.slice(0, 90));
})()"""
LUMINANCE = """getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3)
  .reduce((sum, part) => sum + Number(part), 0)"""
WORK = '''"""Upper case."""

from fasthtml.common import Input, Label

from pipulate import Workflow
from pipulate.web.components import file_link

flow = Workflow("upper", title="Upper case")


@flow.step("table", "Which table?")
def table(run):
    return Label("Table", Input(name="table", type="file", required=True))


@flow.work("upper", "Make it upper case")
def upper(run, job):
    path = run.file("upper.csv")
    path.write_text(run.fields("table")["table"].read_text().upper())
    return {"made": path}


@flow.result
def result(run):
    return file_link(run, "upper", "upper.csv", "Save it")
'''


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """The browser, started once."""
    with running(find_firefox() or "", tmp_path_factory.mktemp("firefox")) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server, with one more workflow."""
    made = Server(tmp_path_factory.mktemp("served"), free_port())
    (made.folder / "workflows").mkdir()
    (made.folder / "workflows" / "upper.py").write_text(WORK)
    yield made.start()
    made.stop()


@pytest.fixture
def tab(firefox: Firefox, serve: Serve, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A page, on a desk; what its console told fails the test (`console` names what must be).

    It asks for `serve`, to be closed before what serves it.
    """
    marker = request.node.get_closest_marker("console")
    expected = "|".join(marker.args) if marker else "(?!)"
    with firefox.tab() as page:
        page.size(*DESK)
        yield page
        page.until("document.readyState === 'complete'")
        faults = [text for text in page.said if not re.search(expected, text)]
        assert not faults, "\n".join(faults)
        asked = [
            url for url in page.requested if not re.match(r"http://127\.0\.0\.1:|data:|blob:", url)
        ]
        assert not asked


def begin(tab: Tab, server: Server, flow: str, id: str) -> None:
    """Begin a run."""
    tab.goto(f"{server.url}/{flow}")
    tab.fill("#run-id", id)
    tab.press("Enter")
    tab.sees("#card1[data-current]")


def focused(tab: Tab, name: str) -> None:
    """Wait until a field of this name has the focus."""
    tab.until("document.activeElement?.name === a", name)


def test_every_page_at_a_desk_and_on_a_phone(tab: Tab, server: Server) -> None:
    """Drawn, whole, and nothing spills; so does a run, and what is not there."""
    tab.goto(f"{server.url}/introduction")
    paths = tab.get("[...document.querySelectorAll('#menu li a')].map((a) => a.pathname)")
    assert len(paths) > 12
    for path in [*paths, "/docs/tutorial-workflow", "/bridge?id=nobody", "/nowhere"]:
        for size in (DESK, PHONE):
            tab.size(*size)
            tab.goto(server.url + path)
            tab.sees("h1")
            assert not tab.get(SPILL), path
            tried()


def test_a_run_by_keyboard_alone(tab: Tab, server: Server) -> None:
    """From the first page to the result; an empty answer is kept back by the browser."""
    tab.goto(server.url)
    tab.until("document.querySelector('h1').innerText === 'Welcome to Pipulate'")
    tab.focus("button", "Cross the Bridge of Death")
    tab.press("Enter")
    focused(tab, "name")
    tab.write("Arthur")
    tab.press("Enter")
    focused(tab, "quest")
    tab.until("location.pathname + location.search === '/bridge/card2?id=arthur'")
    tab.press("Enter")
    assert not tab.get("document.querySelector('#card3')")
    tab.write("The Grail")
    tab.press("Enter")
    focused(tab, "color")
    tab.write("Blue")
    tab.press("Tab")
    tab.press("Enter")
    tab.sees("#result", "Right. Off you go.")
    tab.until("document.querySelector('#announce').innerText.includes('Result')")
    tab.ask("browsingContext.traverseHistory", delta=-1)
    tab.sees("#chain")


def test_a_card_is_changed_undone_and_locked(tab: Tab, server: Server) -> None:
    """The answer is offered again, comes back, and stands fast when the run is finalized."""
    begin(tab, server, "bridge", "changed")
    for field, text in (("name", "Galahad"), ("quest", "The Grail")):
        focused(tab, field)
        tab.write(text)
        tab.press("Enter")
    focused(tab, "color")
    tab.click("#card3 button", "Next")
    tab.sees("#result", "Gorge")
    tab.click("#card2 button", "Change")
    focused(tab, "quest")
    assert tab.get("document.activeElement.value") == "The Grail"
    tab.click("button", "Undo")
    tab.sees("#result", "Gorge")
    tab.click("button", "Finalize")
    tab.sees("button", "Unlock")
    assert not tab.get("document.querySelector('#card2 button')")


def test_two_tabs_and_a_stale_one(firefox: Firefox, tab: Tab, server: Server) -> None:
    """A page that is older than its run is refused in words."""
    begin(tab, server, "bridge", "stale")
    focused(tab, "name")
    tab.write("L")
    with firefox.tab() as other:
        other.goto(f"{server.url}/bridge?id=stale")
        other.fill("#card1 [name=name]", "R")
        other.press("Enter")
        other.sees("#card2[data-current]")
        assert not other.said
    tab.press("Enter")
    tab.sees("#refused", "is already answered")


def test_a_file_is_sent_worked_on_and_saved(firefox: Firefox, tab: Tab, server: Server) -> None:
    """Chosen, kept, made upper case, saved from the result."""
    (given := server.folder / "links.csv").write_text("a,b\n")
    begin(tab, server, "upper", "x")
    tab.upload("[name=table]", given)
    tab.click("#card1 button", "Next")
    tab.sees("#result")
    tab.click("#result a", "Save it")
    assert firefox.download().read_text() == "A,B\n"


def test_work_tells_its_progress(tab: Tab, server: Server) -> None:
    """A bar while it works, and the result by itself."""
    (texts := server.folder / "texts").mkdir()
    for number in range(8):
        (texts / f"{number}.txt").write_text("one two two")
    begin(tab, server, "work", "progress")
    tab.fill("[name=folder]", str(texts))
    tab.click("#card1 button", "Count")
    tab.sees(".progress progress")
    tab.sees("#result", "two")
    tab.sees("#card2", "24 words in 8 files")


@pytest.mark.console(LOST)
def test_a_lost_server_keeps_what_was_typed(tab: Tab, tmp_path: Path) -> None:
    """Enter at a dead server loses nothing and leaves no page; after its start it goes on."""
    server = Server(tmp_path, free_port()).start()
    begin(tab, server, "bridge", "lost")
    focused(tab, "name")
    tab.write("Arthur")
    server.kill()
    tab.press("Enter")
    tab.sees("#offline")
    assert tab.get("document.querySelector('[name=name]').value") == "Arthur"
    server.start()
    tab.misses("#offline")
    tab.click("#card1 button", "Next")
    tab.sees("#card2[data-current]")
    server.stop()


def test_a_draft_outlives_its_page(tab: Tab, server: Server) -> None:
    """What is typed is there after a reload, and says that it is a draft."""
    begin(tab, server, "bridge", "draft")
    focused(tab, "name")
    tab.write("Robin")
    tab.reload()
    tab.sees(".draft")
    assert tab.get("document.querySelector('[name=name]').value") == "Robin"


def test_the_chat_streams_asks_and_undoes(
    tab: Tab, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message is answered as the words come; a tool waits for its Yes, and can be undone."""
    calls = Reply(calls=[("add_task", {"name": "Call the client"})])
    monkeypatch.setattr("pipulate.chat.providers.OLLAMA_URL", "http://127.0.0.1:9")
    with ScriptedModel(Reply("One **two** three.", hold=2), calls, "I have asked you.") as model:
        settings = Settings(tmp_path, downloads=tmp_path / "d", model_url=f"{model.url}/v1")
        tab.goto(f"{serve(create_app(settings))}/introduction")
        tab.fill("#chat-text", "Count")
        tab.press("Enter")
        tab.sees("#m-live", "One")
        tab.sees("button", "Stop")
        model.release()
        tab.sees("li.assistant strong", "two")
        tab.misses("#m-live")
        tab.fill("#chat-text", "Add a task")
        tab.press("Enter")
        tab.sees(".proposal", "Add the task “Call the client”.")
        tab.click(".proposal button", "Yes, do it")
        tab.sees(".proposal", "Done.")
        tab.click("#chat button", "Undo")
        tab.sees(".proposal", "Undone.")


def test_the_finder_and_the_drawers(tab: Tab, server: Server) -> None:
    """Ctrl+K finds by keyboard; on a phone the menu opens, and Escape closes it."""
    tab.goto(f"{server.url}/tasks")
    tab.press("Control", "k")
    focused(tab, "q")
    tab.write("poet")
    tab.press("Enter")
    tab.until("location.pathname === '/poet' && document.readyState === 'complete'")
    tab.size(*PHONE)
    tab.misses("#menu li a")
    tab.click(".topbar button[data-toggle=menu]")
    tab.sees("#menu li a", "Tasks")
    tab.press("Escape")
    tab.misses("#menu li a")


def test_the_theme_is_dark_when_it_is_so_chosen(tab: Tab, serve: Serve, tmp_path: Path) -> None:
    """By the setting, at once and on the next page."""
    tab.goto(f"{serve(create_app(Settings(tmp_path)))}/settings")
    assert tab.get(LUMINANCE) > 600
    tab.click("[name=theme]", "Dark")
    tab.click("#appearance button, form[action*=theme] button", "Save")
    tab.until(f"document.documentElement.dataset.theme === 'dark' && {LUMINANCE} < 150")


STAGE = "document.querySelector('link-graph').viewer.stage"
DRAWN = "document.querySelector('link-graph')?.dataset.state === 'drawn'"
INK = f"""(() => {{
  const {{ canvas }} = {STAGE};
  const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  pen.drawImage(canvas, 0, 0);
  const {{ data }} = pen.getImageData(0, 0, canvas.width, canvas.height);
  let ink = 0;
  for (let at = 0; at < data.length; at += 4)
    ink += Math.abs(data[at] - data[0]) + Math.abs(data[at + 1] - data[1]) > 30;
  return ink / (data.length / 4);
}})()"""


GROUND = f"[...{STAGE}.canvas.getContext('2d').getImageData(1, 1, 1, 1).data].slice(0, 3)"


def test_the_viewer_at_100_000_links(firefox: Firefox, tab: Tab, serve: Serve) -> None:
    """Drawn, in both themes; a page is pointed at, found, opened; the layout is switched."""
    graph = site("100k")
    address = serve(Pages({"100k": picture_files(graph, force=True)}).app())
    for theme, light in (("dark", False), ("light", True)):
        tab.goto(f"{address}/100k?theme={theme}")
        tab.until(DRAWN)
        assert 0.05 < tab.get(INK) < 0.9
        assert (sum(tab.get(GROUND)) > 600) is light
    hub = tab.get(f"{STAGE}.ranking[3]")
    tab.point(*tab.get(f"{STAGE}.onScreen({hub})"))
    tab.sees(".tip", graph.urls[hub].rsplit("/", 1)[1])
    tab.press("/")
    tab.write("KITCHEN product")
    tab.sees("[role=option]", "pages")
    tab.press("ArrowDown")
    tab.press("Enter")
    tab.until(f"{STAGE}.chosen >= 0")
    assert "kitchen" in graph.urls[tab.get(f"{STAGE}.chosen")]
    before = tab.get(f"{STAGE}.onScreen(17)")
    tab.focus("select", "Layout")
    tab.press("F")
    tab.until(f"{DRAWN} && {STAGE}.discs.length === 0")
    assert tab.get(f"{STAGE}.onScreen(17)") != before
    with_links = tab.get(INK)
    assert 0.02 < with_links < 0.9
