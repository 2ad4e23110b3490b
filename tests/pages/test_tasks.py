"""The page of tasks: each act, by its address, and whose tasks they are."""

import re
from typing import Any

import httpx2
import pytest


async def add(htmx: httpx2.AsyncClient, *names: str) -> str:
    """Add tasks; returns the last answer."""
    for name in names:
        reply = await htmx.post("/tasks", data={"name": name})
        assert reply.status_code == 200
    return reply.text


def order(html: str) -> list[str]:
    """Return the names in the order in which a page shows them."""
    return re.findall(r'aria-label="Task of ([^"]*)"', html)


async def test_a_task_is_added_renamed_ticked_moved_and_sorted(htmx: httpx2.AsyncClient) -> None:
    """Each act answers with what it changed: the row, or the list."""
    assert "No tasks yet" in (await htmx.get("/tasks")).text
    shown = await add(htmx, "Ask", "Build", "Call")
    assert order(shown) == ["Ask", "Build", "Call"] and 'hx-swap-oob="true"' in shown
    row = (await htmx.post("/tasks/1", data={"name": "Beg"})).text
    assert order(row) == ["Beg"] and "checked" not in row
    row = (await htmx.post("/tasks/1?field=done", data={"on": "on"})).text
    assert "checked" in row and 'class="done"' in row
    assert "checked" not in (await htmx.post("/tasks/1?field=done")).text
    moved = (await htmx.post("/tasks/1/move?by=1")).text
    assert order(moved) == ["Build", "Beg", "Call"]
    moved = (await htmx.post("/tasks/1/move?by=-1")).text
    assert order(moved) == ["Beg", "Build", "Call"]
    await htmx.post("/tasks/sort", data={"ids": ["3", "x", "1", "9" * 30]})
    assert order((await htmx.get("/tasks")).text) == ["Call", "Beg", "Build"]


async def test_a_deleted_task_leaves_a_way_back(htmx: httpx2.AsyncClient) -> None:
    """The line in its place undoes it."""
    await add(htmx, "Ask & answer")
    note = (await htmx.post("/tasks/1/delete")).text
    assert "Deleted “Ask &amp; answer”." in note
    undo = re.search(r'hx-post="(/tasks/undo/\d+)"', note)
    assert undo and order((await htmx.get("/tasks")).text) == []
    assert order((await htmx.post(undo[1])).text) == ["Ask &amp; answer"]
    assert (await htmx.post(undo[1])).status_code == 404


async def test_a_refusal_keeps_what_was_typed(htmx: httpx2.AsyncClient) -> None:
    """The form comes back with the reason; a row comes back as it is on disk."""
    reply = await htmx.post("/tasks", data={"name": "x" * 301})
    assert reply.status_code == 422 and "301 characters" in reply.text
    assert "x" * 301 in reply.text and 'aria-invalid="true"' in reply.text
    await add(htmx, "Ask")
    reply = await htmx.post("/tasks/1", data={"name": " "})
    assert (
        reply.status_code == 422 and "needs a name" in reply.text and order(reply.text) == ["Ask"]
    )


async def test_tasks_belong_to_the_chosen_profile(htmx: httpx2.AsyncClient) -> None:
    """Another client's tasks are neither shown nor reached."""
    await add(htmx, "For the first")
    await htmx.post("/profiles", data={"name": "Camelot"})
    await htmx.post("/profiles/2/choose")
    assert order((await htmx.get("/tasks")).text) == []
    for act in ("", "/delete", "/move?by=1"):
        reply = await htmx.post(f"/tasks/1{act}", data={"name": "Stolen"})
        assert reply.status_code == 404, act
    await add(htmx, "For the second")
    await htmx.post("/profiles/1/choose")
    assert order((await htmx.get("/tasks")).text) == ["For the first"]


@pytest.mark.parametrize("id", ["0", "99", "9" * 40])
async def test_no_such_task(htmx: httpx2.AsyncClient, id: str, app: Any) -> None:
    """Whatever the number."""
    assert (await htmx.post(f"/tasks/{id}", data={"name": "x"})).status_code == 404
    assert app.state.store.read("SELECT * FROM task") == []
