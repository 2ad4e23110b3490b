"""Secrets by their canaries: over disk, log, wire, prompts and exports of the real server.

KEPT   Botify's token and the agents' key in a file each, the model's key in the database: there,
       and in the database's backups, is the only place of each.
USED   Every address is asked, the model speaks with its key, an export is made, a command run.
OTHERS of this machine read nothing: after a whole session, begun by somebody whose umask forbids
       nothing, each file and folder is looked at.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from pipulate.app import create_app
from pipulate.engine import private
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from tests.addresses import addresses
from tests.chat.scripted import ScriptedModel
from tests.server import Server, begin, free_port, revision
from tests.trust.table import tried

TOKEN = "canary0123456789abcdef0123456789abcdef01"
MODEL_KEY = "sk-canary-9876543210fedcba"


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Give a model that asks for a key."""
    with ScriptedModel(otherwise=lambda asked: "Understood.", key=MODEL_KEY) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give the real server, connected, its log at its most talkative."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "botify_token").write_text(TOKEN + "\n")
    (data / "botify_token").chmod(0o600)
    started = Server(tmp_path, free_port(), "--botify", "http://127.0.0.1:9").start()
    yield started
    started.stop()


def use(server: Server, model: ScriptedModel) -> list[str]:
    """Do what a user does and ask for every address; return all that came over the wire."""
    heard: list[str] = []

    def hear(reply: httpx2.Response) -> None:
        reply.read()
        heard.append(f"{reply.url.path} {reply.headers}{reply.text}")

    with server.client() as client:
        client.event_hooks["response"].append(hear)
        given = {"url": f"{model.url}/v1", "name": "scripted:1b", "key": MODEL_KEY, "explain": "on"}
        client.post("/settings/model", data=given)
        client.post("/settings/mcp")
        rev = begin(client, "bridge", "arthur")
        said = {"name": f"token {TOKEN}", "pipulate-rev": rev}
        client.post("/bridge/card1", params={"id": "arthur"}, data={**said, "name": "Arthur"})
        client.post("/chat/send", data={"text": f"My token is {TOKEN}, my key {MODEL_KEY}. Safe?"})
        model.asked.wait(60)
        client.post("/chat/new")
        client.post("/chat/delete/1")
        client.post("/settings/backup")
        app = create_app(Settings(server.folder / "scratch", workflows=(PACKAGE / "workflows",)))
        with closing(app.state.store):
            asked = addresses(app, "GET")
        for address in asked:
            if not address.startswith(("/stream/events", "/chat")):
                tried()
                client.get(address)
                client.get(address, headers={"HX-Request": ""})
        for path in ("/settings/nothing", "/bridge?id=%00", "/connect?error=x", "/mcp"):
            tried()
            client.post(path, data={"token": "x" * 40})
    return heard


def export(server: Server) -> str:
    """Return what the command line exports and prints."""
    told = ""
    where = ["--data", str(server.folder / "data"), "--downloads", str(server.folder / "d")]
    for command in (["runs", "list"], ["runs", "export"], ["doctor"], ["soul", "export"]):
        tried()
        done = subprocess.run(
            [sys.executable, "-m", "pipulate", *where, *command],
            capture_output=True,
            text=True,
            check=False,
        )
        told += done.stdout + done.stderr
    return told


def holding(folder: Path, secret: str) -> set[str]:
    """Return the names of the files that hold the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    tried(len(files))
    return {path.name for path in files if secret.encode() in path.read_bytes()}


@pytest.mark.trust("Secrets: in no page, log, prompt, export; on disk at their place alone")
def test_canaries_are_seen_nowhere(server: Server, model: ScriptedModel) -> None:
    """Three secrets, everywhere a secret could get to."""
    heard = use(server, model)
    told = export(server)
    key = (server.folder / "data" / "mcp_token").read_text().strip()
    server.stop()
    assert model.requests and TOKEN not in json.dumps(model.requests)
    assert MODEL_KEY not in json.dumps(model.requests)
    shown = {it.split(" ")[0] for it in heard if key in it}
    for secret in (TOKEN, MODEL_KEY):
        assert secret not in told and secret not in server.log()
    told_again = [it for it in heard if "My token is" not in it]
    assert not [it for it in told_again if TOKEN in it or MODEL_KEY in it]
    assert key not in told and key not in server.log()
    assert shown == {"/settings/mcp"}  # the one answer to who made it
    data = server.folder / "data"
    held = {name for name in holding(data, TOKEN) if not name.startswith("pipulate")}
    assert held == {"botify_token"}  # what the user said in the chat is in the database
    assert holding(data, key) == {"mcp_token"}
    assert all(name.startswith("pipulate") for name in holding(data, MODEL_KEY))
    for name in ("botify_token", "mcp_token"):
        assert (data / name).stat().st_mode & 0o077 == 0


# --- others of this machine


@pytest.fixture
def careless() -> Iterator[None]:
    """Let whoever starts something forbid nobody anything."""
    before = os.umask(0)
    yield
    os.umask(before)


LINKS = b"source,target\nhttps://a.example/,https://a.example/b\n" * 3
#: What a person does in a terminal; {0} is the folder of it all.
COMMANDS = """
    --demo run link_graph --id https://app.botify.com/demo/shop/ analysis=latest
    run explore_csv --id site links={0}/links.csv
    run bridge --id lancelot name=Lancelot quest=grail color=blue
    run makes --id arthur
    runs export --to {0}/data/exported.zip
    runs import {0}/data/exported.zip
    graph report {0}/links.csv --out {0}/data/report
    backup
    backup {0}/data/elsewhere.db
    soul export {0}/data/soul.jsonl
    soul import {0}/data/soul.jsonl
    mcp
    model get --file {0}/links.csv
    new mine
    restore
    doctor"""
MAKES = """
import asyncio
from pipulate import Workflow
flow = Workflow("makes", title="Makes files")
@flow.work("make", "Make")
def make(run, job):
    run.file("made.csv").write_text("a")
    return {"made": run.file("made.csv")}
