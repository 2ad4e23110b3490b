"""The real llama.cpp in its child process, on a tiny model whose answers are known (see
tiny_gguf.py).
"""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.chat import embedded
from pipulate.chat.embedded import Embedded
from pipulate.chat.providers import Message, ModelError
from tests.chat import tiny_gguf

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PARENT = """
import asyncio, os, sys
from pathlib import Path
from typing import Any
from pipulate.chat.embedded import Embedded

async def main():
    model = Embedded(Path(sys.argv[1]), 256)
    await model.start()
    # A fork keeps the parent's end of the pipe open.
    holder = os.fork() if sys.argv[2] == "fork" else 0
    if holder or sys.argv[2] != "fork":
        print(model.process, holder, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def say(text: str) -> list[Message]:
    """Return a conversation of one question."""
    return [{"role": "user", "content": text}]


async def answer(model: Embedded, text: str, **ask: Any) -> str:
    """Return the whole answer."""
    return "".join([str(piece) async for piece in model.stream(say(text), **ask)])


def gone(process: int, seconds: float) -> bool:
    """Whether a process, not a child of ours, ends within some seconds."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tiny model once."""
    return tiny_gguf.write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
async def model(tiny: Path) -> AsyncIterator[Embedded]:
    """Give an embedded model and end its child."""
    model = Embedded(tiny, 32768)
    yield model
    await model.stop()


class TestAnswers:
    async def test_it_starts_at_the_first_question(self, model: Embedded) -> None:
        """Nothing runs until something is asked; then the song comes word by word, and
        again from the same child.
        """
        assert model.process is None
        pieces = [piece async for piece in model.stream(say("Sing?"))]
        assert (
            pieces == [" one", " two", " three", " four"]
            and "".join(pieces).strip() == tiny_gguf.SONG
        )
        child = model.process
        assert child and (await answer(model, "Sing?")).strip() == tiny_gguf.SONG
        assert model.process == child

    async def test_a_schema_binds_it(self, model: Embedded) -> None:
        """Whatever the model would say, the answer obeys the schema."""
        assert await answer(model, "Sing?", schema={"enum": ["yes", "no"]}) in ('"yes"', '"no"')

    async def test_two_questions_at_once(self, model: Embedded) -> None:
        """Questions at the same time start one child and wait for each other."""
        songs = await asyncio.gather(*(answer(model, "Sing?") for _ in range(3)))
        assert {song.strip() for song in songs} == {tiny_gguf.SONG}

    async def test_a_full_window_is_said(self, tiny: Path) -> None:
        """An endless answer ends in an error that names the window; a prompt too long for
        it is refused.
        """
        small = Embedded(tiny, 256)
        try:
            with pytest.raises(ModelError, match=r"window of tiny \(256 tokens\) is full"):
                await answer(small, "Sing!")
            with pytest.raises(ModelError, match="exceeds the available context size"):
                await answer(small, "x" * 1000)
        finally:
            await small.stop()

    async def test_cancel_stops_the_generation(self, model: Embedded) -> None:
        """After the listener left an endless song, the only slot is free at once: the next
        question is answered.
        """
        async with aclosing(model.stream(say("Sing!"))) as pieces:
            assert await anext(pieces) == " la"
        async with asyncio.timeout(60):
            assert (await answer(model, "Sing?")).strip() == tiny_gguf.SONG


