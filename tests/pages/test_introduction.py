"""The introduction: it is the first page, and both of its ways lead somewhere."""

import re
from typing import Any

import httpx2

from pipulate.engine.pipeline import Pipulate


async def test_it_is_the_first_page(client: httpx2.AsyncClient) -> None:
    """`/` leads there."""
    reply = await client.get("/")
    assert (reply.status_code, reply.headers["location"]) == (303, "/introduction")
    assert "<h1>Welcome to Pipulate</h1>" in (await client.get("/introduction")).text


async def test_its_first_way_begins_the_bridge(app: Any, client: httpx2.AsyncClient) -> None:
    """The form sends what the workflow's door expects."""
    shown = (await client.get("/introduction")).text
    way = re.search(r'<form[^>]*action="(/bridge/open)\b.*?</form>', shown, re.DOTALL)
    assert way and 'name="id"' in way[0] and 'value="arthur"' in way[0]
    reply = await client.post(way[1], data={"id": "arthur"})
    assert reply.status_code == 303
    assert Pipulate(app.state.store, "bridge").get_state("arthur")
    again = (await client.get("/introduction")).text
    assert "Go on as arthur" in again and "Go on as" not in shown


async def test_the_flagship_is_offered_where_it_is(app: Any, client: httpx2.AsyncClient) -> None:
    """And only there."""
    assert 'action="/connect/demo' in (await client.get("/introduction")).text
    del app.state.found["link_graph"]
    assert 'action="/connect/demo' not in (await client.get("/introduction")).text
