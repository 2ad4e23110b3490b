"""Work in a process of its own: one protocol for all of it.

WHY       Seconds of pure computing hold the interpreter's lock: in a thread
          they would make the server stutter.  A process also gives its
          memory back, dies alone, and can be killed.
ORDER     `python -m pipulate.engine.child MODULE:FUNCTION` reads a line of
          JSON: the keyword arguments.
ANSWER    It calls FUNCTION(tell, **order) and answers in lines of JSON:
          {"told": {...}} each time the function calls `tell(...)`, at last
          {"done": result} or {"error", "message"}.
CANCEL    Cancelling `work` kills the child: what it makes must appear whole.
DEATH     A child without an answer is a Died with its last words.  When the
          parent ends, its pipe does, and so does the child.
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
PACE = 0.1  # seconds between two lines of progress
COURTESY = 5  # the child's niceness: on a busy machine pages come first
THREADS = min(4, os.cpu_count() or 1)  # more would cost memory, win nothing


class Died(PipulateError):
    """A child process ended without an answer."""

    status = 500


async def work(function: str, order: dict[str, Any], told: Tell = lambda **told: None) -> Any:
    """Call `function`, named "module:function", in a child; return its
    result.

    `order` and the result are what JSON can hold; `told(**line)` gets the
    progress.  Raises Died, and what PipulateError the function raises.
    """
    # -P: a polars.py in the working folder must not be imported
    command = [sys.executable, "-P", "-m", __name__, function]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
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
        died = f"It stopped unexpectedly (exit code {process.returncode})."
        raise Died(f"{died} {last_words[:300]}".strip())
    return answer["done"]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    # The child finds the package that we are, also where it is not installed.
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "POLARS_MAX_THREADS": str(THREADS)}


def _error(name: str, message: str) -> PipulateError:
    error = _named(name)(message)
    assert isinstance(error, PipulateError)
    return error


def _named(name: str) -> Any:
    module, _, inside = name.partition(":")
    return getattr(importlib.import_module(module), inside)


# --- in the child


def main() -> NoReturn:
    """Take an order from standard input, carry it out, say how it goes."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among our lines

    def say(**line: Any) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    if hasattr(os, "nice"):
        os.nice(COURTESY)
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        say(done=_named(sys.argv[1])(_paced(say), **order))
    except PipulateError as error:
        say(
            error=f"{type(error).__module__}:{type(error).__qualname__}",
            message=str(error),
        )
    except Exception as error:
        from pipulate.engine.fault import in_words, is_machines  # seldom: something failed

        if isinstance(error, MemoryError) or not is_machines(error):
            raise
        say(error="pipulate.engine.errors:CannotWrite", message=in_words(error))
    os._exit(0)  # all is on the disk: taking a million numbers apart costs time


def _paced(say: Tell) -> Tell:
    """Pass progress on every PACE; the end of something always."""
    last = 0.0

    def tell(**told: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if told.get("share") in (0.0, 1.0) or now - last >= PACE:
            last = now
            say(told=told)

    return tell


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
