"""Jobs: the background work of steps, a row for each (workflow, run, step).

STATES    running -> done | failed | unsure | cancelled.  One process runs a
          job: `owner` names a lock file that it holds while it lives, so a
          dead owner is known at once.
RESUME    A job has no position of its own.  After a crash its function is
          simply called again, and `job.once` returns what was already done.
PROGRESS  lives in memory; the row is written when the state changes.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from pipulate.engine import record as rec
from pipulate.engine.answers import finish
from pipulate.engine.errors import PipulateError, Refused, Unsure
from pipulate.engine.fault import fault
from pipulate.engine.job import Job
from pipulate.engine.record import Record
from pipulate.engine.settings import Settings
from pipulate.engine.store import Lock, Row, Store, now
from pipulate.engine.voice import Silent, Voice, voice
from pipulate.engine.workflow import Run, Step, Workflow, call

Key = tuple[str, str, str]  #: workflow, run ID, step key


@dataclass
class Progress:
    """How far a running job is; `fraction` is None while that is unknown."""

    fraction: float | None = None
    message: str = "Starting…"


class Jobs:
    """The jobs of one process.  Run IDs are normalised ones."""

    def __init__(self, store: Store, settings: Settings, speaker: Voice | None = None) -> None:
        self.store = store
        self.settings = settings
        self.speaker = speaker or Silent()
        #: Awaited when a step's work is done.
        self.finished: Callable[[Run], Awaitable[None]] | None = None
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._progress: dict[Key, Progress] = {}
        self.owner = uuid.uuid4().hex
        self._lock = Lock(self._lock_file(self.owner))
        self._lock.acquire()

    def _lock_file(self, owner: str) -> Path:
        return self.store.folder / "locks" / f"{owner}.lock"

    def row(self, key: Key) -> Row | None:
        """Return the job's row, or None if it never began."""
        select = "SELECT * FROM job WHERE workflow = ? AND id = ? AND step_id = ?"
        return self.store.one(select, *key)

    def progress(self, key: Key) -> Progress:
        """Return how far the job is."""
        return self._progress.get(key, Progress())

    def running(self, key: Key) -> bool:
        """Say whether the job runs in this process."""
        task = self._tasks.get(key)
        return task is not None and not task.done()

    def _alive(self, owner: str | None) -> bool:
        if owner == self.owner:
            return True
        path = self._lock_file(owner or "nobody")
        if not path.exists():
            return False
        lock = Lock(path)
        dead = lock.acquire()
        lock.release()
        if dead:
            path.unlink(missing_ok=True)
        return not dead

    async def start(self, flow: Workflow, id: str, step: Step) -> None:
        """Begin or resume the work; raises Refused if another process has it."""
        key = (flow.name, id, step.key)
        if not self.running(key):
            await asyncio.to_thread(self._claim, key)
        if not self.running(key):  # a second start may have come in between
            self._progress[key] = Progress()
            self._tasks[key] = asyncio.create_task(self._work(flow, key, step))

    def _claim(self, key: Key) -> None:
        with self.store.transaction() as db:
            row = self.row(key) or {"state": "", "owner": None}
            elsewhere = row["state"] == "running" and row["owner"] != self.owner
            if elsewhere and self._alive(row["owner"]):
                raise Refused(
                    "This job is being done by another Pipulate process. "
                    "Wait for it, or stop that one."
                )
            at = now()
            insert = "INSERT OR REPLACE INTO job VALUES (?, ?, ?, 'running', ?, NULL, '', '', ?, ?)"
            db.execute(insert, (*key, self.owner, at, at))

    async def _work(self, flow: Workflow, key: Key, step: Step) -> None:
        token = voice.set(self.speaker)
        try:
            await self._result(flow, key, step)
            end = ("done", "")
        except asyncio.CancelledError:
            end = (
                "cancelled",
                "Cancelled. What was done so far is kept; start again to go on.",
            )
        except Unsure as problem:
            end = ("unsure", str(problem))
        except PipulateError as problem:
            end = ("failed", str(problem))
        except Exception as problem:  # an author's bug must show in its card
            logger.exception("{} of {} failed", step.key, flow.name)
            end = ("failed", f"{fault(problem)}. Mend it, then try again.")
        finally:
            voice.reset(token)
        await asyncio.shield(asyncio.to_thread(self._settle, key, *end))
        finished = self.finished
        if end[0] == "done" and finished:
            with logger.catch(message="what follows a job failed"):
                run = await asyncio.to_thread(flow.load, self.store, key[1], self.settings)
                if rec.is_done(run.state, step.id):  # else a revert came in between
                    await finished(run)

    async def _result(self, flow: Workflow, key: Key, step: Step) -> None:
        run = await asyncio.to_thread(flow.load, self.store, key[1], self.settings)
        if rec.is_done(run.state, step.id):
            return

        def report(fraction: float | None, message: str) -> None:
            if fraction is not None:
                fraction = min(max(fraction, 0.0), 1.0)
            self._progress[key] = Progress(fraction, message)

        seen = run.before(step)
        result = await call(step.function, seen, Job(seen, step, report))
        await asyncio.shield(asyncio.to_thread(finish, seen, step, result))

    def _settle(self, key: Key, state: str, error: str = "") -> None:
        update = "UPDATE job SET state = ?, error = ?, updated = ?"
        here = "WHERE workflow = ? AND id = ? AND step_id = ?"
        self.store.write(f"{update} {here}", state, error, now(), *key)

    async def cancel(self, key: Key) -> None:
        """Stop a running job and wait until it has stopped."""
        if self.running(key):
            self._tasks[key].cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tasks[key]

    async def wait(self, key: Key) -> None:
        """Wait until the job has ended, however."""
        if task := self._tasks.get(key):
            await asyncio.wait([task])

    async def repeat(self, flow: Workflow, id: str, step: Step) -> None:
        """Start again after Unsure, as the user decided: forget its acts."""

        def forget(record: Record) -> Record:
            acts = record.get("once", {}).items()
            mine = f"{step.key}:"
            kept = {key: act for key, act in acts if "result" in act or not key.startswith(mine)}
            return {**record, "once": kept}

        await asyncio.to_thread(flow.engine(self.store).checkpoint, id, forget)
        await self.start(flow, id, step)

    async def resume(self, workflows: dict[str, Workflow]) -> None:
        """Start again what a process that no longer lives left running."""
        for row in self.store.read("SELECT * FROM job WHERE state = 'running'"):
            if self._alive(row["owner"]):
                continue
            key = (row["workflow"], row["id"], row["step_id"])
            flow = workflows.get(key[0])
            works = {step.key: step for step in flow.steps if step.work} if flow else {}
            step = works.get(key[2])
            if flow and step:
                logger.info("Resuming {} of {} {}", step.key, *key[:2])
                await self.start(flow, key[1], step)
            else:
                gone = "Its workflow is no longer installed, so the job could not go on."
                self._settle(key, "failed", gone)

    async def close(self) -> None:
        """Stop all jobs; their rows stay 'running', for the next start."""
        self.finished = None
        for key in filter(self.running, list(self._tasks)):
            await self.cancel(key)
            if (self.row(key) or {}).get("state") == "cancelled":
                self._settle(key, "running")
        self._lock.release()
        self._lock_file(self.owner).unlink(missing_ok=True)
