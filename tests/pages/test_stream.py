"""The stream simulator: it goes on exactly where it was stopped."""

import re

import httpx2
import pytest

from pipulate.pages import stream

LAST = len(stream.TEXT)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody watches."""
    monkeypatch.setattr(stream, "PAUSE", 0)


def words(events: str) -> str:
    """Return what the events append to the text."""
    return "".join(re.findall(r"event: text\ndata: <span>(.*?)</span>", events))


@pytest.mark.parametrize("at", [0, 1, LAST - 1])
async def test_the_text_and_its_rest_make_the_whole(client: httpx2.AsyncClient, at: int) -> None:
    """What the box shows and what the stream brings are the text, each word once."""
    box = (await client.get(f"/stream/running?at={at}")).text
    shown = re.search(r'class="streamed"[^>]*>(.*?)</p>', box)
    events = (await client.get(f"/stream/events?at={at}")).text
    assert shown and (shown[1] + words(events)).split() == stream.TEXT
    assert f'value="{LAST}"' in events and events.endswith("event: end\ndata: \n\n")
    assert f"/stream/events?at={at}" in box and "Stop" in box


@pytest.mark.parametrize(
    ("at", "number", "sign"),
    [
        ("0", 0, "Start"),
        ("7", 7, "Resume"),
        (str(LAST), 0, "Start"),
        ("x", 0, "Start"),
        ("-1", 0, "Start"),
        ("9" * 30, 0, "Start"),
    ],
)
async def test_a_stopped_stream_stands_where_it_was(
    client: httpx2.AsyncClient, at: str, number: int, sign: str
) -> None:
    """A finished or odd position begins anew."""
    box = (await client.get("/stream/stopped", params={"at": at})).text
    assert f"{number} of {LAST} words" in box and sign in box and "sse-connect" not in box
