"""One job at work: a step's function is called and watched, its result stored.

WANTED   A job that its run wants no more is cancelled: its `Job` raises.
THREADS  A plain function has a thread of its own, which ends by itself, or
         where it uses its job next.  Neither other work nor the end of the
         process waits for it; the same job does.
"""

import asyncio
import inspect
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from loguru import logger

from pipulate.engine import record as rec
from pipulate.engine.answers import holds, put, rests
from pipulate.engine.calls import Function, in_thread, on_loop
from pipulate.engine.errors import PipulateError, Refused, Stale, Unknown, Unsure
from pipulate.engine.fault import fault
from pipulate.engine.job import Cancelled, Job
from pipulate.engine.kept import DESK, Desk
from pipulate.engine.pipeline import Kind
from pipulate.engine.record import knows
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Step, Workflow

CANCELLED = "Cancelled. What was done so far is kept; start again to go on."
CHANGED = "What this rests on has changed, so it was cancelled. Start it again."
_STAND = """
    SELECT job.state, pipeline.rev FROM job LEFT JOIN pipeline USING (workflow, id)
    WHERE workflow = ? AND id = ? AND step_id = ?"""
_LOOPS = """
    SELECT read, items FROM checkpoint
    WHERE workflow = ? AND id = ? AND step = ? ORDER BY rowid DESC"""


@dataclass(eq=False)
class Doing:
    """A job of this process, from its start until all of its work has ended."""

    flow: Workflow
    id: str
    step: Step
    store: Store
    settings: Settings
    task: asyncio.Task[None] | None = None  #: of whoever leads it
    profile: int = 0  #: that the run belongs to

    def __post_init__(self) -> None:
        self.renew()

    @property
    def key(self) -> tuple[str, str, str]:
        """What the job is of: workflow, run, step."""
        return self.flow.name, self.id, self.step.key

    @property
    def is_over(self) -> bool:
        """Whether what starts the job now has to wait for its end."""
        return bool(self.cancelled) or bool(self._work and self._work.done())

    def renew(self) -> None:
        """Be as at the start."""
        self.fraction: float | None = None  #: of its progress, None if that is unknown
        self.message = "Starting…"
        self.cancelled = ""  #: why
        self.again = False  #: started again since it was cancelled
        self._rev = 0  # that is known to want it
        self._job: Job | None = None
        self._work: asyncio.Future[Any] | None = None

    def load(self) -> Run:
        """Return the run as it is stored; raises Unknown, Corrupt, Incompatible."""
        return self.flow.load(self.store, self.id, self.settings)

    def cancel(self, why: str = CANCELLED) -> None:
        """Let the work end as soon as it can."""
        self.cancelled = self.cancelled or why
        self.again = False
        if self._job:
            self._job.halt()
        if isinstance(self._work, asyncio.Task):
            self._work.cancel()

    async def end(self, pace: float) -> tuple[str, str]:
        """Do the work; return (state, error).  It is looked after each `pace` seconds."""
        try:
            await self._result(pace)
        except asyncio.CancelledError as problem:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise  # the program ends
            why = CHANGED if isinstance(problem, Cancelled) else CANCELLED
            return "cancelled", self.cancelled or why
        except Unsure as problem:
            return "unsure", str(problem)
        except PipulateError as problem:
            return "failed", str(problem)
        except Exception as problem:  # an author's bug must show in its card
            logger.exception("{} of {} failed", self.step.key, self.flow.name)
            return "failed", f"{fault(problem)}. Mend it, then try again."
        return "done", ""

    async def _result(self, pace: float) -> None:
        run = await asyncio.to_thread(self.load)
        if rec.is_done(run.state, self.step.id):
            return
        seen = run.before(self.step)
        seen.desk = await asyncio.to_thread(_desk, seen, self.step)
        job = Job(seen, self.step, self._report)
        if not job.is_wanted(run.state):
            self.cancel(CHANGED)
        if self.cancelled:
            raise Cancelled(self.cancelled)
        self._rev = run.rev
        self._job = job
        self._work = work = _begun(self.step.function, seen, job)
        try:
            while not (await asyncio.wait([work], timeout=pace))[0]:
                await self.look()
            result = work.result()
            if self.cancelled == CHANGED:
                raise Cancelled(CHANGED)
            await asyncio.shield(asyncio.to_thread(finish, seen, self.step, result))
        except (Exception, asyncio.CancelledError):
            await asyncio.shield(asyncio.to_thread(_flush, job))
            raise
        finally:
            job.halt()

    def _report(self, fraction: float | None, message: str) -> None:
        self.fraction = fraction
        self.message = message

    async def look(self) -> None:
        """Have noted what it has finished; cancel it if it is not wanted."""
        why = ""
        with logger.catch(message="a look at a job failed"):  # the next one may not
            why = await asyncio.to_thread(self._unwanted)
        if why and not self.cancelled:
            self.cancel(why)

    def _unwanted(self) -> str:
        job = self._job
        if job is None:
            return ""  # it looks for itself
        _flush(job)
        stand = self.store.one(_STAND, *self.key) or {"state": "", "rev": None}
        if stand["state"] == "ending":
            return CANCELLED
        if stand["rev"] == self._rev:
            return ""
        with suppress(Unknown):
            record, rev = job.run.engine.load(self.id)
            if job.is_wanted(record):
                self._rev = rev
                return ""
        return CHANGED


def finish(seen: Run, step: Step, result: Any) -> None:
    """Store what a step's work made of `seen`; raises Refused if that changed."""
    if result is None:
        result = {"done": True}
    elif not isinstance(result, dict):
        result = {step.key: result}
    while True:
        record, rev = seen.engine.load(seen.id)
        run = replace(seen, state=record, rev=rev, reads=None)
        if knows(record, run.flow.places) and rec.is_done(record, step.id):
            return
        if not rests(seen, step, record):
            raise Refused(
                "What this was made of changed meanwhile, so its result was not stored. "
                "Start it again."
            )
        with suppress(Stale):  # then look again
            put(seen, run, step, result, f"job {step.id}", {}, Kind.JOB)
            return


def _desk(seen: Run, step: Step) -> Desk | None:
    """Return the desk of an earlier try whose loops go on, as they go on."""
    store = seen.engine.store
    for row in store.read(_LOOPS, seen.flow.name, seen.id, step.key):
        token = json.loads(row["items"]).get(DESK)
        if token and holds(seen, json.loads(row["read"])):
            return Desk(store.folder, *token)
    return None


def _flush(job: Job) -> None:
    with logger.catch(PipulateError, message="what a job has finished was not noted yet"):
        job.flush()


def _begun(function: Function, *args: Any) -> "asyncio.Future[Any]":
    if inspect.iscoroutinefunction(function):
        return asyncio.ensure_future(on_loop(function, *args))
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    context = copy_context()

    def settle(how: Callable[[Any], None], what: Any) -> None:
        if not future.done():
            how(what)

    def run() -> None:
        end = future.set_result
        try:
            what = context.run(in_thread, function, *args)
        except BaseException as error:
            end = future.set_exception
            what = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, end, what)

    threading.Thread(target=run, daemon=True).start()
    return future
