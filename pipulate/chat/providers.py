"""Any language model behind one small interface, `Model`.

DESIGN    `Remote` speaks two protocols: `OPENAI` (cloud services, vLLM, LM
          Studio, our embedded runtime) and `OLLAMA` (its /v1 ignores
          `num_ctx` and silently cuts long chats).  Every way to fail becomes
          a `ModelError` that says what to do.
MESSAGES  and tools are OpenAI's dictionaries.
CANCEL    Close the generator (`aclosing`): that closes its connection,
          which serves one request, and stops the generation.
WINDOW    Tokens of prompt and answer together; an answer that hits the wall
          ends in an error.
BOUNDS    An answer that does not end is ended, whichever of its text, bytes
          or time goes on; so is any other document of a server.
PRIVACY   Only addresses of the user's or on this machine are contacted: no
          proxy from the environment, no redirects, none of Ollama's cloud
          models, which only look local.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict, Unpack
from urllib.parse import urlsplit

from pipulate.engine import foreign
from pipulate.engine.errors import PipulateError

if TYPE_CHECKING:
    import httpx2

Message = dict[str, Any]
Stream = AsyncGenerator["str | ToolCall", None]
Calls = dict[int, list[str]]  #: number -> [name, JSON of the arguments, id]

OLLAMA_URL = "http://127.0.0.1:11434"
WINDOW = 8192  # asked of Ollama, and assumed of servers that do not tell theirs
PROBE = 2.0  # seconds a server may take to say that it is there
CONNECT = 10.0  # seconds a server may take to accept a connection
SILENCE = 300.0  # seconds: a large model may need minutes to load and to read a long prompt
LONGEST_LINE = 8_000_000  # bytes of one event, or of a list of models
LONGEST_ANSWER = 200_000  # characters: a hundred pages
MOST_BYTES = 32 << 20  # of one answer, with all that is around its text
MOST_SECONDS = 3600.0  # of one answer: a slow processor, a long one
MOST_CALLS = 32  # of tools in one answer
MOST_MODELS = 2_000  # of those that a server lists
LONGEST_WORDS = 300  # characters of a server's words in an error
QUOTED = 2_000  # bytes that are looked at for them
ABSENT = (
    "{} is not running: start it, choose another model, or get the small embedded "
    "one: pipulate model get"
)
# What reading a wrong answer as the right one raises; JSON may be nested too deep.
GARBAGE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class ModelError(PipulateError):
    """The model could not answer; the message says why and what to do."""

    status = 502


@dataclass(frozen=True)
class ToolCall:
    """The model wants a tool called; its result has the same `id`."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


class Ask(TypedDict, total=False):
    """How to answer: with `tools`, as JSON of a `schema`, how long."""

    tools: Sequence[dict[str, Any]]
    schema: dict[str, Any]
    max_tokens: int


class Model(Protocol):
    """What the chat needs of a model; `tools`: it calls them natively."""

    name: str
    place: str
    window: int
    tools: bool

    def stream(self, messages: Sequence[Message], **ask: Unpack[Ask]) -> Stream:
        """Yield text, after all of it tool calls; raises ModelError at any time."""
        ...


async def whole(model: Model, messages: Sequence[Message], **ask: Unpack[Ask]) -> str:
    """The text of an answer; raises ModelError."""
    async with aclosing(model.stream(messages, **ask)) as stream:
        return "".join([piece async for piece in stream if isinstance(piece, str)])


class Speech(NamedTuple):
    """A protocol: where to POST, what to ask, how to read a line.

    `read(line, calls)` returns (text, why the answer ends or "") and
    collects calls, perhaps piece by piece.
    """

    path: str
    ask: Callable[["Remote", Sequence[Message], Ask], dict[str, Any]]
    read: Callable[[bytes, Calls], tuple[str, str]]


