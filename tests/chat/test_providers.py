"""Models over real HTTP: both protocols, every failure in words, cancelling, detection, the
window.
"""

import asyncio
import gzip
import json
import socket
from contextlib import aclosing
from typing import Any

import pytest

from pipulate.chat.providers import (
    LONGEST_ANSWER,
    OLLAMA,
    OPENAI,
    Message,
    Model,
    ModelError,
    Remote,
    ToolCall,
    detect,
)
from tests.chat.scripted import Reply, ScriptedModel
from tests.endless import HEAD, Endless
from tests.server import PATIENCE

TEXT = "Grüße an alle! 日本語 and 👍🏽, \u2028 line separators \x85 too.\nTwo lines."
USER = [{"role": "user", "content": "Hello"}]
BOTH = pytest.mark.parametrize("protocol", ["openai", "ollama"])


async def answer(
    model: Model, messages: list[Message] = USER, **ask: Any
) -> tuple[str, list[ToolCall]]:
    """Return the whole text and the tool calls of an answer."""
    text, calls = "", []
    async with aclosing(model.stream(messages, **ask)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                text += piece
            else:
                calls.append(piece)
    return text, calls


def client(server: ScriptedModel, protocol: str, **more: Any) -> Remote:
    """Return a client of the scripted server."""
    return server.openai(**more) if protocol == "openai" else server.ollama(**more)


class TestAnswers:
    @BOTH
    @pytest.mark.parametrize("pieces", [0, 1, 2, 7, 64, 10_000])
    async def test_text_survives_any_chunk_boundaries(self, protocol: str, pieces: int) -> None:
        """Chunks that end inside lines, JSON escapes and UTF-8 characters give the same text."""
        with ScriptedModel(Reply(TEXT, pieces=pieces)) as server:
            assert await answer(client(server, protocol)) == (TEXT, [])

    @BOTH
    async def test_text_comes_as_it_is_made(self, protocol: str) -> None:
        """The first word is there while the server still waits to send the second."""
        with ScriptedModel(Reply("one two", hold=2 if protocol == "openai" else 1)) as server:
            async with aclosing(client(server, protocol).stream(USER)) as pieces:
                assert await anext(pieces) == "one "
                server.release()
                assert [piece async for piece in pieces] == ["two"]

    @BOTH
    async def test_tool_calls_come_whole(self, protocol: str) -> None:
        """Arguments that arrive in pieces, or as an object, become one call each, in order."""
        calls: list[tuple[str, Any]] = [("add_task", {"name": "Tea ☕"}), ("list_tasks", {})]
        with ScriptedModel(Reply("Right away.", calls, pieces=5)) as server:
            tool = {
                "type": "function",
                "function": {"name": "add_task", "parameters": {"type": "object"}},
            }
            text, found = await answer(client(server, protocol), tools=[tool])
        assert text == "Right away."
        assert [(call.name, call.arguments) for call in found] == calls
        assert server.requests[0]["tools"] == [tool]

    @BOTH
    async def test_thinking_is_not_the_answer(self, protocol: str) -> None:
        """What a model thinks aloud in its own field is left out."""
        with ScriptedModel(Reply("42", thinking="Hmm, let me see")) as server:
            assert await answer(client(server, protocol)) == ("42", [])

    async def test_half_an_emoji_is_replaced(self) -> None:
        """A lone surrogate in a JSON escape, which SQLite could not store, becomes a
        question mark.
        """
        raw = b'data: {"choices":[{"delta":{"content":"\\ud83d!"},"finish_reason":"stop"}]}\n\n'
        with ScriptedModel(Reply(raw=raw)) as server:
            assert await answer(server.openai()) == ("?!", [])

    async def test_what_openai_is_asked(self) -> None:
        """Limits, schema and history go out in OpenAI's words."""
        schema = {"type": "object"}
        with ScriptedModel("{}") as server:
            await answer(server.openai(), schema=schema, max_tokens=7)
        asked = server.requests[0]
        assert asked["messages"] == USER and asked["stream"] is True and asked["max_tokens"] == 7
        assert (
            asked["response_format"]["json_schema"]["schema"] == schema
            and asked["temperature"] == 0
        )

    async def test_what_ollama_is_asked(self) -> None:
        """The window is asked for, and calls and results of tools are put in Ollama's words."""
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": "add", "arguments": '{"name": "Tea"}'},
        }
        history: list[Message] = [
            *USER,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "name": "add", "content": "done"},
        ]
        with ScriptedModel("{}") as server:
            await answer(
                server.ollama(window=2048), history, schema={"type": "object"}, max_tokens=7
            )
        asked = server.requests[0]
        assert asked["options"] == {"num_ctx": 2048, "num_predict": 7, "temperature": 0}
        assert asked["format"] == {"type": "object"}
        assert asked["messages"][1]["tool_calls"] == [
            {"function": {"name": "add", "arguments": {"name": "Tea"}}}
        ]
        assert asked["messages"][2]["tool_name"] == "add"

    async def test_half_a_surrogate_pair_can_be_asked(self) -> None:
        """A message that is not quite Unicode reaches the server instead of raising here."""
        with ScriptedModel("ok") as server:
            assert await answer(server.openai(), [{"role": "user", "content": "\ud83d"}]) == (
                "ok",
                [],
            )


