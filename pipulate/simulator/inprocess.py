"""An httpx2 transport that calls an ASGI app in the same loop, streaming.

httpx2's own ASGITransport runs the app to its end before the caller sees a
byte; here the answer passes through a queue of a few chunks.  Unlike a server
on a port it can be reached by no other program.  Read time-outs and dropped
connections come out as httpx2's own exceptions, as on a wire.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx2
from starlette.types import ASGIApp, Message, Scope

QUEUED_CHUNKS = 4


class InProcessTransport(httpx2.AsyncBaseTransport):
    """The client's `base_url` is what the app sees as its own address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _Exchange(self.app, request, await request.aread())
        try:
            start = await exchange.next_message()
        except BaseException:
            await exchange.aclose()
            raise
        return httpx2.Response(start["status"], headers=start.get("headers", []), stream=exchange)


class _Exchange(httpx2.AsyncByteStream):
    def __init__(self, app: ASGIApp, request: httpx2.Request, body: bytes) -> None:
        self.app = app
        self.request = request
        self.body: bytes | None = body
        self.patience: float | None = request.extensions.get("timeout", {}).get("read")
        self.messages: asyncio.Queue[Message | None] = asyncio.Queue(QUEUED_CHUNKS)
        self.failure: Exception | None = None
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self.app(_scope(self.request), self._receive, self.messages.put)
        except Exception as failure:
            self.failure = failure
        await self.messages.put(None)

    async def _receive(self) -> Message:
        if self.body is None:
            await asyncio.Event().wait()  # until the client leaves
        message = {"type": "http.request", "body": self.body, "more_body": False}
        self.body = None
        return message

    async def next_message(self) -> Message:
        try:
            message = await asyncio.wait_for(self.messages.get(), self.patience)
        except TimeoutError as error:
            raise httpx2.ReadTimeout(
                "The in-process app did not answer in time.", request=self.request
            ) from error
        if message is not None:
            return message
        raise self.failure or httpx2.RemoteProtocolError(
            "The answer ended before it was complete.", request=self.request
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.next_message()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def aclose(self) -> None:
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])


def _scope(request: httpx2.Request) -> Scope:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
        "state": {},
    }
