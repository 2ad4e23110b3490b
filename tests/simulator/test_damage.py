"""Damaged answers are damaged in just the way they say."""

import httpx2
import pytest

from pipulate.simulator.damage import damaged
from pipulate.simulator.inprocess import InProcessTransport

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def file(tmp_path):
    """A quarter of a megabyte."""
    (tmp_path / "f").write_bytes(CONTENT)
    return tmp_path / "f"


async def fetched(file, kind) -> tuple[bytes, int]:
    """What arrives, and the length that was promised."""
    got = b""
    transport = InProcessTransport(damaged(file, kind, "application/gzip"))
    async with (
        httpx2.AsyncClient(transport=transport) as http,
        http.stream("GET", "http://inside/") as answer,
    ):
        promised = int(answer.headers["content-length"])
        try:
            async for chunk in answer.aiter_raw():
                got += chunk
        except httpx2.RemoteProtocolError:
            return got, promised
    assert len(got) == promised
    return got, promised


async def test_a_truncated_file_looks_whole(file):
    """Its length agrees with what comes, which is only the beginning."""
    got, promised = await fetched(file, "truncated")
    assert got == CONTENT[:promised] and promised < len(CONTENT)


async def test_a_cut_file_promises_all(file):
    """The connection drops before the promised length."""
    got, promised = await fetched(file, "cut")
    assert promised == len(CONTENT) and got == CONTENT[: len(got)] and 0 < len(got) < promised


async def test_a_corrupt_file_has_one_wrong_byte(file):
    """All else is as it was."""
    got, _ = await fetched(file, "corrupt")
    assert len(got) == len(CONTENT)
    assert sum(a != b for a, b in zip(got, CONTENT, strict=True)) == 1