class TestFailures:
    @BOTH
    @pytest.mark.parametrize(
        ("reply", "model", "words"),
        [
            (Reply("one two three", cut=150), "scripted:1b", "broke off"),
            (Reply("", raw=b""), "scripted:1b", "broke off"),
            (
                Reply("one", end="length"),
                "scripted:1b",
                r"window of scripted:1b \(8192 tokens\) is full",
            ),
            (Reply("one", error="out of memory"), "scripted:1b", "out of memory"),
            (
                Reply(raw=b"<html><body>It works!</body></html>"),
                "scripted:1b",
                "unexpected: <html>",
            ),
            (Reply(raw=b"data: {not json}\n\n"), "scripted:1b", "unexpected"),
            (Reply(raw=b"data: [1, 2]\n\n"), "scripted:1b", "unexpected"),
            (Reply(raw=b"[" * 100_000 + b"\n"), "scripted:1b", "unexpected"),
            (Reply(raw=b'data: {"choices": "x"}\n\n'), "scripted:1b", "unexpected"),
            (Reply(raw=b'{"message": {"content": 5}}\n'), "scripted:1b", "unexpected"),
            (
                Reply(raw=b'data: {"choices": [{"delta": {"content": 5}}]}\n\n'),
                "scripted:1b",
                "unexpected",
            ),
            (Reply(raw=b"\x00\xff\xfe" * 50 + b"\n"), "scripted:1b", "unexpected"),
            (
                Reply(raw=b'{"error": "overloaded"}', status=503),
                "scripted:1b",
                "status 503.*overloaded",
            ),
            (Reply(), "nobody:7b", "status 404.*nobody:7b"),
        ],
    )
    async def test_failures_are_told(
        self, protocol: str, reply: Reply, model: str, words: str
    ) -> None:
        """Cut, full, broken, foreign and refused answers each end in a ModelError that says so."""
        with ScriptedModel(reply) as server:
            asked = client(server, protocol)
            asked.name = model
            with pytest.raises(ModelError, match=f"(?s){words}"):
                await answer(asked)

    @BOTH
    async def test_what_came_before_a_cut_is_kept(self, protocol: str) -> None:
        """The text before the failure was yielded; calls of tools of an unfinished answer
        were not.
        """
        whole = Reply("one two three", [("delete", {"id": 1})])
        whole.cut = 700 if protocol == "openai" else 400
        got = []
        with ScriptedModel(whole) as server, pytest.raises(ModelError):
            async for piece in client(server, protocol).stream(USER):
                got.append(piece)
        assert got == ["one ", "two ", "three"]

    @pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "5"])
    async def test_broken_arguments_do_not_call(self, arguments: str) -> None:
        """A tool call whose arguments are no JSON object is an error, not a call."""
        told = pytest.raises(ModelError, match="'delete' with broken arguments")
        with ScriptedModel(Reply(calls=[("delete", arguments)])) as server, told:
            await answer(server.openai())

    @BOTH
    async def test_nothing_listens(self, protocol: str) -> None:
        """A server that is not running is named, with the way out."""
        with ScriptedModel() as server:
            asked = client(server, protocol)
        with pytest.raises(ModelError, match="is not running: start it"):
            await answer(asked)

    async def test_silence_ends(self) -> None:
        """A server that accepts and never answers is given up after the time it may be silent."""
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            with pytest.raises(ModelError, match=r"was silent for 0\.5 s"):
                await answer(Remote(OPENAI, url, "x", silence=0.5))

    @pytest.mark.parametrize(
        "url", ["", "nonsense", "ftp://host/v1", "http://[::1", "file:///etc/passwd"]
    )
    async def test_nonsense_addresses(self, url: str) -> None:
        """An address that is none is shown to the user."""
        with pytest.raises(ModelError, match="is no model server's address"):
            await answer(Remote(OPENAI, url, "x"))

    async def test_the_key_is_sent_and_never_shown(self) -> None:
        """A wrong key that the server echoes does not come back in the message."""
        with ScriptedModel("fine", key="sk-right") as server:
            assert await answer(server.openai(key="sk-right")) == ("fine", [])
            with pytest.raises(ModelError, match="Check the key") as told:
                await answer(server.openai(key="sk-canary"))
        assert "sk-canary" not in str(told.value)

    async def test_redirects_are_not_followed(self) -> None:
        """An answer that sends us elsewhere is an error: the conversation goes only where
        the user said.
        """
        with (
            ScriptedModel(Reply(raw=b"moved", status=307)) as server,
            pytest.raises(ModelError, match="status 307"),
        ):
            await answer(server.openai())


