"""Work in a process of its own: one protocol for all of it.

WHY       Seconds of pure computing hold the interpreter's lock: in a thread they would make the
          server stutter.  A process also gives its memory back, dies alone, and can be killed.
ORDER     The parent starts `python -m pipulate.engine.child MODULE:FUNCTION` and writes one line of
          JSON: the function's keyword arguments.
ANSWER    The child calls FUNCTION(tell, **order) and answers in lines of JSON: {"told": {...}} each
          time the function calls `tell(...)`, at last {"done": result} or {"error", "message"}.
CANCEL    Cancelling `work` kills the child.  So what it makes must appear whole (see `files`).
DEATH     A child without an answer is a Died with its last words.  A parent that ends, however,
          ends the child: nothing more comes on its standard input but the end.
"""

import asyncio
import contextlib
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from pipulate.engine.errors import PipulateError
from pipulate.engine.settings import PACKAGE

Tell = Callable[..., object]  #: takes keyword arguments that JSON can hold

LONGEST_LINE = 1 << 24  # bytes of one answer
PACE = 0.1  # seconds between two lines of progress; more would only keep the parent busy
COURTESY = 5  # the child's niceness: on a busy machine pages come first
THREADS = min(4, os.cpu_count() or 1)  # our blocks are small: more would cost memory, win nothing


class Died(PipulateError):
    """A child process ended without an answer."""

    status = 500


def _silent(**told: Any) -> None:
    """Take progress that nobody asked for."""


async def work(function: str, order: dict[str, Any], told: Tell = _silent) -> Any:
    """Call `function`, named "module:function", in a child process and return its result.

    `order` and the result are what JSON can hold; `told(**line)` gets the child's progress.  Raises
    the PipulateError that the function raised, and Died.  Cancelling ends the child.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a polars.py in the working folder must not be imported
        "-m",
        __name__,
        function,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        limit=LONGEST_LINE,
    )
    assert process.stdin and process.stdout and process.stderr
    trouble = asyncio.create_task(process.stderr.read())
    answer: dict[str, Any] = {}
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        async for line in process.stdout:
            answer = json.loads(line)
            if "told" in answer:
                told(**answer["told"])
        await process.wait()
    finally:
        await _end(process)
        last_words = (await trouble).decode("utf-8", "replace").strip().rpartition("\n")[2]
        process.stdin.close()
    if "error" in answer:
        raise _error(answer["error"], answer["message"])
    if "done" not in answer:
        raise Died(
            f"It stopped unexpectedly (exit code {process.returncode}). {last_words[:300]}".strip()
        )
    return answer["done"]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """The child finds the package that we are, also where it is not installed."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "POLARS_MAX_THREADS": str(THREADS)}


def _error(name: str, message: str) -> PipulateError:
    """Return the child's error as its own class, which "module:class" names."""
    module, _, kind = name.partition(":")
    error = getattr(importlib.import_module(module), kind)(message)
    assert isinstance(error, PipulateError)
    return error


# --- in the child -------------------------------------------------------------------------------


def main() -> NoReturn:
    """Take one order from standard input, carry it out, say how it goes.  Does not return."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among our lines

    def say(**line: Any) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    if hasattr(os, "nice"):
        os.nice(COURTESY)
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module, _, name = sys.argv[1].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        say(done=function(_Teller(say), **order))
    except PipulateError as error:
        say(error=f"{type(error).__module__}:{type(error).__qualname__}", message=str(error))
    os._exit(0)  # all files are on the disk: taking a million numbers apart would only cost time


class _Teller:
    """Passes progress on, but not more often than PACE; the end of something is always told."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self._last = 0.0

    def __call__(self, **told: Any) -> None:
        now = time.monotonic()
        if told.get("share") in (0.0, 1.0) or now - self._last >= PACE:
            self._last = now
            self._say(told=told)


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
