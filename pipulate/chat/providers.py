"""Any language model behind one small interface, `Model`: a name, a window, a stream of text and tool calls.

DESIGN    One HTTP client, `Remote`, speaks two protocols: `OPENAI` (server-sent events: cloud services, vLLM, LM
          Studio, our embedded runtime) and `OLLAMA` (its native /api/chat, for its /v1 ignores `num_ctx` and silently
          cuts long chats).  Every way in which a server can fail becomes a `ModelError` that says what to do.
MESSAGES  and tools are OpenAI's dictionaries: {"role": "system" | "user" | "assistant" | "tool", "content": text}, an
          assistant's "tool_calls", a tool result's "tool_call_id" and "name".
CANCEL    Close the generator (`aclosing`): its connection closes, and that stops the generation.  A connection serves
          one request and is never kept, so there is nothing else to close.
WINDOW    Tokens of prompt and answer together.  `fit` keeps a conversation inside it and says what it left out; an
          answer that hits the wall ends in an error.  Nothing is cut in silence.
PRIVACY   Only addresses given by the user or on this machine are contacted: no proxy from the environment, no
          redirects; Ollama's cloud models, which look local but are not, are never found by `detect`.
"""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypedDict, Unpack

import httpx2

from pipulate.engine.errors import PipulateError

Message = dict[str, Any]
Stream = AsyncGenerator["str | ToolCall", None]

OLLAMA_URL = "http://127.0.0.1:11434"
WINDOW = 8192  # asked of Ollama, and assumed of servers that do not tell theirs
PROBE = 2.0  # seconds a server may take to say that it is there
# What reading a wrong answer as the right one raises; RecursionError comes of JSON nested too deep.
GARBAGE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class ModelError(PipulateError):
    """The model could not answer; the message says why and what to do."""

    status = 502


@dataclass(frozen=True)
class ToolCall:
    """The model wants the tool `name` called with `arguments`; `id` (may be empty) pairs the result with the call."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


class Ask(TypedDict, total=False):
    """How to answer: with native `tools`, as JSON obeying a `schema`, in at most `max_tokens`."""

    tools: Sequence[dict[str, Any]]
    schema: dict[str, Any]
    max_tokens: int


class Model(Protocol):
    """What the chat needs of a model.  `place` tells people where it runs; `tools`: it can call tools natively."""

    name: str
    place: str
    window: int
    tools: bool

    def stream(self, messages: Sequence[Message], **ask: Unpack[Ask]) -> Stream:
        """Yield text as it comes; then, only after a complete answer, tool calls.

        Raises `ModelError`, perhaps after part of the answer.
        """
        ...


class Speech(NamedTuple):
    """A protocol: where to POST, what to ask (but model and tools), how to read a line of the answer.

    `read(line, calls)` returns (text, why the answer ends or "") and collects calls, perhaps piece by piece:
    number → [name, JSON of the arguments, id].
    """

    path: str
    ask: Callable[["Remote", Sequence[Message], Ask], dict[str, Any]]
    read: Callable[[bytes, dict[int, list[str]]], tuple[str, str]]


@dataclass
class Remote:
    """A model on a server at `url` (an OpenAI address ends in /v1).  `silence`: seconds without a byte it may take."""

    speech: Speech
    url: str
    name: str = ""
    key: str = ""
    window: int = WINDOW
    tools: bool = True
    place: str = ""
    silence: float = (
        300  # a large model may need minutes to load from disk and to read a long prompt
    )

    def __post_init__(self) -> None:
        self.place = self.place or re.sub(r"^\w+://([^/@]*@)?|/.*$", "", self.url)

    @cached_property
    def client(self) -> httpx2.AsyncClient:
        """Our way to the server."""
        return httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
            trust_env=False,
            verify=self.url.startswith(
                "https"
            ),  # reading the certificates takes 20-100 ms: not for loopback
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def stream(self, messages: Sequence[Message], **ask: Unpack[Ask]) -> Stream:
        """See `Model.stream`."""
        calls: dict[int, list[str]] = {}
        end = ""
        body = {"model": self.name, "stream": True} | self.speech.ask(self, messages, ask)
        if ask.get("tools"):
            body["tools"] = list(ask["tools"])
        async with aclosing(
            self._lines(self.speech.path, body, httpx2.Timeout(self.silence, connect=10))
        ) as lines:
            async for line in lines:
                try:
                    text, end = self.speech.read(line, calls)
                    text = text.encode(
                        "utf-8", "replace"
                    ).decode()  # half an emoji in a JSON escape is no text
                except GARBAGE as error:
                    raise self._unexpected(line) from error
                if text:
                    yield text
                if end:
                    break
        if not end:
            raise ModelError(f"{self.place} broke off in the middle of the answer. Ask again.")
        if end == "length" and not ask.get("max_tokens"):
            raise ModelError(
                f"The answer stops here: the window of {self.name} ({self.window} tokens) is full."
            )
        for name, arguments, number in calls.values():
            try:
                call = ToolCall(name, dict(json.loads(arguments or "{}")), number)
            except GARBAGE as error:
                raise ModelError(
                    f"{self.name} called {name!r} with broken arguments: {arguments[:100]}"
                ) from error
            yield call

    async def document(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One JSON object about the server, by POST if there is a body, within `PROBE` seconds."""
        data = b"\n".join([line async for line in self._lines(path, body, httpx2.Timeout(PROBE))])
        try:
            return dict(json.loads(data))
        except GARBAGE as error:
            raise self._unexpected(data) from error

    async def _lines(
        self, path: str, body: Any, timeout: httpx2.Timeout
    ) -> AsyncGenerator[bytes, None]:
        # Split at line feeds alone: httpx's aiter_lines also splits at U+2028, which may stand inside JSON.
        content = json.dumps(body) if body else None
        try:
            async with self.client.stream(
                "POST" if body else "GET", path, content=content, timeout=timeout
            ) as answer:
                if answer.status_code != 200:
                    raise self._refusal(answer.status_code, await answer.aread())
                rest = b""
                async for chunk in answer.aiter_bytes():
                    *whole, rest = (rest + chunk).split(b"\n")
                    if len(rest) > 8_000_000:
                        raise self._unexpected(rest)
                    for line in whole:
                        if line.strip():
                            yield line.strip()
                if rest.strip():
                    yield rest.strip()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise ModelError(
                f"{self.place} is not running: start it, choose another model, or get the small embedded "
                "one: pipulate model get"
            ) from error
        except httpx2.TimeoutException as error:
            raise ModelError(
                f"{self.place} was silent for {timeout.read:g} s. Try a smaller model."
            ) from error
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise ModelError(
                f"{self.url!r} is no model server's address, like http://127.0.0.1:8080/v1"
            ) from error
        except httpx2.HTTPError as error:
            raise ModelError(
                f"{self.place} broke off ({type(error).__name__}). Ask again."
            ) from error

    def _refusal(self, status: int, body: bytes) -> ModelError:
        pull = (
            f"Get it: ollama pull {self.name}" if self.speech is OLLAMA else "Choose another model."
        )
        cure = {
            401: "Check the key in Settings.",
            403: "Check the key in Settings.",
            404: pull,
        }.get(status, "")
        return ModelError(
            f"{self.place} answered with status {status} to {self.name!r}: {self._quote(body)} {cure}"
        )

    def _unexpected(self, data: bytes) -> ModelError:
        return ModelError(
            f"{self.place} sent something unexpected: {self._quote(data)} Is its address right?"
        )

    def _quote(self, data: bytes) -> str:
        # Short, on one line, and without our key should the server echo that.
        text = " ".join(data[:2000].decode("utf-8", "replace").split())
        return (text.replace(self.key, "…") if self.key else text)[:300] or "(nothing)"


