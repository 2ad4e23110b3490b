"""What is being made of the link graphs just now: its progress, its end.

Each thing (what, and in which folder) is made by at most one process: asking
for it again joins in.  The server's end ends the processes; nothing half-made
is ever taken for made, so nothing is resumed either.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipulate.engine import child
from pipulate.engine.errors import PipulateError

MAKERS = "pipulate.graph.making:make_"
TOGETHER = 2  # processes at once; more would only make each slower

Key = tuple[str, Path]


@dataclass
class Task:
    """How far something is: `text` says what it does, or why it failed."""

    state: str = "running"  #: or "done", or "failed"
    share: float = 0.0
    text: str = "Waiting"

    def note(self, share: float, text: str) -> None:
        """Take progress."""
        self.share = share
        self.text = text

    def fail(self, why: str) -> None:
        """Take its end."""
        self.state = "failed"
        self.text = why


class Background:
    """The tasks of one server."""

    def __init__(self) -> None:
        self.tasks: dict[Key, Task] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(TOGETHER)

    def start(self, kind: str, place: Path, **order: str | None) -> Task:
        """Begin to make it, or join in; `order` is for its maker."""
        key = (kind, place)
        if key not in self._running:
            self.tasks[key] = Task()
            self._running[key] = asyncio.create_task(self._run(key, order))
        return self.tasks[key]

    def task(self, kind: str, place: Path) -> Task | None:
        """The task of that kind there, if any; a failed one only once."""
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
        for key in list(self._running):
            await self.cancel(*key)

    async def _run(self, key: Key, order: dict[str, str | None]) -> None:
        task = self.tasks[key]
        try:
            async with self._slots:
                await make(key[0], task.note, **order)
        except asyncio.CancelledError:
            task.fail("It was cancelled. Start it again when you like.")
            raise
        except PipulateError as error:
            task.fail(str(error))
        except OSError as error:
            task.fail(f"It could not be started: {error}.")
        else:
            task.note(1.0, "Done")
            task.state = "done"
        finally:
            del self._running[key]


async def make(kind: str, tell: Callable[[float, str], object], **order: str | None) -> None:
    """Make one thing here and now.  Raises what its maker raises, and Died."""
    await child.work(MAKERS + kind, order, lambda share, text: tell(share, text))