"""


def spend_a_day(folder: Path, model: ScriptedModel) -> None:
    """Use everything that writes a file: in the browser, then in a terminal."""
    (folder / "workflows").mkdir(exist_ok=True)
    (folder / "workflows" / "makes.py").write_text(MAKES)
    (folder / "links.csv").write_bytes(LINKS)
    started = Server(folder, free_port(), "--botify", "http://127.0.0.1:9").start()
    try:
        use(started, model)
        with started.client() as client:
            rev = begin(client, "explore_csv", "uploaded")
            sent = client.post(
                "/explore_csv/card1",
                params={"id": "uploaded"},
                data={"pipulate-rev": rev},
                files={"links": ("links.csv", LINKS)},
            )
            assert revision(sent.text) != rev
            zipped = client.get("/runs/export").content
            client.post("/runs/import/upload", files={"file": ("runs.zip", zipped)})
            client.post("/memory", data={"key": "grail", "content": "is known"})
            client.post("/tasks", data={"name": "seek"})
            client.get("/memory/soul.jsonl")
            there = {path.name for path in (folder / "data").iterdir()}
            assert {"pipulate.db-wal", "pipulate.db-shm", "server.lock"} <= there
            assert private.opened(folder / "data") == []  # as it is made, not at the end
    finally:
        started.stop()
    for line in COMMANDS.strip().splitlines():
        tried()
        done = terminal(folder, *line.format(folder).split())
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == ("model get" in line), done.stderr  # its hash is another


def terminal(
    folder: Path, *command: str, start: tuple[str, ...] = ("-m", "pipulate")
) -> "subprocess.CompletedProcess[str]":
    """Run a command."""
    named = ("data", "downloads", "workflows")
    where = [word for name in named for word in (f"--{name}", str(folder / name))]
    return subprocess.run(
        [sys.executable, *start, *where, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )


@pytest.mark.usefixtures("careless")
@pytest.mark.trust("Data: no file or folder that others of this machine may read or write")
def test_others_of_this_machine_read_nothing(tmp_path: Path, model: ScriptedModel) -> None:
    """A data folder that stood open, as that of 0.1.0, and all that a day adds to it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "botify_token").write_text(TOKEN + "\n")
    spend_a_day(tmp_path, model)
    for name in ("data", "downloads"):
        there = [*(tmp_path / name).rglob("*")]
        tried(len(there))
        assert private.opened(tmp_path / name) == []
    made = {path.name for path in (tmp_path / "data").rglob("*")}
    parts = {"uploads", "files", "backups", "log", "locks", "models", "demo", "report"}
    assert parts <= made and {"pipulate.db", "mcp_token", "soul.jsonl"} <= made
    assert private.is_open(tmp_path / "links.csv")  # or nothing of this would be found


FORGOTTEN = """
import os, sys
os.umask = lambda mask: 0
from pipulate.cli import main
main(sys.argv[1:])
"""


@pytest.mark.usefixtures("careless")
@pytest.mark.trust("Planted bug found: a process that leaves files to others")
def test_a_process_that_is_careless_is_found(tmp_path: Path) -> None:
    """A planted bug: a command that sets no umask; what a workflow writes is found open."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "makes.py").write_text(MAKES)
    terminal(tmp_path, "run", "makes", "--id", "arthur", start=("-c", FORGOTTEN))
    assert {path.name for path in private.opened(tmp_path / "data")} >= {"made.csv"}


@pytest.mark.trust("Planted bug found: a secret in the log")
def test_a_secret_in_a_log_is_found(tmp_path: Path) -> None:
    """A planted bug: the log holds what the token file holds."""
    store = Store(tmp_path / "data" / "pipulate.db")
    store.close()
    (tmp_path / "data" / "pipulate.log").write_text(f"connected with {TOKEN}")
    assert holding(tmp_path / "data", TOKEN) == {"pipulate.log"}
