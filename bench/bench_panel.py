"""The chat panel over its model: added time to the first word, throughput, and other pages while an
answer streams.

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
SPOKEN = 200  #: words a second: far more than a model of this size speaks on such a machine


async def bare(url: str) -> tuple[float, float]:
    """Return (seconds to the first word, seconds in all) of the model itself."""
    body = {"model": "scripted:1b", "messages": [{"role": "user", "content": "Go"}], "stream": True}
    began, first = time.perf_counter(), 0.0
    async with (
        httpx2.AsyncClient(timeout=60) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer,
    ):
        async for line in answer.aiter_lines():
            choices = json.loads(line[6:])["choices"] if line.startswith("data: {") else []
            if choices and choices[0]["delta"].get("content"):
                first = first or time.perf_counter() - began
    return first, time.perf_counter() - began


async def through_panel(server: Server) -> tuple[float, float]:
    """Return the same as a page sees it: from the post to the first live word,
    to the stored message.
    """
    async with websockets.connect(
        f"ws://127.0.0.1:{server.port}/chat/ws?page=/", origin=server.url, max_size=None
    ) as socket:
        await socket.recv()
        async with httpx2.AsyncClient(
            base_url=server.url, headers={"Origin": server.url, "HX-Request": "true"}
        ) as client:
            await client.post("/chat/new")  # else the window would fill
            began = time.perf_counter()
            await client.post("/chat/send", data={"text": "Go"})
            first = whole = 0.0
            while True:
                news = str(await asyncio.wait_for(socket.recv(), 30))
                if not first and 'id="m-live"' in news and "word" in news:
                    first = time.perf_counter() - began
                if first and not whole and 'class="assistant"' in news and "word" in news:
                    whole = time.perf_counter() - began
                if (
                    whole and 'id="chat-state"' in news and "/chat/stop" not in news
                ):  # ready for the next question
                    return first, whole


async def steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A model server that speaks 200 words a second until it is hung up on."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET"):
        body = json.dumps({"data": [{"id": "steady"}]}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        writer.close()
        return
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
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
    async with httpx2.AsyncClient(
        base_url=server.url, headers={"Origin": server.url, "HX-Request": "true"}
    ) as client:
        await client.post("/chat/new")
        await client.post("/chat/send", data={"text": "Endlessly"})
        for _ in range(150):
            began = time.perf_counter()
            (await client.get("/introduction")).raise_for_status()
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
        await client.post("/chat/stop")
    return times


async def measure(model: ScriptedModel, server: Server) -> None:
    """Print the table."""
    plain, ours = [], []
    for _ in range(ROUNDS):
        plain.append(await bare(model.url))
        ours.append(await through_panel(server))
    added = (statistics.median(t[0] for t in ours) - statistics.median(t[0] for t in plain)) * 1000
    row("first word later than the bare model's, ms", f"{added:.0f}", "<= 50", added <= 50)
    rate = [WORDS / statistics.median(t[1] - t[0] for t in times) for times in (ours, plain)]
    row(
        "words a second / the bare model's",
        f"{rate[0]:,.0f} / {rate[1]:,.0f}",
        "(an upper bound)",
        True,
    )
    row(
        f"throughput of a model of {SPOKEN} words a second",
        f"{min(rate[0], SPOKEN) / SPOKEN:.2f}",
        ">= 0.95",
        rate[0] >= 0.95 * SPOKEN,
    )
    speaker = await asyncio.start_server(steady, "127.0.0.1", free_port())
    address = f"http://127.0.0.1:{speaker.sockets[0].getsockname()[1]}/v1"
    async with httpx2.AsyncClient(base_url=server.url, headers={"Origin": server.url}) as client:
        await client.post("/settings/model", data={"url": address})
    times = sorted(await pages_meanwhile(server))
    speaker.close()
    p99 = times[int(len(times) * 0.99)] * 1000
    row(
        "another page while an answer streams, ms",
        f"median {statistics.median(times) * 1000:.0f}, p99 {p99:.0f}",
        "p99 < 50",
        p99 < 50,
    )


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
