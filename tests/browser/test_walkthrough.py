"""Three people walk through the product, each as one story that can be read: a newcomer,
an analyst, an author.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.server import KILLED, Server, free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server, as `make run` starts it, with files read again when they change."""
    started = Server(tmp_path_factory.mktemp("walk"), free_port(), "--dev").start()
    yield started
    started.stop()


def test_a_newcomers_first_minute(page: Page, server: Server):
    """From the first page to a finished run, with the keyboard alone; back, undo, lock."""
    outside: list[str] = []
    page.on(
        "request",
        lambda request: (
            outside.append(request.url)
            if not request.url.startswith((server.url, "data:", "blob:"))
            else None
        ),
    )
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to Pipulate")
    page.get_by_role("button", name="Cross the Bridge of Death").press("Enter")
    expect(page.get_by_role("textbox", name="What... is your name?")).to_be_focused()
    page.keyboard.type("Arthur")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="What... is your quest?")).to_be_focused()
    expect(page).to_have_url(re.compile(r"/bridge/card2\?id=arthur"))
    page.keyboard.press("Enter")  # the browser's own check keeps an empty answer here
    expect(page.locator("#card3")).to_have_count(0)
    page.keyboard.type("The Grail")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="What... is your favorite color?")).to_be_focused()
    page.keyboard.type("Blue")
    page.get_by_role("button", name="Next").press("Enter")
    expect(page.locator("#result")).to_contain_text("Right. Off you go.")
    expect(page.locator("#announce")).to_have_text(re.compile("Result"))
    page.go_back()
    expect(page.locator("#chain")).to_be_visible()
    page.goto(f"{server.url}/bridge?id=arthur")
    page.get_by_role("button", name="Change: What... is your quest?").click()
    expect(page.get_by_role("textbox", name="What... is your quest?")).to_have_value("The Grail")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#result")).to_be_visible()
    page.get_by_role("button", name="Finalize").click()
    expect(page.get_by_role("button", name="Unlock")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Change"))).to_have_count(0)
    assert not outside


def test_an_analysts_day(page: Page, server: Server):
    """Demo data: five cards to a drawn link graph, its picture and report;
    tomorrow the same ID shows the same.
    """
    page.goto(f"{server.url}/introduction")
    page.get_by_role("button", name="Try it without an account").click()
    for card, button in ((1, "Check it"), (2, "Choose"), (3, "Export")):
        page.locator(f"#card{card}[data-current]").wait_for()
        page.get_by_role("button", name=button, exact=True).click()
    page.locator("#card4 progress").first.wait_for()
    expect(page.locator("#result")).to_contain_text("links between", timeout=180_000)
    page.locator("link-graph[data-state=drawn]").wait_for()
    files = list((server.folder / "downloads").rglob("*.csv"))
    assert len(files) == 2 and all(path.stat().st_size for path in files)
    before = page.locator("#chain").inner_text()
    page.goto(f"{server.url}/link_graph")
    page.get_by_role("textbox", name="Botify project").fill("app.botify.com/demo/shop")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_be_visible()
    assert page.locator("#chain").inner_text().split("Result")[0] == before.split("Result")[0]
    page.get_by_text("Read the report").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Report on shop", timeout=180_000)
    expect(
        page.get_by_role("heading", name=re.compile("Near-orphans|Dead ends")).first
    ).to_be_visible(timeout=180_000)


def test_an_authors_ten_minutes(page: Page, server: Server):
    """A copied file appears as it is saved, breaks visibly, is mended; typed text stays;
    others are untouched.
    """
    folder = server.folder / "workflows"
    folder.mkdir(exist_ok=True)
    code = (
        Path("pipulate/workflows/bridge.py")
        .read_text()
        .replace(
            'Workflow("bridge", title="The Bridge of Death"', 'Workflow("mine", title="My own"'
        )
    )
    (folder / "mine.py").write_text(code)
    page.goto(f"{server.url}/introduction")
    page.get_by_role("link", name="My own").click()
    page.get_by_role("textbox", name="Run ID").fill("first")
    page.keyboard.press("Enter")
    page.get_by_role("textbox", name="What... is your name?").fill("half typed")
    page.wait_for_load_state()
    with page.expect_event("load"):  # by itself
        (folder / "mine.py").write_text(code.replace("What... is your quest?", "Why?"))
    expect(page.get_by_role("textbox", name="What... is your name?")).to_have_value("half typed")
    page.keyboard.press("Enter")
    page.locator("#card2").wait_for()  # a page that is left takes its request along
    page.goto(f"{server.url}/mine?id=first")
    expect(page.locator("#card2")).to_contain_text("Why?")
    (folder / "mine.py").write_text(code + "\n1/0\n")
    expect(page.locator("main")).to_contain_text("until mine.py is mended")  # by itself
    expect(page.get_by_role("alert").first).to_contain_text("ZeroDivisionError")
    expect(page.locator("main")).to_contain_text(": 1/0")
    page.goto(f"{server.url}/bridge")
    expect(page.get_by_role("textbox", name="Run ID")).to_be_visible()
    page.go_back()
    (folder / "mine.py").write_text(code)
    expect(page.locator("#card1")).to_contain_text("half typed")
    (folder / "mine.py").unlink()


@pytest.mark.console("status of 409")
def test_two_tabs_with_two_runs_never_mix(page: Page, server: Server):
    """Answers given alternately end in their own runs; a stale tab is refused and told why."""
    other = page.context.new_page()
    for tab, id in ((page, "left"), (other, "right")):
        tab.goto(f"{server.url}/bridge")
        tab.fill("#run-id", id)
        tab.press("#run-id", "Enter")
    for name in ("name", "quest"):
        for tab, value in ((page, "L"), (other, "R")):
            tab.fill(f"[name={name}]", f"{name} {value}")
            tab.press(f"[name={name}]", "Enter")
            tab.locator(f"#card{2 if name == 'name' else 3}[data-current]").wait_for()
    expect(page.locator("#chain")).to_contain_text("quest L")
    expect(other.locator("#chain")).to_contain_text("quest R")
    other.goto(f"{server.url}/bridge?id=left")
    other.get_by_role("button", name="Next").click()
    other.locator("#result").wait_for()
    page.get_by_role("button", name="Next").click()  # the same answer as the other tab's: harmless
    expect(page.locator("#result")).to_be_visible()
    other.get_by_role("button", name="Change: What... is your name?").click()
    other.locator("#card1[data-current]").wait_for()
    page.get_by_role("button", name="Change: What... is your quest?").click()
    expect(page.locator("#refused")).to_contain_text("older than the run")
    expect(page.locator("#card1[data-current]")).to_be_visible()
    other.close()


def lost_and_found(page: Page, server: Server) -> None:
    """Answer a server that is gone: the page stays and says so; then one that is back."""
    server.kill()
    page.press("[name=name]", "Enter")
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("Arthur")
    server.start()
    expect(page.locator("#offline")).to_be_hidden()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#card2")).to_be_visible()
    server.stop()


@pytest.mark.console(*KILLED)
def test_a_lost_server_keeps_what_was_typed(page: Page, tmp_path: Path):
    """While the server is down the page says so; after its start the same form is accepted."""
    server = Server(tmp_path, free_port()).start()
    page.goto(f"{server.url}/bridge")
    page.fill("#run-id", "lost")
    page.press("#run-id", "Enter")
    page.fill("[name=name]", "Arthur")
    lost_and_found(page, server)


@pytest.mark.console(*KILLED)
def test_a_server_lost_before_the_scripts_came_keeps_what_was_typed(page: Page, tmp_path: Path):
    """A form that goes the plain way does so when the server answers: no page of errors."""
    server = Server(tmp_path, free_port()).start()
    page.goto(f"{server.url}/bridge")
    page.fill("#run-id", "early")
    page.route(re.compile("htmx"), lambda route: route.abort("connectionreset"))
    page.press("#run-id", "Enter")
    page.fill("[name=name]", "Arthur")
    page.wait_for_load_state()
    lost_and_found(page, server)


def test_who_types_already_keeps_the_focus(page: Page, server: Server):
    """A page whose scripts come late gives the focus to the card's first field, but takes it from
    nobody.
    """
    held: list[Route] = []
    page.goto(f"{server.url}/work")
    page.fill("#run-id", "focus")
    page.route("**/app.js", lambda route: held.append(route))
    with page.expect_request("**/app.js"):
        page.press("#run-id", "Enter")
    pause = page.locator("[name=pause]")
    pause.focus()
    held.pop().continue_()
    page.wait_for_load_state()
    page.keyboard.type("5")
    expect(pause).to_have_value("50.2")
    page.unroute("**/app.js")
    page.reload()
    expect(page.locator("[name=folder]")).to_be_focused()


def test_an_answer_for_what_is_gone_is_let_go(page: Page, server: Server, tmp_path: Path):
    """A job's line that was replaced while it asked: no error, and the card stays as it is."""
    (tmp_path / "a.txt").write_text("one two")
    held: list[Route] = []
    page.goto(f"{server.url}/work")
    page.fill("#run-id", "gone")
    page.press("#run-id", "Enter")
    page.fill("[name=folder]", str(tmp_path))
    page.fill("[name=pause]", "10")
    page.get_by_role("button", name="Count").click()
    page.get_by_role("progressbar").wait_for()
    with page.expect_request("**/card2/progress*"):
        page.route("**/card2/progress*", lambda route: held.append(route))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    with page.expect_response("**/card2/progress*"):
        held[0].continue_()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()


def test_an_act_whose_card_is_gone_is_told_by_the_page(page: Page, server: Server, tmp_path: Path):
    """Cancelled as the work ended: the line showed the end first, and the page stays true."""
    (tmp_path / "a.txt").write_text("one two")
    held: list[Route] = []
    page.goto(f"{server.url}/work")
    page.fill("#run-id", "late")
    page.press("#run-id", "Enter")
    page.fill("[name=folder]", str(tmp_path))
    page.fill("[name=pause]", "3")
    page.get_by_role("button", name="Count").click()
    page.get_by_role("progressbar").wait_for()
    page.route("**/cancel2*", lambda route: held.append(route))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#result")).to_be_visible()
    with page.expect_event("load"):
        held[0].continue_()
    expect(page.locator("#result")).to_be_visible()


def test_who_is_quicker_than_the_scripts_is_waited_for(page: Page, server: Server):
    """A card that is sent before htmx is there goes its way as soon as it is: no page is left."""
    held: list[Route] = []
    for id, pressed in (("enter", "Enter"), ("button", "")):
        page.goto(f"{server.url}/bridge")
        page.fill("#run-id", id)
        page.press("#run-id", "Enter")
        expect(page.locator("[name=name]")).to_be_focused()
        page.route("**/htmx.min.js", lambda route: held.append(route))
        page.goto(page.url, wait_until="commit")
        page.locator("[name=name]").fill("Arthur")
        page.evaluate("window.mark = 1")
        if pressed:
            page.locator("[name=name]").press(pressed)
        else:
            page.locator("#card1 [type=submit]").dispatch_event("click")
        expect(page.locator("#card1 [name=name]")).to_have_value("Arthur")
        held.pop().continue_()
        expect(page.locator("#card2[data-current]")).to_be_visible()
        assert page.evaluate("window.mark") == 1
        page.unroute("**/htmx.min.js")


@pytest.mark.console(*KILLED)
def test_a_job_survives_a_closed_browser_and_a_killed_server(page: Page, tmp_path: Path):
    """Progress, a closed tab, kill -9, a new start:
    the job ends by itself and its page is the usual one.
    """
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(12):
        (texts / f"{number}.txt").write_text("one two two")
    server = Server(tmp_path, free_port()).start()
    page.goto(f"{server.url}/work")
    page.fill("#run-id", "job")
    page.press("#run-id", "Enter")
    page.fill("[name=folder]", str(texts))
    page.get_by_role("button", name="Count").click()
    page.locator(".progress progress").wait_for()
    page.goto("about:blank")
    server.kill()
    server.start()
    page.goto(f"{server.url}/work?id=job")
    expect(page.locator("#result")).to_contain_text("two", timeout=180_000)
    expect(page.locator("#card2")).to_contain_text("36 words in 12 files")
    server.stop()


def test_the_finder_finds_by_keyboard(page: Page, server: Server):
    """Ctrl+K, a few letters, Enter."""
    page.goto(f"{server.url}/tasks")
    page.fill("#new-task", "Call the client")
    page.press("#new-task", "Enter")
    page.locator("#task-list li[data-id]").wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("poet")
    expect(page.locator("#found a").first).to_contain_text("The Poet")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/poet")
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.locator("#finder input").fill("call the")
    expect(page.locator("#found")).to_contain_text("Task")


def test_the_finders_keys_wait_for_the_answer_to_what_was_typed(page: Page, server: Server):
    """Who types quickly gets what was typed, however late the list of it comes; what is typed
    after the key takes the key back.
    """
    held: list[Route] = []
    page.route(re.compile(r"/find\?q=poet$"), lambda route: held.append(route))
    for keys in (["Enter"], ["ArrowDown", "Enter"]):
        page.goto(f"{server.url}/docs")
        page.keyboard.press("Control+k")
        page.locator("#found a").first.wait_for()
        with page.expect_request(re.compile("q=poet")):
            page.keyboard.type("poet")
            for key in keys:
                page.keyboard.press(key)
        expect(page).to_have_url(f"{server.url}/docs")
        held.pop().continue_()
        expect(page).to_have_url(f"{server.url}/poet")
    page.wait_for_load_state()
    page.route(re.compile(r"/find\?q=bridg$"), lambda route: held.append(route))
    page.keyboard.press("Control+k")
    page.locator("#found a").first.wait_for()
    with page.expect_request(re.compile("q=bridg$")):
        page.keyboard.type("bridg")
        page.keyboard.press("Enter")
    page.keyboard.type("x")
    held.pop().continue_()
    expect(page.locator("#found .empty")).to_be_visible()
    expect(page).to_have_url(f"{server.url}/poet")


def test_between_pages_no_key_is_lost_to_a_transition(page: Page, server: Server):
    """The browser holds keys back, and throws, while it shows one page turn into another."""
    swap = 'addEventListener("pageswap", (e) => sessionStorage.swap = String(e.viewTransition));'
    page.emulate_media(reduced_motion="no-preference")
    page.add_init_script(swap)
    page.goto(f"{server.url}/docs")
    page.locator("#menu a[href='/bridge']").click()
    page.wait_for_url("**/bridge")
    assert page.evaluate("sessionStorage.swap") == "null"


def test_what_the_chat_does_is_seen_at_once(page: Page, server: Server):
    """A task that the panel adds, or takes back, stands in the list beside it;
    so does a new profile in the menu.
    """
    page.goto(f"{server.url}/tasks")
    page.fill("#chat-text", "/add task Buy milk")
    page.press("#chat-text", "Enter")
    page.get_by_role("button", name="Yes, do it").click()
    task = page.locator("#task-list").get_by_role("textbox", name="Task of Buy milk")
    expect(task).to_be_visible()
    page.locator("#chat").get_by_role("button", name="Undo").click()
    expect(task).to_have_count(0)
    page.goto(f"{server.url}/profiles")
    page.fill("#new-profile", "Camelot")
    page.press("#new-profile", "Enter")
    page.get_by_role("textbox", name="Menu name of Camelot").fill("C")
    page.keyboard.press("Tab")
    choice = page.locator("#menu").get_by_role("button", name="C", exact=True, include_hidden=True)
    expect(choice).to_have_count(1)
    page.locator("#menu .profile summary").click()
    expect(choice).to_be_visible()