@dataclass
class Remote:
    """A model on a server at `url` (an OpenAI address ends in /v1).

    `silence`: seconds without a byte that it may think; `most_seconds`: those
    of a whole answer.
    """

    speech: Speech
    url: str
    name: str = ""
    key: str = ""
    window: int = WINDOW
    tools: bool = True
    place: str = ""
    silence: float = SILENCE
    most_seconds: float = MOST_SECONDS

    def __post_init__(self) -> None:
        self.place = self.place or re.sub(r"^\w+://([^/@]*@)?|/.*$", "", self.url)

    @cached_property
    def client(self) -> "httpx2.AsyncClient":
        """Our way to the server."""
        import httpx2

        return httpx2.AsyncClient(
            base_url=self.url,
            headers=self._headers(),
            trust_env=False,
            # Reading the certificates takes 20-100 ms: not for loopback.
            verify=self.url.startswith("https"),
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def _headers(self) -> dict[str, str]:
        # As it is: a packed answer may be a thousand times as long.
        headers = {"Accept-Encoding": "identity"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers

    async def stream(self, messages: Sequence[Message], **ask: Unpack[Ask]) -> Stream:
        """See `Model.stream`."""
        calls: Calls = {}
        end = ""
        said = 0
        body = {"model": self.name, "stream": True} | self.speech.ask(self, messages, ask)
        if tools := ask.get("tools"):
            body["tools"] = list(tools)
        wait = (self.silence, self.most_seconds)
        async with aclosing(self._lines(self.speech.path, body, *wait)) as lines:
            async for line in lines:
                text, end = self._read(line, calls)
                said += len(text)
                if text:
                    yield text[: len(text) + min(LONGEST_ANSWER - said, 0)]
                if said > LONGEST_ANSWER:
                    raise self._endless(f"{LONGEST_ANSWER:,} characters")
                if len(calls) > MOST_CALLS:
                    raise self._endless(f"{MOST_CALLS} calls of tools")
                if end:
                    break
        if not end:
            raise ModelError(f"{self.place} broke off in the middle of the answer. Ask again.")
        if end == "length" and not ask.get("max_tokens"):
            raise ModelError(
                f"The answer stops here: the window of {self.name} ({self.window} tokens) is full."
            )
        for call in calls.values():
            yield self._call(*call)

    def _read(self, line: bytes, calls: Calls) -> tuple[str, str]:
        try:
            text, end = self.speech.read(line, calls)
            # Half an emoji in a JSON escape is no text.
            return text.encode("utf-8", "replace").decode(), end
        except GARBAGE as error:
            raise self._unexpected(line) from error

    def _call(self, name: str, arguments: str, id: str) -> ToolCall:
        name = name[:LONGEST_WORDS]
        try:
            given = dict(foreign.loads(arguments or "{}", LONGEST_ANSWER))
            return ToolCall(name, given, id[:LONGEST_WORDS])
        except GARBAGE as error:
            wrong = f"{self.name} called {name!r} with broken arguments"
            raise ModelError(f"{wrong}: {arguments[:100]}") from error

    async def document(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A JSON object about the server; by POST if with a body."""
        found = self._lines(path, body, PROBE, 5 * PROBE, LONGEST_LINE)
        async with aclosing(found) as lines:
            data = b"\n".join([line async for line in lines])
        try:
            return dict(foreign.loads(data))
        except GARBAGE as error:
            raise self._unexpected(data) from error

    async def _lines(
        self,
        path: str,
        body: Any,
        silence: float,
        most_seconds: float,
        most_bytes: int = MOST_BYTES,
    ) -> AsyncGenerator[bytes, None]:
        import httpx2

        method = "GET"
        content = None
        if body:
            method = "POST"
            content = json.dumps(body)
        patience = httpx2.Timeout(silence, connect=min(silence, CONNECT))
        end = asyncio.get_running_loop().time() + most_seconds
        try:
            async with AsyncExitStack() as stack:
                request = self.client.stream(method, path, content=content, timeout=patience)
                async with asyncio.timeout_at(end):
                    answer = await stack.enter_async_context(request)
                pieces = self._pieces(answer, end, most_bytes)
                if answer.status_code != 200:
                    raise self._refusal(answer.status_code, await _beginning(pieces))
                async for line in self._split(pieces):
                    if line.strip():
                        yield line.strip()
        except TimeoutError as error:
            raise self._endless(f"{most_seconds:,.0f} seconds") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ModelError(self._why(error, silence)) from error

    async def _pieces(
        self, answer: "httpx2.Response", end: float, most_bytes: int
    ) -> AsyncIterator[bytes]:
        came = 0
        raw = answer.aiter_raw()
        while True:
            async with asyncio.timeout_at(end):
                piece = await anext(raw, None)
            if piece is None:
                return
            yield piece
            came += len(piece)
            if came > most_bytes:
                raise self._endless(f"{most_bytes:,} bytes")

    async def _split(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        # By line feeds alone: httpx2 also splits at U+2028, which JSON may hold.
        rest = bytearray()
        async for piece in pieces:
            rest += piece
            if b"\n" in piece:
                *whole, rest = rest.split(b"\n")
                for line in whole:
                    yield bytes(line)
            if len(rest) > LONGEST_LINE:
                raise self._unexpected(bytes(rest))
        yield bytes(rest)

    def _endless(self, bound: str) -> ModelError:
        return ModelError(
            f"The answer of {self.place} did not end: it was ended after {bound}. "
            "Ask for less, or choose another model."
        )

    def _why(self, error: Exception, silence: float) -> str:
        import httpx2

        match error:
            case httpx2.ConnectError() | httpx2.ConnectTimeout():
                return ABSENT.format(self.place)
            case httpx2.TimeoutException():
                return f"{self.place} was silent for {silence:g} s. Try a smaller model."
            case httpx2.InvalidURL() | httpx2.UnsupportedProtocol():
                like = "http://127.0.0.1:8080/v1"
                return f"{self.url!r} is no model server's address, like {like}"
        return f"{self.place} broke off ({type(error).__name__}). Ask again."

    async def probe(self) -> None:
        """Raise a ModelError unless somebody listens at our address."""
        where = urlsplit(self.url)
        try:
            reached = asyncio.open_connection(where.hostname, where.port)
            _, writer = await asyncio.wait_for(reached, PROBE)
        except OSError as error:
            raise ModelError(ABSENT.format(self.place)) from error
        writer.close()

    def _refusal(self, status: int, body: bytes) -> ModelError:
        cure = ""
        if status in (401, 403):
            cure = "Check the key in Settings."
        elif status == 404 and self.speech is OLLAMA:
            cure = f"Get it: ollama pull {self.name}"
        elif status == 404:
            cure = "Choose another model."
        said = f"{self.place} answered with status {status} to {self.name!r}"
        return ModelError(f"{said}: {self._quote(body)} {cure}")

    def _unexpected(self, data: bytes) -> ModelError:
        said = self._quote(data)
        return ModelError(f"{self.place} sent something unexpected: {said} Is its address right?")

    def _quote(self, data: bytes) -> str:
        # without our key, should they echo that
        text = " ".join(data[:QUOTED].decode("utf-8", "replace").split())
        if self.key:
            text = text.replace(self.key, "…")
        return text[:LONGEST_WORDS] or "(nothing)"


async def _beginning(pieces: AsyncIterator[bytes]) -> bytes:
    said = b""
    async for piece in pieces:
        said += piece
        if len(said) > QUOTED:
            break
    return said


def _ask_openai(model: Remote, messages: Sequence[Message], ask: Ask) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": list(messages)}
    if most := ask.get("max_tokens"):
        body["max_tokens"] = most
    if schema := ask.get("schema"):
        named = {"name": "answer", "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
        body["temperature"] = 0  # a choice wants the likeliest answer, not a lively one
    return body


def _read_openai(line: bytes, calls: Calls) -> tuple[str, str]:
    field, _, data = line.partition(b":")
    if field in (
        b"",
        b"event",
        b"id",
        b"retry",
    ):  # "" is a comment that keeps the connection alive
        return "", ""
    if field != b"data":
        raise ValueError(field)
    if data.strip() == b"[DONE]":
        return "", "stop"
    text = ""
    end = ""
    for choice in _event(data).get("choices") or []:
        delta = choice.get("delta") or {}
        text += delta.get("content") or ""
        end = choice.get("finish_reason") or end
        for part in delta.get("tool_calls") or []:
            _collect(part, calls)
    return text, end


def _collect(part: dict[str, Any], calls: Calls) -> None:
    function = part.get("function") or {}
    call = calls.setdefault(part.get("index", len(calls)), ["", "", ""])
    call[0] += function.get("name") or ""
    call[1] += function.get("arguments") or ""
    call[2] = part.get("id") or call[2]


def _ask_ollama(model: Remote, messages: Sequence[Message], ask: Ask) -> dict[str, Any]:
    options: dict[str, Any] = {"num_ctx": model.window}
    body: dict[str, Any] = {
        "messages": [*map(_for_ollama, messages)],
        "options": options,
    }
    if most := ask.get("max_tokens"):
        options["num_predict"] = most
    if schema := ask.get("schema"):
        body["format"] = schema
        options["temperature"] = 0
    return body


def _for_ollama(message: Message) -> Message:
    if message["role"] == "tool":
        return {**message, "tool_name": message.get("name", "")}
    called = message.get("tool_calls")
    if not called:
        return message
    functions = [dict(call["function"]) for call in called]
    for function in functions:
        function["arguments"] = foreign.loads(function["arguments"])
    return {
        **message,
        "tool_calls": [{"function": function} for function in functions],
    }


def _read_ollama(line: bytes, calls: Calls) -> tuple[str, str]:
    event = _event(line)
    message = event.get("message") or {}
    for part in message.get("tool_calls") or []:
        function = part["function"]
        arguments = json.dumps(function.get("arguments") or {})
        calls[len(calls)] = [function["name"], arguments, part.get("id") or ""]
    text = message.get("content") or ""
    if event.get("done"):
        return text, event.get("done_reason") or "stop"
    return text, ""


def _event(data: bytes) -> dict[str, Any]:
    event = dict(foreign.loads(data))
    if error := event.get("error"):
        said = error["message"] if isinstance(error, dict) else error
        raise ModelError(f"The model failed: {said}"[:LONGEST_WORDS])
    return event


OPENAI = Speech("/chat/completions", _ask_openai, _read_openai)
OLLAMA = Speech("/api/chat", _ask_ollama, _read_ollama)


async def detect(
    *,
    url: str = "",
    key: str = "",
    name: str = "",
    window: int = WINDOW,
    ollama: str = "",
    embedded: Model | None = None,
) -> list[Model]:
    """The models that answer now: at `url`, Ollama's, `embedded`."""
    local = Remote(OLLAMA, ollama or OLLAMA_URL, window=window, place="Ollama")
    asked = [_ollama_models(local)]
    if url:
        asked.insert(0, _openai_models(Remote(OPENAI, url, name, key, window)))
    models: list[Model] = []
    for found in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(found, list):
            models += found
        elif not isinstance(found, (ModelError, *GARBAGE)):
            raise found
    return [*models, embedded] if embedded else models


async def _openai_models(server: Remote) -> list[Remote]:
    listed = ((await server.document("/models")).get("data") or [])[:MOST_MODELS]
    found = []
    for entry in listed:
        id = entry["id"]
        if server.name in ("", id):
            window = entry.get("max_model_len") or server.window  # told by vLLM
            found.append(replace(server, name=id, window=window))
    if not found and server.name:  # not every service lists all it has: believe the user
        found.append(server)
    return found


async def _ollama_models(server: Remote) -> list[Remote]:
    await server.probe()
    tags = ((await server.document("/api/tags")).get("models") or [])[:MOST_MODELS]
    remote = ("remote_host", "remote_model")
    local = [tag["model"] for tag in tags if not any(map(tag.get, remote))]
    asked = (server.document("/api/show", {"model": name}) for name in local)
    shown = await asyncio.gather(*asked, return_exceptions=True)
    return [*filter(None, map(partial(_ollama_model, server), local, shown))]


def _ollama_model(server: Remote, name: str, facts: Any) -> Remote | None:
    if not isinstance(facts, dict):  # it could not be shown
        return None
    abilities = facts.get("capabilities") or ["completion"]
    if "completion" not in abilities:  # it only embeds
        return None
    known = facts.get("model_info") or {}
    trained = [known[fact] for fact in known if fact.endswith(".context_length")]
    window = min([server.window, *trained])
    return replace(server, name=name, window=window, tools="tools" in abilities)
