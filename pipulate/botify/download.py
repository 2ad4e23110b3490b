"""Fetch an exported file from the file host: whole, intact, without our token.

ADDRESS    comes from the API's answer, and names another host (a CDN).  Only `https://` to a
           public name is followed, or, when the API itself is a stand-in on this machine, an
           address on this machine.  Redirects are followed by the same rule, three at most.  The
           token is never sent along.
STREAMING  Megabyte by megabyte into a temporary file beside the target; writing happens in a
           thread.  Memory stays constant; the event loop stays free; a cancelled or killed
           download leaves no file that looks finished.
CHECKS     The length against Content-Length, if there is one; a gzip or zip file is unpacked to
           nowhere, which checks its lengths and checksums, since a host may well send a file that
           was cut off before it got there.
TROUBLE    A dropped connection, 429, 5xx, or a file that fails its checks is fetched again, from
           the start, three times more: exports are at most some ten megabytes, so no ranges.
           403, 404 and 410 mean that the address has expired: the caller is asked for a fresh
           one, once.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

from pipulate.botify.errors import ForeignAddress, LinkExpired, Unreachable
from pipulate.engine.files import begin, explained, finish
from pipulate.graph.errors import BadFile, TooLarge
from pipulate.graph.unpack import MOST_BYTES, check

MOST_REDIRECTS = 3
TRIES = 4
_PIECE = 1 << 20
_HEADERS = {"Accept-Encoding": "identity", "Accept": "*/*"}
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")

Progress = Callable[[int, int | None], object]  # bytes so far, bytes in all if known


class _Again(Exception):
    """This attempt failed in a way that another one may not; the text says how."""


class _Expired(Exception):
    """The host does not know the address any more."""


async def download(
    http: httpx2.AsyncClient,
    url: str,
    target: Path,
    *,
    fresh: Callable[[], Awaitable[str]] | None = None,
    progress: Progress = lambda received, total: None,
    local: bool = False,
    most_bytes: int = MOST_BYTES,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> int:
    """Fetch `url` into `target` and return its length in bytes, still packed as the host sent it.

    `http` must not add credentials by itself.  `fresh` gets a new address when this one has
    expired.  `local` says that the API is a stand-in on this machine.  Raises ForeignAddress,
    LinkExpired, Unreachable, BadFile, TooLarge or CannotWrite; the target is then as it was.
    """
    renewed = False
    attempt = 1
    while True:
        try:
            return await _attempt(http, url, target, progress, local, most_bytes)
        except _Expired:
            if renewed or fresh is None:
                raise LinkExpired(
                    "The download address of this export has expired. The rows were paid for; open "
                    "the export in Botify to fetch them there, or revert this step to export them "
                    "anew."
                ) from None
            renewed = True
            url = await fresh()
            continue
        except BadFile:
            if attempt == TRIES:
                raise
        except _Again as trouble:
            if attempt == TRIES:
                raise Unreachable(
                    f"The exported file could not be downloaded: {trouble}. "
                    "Try again later; the export itself is safe."
                ) from None
        await sleep(2.0 ** (attempt - 1))
        attempt += 1


def check_address(url: str, local: bool = False) -> str:
    """Return `url` if a file may be fetched from it; `local` as in `download`.

    Raises ForeignAddress otherwise.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
        _ = parts.port  # raises for one that is none
    except ValueError:
        host = ""
    if not host or "@" in parts.netloc or not all("!" <= c <= "~" for c in url) or "\\" in url:
        raise ForeignAddress("The download address is malformed, so it is not followed.")
    if local:
        if parts.scheme in ("http", "https") and is_loopback(host):
            return url
        raise ForeignAddress(
            f"A local stand-in of Botify gave a download address on {host}, which is not followed."
        )
    if parts.scheme != "https":
        raise ForeignAddress(
            f"The download address begins with {parts.scheme}://, not https://, "
            "so it is not followed."
        )
    if _is_ip(host) or "." not in host or host.endswith(_LOCAL_NAMES):
        raise ForeignAddress(
            f"The download address names {host}, no public host, so it is not followed."
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ip(host: str) -> bool:
    # "127.1" and "2130706433" are addresses to many resolvers, too: no public name ends in digits.
    return ":" in host or host.rpartition(".")[2].isdigit()


async def _attempt(
    http: httpx2.AsyncClient,
    url: str,
    target: Path,
    progress: Progress,
    local: bool,
    most_bytes: int,
) -> int:
    """One try, redirects included."""
    try:
        for _ in range(MOST_REDIRECTS + 1):
            check_address(url, local)
            async with http.stream("GET", url, headers=_HEADERS, follow_redirects=False) as answer:
                if not answer.has_redirect_location:
                    return await _receive(answer, target, progress, most_bytes)
                url = urljoin(url, answer.headers["location"])
    except httpx2.RequestError as error:
        raise _Again(f"the connection to the file host failed ({type(error).__name__})") from error
    raise ForeignAddress(
        "The download address leads from redirect to redirect; it is not followed further."
    )


async def _receive(
    answer: httpx2.Response, target: Path, progress: Progress, most_bytes: int
) -> int:
    """Write the body to a temporary file, check it, give it its name."""
    total = _length(answer, most_bytes)
    with explained(target):
        part, file = await asyncio.to_thread(begin, target)
        try:
            progress(0, total)
            received = 0
            async for piece in answer.aiter_raw(_PIECE):
                received += len(piece)
                if received > most_bytes:
                    raise TooLarge(
                        f"The exported file goes on after {most_bytes:,} bytes. It was not kept."
                    )
                await asyncio.to_thread(file.write, piece)
                progress(received, total)
            if total is not None and received != total:
                raise _Again(f"only {received:,} of {total:,} bytes came")
            await asyncio.to_thread(file.flush)
            await asyncio.to_thread(check, part, target.name)
            await asyncio.to_thread(finish, part, target)
            progress(received, received)
            return received
        finally:
            with contextlib.suppress(OSError):  # a full disk was reported already
                file.close()
            part.unlink(missing_ok=True)


def _length(answer: httpx2.Response, most_bytes: int) -> int | None:
    """How many bytes are to come, if the host tells; raises for an answer that is no file."""
    if answer.status_code in (403, 404, 410):
        raise _Expired
    if answer.status_code != 200:
        raise _Again(f"the file host answered {answer.status_code}")
    told = answer.headers.get("content-length", "")
    if not told.isdecimal():
        return None
    if int(told) > most_bytes:
        raise TooLarge(
            f"The exported file has {int(told):,} bytes, more than any export has. "
            "It was not downloaded."
        )
    return int(told)
