"""Fetch an exported file from the file host: whole, intact, without our
token.

ADDRESS    Comes from the API and names another host (a CDN): https to a
           public name, or, when the API is a stand-in here, this machine.
           Redirects likewise, three at most.
STREAMING  By the megabyte into a temporary file beside the target, written
           in a thread.  Nothing cancelled or killed looks finished.
CHECKS     The length, if told; gzip and zip are unpacked to nowhere, since
           a host may send a file that was cut off earlier.
TROUBLE    A dropped connection, 429, 5xx or a broken file: from the start,
           three times more.  403, 404, 410: the address has expired, a
           fresh one is asked for, once.
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

Progress = Callable[[int, int | None], object]  # bytes so far, in all if known
Sleep = Callable[[float], Awaitable[object]]


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
    sleep: Sleep = asyncio.sleep,
) -> int:
    """Fetch `url` into `target`, packed as it is; return its bytes' number.

    `http` must add no credentials; `fresh` gets a new address for an expired
    one; `local`: the API is a stand-in here.  Raises ForeignAddress,
    LinkExpired, Unreachable, BadFile, TooLarge or CannotWrite; the target is
    then as it was.
    """
    renewed = False
    attempt = 1
    while True:
        try:
            return await _attempt(http, url, target, progress, local, most_bytes)
        except _Expired:
            if renewed or fresh is None:
                raise LinkExpired(
                    "The download address of this export has expired. The rows "
                    "were paid for; open the export in Botify to fetch them there, "
                    "or revert this step to export them anew."
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
    """Return `url`, or raise ForeignAddress; `local` as in `download`."""
    if wrong := _wrong(url, local):
        raise ForeignAddress(f"The download address {wrong}, so it is not followed.")
    return url


def _wrong(url: str, local: bool) -> str:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
        _ = parts.port  # raises for one that is none
    except ValueError:
        host = ""
    if not host or "@" in parts.netloc or not all("!" <= c <= "~" for c in url) or "\\" in url:
        return "is malformed"
    if local:
        if parts.scheme in ("http", "https") and is_loopback(host):
            return ""
        return f"of a local stand-in of Botify is on {host}"
    if parts.scheme != "https":
        return f"begins with {parts.scheme}://, not https://"
    # "127.1" and "2130706433" are addresses, too: no public name ends in digits.
    is_ip = ":" in host or host.rpartition(".")[2].isdecimal()
    if is_ip or "." not in host or host.endswith(_LOCAL_NAMES):
        return f"names {host}, no public host"
    return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _attempt(
    http: httpx2.AsyncClient,
    url: str,
    target: Path,
    progress: Progress,
    local: bool,
    most_bytes: int,
) -> int:
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
