"""Jobs: the background work of steps.  A job belongs to (workflow, run, step); its row says how it stands.

STATES    running -> done | failed | unsure | cancelled.  Only one process runs a job: `owner` names a lock file that
          the process holds for as long as it lives, so a dead owner is known at once.
RESUME    A job has no position of its own.  After a crash its function is simply called again, and `job.once` returns
          what was already done.  So resuming is starting.
PROGRESS  lives in memory; the row is written when the state changes.
"""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from pipulate.engine import record as rec
from pipulate.engine.errors import PipulateError, Refused, Unsure
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.record import Record
from pipulate.engine.settings import Settings
from pipulate.engine.store import Lock, Store, now
from pipulate.engine.voice import Silent, Voice, voice
from pipulate.engine.workflow import Job, Step, Workflow, call

Key = tuple[str, str, str]  #: workflow, run ID, step id


@dataclass
class Progress:
    """How far a running job is; `fraction` is None while its length is unknown."""

    fraction: float | None = None
    message: str = "Starting…"


class Jobs:
    """The jobs of one process."""

    def __init__(self, store: Store, settings: Settings, speaker: Voice | None = None) -> None:
        self.store, self.settings, self.speaker = store, settings, speaker or Silent()
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._progress: dict[Key, Progress] = {}
        self.owner = uuid.uuid4().hex
        self._lock = Lock(self._lock_file(self.owner))
        self._lock.acquire()

    def _lock_file(self, owner: str) -> Path:
        return self.store.folder / "locks" / f"{owner}.lock"

    def row(self, key: Key) -> dict[str, Any] | None:
        """Return the job's row, or None if it never began."""
        return self.store.one(
            "SELECT * FROM job WHERE workflow = ? AND id = ? AND step_id = ?", *key
        )

    def progress(self, key: Key) -> Progress:
        """Return how far the job is."""
        return self._progress.get(key, Progress())

    def running(self, key: Key) -> bool:
        """Say whether the job runs in this process."""
        task = self._tasks.get(key)
        return task is not None and not task.done()

    def _alive(self, owner: str | None) -> bool:
        """Say whether the process that owns a job lives; a dead one's lock file is removed."""
        if owner == self.owner:
            return True
        if not owner or not (path := self._lock_file(owner)).exists():
            return False
        lock = Lock(path)
        dead = lock.acquire()
        lock.release()
        if dead:
            path.unlink(missing_ok=True)
        return not dead

    async def start(self, flow: Workflow, id: str, step: Step) -> None:
        """Begin or resume the step's work, unless it runs.  Refused if another process runs it."""
        key = (flow.name, rec.normalise_id(id), step.id)
        if not self.running(key):
            await asyncio.to_thread(self._claim, key)
        if not self.running(key):  # a second start may have come in between
            self._progress[key] = Progress()
            self._tasks[key] = asyncio.create_task(self._work(flow, key, step))

    def _claim(self, key: Key) -> None:
        with self.store.transaction() as db:
            row = self.row(key)
            if (
                row
                and row["state"] == "running"
                and row["owner"] != self.owner
                and self._alive(row["owner"])
            ):
                raise Refused(
                    "This job is being done by another Pipulate process. Wait for it, or stop that one."
                )
            values = (*key, self.owner, now(), now())
            db.execute(
                "INSERT OR REPLACE INTO job VALUES (?, ?, ?, 'running', ?, NULL, '', '', ?, ?)",
                values,
            )

    async def _work(self, flow: Workflow, key: Key, step: Step) -> None:
        token, state, error = voice.set(self.speaker), "done", ""
        try:
            await self._result(flow, key, step)
        except asyncio.CancelledError:
            state, error = (
                "cancelled",
                "Cancelled. What was done so far is kept; start again to go on.",
            )
        except PipulateError as problem:
            state, error = "unsure" if isinstance(problem, Unsure) else "failed", str(problem)
        except (
            Exception
        ) as problem:  # an author's bug must look failed in its card, not vanish in a task
            logger.exception("{} of {} failed", step.key, flow.name)
            state, error = "failed", f"{type(problem).__name__}: {problem}"
        finally:
            voice.reset(token)
        await asyncio.shield(asyncio.to_thread(self._settle, key, state, error))

    async def _result(self, flow: Workflow, key: Key, step: Step) -> None:
        run = await asyncio.to_thread(flow.load, self.store, key[1], self.settings)
        if rec.is_done(run.record, step.id):
            return

        def report(fraction: float | None, message: str) -> None:
            self._progress[key] = Progress(
                None if fraction is None else min(max(fraction, 0.0), 1.0), message
            )

        result = await call(step.function, run, Job(run, step, report))
        if not (isinstance(result, dict) and result):
            result = {"done": True} if result is None else {step.key: result}

        def finish(
            record: Record,
        ) -> Record:  # unless a revert has meanwhile made an earlier step the open one
            before = rec.first_open(record, flow.tuples) < step.number - 1
            return record if before else {**record, step.id: result}

        await asyncio.shield(asyncio.to_thread(run.engine.change, run.id, f"job {step.id}", finish))

    def _settle(self, key: Key, state: str, error: str = "") -> None:
        update = "UPDATE job SET state = ?, error = ?, updated = ? WHERE workflow = ? AND id = ? AND step_id = ?"
        self.store.write(update, state, error, now(), *key)

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
        """The user's decision after Unsure: forget the unanswered intentions and start again."""

        def forget(record: Record) -> Record:
            known, own = record.get("once", {}), f"{step.key}:"
            return {
                **record,
                "once": {
                    key: act
                    for key, act in known.items()
                    if "result" in act or not key.startswith(own)
                },
            }

        await asyncio.to_thread(Pipulate(self.store, flow.name).checkpoint, id, forget)
        await self.start(flow, id, step)

    async def resume(self, workflows: dict[str, Workflow]) -> None:
        """Start again what a process that no longer lives left running."""
        for row in self.store.read("SELECT * FROM job WHERE state = 'running'"):
            if self._alive(row["owner"]):
                continue
            flow, key = workflows.get(row["workflow"]), (row["workflow"], row["id"], row["step_id"])
            step = (
                next((step for step in flow.steps if step.id == row["step_id"] and step.work), None)
                if flow
                else None
            )
            if flow and step:
                logger.info("Resuming {} of {} {}", step.key, flow.name, row["id"])
                await self.start(flow, row["id"], step)
            else:
                self._settle(
                    key,
                    "failed",
                    "Its workflow is no longer installed, so the job could not go on.",
                )

    async def close(self) -> None:
        """Stop all jobs; their rows stay 'running', so the next start resumes them."""
        for key in [key for key in self._tasks if self.running(key)]:
            await self.cancel(key)
            if (self.row(key) or {}).get("state") == "cancelled":
                self._settle(key, "running")
        self._lock.release()
        self._lock_file(self.owner).unlink(missing_ok=True)
