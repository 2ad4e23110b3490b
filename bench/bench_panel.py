"""The chat panel over its model: first word, throughput, and other pages while an answer streams.

The model is scripted (tests/chat/scripted.py) and speaks OpenAI's protocol over real HTTP as fast
as it is read, so that what is measured is what the panel adds.  "Bare" is the same server read by
httpx2 without any of ours.
"""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import httpx2
import websockets

from bench.bench_web import free_port, row
from tests.chat.scripted import Reply, ScriptedModel
from tests.server import Server

WORDS = 1500
ROUNDS = 7
LATER = 50  # ms that the first word may come later
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
SPOKEN = 200  #: words a second: far more than a model of this size speaks on such a machine


async def bare(url: str) -> tuple[float, float]:
    """Return (seconds to the first word, seconds in all) of the model itself."""
    body = {"model": "scripted:1b", "messages": [{"role": "user", "content": "Go"}], "stream": True}
    first = 0.0
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        began = time.perf_counter()
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for line in answer.aiter_lines():
                if not first and says_something(line):
                    first = time.perf_counter() - began
        return first, time.perf_counter() - began


def says_something(line: str) -> bool:
    """Say whether a line of the stream has a word in it."""
    if not line.startswith("data: {"):
        return False
    choices = json.loads(line[6:])["choices"]
    return bool(choices and choices[0]["delta"].get("content"))


async def through_panel(server: Server) -> tuple[float, float]:
    """Return the same as a page sees it: until the first live word, until the stored message."""
    address = f"ws://127.0.0.1:{server.port}/chat/ws?page=/"
    async with (
        websockets.connect(address, origin=server.url, max_size=None) as socket,
        page_of(server) as client,
    ):
        await socket.recv()
        await client.post("/chat/new")  # else the window would fill
        began = time.perf_counter()
        await client.post("/chat/send", data={"text": "Go"})
        await news(socket, 'id="m-live"', "word")
        first = time.perf_counter() - began
        said = await news(socket, 'class="assistant"', "word")
        whole = time.perf_counter() - began
        while 'id="chat-state"' not in said or "/chat/stop" in said:
            said = await news(socket)  # until it is ready for the next question
        return first, whole


def page_of(server: Server) -> httpx2.AsyncClient:
    """Return a client that posts as a page of the app does."""
    headers = {"Origin": server.url, "HX-Request": "true"}
    return httpx2.AsyncClient(base_url=server.url, headers=headers)


async def news(socket: websockets.ClientConnection, *words: str) -> str:
    """Return the next message of the panel that has all these words."""
    while True:
        said = str(await asyncio.wait_for(socket.recv(), 30))
        if all(word in said for word in words):
            return said


async def steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A model server that speaks 200 words a second until it is hung up on."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET"):
        body = json.dumps({"data": [{"id": "steady"}]}).encode()
        writer.write(JSON_HEAD % len(body) + body)
        writer.close()
        return
    writer.write(STREAM_HEAD)
    word = json.dumps({"choices": [{"delta": {"content": "word "}}]}).encode()
    try:
        while True:
            writer.write(b"data: " + word + b"\n\n")
            await writer.drain()
            await asyncio.sleep(1 / SPOKEN)
    except (ConnectionError, asyncio.CancelledError):
        pass


async def pages_meanwhile(server: Server) -> list[float]:
    """Return the times of other pages while an endless answer streams, in seconds."""
    times = []
    async with page_of(server) as client:
        await client.post("/chat/new")
        await client.post("/chat/send", data={"text": "Endlessly"})
        for _ in range(150):
            began = time.perf_counter()
            (await client.get("/introduction")).raise_for_status()
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
        await client.post("/chat/stop")
    return times


async def alone(model: ScriptedModel, server: Server) -> None:
    """Print what the panel adds to a model that speaks as fast as it is read."""
    plain = []
    ours = []
    for _ in range(ROUNDS):
        plain.append(await bare(model.url))
        ours.append(await through_panel(server))
    bare_first, bare_rate = medians(plain)
    first, rate = medians(ours)
    added = (first - bare_first) * 1000
    row("first word later than the bare model's, ms", f"{added:.0f}", f"<= {LATER}", added <= LATER)
    both = f"{rate:,.0f} / {bare_rate:,.0f}"
    row("words a second / the bare model's", both, "(an upper bound)", True)
    left = min(rate, SPOKEN) / SPOKEN
    name = f"throughput of a model of {SPOKEN} words a second"
    row(name, f"{left:.2f}", ">= 0.95", left >= 0.95)


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median seconds to the first word, and words a second after it."""
    first = statistics.median(first for first, _ in times)
    speaking = statistics.median(whole - first for first, whole in times)
    return first, WORDS / speaking


async def beside(server: Server) -> None:
    """Print how long other pages take while the model speaks."""
    speaker = await asyncio.start_server(steady, "127.0.0.1", free_port())
    address = f"http://127.0.0.1:{speaker.sockets[0].getsockname()[1]}/v1"
    async with page_of(server) as client:
        await client.post("/settings/model", data={"url": address})
    times = sorted(await pages_meanwhile(server))
    speaker.close()
    p99 = times[int(len(times) * 0.99)] * 1000
    told = f"median {statistics.median(times) * 1000:.0f}, p99 {p99:.0f}"
    row("another page while an answer streams, ms", told, "p99 < 50", p99 < 50)


async def measure(model: ScriptedModel, server: Server) -> None:
    """Print the table."""
    await alone(model, server)
    await beside(server)


def main() -> None:
    """Start model and server, and measure."""
    replies = [Reply("word " * WORDS) for _ in range(2 * ROUNDS)]
    with ScriptedModel(*replies) as model, tempfile.TemporaryDirectory(dir=".") as name:
        server = Server(Path(name), free_port(), "--model", f"{model.url}/v1").start()
        try:
            asyncio.run(measure(model, server))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