def said(word: str) -> bytes:
    """Return so much of an answer."""
    return b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % word.encode()


CALLS = ", ".join(['{"function": {"name": "list_tasks", "arguments": {}}}'] * 50)


class TestBounds:
    """What never ends is ended, in words, and its connection is closed."""

    @pytest.mark.parametrize(
        ("head", "piece", "words"),
        [
            (HEAD, said("word " * 200), "ended after 200,000 characters"),
            (HEAD, (b": " + b"x" * 1000 + b"\n\n") * 50, "ended after 33,554,432 bytes"),
            (HEAD, b"data: {'" * 10_000, "sent something unexpected"),
            (HEAD.replace(b"\r\n\r\n", b"\r\nX: y"), b"y" * 10_000, "broke off"),
            (HEAD.replace(b"200 OK", b"500 No"), b"no " * 10_000, "status 500.*: no no"),
        ],
    )
    async def test_an_endless_answer_is_ended(self, head: bytes, piece: bytes, words: str) -> None:
        """Of text, of what is around it, of one line, of the head, of an error's words."""
        with Endless(head, piece) as server:
            with pytest.raises(ModelError, match=words):
                await answer(Remote(OPENAI, server.url, "x"))
            assert await asyncio.to_thread(server.hung_up.wait, PATIENCE)

    async def test_an_answer_has_its_time(self) -> None:
        """One that drips is ended when that is over, however often a byte comes."""
        with Endless(HEAD + said("word")) as server:
            with pytest.raises(ModelError, match="did not end: it was ended after 1 seconds"):
                await answer(Remote(OPENAI, server.url, "x", most_seconds=1))
            assert await asyncio.to_thread(server.hung_up.wait, PATIENCE)

    async def test_what_came_before_the_bound_is_kept(self) -> None:
        """Exactly as many characters as the bound says."""
        text = ""
        with Endless(HEAD, said("word " * 199)) as server, pytest.raises(ModelError):
            async for piece in Remote(OPENAI, server.url, "x").stream(USER):
                text += str(piece)
        assert len(text) == LONGEST_ANSWER

    async def test_a_packed_answer_is_not_unpacked(self) -> None:
        """A megabyte may unpack to a gigabyte: nobody asked for that."""
        head = HEAD.replace(b"json\r\n", b"json\r\nContent-Encoding: gzip\r\n")
        packed = gzip.compress(b" " * (1 << 20))
        with Endless(head, packed) as server, pytest.raises(ModelError, match="unexpected"):
            await answer(Remote(OPENAI, server.url, "x"))

    async def test_only_so_many_calls(self) -> None:
        """Fifty calls of tools at once are not done."""
        raw = b'{"message": {"tool_calls": [%s]}, "done": true}\n' % CALLS.encode()
        told = pytest.raises(ModelError, match="32 calls of tools")
        with ScriptedModel(Reply(raw=raw)) as server, told:
            await answer(server.ollama())

    @pytest.mark.parametrize("piece", [b'{"id": "x"},\n' * 1000, b'{"id": "x"},' * 1000])
    async def test_an_endless_list_of_models_is_none(self, piece: bytes) -> None:
        """In lines, or in one."""
        with Endless(HEAD + b'{"data": [', piece) as server:
            assert await detect(url=server.url, ollama="http://127.0.0.1:9") == []
            assert await asyncio.to_thread(server.hung_up.wait, PATIENCE)


