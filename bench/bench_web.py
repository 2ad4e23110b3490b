"""The web part: pages, steps, start and memory against plain FastHTML; what a browser sees.

PEER   `peer.py`: the same questions, and the same pages' content, in plain FastHTML.
Both servers run in child processes, requests and starts alternate, medians are compared.
"""

import compileall
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Page, sync_playwright

from pipulate.engine.settings import PACKAGE
from tests.chromium import LAUNCH_ARGS, find_chromium
from tests.server import Server, answer, begin, revision

ROUNDS = 60
STARTS = 13
BRIDGE = (("name", "Arthur"), ("quest", "The Grail"), ("color", "blue"))
PAGES = ("/introduction", "/tasks", "/bridge?id=x")


class Peer(Server):
    """The peer in a child process."""

    def start(self) -> "Peer":
        """Start it; it is ready when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        database = self.folder / f"peer-{time.monotonic_ns()}.db"
        command = [sys.executable, str(Path(__file__).with_name("peer.py"))]
        self.process = subprocess.Popen([*command, str(self.port), str(database)])
        wait_for(self)
        return self


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(server: Server) -> None:
    """Return when the first page was answered."""
    for _ in range(3000):
        try:
            httpx2.get(f"{server.url}/introduction", timeout=20).raise_for_status()
            return
        except httpx2.TransportError:
            time.sleep(0.01)
    raise AssertionError("the server did not start")


def row(name: str, value: str, limit: str, good: bool) -> None:
    """Print one line of the table."""
    print(f"  {name:<52} {value:>28}   {limit:<12} {'ok' if good else 'MISSED'}", flush=True)


def ratio(name: str, ours: list[float], theirs: list[float], most: float) -> None:
    """Print medians of seconds and their ratio."""
    mine = statistics.median(ours) * 1000
    other = statistics.median(theirs) * 1000
    value = f"{mine:.1f} / {other:.1f} ms = {mine / other:.2f}"
    row(name, value, f"<= {most}", mine / other <= most)


def timed(act: Callable[[], Any]) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def memory(server: Server) -> float:
    """Return the megabytes that a server has for itself (PSS)."""
    assert server.process
    status = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    line = next(line for line in status.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def starts(server: Server, peer: Peer) -> None:
    """Compare cold starts, to the first page answered, and idle memory; both servers then run."""
    # As installed packages have it; the environment may forbid that a start writes it.
    compileall.compile_dir(PACKAGE, quiet=1)
    ours = []
    theirs = []
    for left in reversed(range(STARTS)):
        ours.append(timed(lambda: (server.launch(), wait_for(server))))
        theirs.append(timed(peer.start))
        if left:
            server.stop()
            peer.kill()
    # The first ones may still compile to bytecode.
    ratio("cold start to first page / plain FastHTML", ours[1:], theirs[1:], 1.5)
    mine = memory(server)
    other = memory(peer)
    row("idle memory, MB (PSS) / plain FastHTML", f"{mine:.0f} / {other:.0f}", "<= 60", mine <= 60)


def page_time(server: Server, peer: Peer) -> None:
    """Compare GETs of whole pages."""
    with server.client() as mine, peer.client() as other:
        for client in (mine, other):
            del client.headers["HX-Request"]
        for number in range(5):
            mine.post("/tasks", data={"name": f"Task {number}"})
        answered(mine, "x", [])
        for path in PAGES:
            ours = []
            theirs = []
            for _ in range(ROUNDS):
                ours.append(timed(lambda path=path: mine.get(path).raise_for_status()))
                theirs.append(timed(lambda path=path: other.get(path).raise_for_status()))
            ratio(f"GET {path} / plain FastHTML", ours[9:], theirs[9:], 2.5)


def answered(client: httpx2.Client, id: str, times: list[float]) -> None:
    """Cross the bridge, noting the seconds of each step."""
    rev = begin(client, "bridge", id)
    for step, (key, value) in enumerate(BRIDGE, 1):
        began = time.perf_counter()
        reply = answer(client, "bridge", id, step, rev, **{key: value})
        times.append(time.perf_counter() - began)
        if client.headers.get("HX-Request"):
            rev = revision(reply.text)
        else:
            rev = revision(client.get("/bridge", params={"id": id}).text)


def step_time(server: Server, peer: Peer) -> None:
    """Compare the time of one answered step."""
    ours: list[float] = []
    theirs: list[float] = []
    with server.client() as client, peer.client() as other:
        for number in range(ROUNDS):
            id = f"bench {number}"
            answered(client, id, ours)
            for step, (key, value) in enumerate(BRIDGE, 1):
                began = time.perf_counter()
                sent = other.post(f"/card{step}", params={"id": id}, data={key: value})
                theirs.append(time.perf_counter() - began)
                sent.raise_for_status()
    ratio("a step's server time / plain FastHTML", ours[9:], theirs[9:], 1.3)


CLICK = """number => new Promise(resolve => {
    const began = performance.now();
    const look = () => {
        const name = number > 3 ? '#result' : `#card${number}[data-current]`;
        const card = document.querySelector(name);
        const seen = card && card.getBoundingClientRect().height;
        if (seen && card.contains(document.activeElement)) resolve(performance.now() - began);
        else requestAnimationFrame(look);
    };
    document.querySelector(`#card${number - 1} [type=submit]`).click();
    look();
})"""


def browser_time(server: Server) -> None:
    """Measure the first page's bytes, and from a click on Next to the next card in focus."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH_ARGS)
        page = browser.new_page()
        first_page(server, page)
        times = sorted(clicks(server, page)[3:])
        median = statistics.median(times)
        late = times[int(len(times) * 0.9)]
        name = "click on Next to next card visible and focused, ms"
        row(name, f"median {median:.0f}, p90 {late:.0f}", "<= 60", median <= 60)
        browser.close()


