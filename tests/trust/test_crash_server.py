"""kill -9 of the real server while clients answer cards, upload, list tasks, have things
remembered and chat, and while a job works: nothing acknowledged is lost, nothing half-written is
shown, nothing done twice.
"""

import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.engine.kept import files_in
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.values import file_of
from tests.chat.scripted import ScriptedModel
from tests.server import LOOKS, Server, answer, begin, free_port, revision
from tests.trust.table import chance as by_chance
from tests.trust.table import times, tried

LEDGER = '''
"""A job whose outward acts leave a trace in a file, so that doing one twice shows."""
import asyncio
from pathlib import Path
from fasthtml.common import Input, P
from pipulate import Workflow

flow = Workflow("ledger")
TRACE = Path({trace!r})

@flow.step("go", "Go?")
def go(run):
    return Input(name="go", required=True)

@flow.work("acts", "Thirty acts")
async def acts(run, job):
    for number in range(30):
        job.progress(number / 30, f"act {{number}}")
        async def act(number=number):
            with TRACE.open("a") as file:
                file.write(f"{{run.id}} {{number}}\\n")
            return number
        async def find(number=number):
            if TRACE.exists() and f"{{run.id}} {{number}}\\n" in TRACE.read_text():
                return number
        await job.once(f"act {{number}}", act, find=find)
        await asyncio.sleep(0.01)
    return {{"acts": 30}}

@flow.result
def result(run):
    return P("All acts are done.")
'''


PAPERS = '''
"""A run that takes a file."""
from fasthtml.common import Input, P
from pipulate import Workflow

flow = Workflow("papers")

@flow.step("paper", "Paper")
def paper(run):
    return Input(type="file", name="paper", required=True)

@flow.result
def result(run):
    return P(f"It has {run['paper'].size} bytes.")
'''
END = "and that is all of it."
Heard = dict[str, Any]  #: what was acknowledged, by a name


# --- five kinds of clients; each tries one thing, and notes what was acknowledged


def play_cards(client: httpx2.Client, name: str, heard: Heard) -> None:
    """Answer the cards of one run."""
    rev = begin(client, "bridge", name)
    given = {"name": f"name {name}", "quest": f"quest {name}", "color": "blue"}
    for step, (key, value) in enumerate(given.items(), 1):
        reply = answer(client, "bridge", name, step, rev, **{key: value})
        assert reply.status_code == 200
        heard.setdefault(name, {})[f"step_{step:02d}"] = value
        rev = revision(reply.text)


def play_uploads(client: httpx2.Client, name: str, heard: Heard) -> None:
    """Answer with a file."""
    rev = begin(client, "papers", name)
    content = f"{name},".encode() * 40_000
    reply = client.post(
        "/papers/card1",
        params={"id": name},
        data={"pipulate-rev": rev},
        files={"paper": (f"{name}.csv", content)},
    )
    assert reply.status_code == 200
    heard[name] = content


def play_tasks(client: httpx2.Client, name: str, heard: Heard) -> None:
    """Add a task."""
    assert client.post("/tasks", data={"name": name}).status_code == 200
    heard[name] = name


def play_memory(client: httpx2.Client, name: str, heard: Heard) -> None:
    """Have something remembered."""
    sent = {"key": name, "content": f"{name} is known"}
    assert client.post("/memory", data=sent).status_code == 303
    heard[name] = f"{name} is known"


def play_chat(client: httpx2.Client, name: str, heard: Heard) -> None:
    """Say something to the model."""
    assert client.post("/chat/send", data={"text": name}).status_code == 204
    heard[name] = name


# --- what is there of it afterwards


def found_cards(engine: Pipulate, heard: Heard) -> Heard:
    """Return the acknowledged steps as they stand."""
    bridge = engine.for_workflow("bridge")
    return {
        id: {step: [*bridge.get_step_data(id, step).values()][-1:] for step in steps}
        for id, steps in heard.items()
    }


def found_uploads(engine: Pipulate, heard: Heard) -> Heard:
    """Return the files' content, as the records name them."""
    found = {}
    for id in heard:
        data = engine.for_workflow("papers").get_step_data(id, "step_01")
        (item,) = files_in(data)
        found[id] = file_of(item, engine.store.folder).path.read_bytes()
    return found


def found_rows(sql: str) -> Callable[[Pipulate, Heard], Heard]:
    """Return a function that finds rows by their first column, once each."""

    def find(engine: Pipulate, heard: Heard) -> Heard:
        rows = engine.store.connection.execute(sql).fetchall()
        return {key: value for key, value in rows if key in heard}

    return find


KINDS: dict[str, tuple[Callable[..., None], Callable[..., Heard]]] = {
    "cards": (play_cards, found_cards),
    "uploads": (play_uploads, found_uploads),
    "tasks": (play_tasks, found_rows("SELECT name, name FROM task")),
    "memory": (play_memory, found_rows("SELECT key, content FROM memory")),
    "chat": (
        play_chat,
        found_rows("SELECT content, content FROM message WHERE role = 'user'"),
    ),
}


