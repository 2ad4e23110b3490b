"""Jobs: the background work of steps, a row for each (workflow, run, step).

STATES    running -> done | failed | unsure | cancelled, by way of `ending`
          from a cancel until the work has ended.  One process runs a job:
          `owner` names a lock file that it holds while it lives, so a dead
          owner is known at once.  `message` tells the answers it rests on by
          their fingerprint: under others its end is not shown.
RESUME    A job has no position of its own.  After a crash its function is
          simply called again; `job.once` returns what was already done, and
          `job.each` skips it.  What starts a job that is ending waits.
PROGRESS  lives in memory; the row is written when the state changes.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from loguru import logger

from pipulate.engine import profiles
from pipulate.engine import record as rec
from pipulate.engine.errors import PipulateError, Refused
from pipulate.engine.settings import Settings
from pipulate.engine.store import Lock, Row, Store, now
from pipulate.engine.voice import Silent, Voice, voice
from pipulate.engine.workflow import WHOLE, Run, Step, Workflow

if TYPE_CHECKING:
    from pipulate.engine.doing import Doing

Key = tuple[str, str, str]  #: workflow, run ID, key of the step

_OTHER = "It was last tried with other answers than these."
_ELSEWHERE = "Another Pipulate process does this."
_LEFT = "The program that did this has ended. What was done so far is kept."
_ENDING = "Cancelled; it ends when its present act is through."
_WAITING = "Waiting for the earlier try to end…"
_ROW = "SELECT * FROM job WHERE workflow = ? AND id = ? AND step_id = ?"
_AT_WORK = ("running", "ending")
_LEFT_OVER = "SELECT * FROM job WHERE state IN ('running', 'ending')"
_SET = """
    UPDATE job SET state = ?, error = ?, updated = ?
    WHERE workflow = ? AND id = ? AND step_id = ? AND owner = ? AND state IN ('ending', ?)"""


class Progress(NamedTuple):
    """How far a running job is; `fraction` is None while that is unknown."""

    fraction: float | None
    message: str


class Jobs:
    """The jobs of one process.  Run IDs are normalised ones."""

    def __init__(self, store: Store, settings: Settings, speaker: Voice | None = None) -> None:
        self.store = store
        self.settings = settings
        self.speaker = speaker or Silent()
        self.pace = 0.2  #: seconds between two looks at a job
        self.grace = 1.0  #: seconds for which a cancel waits for its end
        #: Awaited when a step's work is done.
        self.finished: Callable[[Run], Awaitable[None]] | None = None
        self.owner = uuid.uuid4().hex
        self._lock = Lock(self._lock_file(self.owner))
        self._lock.acquire()
        self._doing: dict[Key, Doing] = {}  # from its start until all of its work has ended
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._closing = False

    def _lock_file(self, owner: str) -> Path:
        return self.store.folder / "locks" / f"{owner}.lock"

    def _alive(self, owner: str | None) -> bool:
        path = self._lock_file(owner or "nobody")
        if not path.exists():
            return False
        lock = Lock(path)
        dead = lock.acquire()
        lock.release()
        if dead:
            path.unlink(missing_ok=True)
        return not dead

    # --- how it stands

    def row(self, key: Key) -> Row | None:
        """Return the job's row, or None if it never began."""
        return self.store.one(_ROW, *key)

    def running(self, key: Key) -> bool:
        """Say whether the job is at work in this process, if only to end."""
        return key in self._doing

    def state(self, run: Run, step: Step) -> tuple[str, str]:
        """Return (state, why) of the step's work.

        Of STATES; "ready"; "elsewhere": another process does it.
        """
        key = (run.flow.name, run.id, step.key)
        if doing := self._doing.get(key):
            return ("ending" if doing.cancelled and not doing.again else "running"), ""
        row = self.row(key)
        if row is None or row["state"] == "done":
            return "ready", ""
        if row["state"] in _AT_WORK:
            if self._elsewhere(row):
                return "elsewhere", ""
            return "cancelled", _LEFT
        if row["message"] != _basis(run, step):
            return "ready", _OTHER
        return row["state"], row["error"]

    def _elsewhere(self, row: Row) -> bool:
        theirs = row["state"] in _AT_WORK and row["owner"] != self.owner
        return theirs and self._alive(row["owner"])

    def progress(self, key: Key) -> Progress:
        """Return how far the job is."""
        doing = self._doing.get(key)
        if doing is None:
            return Progress(None, _ELSEWHERE)
        if doing.again:
            return Progress(doing.fraction, _WAITING)
        return Progress(doing.fraction, _ENDING if doing.cancelled else doing.message)

    # --- begin and end

    async def start(self, flow: Workflow, id: str, step: Step, anew: bool = False) -> None:
        """Begin or resume the work; raises Refused if another process has it.

        One of this process that is ending is waited for.  With `anew`, as the
        user decided after Unsure, forget the acts that may have been done.
        """
        key = (flow.name, id, step.key)
        if doing := self._doing.get(key):
            await doing.look()
            if self._doing.get(key) is doing:
                doing.again = doing.is_over and not self._closing
                doing.flow = flow
                doing.step = step
                return
        from pipulate.engine.doing import Doing

        doing = Doing(flow, id, step, self.store, self.settings)
        self._doing[key] = doing  # a second start comes to nothing from here on
        try:
            await asyncio.to_thread(self._claim, doing, anew)
        except BaseException:
            del self._doing[key]
            raise
        doing.task = self._tasks[key] = asyncio.create_task(self._lead(doing))

    async def repeat(self, flow: Workflow, id: str, step: Step) -> None:
        """Start again after Unsure, as the user decided: forget its acts."""
        await self.start(flow, id, step, anew=True)

    def _claim(self, doing: "Doing", anew: bool = False) -> None:
        run = doing.load()
        stored = run.engine.row(run.id) or {}
        doing.profile = stored.get("profile_id") or 0
        with self.store.transaction() as db:
            row = self.row(doing.key) or {"state": "ready"}
            if self._elsewhere(row):
                raise Refused(
                    "This job is being done by another Pipulate process. "
                    "Wait for it, or stop that one."
                )
            if row["state"] == "done":
                self._clear(doing.key)
            if row["state"] == "unsure" and anew:
                from pipulate.engine.acts import forget  # seldom: the user decided so

                forget(run, doing.step)
            at = now()
            insert = "INSERT OR REPLACE INTO job VALUES (?, ?, ?, 'running', ?, NULL, ?, '', ?, ?)"
            db.execute(insert, (*doing.key, self.owner, _basis(run, doing.step), at, at))

    def _clear(self, key: Key) -> None:
        delete = "DELETE FROM checkpoint WHERE workflow = ? AND id = ? AND step = ?"
        self.store.write(delete, *key)

    async def cancel(self, key: Key) -> None:
        """Cancel a job, in whatever process; wait a moment for its end."""
        await asyncio.to_thread(self._end, key)
        if doing := self._doing.get(key):
            doing.cancel()
            if doing.task:
                await asyncio.wait([doing.task], timeout=self.grace)

    def _end(self, key: Key) -> None:
        row = self.row(key)
        if row and row["state"] == "running":
            at_work = self.running(key) or self._elsewhere(row)
            state = "ending" if at_work else "cancelled"
            self._set(key, row["owner"], state, _LEFT)

    def _set(self, key: Key, owner: str, state: str, why: str, was: str = "running") -> None:
        self.store.write(_SET, state, why, now(), *key, owner, was)

    async def mind(self, flow: Workflow, id: str) -> None:
        """Cancel those jobs of a run that has changed which it wants no more."""
        for doing in list(self._doing.values()):
            if doing.key[:2] == (flow.name, id):
                await doing.look()

    async def wait(self, key: Key) -> None:
        """Wait until the job has ended, however."""
        if task := self._tasks.get(key):
            await asyncio.wait([task])

    async def resume(self, workflows: dict[str, Workflow]) -> None:
        """Start again what a process that no longer lives left running."""
        for row in await asyncio.to_thread(self._left_over):
            flow = workflows.get(row["workflow"])
            works = [step for step in flow.steps if step.work] if flow else []
            # An older row has the step's id.
            step = next((step for step in works if row["step_id"] in (step.key, step.id)), None)
            end = ("cancelled", _LEFT)
            if flow is None or step is None:
                gone = "Its workflow is no longer installed, so the job could not go on."
                end = ("failed", gone)
            elif row["state"] == "running":
                logger.info("Resuming {} of {} {}", step.key, flow.name, row["id"])
                with suppress(PipulateError):
                    await self.start(flow, row["id"], step)
            key = (row["workflow"], row["id"], row["step_id"])
            await asyncio.to_thread(self._set, key, row["owner"], *end)

    def _left_over(self) -> list[Row]:
        rows = self.store.read(_LEFT_OVER)
        return [row for row in rows if row["owner"] != self.owner and not self._elsewhere(row)]

    async def close(self, patience: float = 5.0) -> None:
        """Stop all jobs; their rows stay 'running', for the next start.

        A plain function that has not ended after `patience` seconds goes on
        until the process ends, and nobody else may do its job until then.
        """
        self.finished = None
        self._closing = True
        for doing in list(self._doing.values()):
            doing.cancel(_LEFT)
        tasks = [doing.task for doing in self._doing.values() if doing.task]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        if not self._doing:
            self._lock.release()
            self._lock_file(self.owner).unlink(missing_ok=True)

    async def _lead(self, doing: "Doing") -> None:
        voice.set(self.speaker)
        with profiles.window(doing.profile):  # whoever started it, and whatever is chosen by now
            await self._done(doing)

    async def _done(self, doing: "Doing") -> None:
        state = ""
        try:
            with logger.catch(PipulateError, message="a job's state was not saved"):
                state = await self._ended(doing)
                while doing.again:
                    doing.renew()
                    await asyncio.to_thread(self._claim, doing)
                    state = await self._ended(doing)
        finally:
            del self._doing[doing.key]
        if state == "done" and self.finished:
            with logger.catch(message="what follows a job failed"):
                run = await asyncio.to_thread(doing.load)
                if rec.is_done(run.state, doing.step.id):  # else a revert came in between
                    await self.finished(run)

    async def _ended(self, doing: "Doing") -> str:
        state, error = await doing.end(self.pace)
        await asyncio.shield(asyncio.to_thread(self._settle, doing, state, error))
        return state

    def _settle(self, doing: "Doing", state: str, error: str) -> None:
        was = "running"
        if self._closing and state == "cancelled":
            was = "ending"  # by the user; else the next start resumes it
        with self.store.transaction():
            self._set(doing.key, self.owner, state, error, was)
            if state == "done":
                self._clear(doing.key)


def _basis(run: Run, step: Step) -> str:
    """Return what differs if this is another run, or earlier answers changed."""
    earlier = run.before(step).fingerprint(WHOLE)
    return rec.fingerprint([run.state.get("created"), earlier])
