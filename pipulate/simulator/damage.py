"""HTTP answers that break off or lie: a dropped connection, a file cut short or with a wrong byte.

An ASGI app cannot close a connection before it has answered; it can promise a body and not deliver
it.  A server then closes the connection, and the client sees an incomplete answer: a protocol
error, never a good one.
"""

from collections.abc import Iterator
from pathlib import Path

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_PIECE = 1 << 16


class Dropped(Response):
    """Promises one byte and sends none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(1))


class DamagedFile(Response):
    """A file that is sent wrongly.

    `kind` is "truncated" (a part, as if it were all), "cut" (the connection drops in its midst) or
    "corrupt" (one byte in the middle differs).
    """

    def __init__(self, path: Path, kind: str, media_type: str) -> None:
        super().__init__(media_type=media_type)
        self.path = path
        self.kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = self.path.stat().st_size
        part = whole * 3 // 5
        promised, sent, wrong = {
            "truncated": (part, part, -1),
            "cut": (whole, part, -1),
            "corrupt": (whole, whole, whole // 2),
        }[self.kind]
        await send(_start(promised, self.media_type))
        async for piece in iterate_in_threadpool(_pieces(self.path, sent, wrong)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self.kind != "cut":
            await send({"type": "http.response.body", "body": b""})


def _start(length: int, media_type: str | None = None) -> dict[str, object]:
    headers = [(b"content-length", str(length).encode())]
    if media_type:
        headers.append((b"content-type", media_type.encode()))
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _pieces(path: Path, size: int, wrong: int) -> Iterator[bytes]:
    """The first `size` bytes of a file; the byte at `wrong` inverted."""
    with path.open("rb") as file:
        position = 0
        while piece := file.read(min(_PIECE, size - position)):
            at = wrong - position
            if 0 <= at < len(piece):
                piece = piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
            yield piece
            position += len(piece)
