"""Downloads arrive whole, or not at all, and only from where they may."""

import asyncio
import gzip
import io
import random
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.botify.download import MOST_REDIRECTS, TRIES, check_address, download
from pipulate.botify.errors import (
    BotifyError,
    ForeignAddress,
    LinkExpired,
    Unreachable,
)
from pipulate.engine.errors import CannotWrite
from pipulate.graph.errors import BadFile, TooLarge

URL = "https://d1.cloudfront.net/collection_exports/0a/shop-2024-03-01.csv.gz"
CONTENT = random.Random(0).randbytes(3_000_000)
PACKED = gzip.compress(CONTENT, 1)
Handler = Callable[[httpx2.Request], httpx2.Response]


async def pieces(content: bytes, trouble: Exception | None = None) -> AsyncIterator[bytes]:
    """A body in pieces of 64 KB, perhaps with a dropped connection at its end."""
    for start in range(0, len(content), 1 << 16):
        yield content[start : start + (1 << 16)]
    if trouble:
        raise trouble


def body(
    content: bytes, length: int | None = None, trouble: Exception | None = None, **headers: str
) -> httpx2.Response:
    """A streamed answer; `length` is what Content-Length claims."""
    claimed = {"content-length": str(length)} if length is not None else {}
    return httpx2.Response(200, content=pieces(content, trouble), headers={**claimed, **headers})


class Host:
    """A scripted file host."""

    def __init__(self, *answers: Callable[[], httpx2.Response] | Handler) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.slept: list[float] = []

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer in order, the last one for ever."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer()  # type: ignore[call-arg]

    async def sleep(self, seconds: float) -> None:
        """Note it."""
        self.slept.append(seconds)

    async def get(self, target: Path, url: str = URL, **more: Any) -> int:
        """Download from here."""
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle)) as http:
            return await download(http, url, target, sleep=self.sleep, **more)


def redirect(to: str) -> Callable[[], httpx2.Response]:
    """An answer that leads elsewhere."""
    return lambda: httpx2.Response(302, headers={"location": to})


async def test_file_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """Still packed, with progress from nothing to all; no packing is asked for, no token sent."""
    host = Host(lambda: body(PACKED, len(PACKED)))
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "raw"
    assert await host.get(target, progress=lambda *p: seen.append(p)) == len(PACKED)
    assert target.read_bytes() == PACKED
    assert seen[0] == (0, len(PACKED)) and seen[-1] == (len(PACKED), len(PACKED)) and len(seen) > 3
    assert host.requests[0].headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie"} & set(host.requests[0].headers)
    assert list(target.parent.iterdir()) == [target]


async def test_length_need_not_be_told(tmp_path: Path) -> None:
    """Then progress has no total."""
    seen: list[int | None] = []
    await Host(lambda: body(b"a,b\n")).get(
        tmp_path / "raw", progress=lambda n, total: seen.append(total)
    )
    assert (tmp_path / "raw").read_bytes() == b"a,b\n" and seen[0] is None


async def test_empty_file_is_a_file(tmp_path: Path) -> None:
    """An export without rows may be one."""
    assert await Host(lambda: body(b"", 0)).get(tmp_path / "raw") == 0
    assert (tmp_path / "raw").read_bytes() == b""


