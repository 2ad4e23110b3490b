"""Runs from elsewhere name any file: nothing is opened by a path that a record claims.

A file with a secret lies beside the data folder.  Runs are imported whose answers name it in
every way there is, in every workflow; then all is done to them that a page, another device or
a command can do.  Python tells of each file that is opened (`sys.addaudithook`).
"""

import asyncio
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.app import create_app
from pipulate.engine import host
from pipulate.engine.settings import PACKAGE, Settings
from tests.trust.table import tried

HERE = "http://127.0.0.1:5001"
SECRET = "salary-of-the-boss-4711"
opened: list[str] = []
watching: list[str] = []


def _note(event: str, arguments: Any) -> None:
    if event in ("open", "os.listdir", "os.scandir") and watching:
        path = str(arguments[0])
        if watching[0] in path:
            opened.append(path)


sys.addaudithook(_note)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """Give a file beside the data folder that nobody may open, and watch it."""
    folder = tmp_path / "private"
    folder.mkdir()
    file = folder / "salaries.csv"
    file.write_text(f"source,target\n{SECRET},4711\n")
    (tmp_path / "link.csv").symlink_to(file)
    opened.clear()
    watching[:] = [str(folder)]
    yield file
    watching.clear()


def claims(secret: Path) -> list[Any]:
    """Return what may stand for a file in a record, as texts and as files are held."""
    content = secret.read_bytes()
    opened.clear()
    sha256 = hashlib.sha256(content).hexdigest()
    paths = [
        str(secret),
        f"../private/{secret.name}",
        f"uploads/../../private/{secret.name}",
        f"uploads/{sha256[:16]}/../../../private/{secret.name}",
        str(secret.parent.parent / "link.csv"),
        f"file://{secret}",
        f"{secret}\0.csv",
        str(secret.parent),
        "/etc/passwd",
        "../..",
        "~",
    ]
    names = [secret.name, f"../../../private/{secret.name}", str(secret), "..", ".", ""]
    sums = [sha256, "0" * 64, f"../../private{'/' * 51}"]
    files = [
        {"file": name, "path": path, "size": len(content), "sha256": digest}
        for name in names
        for digest in sums
        for path in (paths[0], f"uploads/{sha256[:16]}/{secret.name}", "files/../../private")
    ]
    return [*paths, *files, [files[0], paths[0]], {"pipulate-large": files[0]}]


#: Workflow, and a record of it whose answers hold a claim wherever there may be a file.
RUNS = {
    "petite": lambda claim: {
        "step_01": {"site": "https://a.example", "contact": "", "text": "x", "due": None},
        "step_02": {"market": "Europe", "goals": [], "pace": "Calm", "effort": "5", "report": ""},
        "step_03": {"table": claim, "hours": 8},
    },
    "work": lambda claim: {"step_01": {"folder": claim, "pause": 0}},
    "explore_csv": lambda claim: {
        "step_01": {"links": claim, "pages": claim, "links_path": claim, "pages_path": claim}
    },
    "link_graph": lambda claim: {
        "step_01": {"project": "https://app.botify.com/a/b/"},
        "step_02": {"analysis": claim},
        "step_04": {"analysis": claim, "tables": claim, "links_csv": claim},
    },
    "bridge": lambda claim: {"step_01": {"name": claim}},
    "poet": lambda claim: {"step_01": {"topic": claim}},
    "byhand": lambda claim: {"step_01": {"name": claim}},
}


def line(workflow: str, id: str, claim: Any) -> bytes:
    """Return a run as an export has it, whose answers and made files are claims."""
    record = RUNS[workflow](claim)
    if isinstance(claim, dict) and "file" in claim:
        asked = {place: {"key": place, "fields": {}, "files": [claim]} for place in record}
        record = {**record, "asked": asked}
    return json.dumps({"workflow": workflow, "id": id, "record": record}).encode()


def packed(lines: bytes) -> bytes:
    """Return an export as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("runs.jsonl", lines)
    return out.getvalue()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of the app at home."""
    settings = Settings(
        tmp_path / "data", tmp_path / "downloads", workflows=(PACKAGE / "workflows",)
    )
    app = create_app(settings)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    own = {"Origin": HERE, "HX-Request": "true"}
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=own) as made:
        made.app = app  # type: ignore[attr-defined]
        yield made
    await app.state.jobs.close()
    app.state.store.close()


async def try_all(client: httpx2.AsyncClient, workflow: str, id: str) -> list[httpx2.Response]:
    """Do to a run whatever a page can; return the answers."""
    at = {"params": {"id": id}}
    own = f"/{workflow}"
    said = [await client.get(own, headers={"HX-Request": ""}, **at)]
    for number in (1, 2, 3, 4):
        said.append(await client.get(f"{own}/card{number}", **at))
        said.append(await client.get(f"{own}/card{number}/progress", **at))
    for name in ("salaries.csv", "..%2f..%2fsalaries.csv"):
        said.append(await client.get(f"{own}/file/{name}", params={"id": id, "step": "step_01"}))
    steps = getattr(client.app.state.found.get(workflow), "steps", [])  # type: ignore[attr-defined]
    for step in [step for step in steps if step.work]:
        said.append(await client.post(f"{own}/start{step.number}", **at))
        with suppress(Exception):
            await client.app.state.jobs.wait((workflow, id, step.key))  # type: ignore[attr-defined]
        said.append(await client.get(own, **at))
    where = {"workflow": workflow, "id": id}
    said.append(await client.get("/runs/export", params=where))
    said.append(await client.post(f"{own}/revert1", **at))
    said.append(await client.get(own, **at))
    return said


