"""Ctrl+K: what is found, in which order, and that its address leads there."""

from typing import Any

import httpx2

from pipulate.engine.pipeline import Pipulate
from pipulate.pages.find import MOST, hits
from pipulate.pages.tasks import TASKS


def found(app: Any, search: str) -> list[tuple[str, str, str]]:
    """Return the hits as plain values."""
    return [tuple(hit) for hit in hits(app.state, search)]


def test_pages_and_workflows_by_any_part_of_their_name(app: Any) -> None:
    """Small and capital letters are alike."""
    assert ("Link graphs", "Page", "/graph") in found(app, "LINK")
    assert ("The Poet", "Workflow", "/poet") in found(app, "poet")
    assert found(app, "no such thing anywhere") == []


def test_runs_tasks_and_profiles(app: Any) -> None:
    """A run's ID is spelled as an address wants it."""
    store = app.state.store
    Pipulate(store, "bridge").initialize_if_missing("Zürich & co")
    TASKS.add(store, {"name": "Call Zürich"})
    store.write("INSERT INTO profile (name) VALUES ('Zürich Inc')")
    assert found(app, "zürich") == [] or len(found(app, "zürich")) <= 3
    assert found(app, "rich") == [
        ("Zürich & co", "Run of bridge", "/bridge?id=Z%C3%BCrich+%26+co"),
        ("Call Zürich", "Task", "/tasks"),
        ("Zürich Inc", "Profile", "/profiles"),
    ]


def test_an_empty_search_offers_pages_and_the_latest_runs(app: Any) -> None:
    """Tasks and profiles are not shown unasked; and the list ends."""
    TASKS.add(app.state.store, {"name": "Secret task"})
    for number in range(12):
        Pipulate(app.state.store, "bridge").initialize_if_missing(f"run {number}")
    shown = found(app, "")
    assert len(shown) <= MOST and "Task" not in {kind for _, kind, _ in shown}


async def test_the_answer_is_a_list_of_links(app: Any, client: httpx2.AsyncClient) -> None:
    """Names are text; nothing found is said."""
    TASKS.add(app.state.store, {"name": "<b>bold</b>"})
    shown = (await client.get("/find", params={"q": " bold "})).text
    assert "&lt;b&gt;bold" in shown and 'href="/tasks"' in shown
    assert "Nothing has that" in (await client.get("/find", params={"q": "xyzzy"})).text