def play(server: Server, kind: str, heard: Heard, stop: threading.Event) -> None:
    """Try the next thing until told to stop."""
    number = 0
    while not stop.is_set():
        number += 1
        try:
            with server.client() as client:
                while not stop.is_set():
                    KINDS[kind][0](client, f"{kind}-{number}", heard)
                    number += 1
        except (httpx2.TransportError, AssertionError):
            time.sleep(0.02)


def crash(folder: Path, kills: int) -> None:
    """Kill the server `kills` times while five clients are at it; then compare what they were
    told with what is on disk.
    """
    (folder / "workflows").mkdir()
    (folder / "workflows" / "papers.py").write_text(PAPERS)
    chance = by_chance(kills)
    stop = threading.Event()
    heard: dict[str, Heard] = {kind: {} for kind in KINDS}

    def enough() -> bool:
        return min(map(len, heard.values())) > kills / 4 and len(heard["cards"]) > kills / 2

    with ScriptedModel(otherwise=lambda body: f"This is a long answer {END}") as model:
        server = Server(folder, free_port(), "--model", f"{model.url}/v1").start()
        players = [
            threading.Thread(target=play, args=(server, kind, heard[kind], stop)) for kind in KINDS
        ]
        for player in players:
            player.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, 0.6))
            tried()
            server.kill()
            server.start()
        for _ in range(LOOKS):
            if enough():
                break
            time.sleep(0.05)
        stop.set()
        for player in players:
            player.join()
        server.kill()
    assert enough(), {kind: len(told) for kind, told in heard.items()}
    assert "Traceback" not in server.log()
    compare(Pipulate.open(folder / "data", "bridge"), heard)


def compare(engine: Pipulate, heard: dict[str, Heard]) -> None:
    """All that was acknowledged is there, and all that is there is whole."""
    told = heard["cards"].items()
    heard["cards"] = {id: {step: [value] for step, value in steps.items()} for id, steps in told}
    for kind, (_, found) in KINDS.items():
        there = found(engine, heard[kind])
        lost = {name: value for name, value in heard[kind].items() if there.get(name) != value}
        assert not lost, kind
    for file in engine.store.folder.glob("uploads/*/[!.]*"):
        assert sha256(file.read_bytes()).hexdigest().startswith(file.parent.name)
    for row in engine.store.read("SELECT content FROM message WHERE role = 'assistant'"):
        assert row["content"].endswith(END)
    assert engine.store.connection.pragma("integrity_check") == "ok"
    engine.store.close()


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path):
    """Three kills in mid-flight."""
    crash(tmp_path, 3)


@pytest.mark.trust("Server killed under five kinds of clients: nothing acknowledged is lost")
def test_a_hundred_kills_of_the_server(tmp_path):
    """The long form."""
    crash(tmp_path, times(100))


def test_a_killed_job_goes_on_by_itself_and_repeats_nothing(tmp_path):
    """The job resumes at the next start without a browser; each act is done exactly once.

    A kill in the moment between an act's intention and the act leaves a doubt that is the user's to
    settle: by the button.
    """
    trace = tmp_path / "trace.txt"
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "ledger.py").write_text(LEDGER.format(trace=str(trace)))
    server = Server(tmp_path, free_port()).start()
    with server.client() as client:
        rev = begin(client, "ledger", "books")
        assert "Cancel" in answer(client, "ledger", "books", 1, rev, go="yes").text
    for _ in range(3):
        time.sleep(0.12)
        server.kill()
        server.start()
    with server.client() as client:
        for _ in range(LOOKS):
            reply = client.get("/ledger/card2/progress", params={"id": "books"})
            if "All acts are done." in reply.text:
                break
            if "Do it again" in reply.text:
                assert client.post("/ledger/repeat2", params={"id": "books"}).status_code == 200
            time.sleep(0.05)
        page = client.get("/ledger", params={"id": "books"}).text
    server.stop()
    assert "All acts are done." in page
    done = trace.read_text().splitlines()
    assert sorted(done) == sorted(f"books {number}" for number in range(30))


def test_a_second_server_on_the_same_folder_says_where_the_first_is(tmp_path):
    """One data folder, one server; the lock ends with its holder, however that ends."""
    first = Server(tmp_path, free_port()).start()
    second = Server(tmp_path, free_port())
    with pytest.raises(AssertionError, match=f"at {first.url}"):
        second.start()
    first.kill()
    Server(tmp_path, free_port()).start().stop()


def test_an_open_page_goes_on_after_the_server_was_killed(tmp_path):
    """The form of a page that was open during the crash is accepted by the next server."""
    server = Server(tmp_path, free_port()).start()
    with server.client() as client:
        rev = begin(client, "bridge", "open")
        server.kill()
        server.start()
        assert 'id="card2"' in answer(client, "bridge", "open", 1, rev, name="Arthur").text
    server.stop()
