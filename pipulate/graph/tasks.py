"""What is being made of the link graphs just now: at most one process for each thing, its progress, its end.

A task's key is what it makes and the folder it makes it in.  Asking for what is already being made joins in.  The
server's end ends the processes (see `making`); nothing half-made is ever taken for made, so nothing is resumed either.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipulate.engine.settings import PACKAGE
from pipulate.graph.errors import GraphError

# `import pipulate` brings the web framework, a second of work that this process does not need.
START = (
    "import sys, types; bare = types.ModuleType('pipulate'); "
    f"bare.__path__ = [{str(PACKAGE)!r}]; sys.modules['pipulate'] = bare; "
    "from pipulate.graph.making import main; main()"
)
TOGETHER = 2  # processes at once; more would only make each slower

Key = tuple[str, Path]


@dataclass
class Task:
    """How far something is: `state` is "running", "done" or "failed"; `text` what it does, or why it failed."""

    state: str = "running"
    share: float = 0.0
    text: str = "Waiting"


class Background:
    """The tasks of one server."""

    def __init__(self) -> None:
        self.tasks: dict[Key, Task] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(TOGETHER)

    def start(self, kind: str, place: Path, **order: str | None) -> Task:
        """Begin to make something in a folder, unless that is being done already; return its task.

        `order` are the arguments of the maker in `making`.
        """
        key = (kind, place)
        if key not in self._running:
            self.tasks[key] = Task()
            self._running[key] = asyncio.get_running_loop().create_task(self._run(key, order))
        return self.tasks[key]

    def task(self, kind: str, place: Path) -> Task | None:
        """Return the task of that kind in that folder, if there was one.  One that failed is told of only once."""
        task = self.tasks.get((kind, place))
        if task and task.state == "failed":
            del self.tasks[kind, place]
        return task

    async def wait(self, kind: str, place: Path) -> None:
        """Wait until that task has ended, however."""
        if running := self._running.get((kind, place)):
            await asyncio.wait([running])

    async def cancel(self, kind: str, place: Path) -> None:
        """Stop that task and wait until it has stopped."""
        if running := self._running.get((kind, place)):
            running.cancel()
            await asyncio.wait([running])

    async def close(self) -> None:
        """Stop all."""
        for kind, place in list(self._running):
            await self.cancel(kind, place)

    async def _run(self, key: Key, order: dict[str, str | None]) -> None:
        task = self.tasks[key]
        try:
            async with self._slots:
                await _carry_out({"make": key[0], **order}, lambda line: _note(task, line))
        except asyncio.CancelledError:
            task.state, task.text = "failed", "It was cancelled. Start it again when you like."
            raise
        except OSError as error:
            task.state, task.text = "failed", f"It could not be started: {error}."
        finally:
            del self._running[key]


def _note(task: Task, line: dict[str, Any]) -> None:
    if "share" in line:
        task.share, task.text = line["share"], line["text"]
    elif "done" in line:
        task.state, task.share, task.text = "done", 1.0, "Done"
    else:
        task.state, task.text = "failed", line["error"]


async def make(kind: str, tell: Callable[[float, str], None], **order: str | None) -> None:
    """Make one thing here and now, telling (share, text); raises GraphError if it fails.  Cancelling ends its process."""
    failed: list[str] = []

    def note(line: dict[str, Any]) -> None:
        if "share" in line:
            tell(line["share"], line["text"])
        elif "error" in line:
            failed.append(line["error"])

    await _carry_out({"make": kind, **order}, note)
    if failed:
        raise GraphError(failed[0])


async def _carry_out(order: dict[str, str | None], note: Callable[[dict[str, Any]], None]) -> None:
    """Run one order in a process; `note` gets each line it says, and always one with "done" or "error" at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a polars.py in the working folder must not be imported
        "-c",
        START,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "POLARS_MAX_THREADS": str(min(4, os.cpu_count() or 1))},
    )
    assert process.stdin and process.stdout and process.stderr
    trouble = asyncio.create_task(process.stderr.read())
    ended = False
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        async for line in process.stdout:
            said = json.loads(line)
            ended = ended or "share" not in said
            note(said)
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        last = (await trouble).decode("utf-8", "replace").strip().rpartition("\n")[2]
        process.stdin.close()
    if not ended:
        note({"error": f"It stopped unexpectedly (exit code {process.returncode}). {last[:300]}"})