def first_page(server: Server, page: Page) -> None:
    """Print how much the first page takes over the wire."""
    finished: list[Any] = []

    def note(request: Any) -> None:
        finished.append(request)

    page.on("requestfinished", note)
    page.goto(f"{server.url}/introduction")
    page.wait_for_load_state("networkidle")
    page.remove_listener("requestfinished", note)
    sizes = {request.url: request.sizes()["responseBodySize"] / 1024 for request in finished}
    total = sum(sizes.values())
    script = sum(size for url, size in sizes.items() if url.endswith(".js"))
    count = f"{total:.0f} in {len(sizes)} requests"
    row("first page as sent, KB", count, "<= 150", total <= 150)
    row("  of it script, KB", f"{script:.0f}", "<= 80", script <= 80)


def clicks(server: Server, page: Page) -> list[float]:
    """Return the milliseconds of each click on Next in fifteen runs."""
    times = []
    for number in range(15):
        page.goto(f"{server.url}/bridge")
        page.fill("#run-id", f"click {number}")
        page.press("#run-id", "Enter")
        page.wait_for_selector("#card1[data-current]")
        page.wait_for_load_state()  # before htmx is there a click would post the form the plain way
        for step, name in enumerate(("name", "quest", ""), 1):
            if name:
                page.fill(f"[name={name}]", "x")
            times.append(page.evaluate(CLICK, step + 1))
    return times


def main() -> None:
    """Print the table."""
    os.environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # where it is set, ours is compiled at each start
    with tempfile.TemporaryDirectory(dir=".") as name:
        server = Server(Path(name), free_port())
        peer = Peer(Path(name), free_port())
        try:
            starts(server, peer)
            page_time(server, peer)
            step_time(server, peer)
            browser_time(server)
            mine = memory(server)
            row("memory after all this, MB (PSS)", f"{mine:.0f}", "<= 120", mine <= 120)
        finally:
            server.stop()
            peer.kill()


if __name__ == "__main__":
    main()
