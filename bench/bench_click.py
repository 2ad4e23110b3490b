"""From a click on Next to the next card on the screen, against the least that could answer.

PEER   `bare.py`: Python's http.server and the same htmx, without shell, style and disk.
Both are driven in the same browser, in turn.  A card is there with the first frame in which it has
a height.
"""

import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.bench_web import free_port, row
from tests.chromium import LAUNCH_ARGS, find_chromium
from tests.server import Server

ROUNDS = 25
WARM = 5  #: rounds that are not counted
SETTLED = 100  #: milliseconds until htmx knows the new form, and what moves has moved
MOST = 1.5  #: times the peer's
CLICK = """number => new Promise(resolve => {
    const began = performance.now();
    const look = () => {
        const name = number > 3 ? '#result' : `#card${number}[data-current]`;
        if (document.querySelector(name)?.offsetHeight) resolve(performance.now() - began);
        else requestAnimationFrame(look);
    };
    document.querySelector(`#card${number - 1} [type=submit]`).click();
    requestAnimationFrame(look);
})"""

Begin = Callable[[Page, str, int], None]


@contextmanager
def bare(port: int) -> Iterator[str]:
    """Serve the peer; give its address."""
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), str(port)]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process)
        yield url
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return when it answers."""
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            assert process.poll() is None


def begin_ours(page: Page, url: str, number: int) -> None:
    """Come to the first card of a new run."""
    page.goto(f"{url}/bridge")
    page.fill("#run-id", f"click {number}")
    page.press("#run-id", "Enter")


def begin_theirs(page: Page, url: str, number: int) -> None:
    """Come to the first card."""
    page.goto(f"{url}/?{number}")


def clicks(page: Page, url: str, number: int, begin: Begin) -> list[float]:
    """Return the milliseconds of three clicks."""
    begin(page, url, number)
    page.wait_for_selector("#card1[data-current]")
    page.wait_for_load_state("networkidle")
    times = []
    for step in (1, 2, 3):
        field = page.locator(f"#card{step} input[name]")
        if field.count():
            field.fill("x")
        times.append(page.evaluate(CLICK, step + 1))
        page.wait_for_timeout(SETTLED)
    return times


def measured(server: str, peer: str) -> tuple[list[float], list[float]]:
    """Return the milliseconds of our clicks, and of the peer's."""
    ours = []
    theirs = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH_ARGS)
        page = browser.new_page()
        for number in range(ROUNDS):
            ours += clicks(page, server, number, begin_ours)
            theirs += clicks(page, peer, number, begin_theirs)
        browser.close()
    return ours[3 * WARM :], theirs[3 * WARM :]


def main() -> None:
    """Print medians and their ratio."""
    with tempfile.TemporaryDirectory(dir=".") as name, bare(free_port()) as peer:
        server = Server(Path(name), free_port()).start()
        try:
            ours, theirs = measured(server.url, peer)
        finally:
            server.stop()
    mine = statistics.median(ours)
    other = statistics.median(theirs)
    value = f"{mine:.0f} / {other:.0f} ms = {mine / other:.2f}"
    row("click to the next card / bare server", value, f"<= {MOST}", mine / other <= MOST)


if __name__ == "__main__":
    main()
