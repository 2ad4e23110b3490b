"""kill -9 of the real server while a client answers cards and a job works:
nothing acknowledged is lost, nothing done twice.
"""

import threading
import time
from pathlib import Path

import httpx2
import pytest

from pipulate.engine.pipeline import Pipulate
from tests.server import LOOKS, Server, answer, begin, free_port, revision
from tests.trust.table import chance as by_chance
from tests.trust.table import tried

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


def play(
    server: Server, acknowledged: dict[str, dict[str, str]], stop: threading.Event, seed: int
) -> None:
    """Answer cards until told to stop, noting each answer that the next card acknowledged."""
    chance, number = by_chance(seed), 0
    while not stop.is_set():
        number += 1
        id = f"{seed}-{number}"
        try:
            with server.client() as client:
                rev = begin(client, "bridge", id)
                for step, key in enumerate(("name", "quest", "color"), 1):
                    value = (
                        chance.choice(["blue", "red"])
                        if key == "color"
                        else f"{key} {chance.random()}"
                    )
                    reply = answer(client, "bridge", id, step, rev, **{key: value})
                    if reply.status_code == 200:
                        acknowledged.setdefault(id, {})[f"step_{step:02d}"] = value
                        rev = revision(reply.text)
        except (httpx2.TransportError, AssertionError):
            time.sleep(0.02)


def crash(folder: Path, kills: int) -> None:
    """Kill the server `kills` times while two clients answer; then compare with what is on disk."""
    server, acknowledged = Server(folder, free_port()), {}
    chance = by_chance(kills)
    stop = threading.Event()
    players = [
        threading.Thread(target=play, args=(server, acknowledged, stop, seed)) for seed in (1, 2)
    ]
    server.start()
    for player in players:
        player.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 0.6))
        tried()
        server.kill()
        server.start()
    for _ in range(LOOKS):
        if sum(map(len, acknowledged.values())) > kills:
            break
        time.sleep(0.05)
    stop.set()
    for player in players:
        player.join()
    server.kill()
    assert sum(map(len, acknowledged.values())) > kills
    engine = Pipulate.open(folder / "data", "bridge")
    lost = {
        (id, step): value
        for id, steps in acknowledged.items()
        for step, value in steps.items()
        if value not in engine.get_step_data(id, step).values()
    }
    assert not lost
    assert engine.store.connection.pragma("integrity_check") == "ok"
    engine.store.close()


def test_no_acknowledged_answer_is_lost_when_the_server_is_killed(tmp_path):
    """Three kills in mid-flight."""
    crash(tmp_path, 3)


@pytest.mark.trust("Server killed: no acknowledged answer is lost")
def test_a_hundred_kills_of_the_server(tmp_path):
    """The long form."""
    crash(tmp_path, 100)


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
