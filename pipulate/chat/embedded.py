"""The embedded model: llama.cpp in a child, whose crash never ends the app.

DESIGN  The first `stream` starts `llama_child.py`, which speaks the OpenAI
        protocol on 127.0.0.1, at a free port, with a random key.
LIFE    The child leaves when its standard input closes, even by a kill -9.
        If it crashes, the answer at hand ends in a `ModelError`, and the
        next question starts it anew.
SPEED   It keeps what it has read: what changes in a prompt belongs at its
        end.
"""

import asyncio
import ctypes
import json
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO, Any, Unpack

from pipulate.chat.providers import (
    OPENAI,
    WINDOW,
    Ask,
    Message,
    ModelError,
    Remote,
    Stream,
)

CHILD = Path(__file__).with_name("llama_child.py")
START = 120  # seconds the child may take to load the weights
STOP = 5  # seconds it may take to leave
LAST_WORDS = 500  # characters of its log in an error
NO_AVX2 = (
    "This computer's processor is too old for the embedded model: it has no AVX2. "
    "Use Ollama or a model server."
)


class Embedded:
    """The model in the GGUF file `weights`, run on this computer."""

    place = "this computer"
    tools = False  # so small a model calls tools badly; choosing by a JSON schema works

    def __init__(self, weights: Path, window: int = WINDOW) -> None:
        self.weights = weights
        self.window = window
        self.name = weights.stem
        self._child: Process | None = None
        self._remote = Remote(OPENAI, "")
        self._starting = asyncio.Lock()

    @property
    def process(self) -> int | None:
        """The number of the child process, None while none runs."""
        if self._child and self._child.returncode is None:
            return self._child.pid
        return None

    async def stream(self, messages: Sequence[Message], **ask: Unpack[Ask]) -> Stream:
        """See `Model.stream`."""
        remote = await self.start()
        try:
            async with aclosing(remote.stream(messages, **ask)) as answer:
                async for piece in answer:
                    yield piece
        except ModelError as error:
            if self._child and (end := await _ended(self._child, 0.2)):
                raise ModelError(f"{end} Ask again: it starts anew.") from error
            raise

    async def start(self) -> Remote:
        """The child's client; starts it if need be.  Raises ModelError."""
        async with self._starting:
            if self.process is None:
                self._remote = await self._load()
            return self._remote

    async def _load(self) -> Remote:
        if not has_avx2():
            raise ModelError(NO_AVX2)
        if not self.weights.is_file():
            raise ModelError(
                f"There are no weights at {self.weights}. Get some: pipulate model get"
            )
        key = secrets.token_urlsafe(24)
        asked = {"model": str(self.weights), "window": self.window, "key": key}
        command = (sys.executable, "-P", str(CHILD))
        pipe = subprocess.PIPE
        with tempfile.TemporaryFile() as log:
            child = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=log
            )
            address = await _address(child, asked)
            if not address:
                raise ModelError(await self._failure(child, log))
        self._child = child
        place = "The embedded model"
        return Remote(OPENAI, f"{address}/v1", self.name, key, self.window, place=place)

    async def _failure(self, child: Process, log: IO[bytes]) -> str:
        end = await _ended(child, 1)
        if not end:
            child.kill()
            end = f"It did not finish loading within {START} seconds."
        log.seek(0)
        said = log.read()[-LAST_WORDS:].decode("utf-8", "replace").strip()
        return f"The embedded model did not start. {end} Is {self.weights} whole?\n{said}".strip()

    async def stop(self) -> None:
        """End the child."""
        if self._child and self._child.stdin:
            self._child.stdin.close()
            if not await _ended(self._child, STOP):
                self._child.kill()
                await self._child.wait()


async def _address(child: Process, asked: dict[str, Any]) -> str:
    # It is told what to load by the pipe: all can see arguments.
    assert child.stdin and child.stdout
    try:
        child.stdin.write(json.dumps(asked).encode() + b"\n")
        line = await asyncio.wait_for(child.stdout.readline(), START)
        return line.decode().strip()
    except TimeoutError:
        return ""
    except BaseException:  # cancelled while loading
        child.kill()
        raise


async def _ended(child: Process, patience: float) -> str:
    try:
        code = await asyncio.wait_for(child.wait(), patience)
    except TimeoutError:
        return ""
    if code == -signal.SIGILL:
        return NO_AVX2
    why = " (perhaps out of memory)" if code == -9 else ""
    return f"The process of the embedded model ended with code {code}{why}."


def has_avx2() -> bool:
    """Whether the processor can run llama.cpp; ARM ones can."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    if sys.platform == "win32":
        avx2_is_available = 40  # PF_AVX2_INSTRUCTIONS_AVAILABLE
        return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(avx2_is_available))
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.leaf7_features"]
        return b"AVX2" in subprocess.run(asked, stdout=subprocess.PIPE).stdout
    return " avx2 " in Path("/proc/cpuinfo").read_text()
