"""The web part: a step's server time against plain FastHTML, cold start, first page, memory, click to next card.

PEER   The same three questions in plain FastHTML without a framework (below): it renders the same two cards and keeps
       its answers in the same kind of SQLite file (WAL, synchronous=FULL), one durable commit a step.
Both servers run in child processes, the requests alternate between them, medians are compared.
"""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import sync_playwright

from tests.chromium import LAUNCH_ARGS, find_chromium
from tests.server import Server, answer, begin, revision

ROUNDS = 60

PEER = """
import json, sys
import apsw, uvicorn
from fasthtml.common import FastHTML, Article, Button, Div, Form, H2, Header, Hidden, Input, P, Small, Span, Footer
from starlette.requests import Request
db = apsw.Connection(sys.argv[2])
db.pragma("journal_mode", "wal"); db.pragma("synchronous", "FULL")
db.execute("CREATE TABLE run (id TEXT PRIMARY KEY, data TEXT)")
app = FastHTML(default_hdrs=False, canonical=False, surreal=False, htmx=False, sess_cls=None, secret_key="x")
QUESTIONS = ("name", "quest", "color")
def open_card(n, id):
    if n > 3:
        return Article(H2("Result"), P("Right. Off you go."), id="result")
    url = f"/card{n}?id={id}"
    return Article(Header(Span(str(n)), H2(f"What... is your {QUESTIONS[n - 1]}?")),
        Form(Input(name=QUESTIONS[n - 1], required=True), Footer(Button("Next")), hx_post=url, action=url, method="post", hx_target=f"#card{n}", hx_swap="outerHTML"), id=f"card{n}")
def done_card(n, value):
    return Article(Span("v"), Div(Small(f"What... is your {QUESTIONS[n - 1]}?"), Div(value)), Form(Button("Change"), hx_post="/revert"), id=f"card{n}")
@app.route("/card{n}", methods=["POST"])
async def card(request: Request, n: int, id: str):
    form = await request.form()
    with db:
        row = db.execute("SELECT data FROM run WHERE id = ?", (id,)).fetchone()
        data = json.loads(row[0]) if row else {}
        data[f"step_{n:02d}"] = {QUESTIONS[n - 1]: form[QUESTIONS[n - 1]]}
        db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (id, json.dumps(data)))
    return done_card(n, form[QUESTIONS[n - 1]]), open_card(n + 1, id), Hidden("1", id="rev", hx_swap_oob="true"), Div(id="undo", hx_swap_oob="true")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", http="h11", access_log=False)
"""


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def row(name: str, value: str, limit: str, good: bool) -> None:
    """Print one line of the table."""
    print(f"  {name:<52} {value:>22}   {limit:<24} {'ok' if good else 'MISSED'}")


def step_time(folder: Path, server: Server) -> None:
    """Compare the time of one answered step."""
    port = free_port()
    script = folder / "peer.py"
    script.write_text(PEER)
    peer = subprocess.Popen([sys.executable, str(script), str(port), str(folder / "peer.db")])
    ours, plain = [], []
    try:
        with (
            server.client() as client,
            httpx2.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"HX-Request": "true"}
            ) as other,
        ):
            for _ in range(200):
                try:
                    other.get("/")
                    break
                except httpx2.TransportError:
                    time.sleep(0.05)
            for number in range(ROUNDS):
                id = f"bench {number}"
                rev = begin(client, "bridge", id)
                for step, (key, value) in enumerate(
                    (("name", "Arthur"), ("quest", "Grail"), ("color", "blue")), 1
                ):
                    began = time.perf_counter()
                    reply = answer(client, "bridge", id, step, rev, **{key: value})
                    ours.append(time.perf_counter() - began)
                    rev = revision(reply.text)
                    began = time.perf_counter()
                    other.post(
                        f"/card{step}", params={"id": id}, data={key: value}
                    ).raise_for_status()
                    plain.append(time.perf_counter() - began)
    finally:
        peer.kill()
    mine, theirs = statistics.median(ours[9:]) * 1000, statistics.median(plain[9:]) * 1000
    row(
        "a step's server time / plain FastHTML",
        f"{mine:.1f} / {theirs:.1f} ms = {mine / theirs:.2f}",
        "<= 1.3",
        mine / theirs <= 1.3,
    )


def browser_time(server: Server) -> None:
    """Measure from click on Next to the next card visible and focused, and the bytes of the first page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH_ARGS)
        page = browser.new_page()
        finished: list[Any] = []

        def note(request: Any) -> None:
            finished.append(request)

        page.on("requestfinished", note)
        page.goto(f"{server.url}/introduction")
        page.wait_for_load_state("networkidle")
        page.remove_listener("requestfinished", note)
        sizes = {request.url: request.sizes()["responseBodySize"] for request in finished}
        total, script = (
            sum(sizes.values()) / 1024,
            sum(v for k, v in sizes.items() if k.endswith(".js")) / 1024,
        )
        row(
            "first page as sent, KB",
            f"{total:.0f} in {len(sizes)} requests",
            "<= 150",
            total <= 150,
        )
        row("  of it script, KB", f"{script:.0f}", "<= 80", script <= 80)
        times = []
        script_text = """number => new Promise(resolve => {
            const began = performance.now();
            const look = () => {
                const card = document.querySelector(number > 3 ? '#result' : `#card${number}[data-current]`);
                if (card && card.contains(document.activeElement) && card.getBoundingClientRect().height) resolve(performance.now() - began);
                else requestAnimationFrame(look);
            };
            document.querySelector(`#card${number - 1} [type=submit]`).click();
            look();
        })"""
        for number in range(15):
            page.goto(f"{server.url}/bridge")
            page.fill("#run-id", f"click {number}")
            page.press("#run-id", "Enter")
            page.wait_for_selector("#card1[data-current]")
            page.wait_for_load_state()  # a click before htmx is there would post the form the plain way
            for step, name in enumerate(("name", "quest", ""), 1):
                if name:
                    page.fill(f"[name={name}]", "x")
                times.append(page.evaluate(script_text, step + 1))
        median = statistics.median(times[3:])
        row(
            "click on Next to next card visible and focused, ms",
            f"median {median:.0f}, p90 {sorted(times)[int(len(times) * 0.9)]:.0f}",
            "<= 60",
            median <= 60,
        )
        browser.close()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        starts = []
        server = Server(folder, free_port())
        for _ in range(4):
            began = time.perf_counter()
            server.start()
            httpx2.get(f"{server.url}/introduction", timeout=20).raise_for_status()
            starts.append(time.perf_counter() - began)
            if len(starts) < 4:
                server.stop()
        row(
            "cold start to first page, s (first / warm median)",
            f"{starts[0]:.1f} / {statistics.median(starts[1:]):.1f}",
            "<= 3",
            statistics.median(starts[1:]) <= 3,
        )
        step_time(folder, server)
        browser_time(server)
        status = (
            Path(f"/proc/{server.process.pid}/smaps_rollup").read_text() if server.process else ""
        )
        memory = (
            int(next(line for line in status.splitlines() if line.startswith("Pss:")).split()[1])
            / 1024
        )
        row("memory after all this, MB (PSS)", f"{memory:.0f}", "<= 120", memory <= 120)
        server.stop()


if __name__ == "__main__":
    main()
