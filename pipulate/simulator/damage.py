"""HTTP answers that break off or lie: dropped, cut short, a wrong byte.

An ASGI app cannot close a connection before it has answered; but if it does
not deliver the body it promised, the server closes it.
"""

from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Dropped(Response):
    """Sends its content, and breaks off."""

    def __init__(self, content: bytes = b"", *, promised: int = 1) -> None:
        super().__init__(content, headers={"content-length": str(promised)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": self.raw_headers,
            }
        )
        if self.body:
            await send(
                {
                    "type": "http.response.body",
                    "body": self.body,
                    "more_body": True,
                }
            )


def damaged(path: Path, kind: str, media_type: str) -> Response:
    """A file with a fault of FILE; read whole: call in a thread."""
    content = bytearray(path.read_bytes())
    part = bytes(content[: len(content) * 3 // 5])
    if kind == "truncated":
        return Response(part, media_type=media_type)
    if kind == "cut":
        return Dropped(part, promised=len(content))
    content[len(content) // 2] ^= 0xFF
    return Response(bytes(content), media_type=media_type)