TROUBLES: dict[str, Callable[[], httpx2.Response]] = {
    "dropped": lambda: body(PACKED[:900_000], len(PACKED), httpx2.RemoteProtocolError("x")),
    "too short": lambda: body(PACKED[:900_000], len(PACKED)),
    "cut off on the host": lambda: body(PACKED[:900_000], 900_000),
    "damaged": lambda: body(PACKED[:500_000] + b"!" + PACKED[500_001:]),
    "500": lambda: httpx2.Response(500),
    "429": lambda: httpx2.Response(429),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_is_tried_again_and_then_reported(tmp_path: Path, trouble: str) -> None:
    """Once or thrice is no matter; if it stays, it is an error, and an older file is untouched."""
    target = tmp_path / "raw"
    host = Host(*[TROUBLES[trouble]] * (TRIES - 1), lambda: body(PACKED, len(PACKED)))
    await host.get(target)
    assert target.read_bytes() == PACKED and host.slept == [1, 2, 4]
    host = Host(TROUBLES[trouble])
    with pytest.raises(BadFile if trouble in ("cut off on the host", "damaged") else Unreachable):
        await host.get(target)
    assert len(host.requests) == TRIES
    assert target.read_bytes() == PACKED and list(tmp_path.iterdir()) == [target]


def test_zip_is_checked_too(tmp_path: Path) -> None:
    """Its directory stands at the end, so what is cut off cannot pass."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.csv", CONTENT)
    whole = buffer.getvalue()
    asyncio.run(Host(lambda: body(whole)).get(tmp_path / "raw"))
    with pytest.raises(BadFile):
        asyncio.run(Host(lambda: body(whole[:-40])).get(tmp_path / "raw2"))
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_expired_address_is_renewed_once(tmp_path: Path, status: int) -> None:
    """Then it is an error that says what to do; without a way to renew, at once."""

    async def fresh() -> str:
        return URL + "?new"

    host = Host(lambda: httpx2.Response(status), lambda: body(b"x"))
    assert await host.get(tmp_path / "raw", fresh=fresh) == 1
    assert [str(r.url) for r in host.requests] == [URL, URL + "?new"] and host.slept == []
    host = Host(lambda: httpx2.Response(status))
    with pytest.raises(LinkExpired, match="revert this step"):
        await host.get(tmp_path / "raw2", fresh=fresh)
    assert len(host.requests) == 2
    with pytest.raises(LinkExpired):
        await Host(lambda: httpx2.Response(status)).get(tmp_path / "raw2")


async def test_redirects_within_the_rule_are_followed(tmp_path: Path) -> None:
    """Relative ones too; a chain of them is not."""
    host = Host(redirect("https://d2.cloudfront.net/x"), redirect("/y"), lambda: body(b"x"))
    await host.get(tmp_path / "raw")
    assert str(host.requests[-1].url) == "https://d2.cloudfront.net/y"
    host = Host(redirect("/again"))
    with pytest.raises(ForeignAddress, match="redirect to redirect"):
        await host.get(tmp_path / "raw2")
    assert len(host.requests) == MOST_REDIRECTS + 1


FOREIGN = [
    "http://d1.cloudfront.net/x",
    "file:///etc/passwd",
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://2130706433/x",
    "https://[::1]/x",
    "https://169.254.169.254/latest",
    "https://10.0.0.1/x",
    "https://localhost/x",
    "https://intranet/x",
    "https://printer.local/x",
    "https://metadata.google.internal/x",
    "https://a@d1.cloudfront.net/x",
    "https:///x",
    "",
    "https://d1.cloudfront.net\\@evil/x",
    "https://d1.cloudfront.net/a b",
    "https://x:port/",
    "gopher://d1.cloudfront.net/",
    "https://foo.localhost./x",
]


@pytest.mark.parametrize("url", FOREIGN)
async def test_address_that_may_not_be_fetched(tmp_path: Path, url: str) -> None:
    """Neither directly nor by a redirect: no request goes there."""
    host = Host(lambda: body(b"x"))
    with pytest.raises(ForeignAddress):
        await host.get(tmp_path / "raw", url)
    assert host.requests == []
    if "://" in url and " " not in url and "port" not in url:
        host = Host(redirect(url))
        with pytest.raises(BotifyError):
            await host.get(tmp_path / "raw")
        assert {r.url.host for r in host.requests} <= {"d1.cloudfront.net"}
        assert {r.url.scheme for r in host.requests} == {"https"}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/cdn/x", "http://localhost/x", "https://[::1]:1/x"]
)
def test_stand_in_on_this_machine_may_name_this_machine(url: str) -> None:
    """And only it: the real API may not send us here, nor the stand-in elsewhere."""
    assert check_address(url, local=True) == url
    with pytest.raises(ForeignAddress):
        check_address(url)
    with pytest.raises(ForeignAddress):
        check_address(URL, local=True)


async def test_cap_by_claim_and_by_count(tmp_path: Path) -> None:
    """What claims to be too long is not begun, what is so not kept; neither is tried again."""
    for host in (Host(lambda: body(b"", 10_001)), Host(lambda: body(b"x" * 100_000))):
        with pytest.raises(TooLarge):
            await host.get(tmp_path / "raw", most_bytes=10_000)
        assert len(host.requests) == 1
    assert list(tmp_path.iterdir()) == []


async def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    """At any moment of the transfer."""
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * (1 << 20)
            begun.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(
        Host(lambda: httpx2.Response(200, content=endless())).get(tmp_path / "raw")
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


async def test_disk_trouble_is_explained(tmp_path: Path) -> None:
    """The folder cannot be made."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="raw could not be written"):
        await Host(lambda: body(b"x")).get(tmp_path / "file" / "raw")