def _ask_openai(model: Remote, messages: Sequence[Message], ask: Ask) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": list(messages)}
    if ask.get("max_tokens"):
        body["max_tokens"] = ask["max_tokens"]
    if ask.get("schema"):
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": ask["schema"]},
        }
        body["temperature"] = 0  # a choice wants the likeliest answer, not a lively one
    return body


def _read_openai(line: bytes, calls: dict[int, list[str]]) -> tuple[str, str]:
    field, _, data = line.partition(b":")
    if field in (
        b"",
        b"event",
        b"id",
        b"retry",
    ):  # "" is a comment, sent to keep the connection alive
        return "", ""
    if field != b"data":
        raise ValueError(field)
    if data.strip() == b"[DONE]":
        return "", "stop"
    text = end = ""
    for choice in _event(data).get("choices") or []:
        delta = choice.get("delta") or {}
        text += delta.get("content") or ""
        end = choice.get("finish_reason") or end
        for part in delta.get("tool_calls") or []:
            function = part.get("function") or {}
            call = calls.setdefault(part.get("index", len(calls)), ["", "", ""])
            call[0] += function.get("name") or ""
            call[1] += function.get("arguments") or ""
            call[2] = part.get("id") or call[2]
    return text, end


def _ask_ollama(model: Remote, messages: Sequence[Message], ask: Ask) -> dict[str, Any]:
    options: dict[str, Any] = {"num_ctx": model.window}
    body: dict[str, Any] = {"messages": [*map(_for_ollama, messages)], "options": options}
    if ask.get("max_tokens"):
        options["num_predict"] = ask["max_tokens"]
    if ask.get("schema"):
        body["format"] = ask["schema"]
        options["temperature"] = 0
    return body


def _for_ollama(message: Message) -> Message:
    # Ollama wants a call's arguments as an object, and a result by the name of its tool.
    if called := message.get("tool_calls"):
        functions = [
            {**call["function"], "arguments": json.loads(call["function"]["arguments"])}
            for call in called
        ]
        return {**message, "tool_calls": [{"function": function} for function in functions]}
    return (
        {**message, "tool_name": message.get("name", "")} if message["role"] == "tool" else message
    )


