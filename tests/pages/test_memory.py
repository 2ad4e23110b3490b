"""The page of memories: each act by its address, the prompt's versions, the soul file."""

import re
from typing import Any

import httpx2
import pytest

from pipulate.chat import prompts
from pipulate.chat.memory import Memory


@pytest.fixture
def memory(app: Any) -> Memory:
    """Give the app's memories."""
    return Memory(app.state.store)


async def test_a_memory_is_added_reworded_and_found(
    htmx: httpx2.AsyncClient, memory: Memory
) -> None:
    """A fact with a key is pinned, and so stands in every prompt."""
    assert "Nothing is remembered." in (await htmx.get("/memory")).text
    sent = {"key": "city", "content": "The user lives in <Bath>."}
    assert (await htmx.post("/memory", data=sent)).status_code == 303
    shown = (await htmx.get("/memory")).text
    assert "lives in &lt;Bath&gt;" in shown and "in every prompt" in shown and "just now" in shown
    (row,) = memory.all()
    reply = await htmx.post(f"/memory/{row['id']}", data={"content": "The user lives in York."})
    assert reply.status_code == 200 and "York" in reply.text
    assert "York" in (await htmx.get("/memory/list", params={"q": "york"})).text
    assert "York" not in (await htmx.get("/memory/list", params={"q": "bath"})).text


async def test_a_memory_is_pinned_switched_off_and_forgotten(
    htmx: httpx2.AsyncClient, memory: Memory
) -> None:
    """Each act answers with the row, which offers its opposite."""
    id = memory.add("The user likes tea.")["id"]
    assert "Unpin" in (await htmx.post(f"/memory/{id}/pin?on=1")).text
    assert "Unpin" not in (await htmx.post(f"/memory/{id}/pin?on=0")).text
    off = (await htmx.post(f"/memory/{id}/switch?on=0")).text
    assert "Switch on" in off and "off: told to no model" in off and 'class="done"' in off
    assert "Switch off" in (await htmx.post(f"/memory/{id}/switch?on=1")).text
    assert "Forgotten." in (await htmx.post(f"/memory/{id}/forget")).text
    assert memory.all() == []
    for act in ("", "/pin", "/switch", "/forget", "/nothing"):
        assert (await htmx.post(f"/memory/{id}{act}", data={"content": "x"})).status_code == 404


async def test_what_is_no_memory_is_refused(client: httpx2.AsyncClient, memory: Memory) -> None:
    """The row stays as it was, with the reason."""
    assert 'role="alert"' in (await client.post("/memory", data={"content": " "})).text
    id = memory.add("The user likes tea.")["id"]
    reply = await client.post(f"/memory/{id}", data={"content": ""})
    assert reply.status_code == 422 and "likes tea" in reply.text and 'role="alert"' in reply.text
    assert len(memory.all()) == 1


async def test_all_memories_can_be_left_out(client: httpx2.AsyncClient, memory: Memory) -> None:
    """A box that is not ticked sends nothing."""
    await client.post("/memory/enabled")
    assert not memory.enabled
    await client.post("/memory/enabled", data={"on": "1"})
    assert memory.enabled


async def test_the_prompt_has_versions(app: Any, client: httpx2.AsyncClient) -> None:
    """Going back is a version too; only older ones offer to be used again."""
    assert "1 version<" in (await client.get("/memory")).text
    await client.post("/memory/prompt", data={"text": "Speak like a pirate."})
    shown = (await client.get("/memory")).text
    assert "2 versions" in shown and "Speak like a pirate." in shown
    assert re.findall(r'action="/memory/prompt/(\d+)\b', shown) == ["0"]
    await client.post("/memory/prompt/0")
    assert prompts.current(app.state.store) == prompts.DEFAULT
    assert 'role="alert"' in (await client.post("/memory/prompt", data={"text": ""})).text
    assert (await client.post("/memory/prompt/99")).status_code == 404


async def test_a_soul_file_goes_out_and_in(client: httpx2.AsyncClient, memory: Memory) -> None:
    """What was forgotten since comes back; a file that is none is refused in words."""
    id = memory.add("The user likes tea.")["id"]
    soul = await client.get("/memory/soul.jsonl")
    assert soul.headers["content-disposition"].endswith('filename="soul.jsonl"')
    memory.forget(id)
    file = {"file": ("soul.jsonl", soul.content)}
    assert (await client.post("/memory/soul/upload", files=file)).status_code == 303
    assert [row["content"] for row in memory.all()] == ["The user likes tea."]
    for wrong in ({"file": ("x.jsonl", b"oops")}, {"other": ("x", b"")}):
        reply = await client.post("/memory/soul/upload", files=wrong)
        assert 'role="alert"' in reply.text
