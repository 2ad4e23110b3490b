"""The page of all runs: whose they are, and how they travel."""

import io
import json
from typing import Any

import httpx2
import pytest

from pipulate.engine.kept import keep
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.values import encode
from pipulate.engine.workflow import Workflow


@pytest.fixture
def bridge(app: Any) -> Pipulate:
    """Give the bridge's engine, with two runs."""
    engine = Pipulate(app.state.store, "bridge")
    for id in ("arthur", "Robin & co"):
        engine.initialize_if_missing(id)
        engine.set_step_data(id, "step_01", {"name": id})
    return engine


async def test_runs_are_found_by_their_id(client: httpx2.AsyncClient, bridge: Pipulate) -> None:
    """The newest first; nothing found is said."""
    shown = (await client.get("/runs")).text
    assert 0 < shown.index("Robin &amp; co") < shown.index(">arthur<")
    found = (await client.get("/runs/list", params={"q": "robin"})).text
    assert "Robin" in found and "arthur" not in found
    assert "No run has that in its ID." in (await client.get("/runs/list?q=xyzzy")).text


async def test_runs_of_a_former_name_are_listed_by_the_present_one(
    app: Any, client: httpx2.AsyncClient, bridge: Pipulate
) -> None:
    """The links lead to them."""
    app.state.found = {"crossing": Workflow("crossing", formerly="bridge")}
    assert "/crossing?id=arthur" in (await client.get("/runs/list")).text


@pytest.mark.parametrize(
    ("path", "most"), [("/runs", 50), ("/runs/list", 50), ("/bridge", 20), ("/bridge/runs", 20)]
)
async def test_a_list_that_is_cut_says_so(
    client: httpx2.AsyncClient, bridge: Pipulate, path: str, most: int
) -> None:
    """And one that is whole does not."""
    for number in range(2, most + 1):
        assert "newest" not in (await client.get(path)).text
        bridge.initialize_if_missing(f"run {number}")
    cut = (await client.get(path)).text
    assert f"These are the {most} newest; the search finds the others." in cut
    assert cut.count('aria-label="Delete run') == most


async def test_without_runs_the_page_says_what_to_do(client: httpx2.AsyncClient) -> None:
    """An empty list is no riddle."""
    assert "No runs yet. Begin one in a workflow." in (await client.get("/runs")).text


async def test_a_run_of_a_workflow_without_such_addresses_is_deleted_here(
    app: Any, client: httpx2.AsyncClient
) -> None:
    """Of one written by hand, or whose file is gone; it comes back as it was."""
    client.headers["HX-Request"] = "true"
    for workflow in ("byhand", "gone"):
        engine = Pipulate(app.state.store, workflow)
        engine.initialize_if_missing("a & b", {"step_01": {"name": "Arthur"}})
        shown = (await client.get("/runs/list")).text
        address = f"/runs/delete?workflow={workflow}&id=a+%26+b"
        assert address.replace("&", "&amp;") in shown
        undo = (await client.post(address)).text
        assert engine.get_state("a & b") == {} and "Deleted “a &amp; b”" in undo
        assert "1 steps" in (await client.post(address.replace("delete", "undelete"))).text
        assert engine.get_step_data("a & b", "step_01") == {"name": "Arthur"}
        assert (await client.post(f"/runs/delete?workflow={workflow}&id=x")).status_code == 404


async def test_runs_tell_their_profile_once_there_are_two(
    app: Any, client: httpx2.AsyncClient, bridge: Pipulate
) -> None:
    """By its menu name, as everywhere."""
    assert "Default" not in (await client.get("/runs/list")).text
    app.state.store.write("INSERT INTO profile (name, menu_name) VALUES ('Camelot Inc', 'C.')")
    app.state.store["profile_id"] = 2
    bridge.initialize_if_missing("theirs")
    shown = (await client.get("/runs/list")).text
    assert "C." in shown and "Default" in shown and "Camelot Inc" not in shown


async def test_one_run_or_all_are_exported(client: httpx2.AsyncClient, bridge: Pipulate) -> None:
    """As lines of JSON, to be saved."""
    reply = await client.get("/runs/export")
    assert "runs.jsonl" in reply.headers["content-disposition"]
    assert {json.loads(line)["id"] for line in reply.text.splitlines()} == {"arthur", "Robin & co"}
    one = (await client.get("/runs/export?workflow=bridge&id=arthur")).text
    assert json.loads(one)["record"]["step_01"] == {"name": "arthur"}


async def test_a_damaged_run_is_left_out_and_counted(
    app: Any, client: httpx2.AsyncClient, bridge: Pipulate
) -> None:
    """In the file's name; the others are there, and an export is no act."""
    app.state.store.write("UPDATE pipeline SET data = '{' WHERE id = 'arthur'")
    reply = await client.get("/runs/export")
    assert reply.status_code == 200
    assert "runs-without-1-damaged.jsonl" in reply.headers["content-disposition"]
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert {run["id"] for run in lines if "record" in run} == {"Robin & co"}
    assert not app.state.store.read("SELECT * FROM quarantine")


async def test_what_was_exported_is_imported(client: httpx2.AsyncClient, bridge: Pipulate) -> None:
    """And the page says how many came."""
    whole = (await client.get("/runs/export")).content
    bridge.delete("arthur")
    bridge.delete("Robin & co")
    file = {"file": ("runs.jsonl", whole)}
    reply = await client.post("/runs/import/upload", files=file, follow_redirects=True)
    assert "Imported: 2 runs." in reply.text
    assert bridge.get_step_data("arthur", "step_01") == {"name": "arthur"}


@pytest.mark.parametrize(
    "sent", [{"file": ("x", b"")}, {"file": ("x", b"oops")}, {"other": ("x", b"{}")}]
)
async def test_what_is_no_export_is_refused(client: httpx2.AsyncClient, sent: Any) -> None:
    """The form stays open, with the reason."""
    reply = await client.post("/runs/import/upload", files=sent)
    assert 'role="alert"' in reply.text and "<details open" in reply.text


async def test_files_travel_in_a_zip(
    app: Any, client: httpx2.AsyncClient, bridge: Pipulate
) -> None:
    """And leave nothing behind where they were packed."""
    folder = app.state.store.folder
    file = keep(io.BytesIO(b"a"), "links.csv", folder)
    bridge.set_step_data("arthur", "step_02", encode({"table": file}, folder)[0])
    reply = await client.get("/runs/export")
    assert 'filename="runs.zip"' in reply.headers["content-disposition"]
    assert reply.content[:2] == b"PK" and list(folder.glob("desks/*")) == []
    file.path.unlink()
    lacking = await client.get("/runs/export")
    assert "runs-without-1-missing.zip" in lacking.headers["content-disposition"]
    for sent, words in ((lacking, "1 of their files neither came"), (reply, "Imported: 2 runs.<")):
        given = {"file": ("runs.zip", sent.content)}
        done = await client.post("/runs/import/upload", files=given, follow_redirects=True)
        assert words in done.text
    assert file.read_bytes() == b"a"