def _read_ollama(line: bytes, calls: dict[int, list[str]]) -> tuple[str, str]:
    event = _event(line)
    message = event.get("message") or {}
    for part in message.get("tool_calls") or []:
        function = part["function"]
        calls[len(calls)] = [
            function["name"],
            json.dumps(function.get("arguments") or {}),
            part.get("id") or "",
        ]
    return message.get("content") or "", (event.get("done_reason") or "stop") if event.get(
        "done"
    ) else ""


def _event(data: bytes) -> dict[str, Any]:
    # Both protocols report a late failure as an "error" in the stream.
    event = dict(json.loads(data))
    if error := event.get("error"):
        raise ModelError(
            f"The model failed: {error['message'] if isinstance(error, dict) else error}"[:300]
        )
    return event


OPENAI = Speech("/chat/completions", _ask_openai, _read_openai)
OLLAMA = Speech("/api/chat", _ask_ollama, _read_ollama)


async def detect(
    *,
    url: str = "",
    key: str = "",
    name: str = "",
    window: int = WINDOW,
    ollama: str = OLLAMA_URL,
    embedded: Model | None = None,
) -> list[Model]:
    """The models that answer now, the one to use first; empty when there is none.

    Order: the user's own endpoint (OpenAI protocol at `url`, with `key` and perhaps the `name` of a model), a running
    Ollama (last changed model first), the `embedded` one.  All are asked at once, `PROBE` seconds for each question.
    """
    asked = [_ollama_models(Remote(OLLAMA, ollama, window=window, place="Ollama"))]
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
    listed = (await server.document("/models")).get("data") or []
    found = [
        replace(
            server, name=entry["id"], window=entry.get("max_model_len") or server.window
        )  # told by vLLM
        for entry in listed
        if server.name in ("", entry["id"])
    ]
    return found or (
        [server] if server.name else []
    )  # not every service lists all it has: believe the user


async def _ollama_models(server: Remote) -> list[Remote]:
    tags = (await server.document("/api/tags")).get("models") or []
    local = [
        tag["model"] for tag in tags if not (tag.get("remote_host") or tag.get("remote_model"))
    ]
    shown = await asyncio.gather(
        *(server.document("/api/show", {"model": name}) for name in local), return_exceptions=True
    )
    found = []
    for name, facts in zip(local, shown, strict=True):
        if not isinstance(facts, dict):  # it could not be shown
            continue
        abilities = facts.get("capabilities") or ["completion"]
        trained = [
            size
            for fact, size in (facts.get("model_info") or {}).items()
            if fact.endswith(".context_length")
        ]
        if "completion" in abilities:  # the others only embed
            found.append(
                replace(
                    server,
                    name=name,
                    window=min([server.window, *trained]),
                    tools="tools" in abilities,
                )
            )
    return found


def tokens(text: str) -> int:
    """Estimate the tokens of `text`, rather too many than too few, since each model has its own vocabulary.

    Lower case and spaces count 1/3.8, digits 1, other ASCII 0.6, the rest a third of its UTF-8 bytes: 0.8 to 1.7 times
    Qwen's own count for prose, code, JSON and CSV, up to 2.2 times for Cyrillic and CJK.
    """
    prose, digits = len(re.findall(r"[a-z\s]", text, re.ASCII)), len(re.findall(r"[0-9]", text))
    plain = sum(map(str.isascii, text))
    rest = len(text.encode("utf-8", "replace")) - plain
    return math.ceil(prose / 3.8 + digits + (plain - prose - digits) * 0.6 + rest / 3)


def fit(
    messages: Sequence[Message], window: int, summary: str = ""
) -> tuple[list[Message], list[Message]]:
    """Split a conversation into (what to send, what had to be left out) so that the first fits the window.

    The leading system messages and the newest turns are kept; a quarter of the window stays free for the answer.
    Turns are left out whole, oldest first, so a tool's result never loses its question.  When any are left out, have
    them summarised and call `fit` again with the `summary`: it goes after the system prompt, whose beginning stays
    the same (a runtime need not read that again).  Raises `ModelError` when the last turn alone is too long.
    """
    start = next(
        (index for index, message in enumerate(messages) if message["role"] != "system"),
        len(messages),
    )
    system, rest = list(messages[:start]), list(messages[start:])
    if summary:  # in one message: the templates of several models refuse a second system message
        texts = [
            *(message["content"] for message in system),
            f"Summary of the earlier conversation:\n{summary}",
        ]
        system = [{"role": "system", "content": "\n\n".join(texts)}]
    room = window - window // 4 - sum(map(_cost, system))
    costs = [*map(_cost, rest)]
    for turn in [
        0,
        *(index for index, message in enumerate(rest) if index and message["role"] == "user"),
    ]:
        reserve = window // 8 if turn and not summary else 0  # for the summary to come
        if sum(costs[turn:]) <= room - reserve:
            return [*system, *rest[turn:]], rest[:turn]
    raise ModelError(
        f"This is too long for the model: its window is {window} tokens, prompt and answer together. "
        "Shorten the message, or choose a model with a larger window."
    )


def _cost(message: Message) -> int:
    called = json.dumps(message["tool_calls"]) if message.get("tool_calls") else ""
    return 8 + tokens(
        (message.get("content") or "") + called
    )  # 8: the template's marks around a message
