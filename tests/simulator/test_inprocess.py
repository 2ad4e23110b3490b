"""The in-process transport streams, waits, and fails like a wire."""

import asyncio

import httpx2
import pytest

from pipulate.simulator.damage import Dropped
from pipulate.simulator.inprocess import QUEUED_CHUNKS, InProcessTransport


def client(app) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=InProcessTransport(app), base_url="http://inside/base/")


async def test_a_request_arrives_as_it_was_sent():
    """Method, path, query, headers and body reach the app; status, headers and body come back."""
    seen = {}

    async def app(scope, receive, send):
        message = await receive()
        seen.update(scope, body=message["body"])
        await send({"type": "http.response.start", "status": 207, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": b"yes"})

    async with client(app) as http:
        answer = await http.post("some%20where?q=1", content=b"data", headers={"X-Test": "t"})
    assert (answer.status_code, answer.headers["x-a"], answer.content) == (207, "1", b"yes")
    assert (seen["method"], seen["path"]) == ("POST", "/base/some where")
    assert (seen["query_string"], seen["server"]) == (b"q=1", ("inside", None))
    assert (dict(seen["headers"])[b"x-test"], seen["body"]) == (b"t", b"data")


async def test_a_big_answer_never_stands_in_memory():
    """The app is never more than the queue ahead of the reader."""
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for sent in range(1, 201):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": sent < 200})

    received = 0
    async with client(app) as http, http.stream("GET", "/") as answer:
        async for chunk in answer.aiter_raw():
            received += len(chunk)
            assert sent - received // 1000 <= QUEUED_CHUNKS + 2
    assert received == 200_000


async def test_a_reader_who_leaves_stops_the_app():
    """Closing the stream early cancels the app's task, even when the queue is full."""
    stopped = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            stopped.set()

    async with client(app) as http, http.stream("GET", "/") as answer:
        assert await anext(answer.aiter_raw()) == b"x"
    assert stopped.is_set()


async def test_an_incomplete_answer_is_a_protocol_error():
    """A dropped connection never looks like a good answer."""
    async with client(Dropped()) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get("/")


async def test_an_app_that_says_nothing_is_a_protocol_error():
    """Not even a status."""

    async def app(scope, receive, send):
        return

    async with client(app) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get("/")


async def test_a_slow_app_is_a_read_timeout():
    """The client's own time limit holds."""

    async def app(scope, receive, send):
        await receive()
        await receive()  # waits for the client to leave

    async with client(app) as http:
        with pytest.raises(httpx2.ReadTimeout):
            await http.get("/", timeout=0.01)


async def test_an_apps_error_is_raised_as_it_is():
    """There is no wire to hide it behind a 500."""

    async def app(scope, receive, send):
        raise LookupError("inside")

    async with client(app) as http:
        with pytest.raises(LookupError, match="inside"):
            await http.get("/")
