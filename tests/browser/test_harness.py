"""The test harness itself: an app served from a thread, driven by a real browser,
beside async tests.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.chromium import find_chromium
from tests.conftest import Serve, console_faults

BUTTON = """<!doctype html><title>Harness</title><button>0</button><script>
const b = document.querySelector("button");
b.onclick = () => fetch("/next", {method: "POST", body: b.textContent})
  .then(r => r.text()).then(t => b.textContent = t)</script>"""


async def home(request: Request) -> Response:
    return HTMLResponse(BUTTON)


async def following(request: Request) -> Response:
    return Response(str(int(await request.body()) + 1))


def counter() -> Starlette:
    return Starlette(routes=[Route("/", home), Route("/next", following, methods=["POST"])])


@pytest.mark.console("status of 404")
def test_a_click_reaches_the_server_and_comes_back(page: Page, serve: Serve) -> None:
    """A click in the browser posts to the served app, and the answer is seen on the page."""
    page.goto(serve(counter()))
    page.get_by_role("button").click()
    expect(page.get_by_role("button")).to_have_text("1")


def test_the_browser_reaches_this_machine_only(page: Page) -> None:
    """An address elsewhere fails at once with a resolver error:
    a page that needs one is seen to be broken.
    """
    with pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")


@pytest.mark.console("broken", "lost", "wanted", "worn")
def test_an_error_in_the_console_of_any_tab_is_a_fault(page: Page) -> None:
    """What a script tells as an error or a warning, or throws; not what the test has named."""
    faults = console_faults(page.context, "wanted")
    other = page.context.new_page()
    page.evaluate("console.error('broken')")
    page.evaluate("console.error('wanted')")
    page.evaluate("console.warn('worn')")
    page.evaluate("console.info('no error')")
    with other.expect_event("pageerror"):
        other.evaluate("setTimeout(() => { throw Error('lost'); })")
    assert faults == ["broken", "worn", "lost"]


def test_an_app_is_served_on_the_port_it_chose(serve: Serve, free_port: int) -> None:
    """A program that must be told its port gets one."""
    with httpx2.Client(base_url=serve(counter(), free_port)) as client:
        assert client.base_url.port == free_port
        assert client.post("/next", content=b"41").text == "42"


def test_an_app_that_cannot_start_says_so(serve: Serve) -> None:
    """A failing start-up fails the test that serves the app, instead of letting it hang."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no disk")
        yield

    with pytest.raises(AssertionError, match="failed to start"):
        serve(Starlette(lifespan=lifespan))


def test_a_missing_browser_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a browser the message names the ways to get one; a wrong CHROMIUM is named too."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(FileNotFoundError, match="apt install chromium"):
        find_chromium()
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(FileNotFoundError, match="CHROMIUM=/nowhere/chromium"):
        find_chromium()
