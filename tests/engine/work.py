"""A workflow of one question and one piece of work, and the jobs that do it."""

import asyncio
import threading
from pathlib import Path
from typing import Any

from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Function, Step, Workflow

KEY = ("w", "r", "act")  #: of the job


def make(tmp_path: Path, work: Function) -> tuple[Workflow, Step, Pipulate, Jobs]:
    """Return (flow, step, engine, jobs) for a workflow of one question and one piece of work,
    its question answered."""
    flow = Workflow("w", about="x")
    flow.step("go", "Go?")(lambda run: None)
    step = flow.work("act", "Act")(work)
    store = Store(tmp_path / "pipulate.db")
    engine = Pipulate(store, "w")
    engine.initialize_if_missing("r")
    engine.set_step_data("r", "step_01", {"go": "yes"})
    return flow, step, engine, other(engine)


def other(engine: Pipulate) -> Jobs:
    """Return the jobs of another process, which cancels without a moment's patience."""
    jobs = Jobs(engine.store, Settings(data=engine.store.folder))
    jobs.grace = 0
    return jobs


class Plain:
    """The plain function of a step, led through its acts by the test."""

    def __init__(self, acts: int = 3) -> None:
        self.acts = acts
        self.done: list[tuple[int, int]] = []  # (try, act)
        self.tries = 0
        self.at_once = 0
        self._going_on = threading.Semaphore(0)
        self._in = asyncio.Queue[int]()
        self._loop = asyncio.get_running_loop()

    def __call__(self, run: Any, job: Any) -> dict[str, int]:
        self.tries += 1
        self.at_once += 1
        assert self.at_once == 1, "two threads do one job"
        try:
            for number in range(self.acts):
                job.progress(number / self.acts, f"act {number}")
                self._loop.call_soon_threadsafe(self._in.put_nowait, number)
                self._going_on.acquire()
                self.done.append((self.tries, number))
            return {"acts": self.acts}
        finally:
            self.at_once -= 1

    async def reached(self) -> int:
        """Wait until the function is in the midst of its next act; return which."""
        return await self._in.get()

    def go_on(self, acts: int = 1) -> None:
        """Let it finish that act, and those after it."""
        for _ in range(acts):
            self._going_on.release()