class TestCancel:
    @BOTH
    async def test_closing_the_stream_hangs_up(self, protocol: str) -> None:
        """The server hears at once that nobody listens any more, so it can stop generating."""
        with ScriptedModel(Reply("word ", endless=True)) as server:
            async with aclosing(client(server, protocol).stream(USER)) as pieces:
                assert await anext(pieces) == "word "
            assert await asyncio.to_thread(server.hung_up.wait, 5)

    @BOTH
    async def test_cancelling_before_the_first_token_hangs_up(self, protocol: str) -> None:
        """A task cancelled while the model still reads the prompt closes its connection."""
        with ScriptedModel(Reply("late", hold=0)) as server:
            task = asyncio.create_task(answer(client(server, protocol)))
            assert await asyncio.to_thread(server.asked.wait, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.hung_up.wait, 5)


class TestDetect:
    async def test_the_users_endpoint_comes_first(self) -> None:
        """Configured endpoint, then Ollama, then the embedded model."""
        embedded = Remote(OPENAI, "http://127.0.0.1:9/v1", "embedded")
        with (
            ScriptedModel(models=("mine",), key="k") as mine,
            ScriptedModel(models=("a:1b", "b:2b")) as ollama,
        ):
            found = await detect(
                url=f"{mine.url}/v1", key="k", ollama=ollama.url, embedded=embedded
            )
        assert [model.name for model in found] == ["mine", "a:1b", "b:2b", "embedded"]
        assert [model.place for model in found[1:3]] == ["Ollama", "Ollama"]

    async def test_what_does_not_answer_is_left_out(self) -> None:
        """Nothing running and no weights: an empty list, not an error."""
        with ScriptedModel() as gone:
            pass
        assert await detect(url=f"{gone.url}/v1", ollama=gone.url) == []

    @pytest.mark.parametrize("raw", ["models", "capabilities"])
    async def test_garbage_is_left_out(self, raw: str) -> None:
        """A stranger on Ollama's port is not a model."""
        with ScriptedModel(
            tags=[{"odd": 1}] if raw == "models" else [], facts={"model_info": [1]}
        ) as server:
            assert await detect(ollama=server.url) == []

    async def test_a_named_model_is_believed(self) -> None:
        """A model that the endpoint does not list is used if the user named it; others are
        left out.
        """
        with ScriptedModel(models=("a", "b")) as server, ScriptedModel() as gone:
            for name in ("b", "hidden"):
                (found,) = await detect(
                    url=f"{server.url}/v1", name=name, ollama=f"{gone.url}/nothing"
                )
                assert found.name == name

    async def test_ollamas_facts(self) -> None:
        """The window is at most what the model was trained for, tools only where it can,
        embedders are no chat models.
        """
        facts = {
            "capabilities": ["completion"],
            "model_info": {"qwen2.context_length": 2048, "general.name": "q"},
        }
        with ScriptedModel(facts=facts) as server:
            (found,) = await detect(ollama=server.url)
        assert (found.window, found.tools) == (2048, False)
        with ScriptedModel() as server:
            (found,) = await detect(ollama=server.url, window=3000)
        assert (found.window, found.tools) == (3000, True)
        with ScriptedModel(facts={"capabilities": ["embedding"]}) as server:
            assert await detect(ollama=server.url) == []

    async def test_one_odd_model_hides_no_other(self) -> None:
        """A model that Ollama lists but cannot show is left out; the others are found."""
        with ScriptedModel(tags=[{"model": "vanished:1b"}]) as server:
            assert [model.name for model in await detect(ollama=server.url)] == ["scripted:1b"]

    async def test_cloud_models_are_not_found(self) -> None:
        """A model that Ollama only passes on to its cloud would carry the conversation away."""
        cloud = {
            "model": "big:cloud",
            "remote_host": "https://ollama.example",
            "remote_model": "big",
        }
        with ScriptedModel(tags=[cloud]) as server:
            assert [model.name for model in await detect(ollama=server.url)] == ["scripted:1b"]


async def test_both_protocols_are_models() -> None:
    """The clients satisfy the interface that the chat uses."""
    models: list[Model] = [
        Remote(OPENAI, "http://127.0.0.1:1/v1", "x"),
        Remote(OLLAMA, "http://127.0.0.1:1", "x"),
    ]
    assert [model.place for model in models] == ["127.0.0.1:1", "127.0.0.1:1"]
    assert json.dumps([model.window for model in models]) == "[8192, 8192]"