class TestLife:
    async def test_a_crash_ends_the_answer_and_no_more(self, model: Embedded) -> None:
        """A child that dies in mid-answer gives a ModelError; the next question gets a new
        child.
        """
        with pytest.raises(ModelError, match=r"ended with code -11.*Ask again"):
            async for _ in model.stream(say("Sing!")):
                assert model.process
                os.kill(model.process, 11)
        assert (await answer(model, "Sing?")).strip() == tiny_gguf.SONG

    async def test_stop_and_start(self, model: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
        """A stopped model starts again when asked; stopping twice is harmless."""
        monkeypatch.setattr(embedded, "STOP", 600)
        await model.start()
        assert model.process
        async with asyncio.timeout(60):  # it leaves by itself, before it would be killed
            await model.stop()
            await model.stop()
        assert model.process is None
        assert (await answer(model, "Sing?")).strip() == tiny_gguf.SONG

    async def test_a_cancelled_start_leaves_nothing_behind(self, model: Embedded) -> None:
        """Whoever gave up while the weights were loading does not spoil the next start."""
        for turns in (1, 3, 10):
            start = asyncio.create_task(model.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            with pytest.raises(asyncio.CancelledError):
                await start
        assert (await answer(model, "Sing?")).strip() == tiny_gguf.SONG

    @LINUX
    @pytest.mark.parametrize("how", ["plain", "fork"])
    def test_it_ends_with_its_parent(self, tiny: Path, how: str) -> None:
        """kill -9 of the app ends the child too, even if a fork of the app still holds the
        pipe to it.
        """
        with subprocess.Popen(
            [sys.executable, "-c", PARENT, tiny, how], stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout
            child, holder = map(int, parent.stdout.readline().split())
            parent.kill()
            try:
                assert gone(child, 10)
            finally:
                if holder:
                    os.kill(holder, 9)


class TestSafety:
    async def test_the_server_is_for_us_alone(self, model: Embedded) -> None:
        """Loopback only; no answer without the key, no page, no permission for other origins."""
        remote = await model.start()
        assert remote.url.startswith("http://127.0.0.1:")
        root = remote.url.removesuffix("/v1")
        async with httpx2.AsyncClient(
            base_url=root, headers={"Origin": "https://evil.example"}
        ) as stranger:
            for path in ("/v1/models", "/props", "/slots", "/metrics"):
                assert (await stranger.get(path)).status_code == 401
            refused = await stranger.post("/v1/chat/completions", json={"messages": say("Sing?")})
            assert refused.status_code == 401
            assert (await stranger.get("/")).status_code == 404
            preflight = await stranger.options(
                "/v1/chat/completions", headers={"Access-Control-Request-Method": "POST"}
            )
            assert not preflight.headers.get("access-control-allow-origin")

    @LINUX
    async def test_the_key_is_not_for_everyone_to_see(self, model: Embedded) -> None:
        """The key is in neither the arguments nor the environment of the child."""
        remote = await model.start()
        assert len(remote.key) >= 32
        for file in ("cmdline", "environ"):
            shown = Path(f"/proc/{model.process}/{file}").read_bytes()
            assert shown and remote.key.encode() not in shown

    async def test_an_old_processor_is_told(
        self, model: Embedded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without AVX2 no child is started that could only die, and the user learns what
        else to use.
        """
        monkeypatch.setattr(embedded, "has_avx2", lambda: False)
        with pytest.raises(ModelError, match=r"no AVX2\. Use Ollama"):
            await answer(model, "Sing?")

    async def test_wrong_weights_are_told(self, tmp_path: Path) -> None:
        """No file, a file that is no model, half a model: each says so."""
        with pytest.raises(ModelError, match=r"no weights at .*pipulate model get"):
            await answer(Embedded(tmp_path / "none.gguf"), "Hello")
        (tmp_path / "odd.gguf").write_bytes(b"GGUF but not really")
        whole = tiny_gguf.write(tmp_path / "half.gguf").read_bytes()
        (tmp_path / "half.gguf").write_bytes(whole[: len(whole) // 2])
        for name in ("odd", "half"):
            with pytest.raises(ModelError, match=f"(?s)did not start.*{name}.gguf whole"):
                await answer(Embedded(tmp_path / f"{name}.gguf"), "Hello")

    def test_this_machine_has_avx2_or_no_need(self) -> None:
        """The check agrees with the machine that runs these tests."""
        assert embedded.has_avx2()
