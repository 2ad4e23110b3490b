"""Long texts are saved from our own address, so a page never carries megabytes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipulate.web import offers

LONG = "zeile,größe\n" * 4000


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Be in a request of an app with this data folder."""
    token = offers.folder.set(tmp_path)
    yield tmp_path
    offers.folder.reset(token)


def test_a_short_text_stands_in_the_page(data: Path) -> None:
    """It needs no file, and works where nobody serves."""
    assert offers.address("a.txt", "a b\n") == "data:text/plain;charset=utf-8,a%20b%0A"
    assert list(data.iterdir()) == []


def test_where_nobody_serves_any_text_stands_in_the_page() -> None:
    """A notebook has no address to save it from."""
    assert offers.address("a.txt", LONG).startswith("data:")


async def test_a_long_text_is_saved_from_our_own_address(visit, data: Path) -> None:
    """As a file of its name, also after a restart; the same text lies there once."""
    links = [offers.address(name, LONG) for name in ("brief für Ann.csv", "b.csv")]
    assert all(len(link) < 200 for link in links) and len(list(data.glob("offered/*"))) == 1
    async with visit() as client:
        for link, name in zip(links, ("f%C3%BCr%20Ann", "b.csv"), strict=True):
            reply = await client.get(link)
            assert reply.text == LONG and reply.status_code == 200
            saved = reply.headers["content-disposition"]
            assert saved.startswith("attachment") and name in saved
            assert reply.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path", ["0" * 64, "..%2Fpipulate.db", "%2e%2e", "pipulate.db", "0" * 63, "x" * 64]
)
async def test_what_is_not_there_is_said(visit, path: str) -> None:
    """And what to do; nothing else of the data folder can be had."""
    async with visit() as client:
        reply = await client.get(f"/offered/{path}?name=a.txt")
        assert reply.status_code == 404
        if len(path) == 64:
            assert "Open its page anew" in reply.text


def test_the_oldest_give_way(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not what was offered within the hour, which may yet be pressed."""
    monkeypatch.setattr(offers, "KEPT", 3)
    for number in range(5):
        offers.address("a.txt", f"{number}{LONG}")
    kept = sorted(data.glob("offered/*"))
    assert len(kept) == 5
    for age, path in enumerate(kept):
        os.utime(path, (0, time.time() - 2 * offers.HOUR - age))
    offers.address("a.txt", LONG)
    assert [path.exists() for path in kept] == [True, True, False, False, False]


def test_what_is_offered_again_stays(data: Path) -> None:
    """Looking at a page keeps its texts."""
    offers.address("a.txt", LONG)
    (path,) = data.glob("offered/*")
    os.utime(path, (0, 0))
    offers.address("a.txt", LONG)
    assert path.stat().st_mtime > time.time() - 60
