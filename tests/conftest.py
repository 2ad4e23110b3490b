"""Fixtures that every test may use: a free port, a served app, a page in a real browser.

ORDER   Playwright's synchronous interface keeps an event loop running in the main thread from its
        first test to the end of the session, and an `async def` test cannot start another there.
        So tests that use the browser are plain functions, are marked `browser` by what they ask
        for, and run after all others.
ERRORS  A missing browser is an error.  Only PIPULATE_NO_BROWSER=1 leaves those tests out, as
        counted skips.  A tab whose console tells an error fails its test, be it the first tab or
        another: a script that failed, or what the content security policy had to refuse.  What
        must fail is named by the test: `@pytest.mark.console("words of it")`, a refusal by its
        status: `"status of 422"`.
TIME    The machine may be busy: no example of a property has a deadline, and what is waited for
        in a browser may take PATIENCE.  Only a red test takes that long.  The database is waited
        for six times as long as by a user: a disk that others write to may keep it for 10 s.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from hypothesis import settings
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, WebError, expect
from starlette.types import ASGIApp

from pipulate.engine import store
from tests.chromium import LAUNCH_ARGS, browser_unwanted, find_chromium
from tests.server import free_port as find_port

settings.register_profile("pipulate", deadline=None)
settings.load_profile("pipulate")

store.BUSY_TIMEOUT *= 6
PATIENCE = 30  #: seconds that anything may take which is waited for
expect.set_options(timeout=PATIENCE * 1000)
pytest_plugins = ["tests.phone", "tests.trust.table", "tests.visits", "tests.whole"]

LOOPBACK = "127.0.0.1"
Serve = Callable[..., str]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the browser, leave them out if so asked,
    and move them to the end (see ORDER).
    """
    for item in items:
        if "playwright" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
            if browser_unwanted():
                item.add_marker(pytest.mark.skip(reason="PIPULATE_NO_BROWSER=1"))
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


# --- the browser


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the path of the browser on this machine."""
    return find_chromium()


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], chromium_path: str
) -> dict[str, Any]:
    """Start the installed Chromium, which reaches nothing but this machine."""
    return browser_type_launch_args | {"executable_path": chromium_path, "args": LAUNCH_ARGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Give every page one size, language and time zone, and no animations to wait for."""
    return browser_context_args | {
        "viewport": {"width": 1280, "height": 800},
        "locale": "en-US",
        "timezone_id": "UTC",
        "reduced_motion": "reduce",
    }


@pytest.fixture
def page(page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Give a fresh page, and fail the test if its console, or that of any other tab,
    told an error (see ERRORS).
    """
    marker = request.node.get_closest_marker("console")
    faults = console_faults(page.context, *(marker.args if marker else ()))
    page.context.set_default_timeout(PATIENCE * 1000)
    yield page
    assert not faults, "the pages' consoles:\n" + "\n".join(faults)


def console_faults(context: BrowserContext, *expected: str) -> list[str]:
    """Return the list that gets the errors, from now on, of all tabs, but for those expected."""
    faults: list[str] = []

    def tell(fault: str) -> None:
        if not any(words in fault for words in expected):
            faults.append(fault)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") or "Content Security Policy" in message.text:
            tell(message.text)

    def on_error(error: WebError) -> None:
        tell(str(error.error))

    context.on("console", on_console)
    context.on("weberror", on_error)
    return faults


def behind(page: Page) -> None:
    """Keep a page as if behind another: with --dev it draws itself anew when a file was saved,
    but only in front.  A test that saves one and goes on would be overtaken in the midst of it.
    """
    page.add_init_script("Object.defineProperty(document, 'hidden', { value: true })")


# --- the server


@pytest.fixture
def free_port() -> int:
    """Return a loopback port that was free a moment ago, for a program that must be told one."""
    return find_port()


class _Server(uvicorn.Server):
    """A uvicorn server in a thread that says when it is ready, so that nobody has to poll."""

    def __init__(self, app: ASGIApp, port: int, **config: Any) -> None:
        quiet = {"log_level": "warning", "timeout_graceful_shutdown": 1}
        super().__init__(uvicorn.Config(app, **quiet, **config))
        self.socket = socket.create_server((LOOPBACK, port))
        self.settled = threading.Event()  # it accepts requests, or has failed to start
        self.thread = threading.Thread(target=self._run, name="test server", daemon=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    def _run(self) -> None:
        try:
            self.run(sockets=[self.socket])
        except SystemExit:  # uvicorn's word for a start-up that failed; `serve` reports it
            pass
        finally:
            self.socket.close()
            self.settled.set()

    def stop(self) -> None:
        self.should_exit = True
        self.thread.join(timeout=PATIENCE)
        assert not self.thread.is_alive(), "the served app did not shut down"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a function `serve(app, port=0, **config)` that serves an ASGI app until the test ends.

    It returns the address (`http://127.0.0.1:PORT`) once the app's start-up is through; port 0
    takes any free one, `config` is uvicorn's.
    """
    servers: list[_Server] = []

    def start(app: ASGIApp, port: int = 0, **config: Any) -> str:
        server = _Server(app, port, **config)
        server.thread.start()
        servers.append(server)
        assert server.settled.wait(timeout=PATIENCE), "the app did not start"
        assert server.started, "the app failed to start; its log is above"
        return f"http://{LOOPBACK}:{server.socket.getsockname()[1]}"

    yield start
    for server in servers:
        server.stop()