async def attack(
    client: httpx2.AsyncClient, secret: Path, workflows: list[str], every: int = 1
) -> None:
    """Import each claim into each workflow; nothing comes of it but sentences."""
    for workflow in workflows:
        for number, claim in enumerate(claims(secret)[::every]):
            tried()
            id = f"claim {number}"
            sent = line(workflow, id, claim)
            given = {"file": ("runs", packed(sent) if number % 2 else sent)}
            reply = await client.post("/runs/import/upload", files=given)
            assert reply.status_code in (303, 422), reply.text
            said = await try_all(client, workflow, id)
            assert not [it for it in said if SECRET in it.text], (workflow, claim)
            server = [it for it in said if it.status_code >= 500]
            assert not server, (workflow, claim, server[0].url, server[0].text[-900:])
            assert not opened, (workflow, claim, opened)
    listed = await client.get("/runs")
    found = await asyncio.to_thread(secrets_in, secret.parent.parent / "data")
    assert SECRET not in listed.text and not found


def secrets_in(folder: Path) -> list[str]:
    """Return the files below a folder that hold the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if SECRET.encode() in path.read_bytes()]


async def test_a_path_in_an_imported_run_is_a_claim(
    client: httpx2.AsyncClient, secret: Path
) -> None:
    """A short form: the workflow that shows a table."""
    await attack(client, secret, ["petite"], every=7)


@pytest.mark.trust("A path in an imported run is a claim: no file is opened by it")
async def test_no_workflow_opens_what_an_imported_run_names(
    client: httpx2.AsyncClient, secret: Path
) -> None:
    """Every workflow, every way to name a file, every act."""
    await attack(client, secret, list(RUNS))


async def test_a_planted_trust_in_paths_is_found(
    client: httpx2.AsyncClient, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a run from elsewhere counted as one of here, the attack would say so."""
    monkeypatch.setattr(host, "is_imported", lambda run: False)
    with pytest.raises(AssertionError, match=r"salaries|private"):
        await attack(client, secret, ["work"])


async def test_the_watch_tells_what_is_opened(secret: Path) -> None:
    """Else nothing would ever be found."""
    secret.read_text()
    assert opened == [str(secret)]


async def test_what_is_typed_here_is_opened(client: httpx2.AsyncClient, secret: Path) -> None:
    """The owner may mean what the import says: then the answer is given again."""
    sent = line("work", "claim", str(secret.parent))
    await client.post("/runs/import/upload", files={"file": ("runs", sent)})
    await client.post("/work/start2", params={"id": "claim"})
    await client.app.state.jobs.wait(("work", "claim", "count"))  # type: ignore[attr-defined]
    told = (await client.get("/work", params={"id": "claim"})).text
    assert "nobody typed here" in told and not opened
    await client.post("/work/revert1", params={"id": "claim"})
    answer = {"folder": str(secret.parent), "pause": "0"}
    await client.post("/work/card1", params={"id": "claim"}, data=answer)
    await client.app.state.jobs.wait(("work", "claim", "count"))  # type: ignore[attr-defined]
    assert opened and "1 files" in (await client.get("/work", params={"id": "claim"})).text


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/graph/a/b/c",
        "//evil.example/a/b/c",
        "javascript:alert(1)",
        "/graph/../settings/x",
        "/graph/a/b/c?x",
        "/settings",
        7,
        None,
    ],
)
async def test_the_address_of_a_picture_is_a_claim_too(
    client: httpx2.AsyncClient, address: Any
) -> None:
    """What is no graph's address is told, never linked."""
    record = {
        "step_01": {"links": None, "pages": None, "links_path": "/x", "pages_path": ""},
        "step_02": {"address": address, "pages": 1, "links": 1},
    }
    sent = json.dumps({"workflow": "explore_csv", "id": "x", "record": record}).encode()
    await client.post("/runs/import/upload", files={"file": ("runs", sent)})
    reply = await client.get("/explore_csv", params={"id": "x"}, headers={"HX-Request": ""})
    assert reply.status_code == 200 and "Open the picture" not in reply.text
    assert f'href="{address}"' not in reply.text or address == "/settings"


@pytest.mark.parametrize("sent", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"\n{}"])
@pytest.mark.parametrize("zipped", [False, True])
async def test_what_is_too_deep_to_be_read_is_told(
    client: httpx2.AsyncClient, sent: bytes, zipped: bool
) -> None:
    """A sentence, as a line and in a zip."""
    given = {"file": ("runs", packed(sent) if zipped else sent)}
    reply = await client.post("/runs/import/upload", files=given)
    assert reply.status_code == 422 and "This is not an export of runs" in reply.text


@pytest.mark.parametrize("content", [b"[" * 100_000, b"7", b"x", b"\xff", b"{}"])
async def test_a_large_answer_from_elsewhere_may_be_anything(
    client: httpx2.AsyncClient, content: bytes
) -> None:
    """Its file fits its hash, and holds no answers: the page says so."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"files/{sha256[:16]}/count.json"
    named = {"file": "count.json", "path": path, "size": len(content), "sha256": sha256}
    record = {"step_01": {"folder": "/", "pause": 0}, "step_02": {"pipulate-large": named}}
    run = {"workflow": "work", "id": "x", "record": record}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("runs.jsonl", json.dumps(run))
        file.writestr(path, content)
    given = {"file": ("runs.zip", out.getvalue())}
    reply = await client.post("/runs/import/upload", files=given)
    assert reply.status_code == 303
    for address in ("/work?id=x", "/runs", "/runs/export", "/runs/list"):
        shown = await client.get(address, headers={"HX-Request": ""})
        assert shown.status_code < 500, shown.text[-2000:]
