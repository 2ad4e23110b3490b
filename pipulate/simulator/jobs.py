"""Export jobs: made, run in a thread, polled, remembered across a restart.

STATE  jobs.json, beside the jobs' files: {"jobs": [...], "posts": {label:
       n}}.
LIFE   CREATED -> PROCESSING -> DONE or FAILED.  A job is ready once it was
       polled `polls` times, is `seconds` old, and its file is written.  After
       a restart one without a file is run again: same query, same bytes.
LINKS  A finished job's file has an address that needs no token and cannot be
       guessed.  It may expire; the next look gives a fresh one.
"""

import asyncio
import hashlib
import json
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipulate.engine import files
from pipulate.simulator.errors import Json, Refusal
from pipulate.simulator.exportfile import SUFFIXES, Packing
from pipulate.simulator.options import Pace

FIRST_ID = 3_658_303  # as big as real ones


@dataclass
class Job:
    """One export job; `payload` as posted, with the server's defaults."""

    id: int
    user: str
    org: str
    project: str
    payload: Json
    created: float  # seconds since the epoch
    faults: list[str] = field(default_factory=list)
    polls: int = 0
    failure: str | None = None
    links: int = 0  # how many addresses its file has had
    linked: float = 0.0  # when the newest one was given
    stale: bool = False  # the newest one was made to expire

    @property
    def label(self) -> str:
        return self.payload.get("export_job_name") or ""

    @property
    def born(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def secret(self) -> str:
        """Of the file's present address."""
        told = f"{self.id}/{self.created}/{self.links}/{self.payload}"
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.packing]

    @property
    def file_name(self) -> str:
        return f"{self.project}-{self.born:%Y-%m-%d}{self.suffix}"

    @property
    def packing(self) -> Packing:
        if "plain" in self.faults:
            return "plain"
        if "zip" in (*self.faults, self.payload["extra_config"]["compression"]):
            return "zip"
        return "gzip"


class Jobs:
    """For the event loop; `write` is called in threads.

    Without a folder the jobs last as long as this object.
    """

    def __init__(
        self,
        write: Callable[[Job, Path], None],
        pace: Pace,
        clock: Callable[[], float],
        folder: Path | None = None,
    ) -> None:
        self.write = write
        self.pace = pace
        self.clock = clock
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="botify-simulator-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder
        self._state = folder / "jobs.json"
        self.all: dict[int, Job] = {}
        self.posts: Counter[str] = Counter()  # by label, refused ones included
        self._exports: dict[int, Future[None]] = {}
        self._threads = ThreadPoolExecutor(2, "export")
        if self._state.exists():
            state = json.loads(self._state.read_text("utf-8"))
            self.all = {job["id"]: Job(**job) for job in state["jobs"]}
            self.posts.update(state["posts"])

    @property
    def created(self) -> Counter[str]:
        """Jobs really created, and to be paid for, by label."""
        return Counter(job.label for job in self.all.values())

    @property
    def running(self) -> int:
        """How many exports."""
        return sum(not export.done() for export in self._exports.values())

    def _save(self) -> None:
        state = {
            "jobs": [asdict(job) for job in self.all.values()],
            "posts": self.posts,
        }
        files.write(self._state, json.dumps(state, indent=1))

    def path(self, job: Job) -> Path:
        """Of its file."""
        return self.folder / f"{job.id}{job.suffix}"

    # life

    def create(self, user: str, org: str, project: str, payload: Json, faults: list[str]) -> Job:
        job = Job(
            FIRST_ID + len(self.all),
            user,
            org,
            project,
            payload,
            self.clock(),
            faults,
        )
        self.all[job.id] = job
        self._save()
        self._begin(job)
        return job

    def _begin(self, job: Job) -> None:
        if job.id not in self._exports and not self.path(job).exists():
            self._exports[job.id] = self._threads.submit(self._export, job)

    def _export(self, job: Job) -> None:
        try:
            self.write(job, self.path(job))
        except Refusal as refusal:
            job.failure = str(refusal)

    async def look(self, job: Job, *, poll: bool) -> str:
        """Its status; a finished job has an address afterwards."""
        job.polls += poll
        status = await self._status(job)
        new_link = status == "DONE" and not self._has_link(job)
        if new_link:
            job.links += 1
            job.linked = self.clock()
            job.stale = False
        if poll or new_link:
            self._save()
        return status

    async def _status(self, job: Job) -> str:
        early = "PROCESSING"
        if job.polls <= 1 or "job-no-processing" in job.faults:
            early = "CREATED"
        due = job.polls > self.pace.polls and self.clock() - job.created >= self.pace.seconds
        if "job-stuck" in job.faults or not due:
            return early
        if "job-fails-silently" in job.faults:
            job.failure = None
            return "FAILED"
        if "job-fails" in job.faults:
            job.failure = "The export failed."
            return "FAILED"
        if not await self._exported(job):
            return early
        return "FAILED" if job.failure else "DONE"

    async def _exported(self, job: Job) -> bool:
        self._begin(job)
        if job.id not in self._exports:
            return True  # it is from before a restart
        export = asyncio.wrap_future(self._exports[job.id])
        done, _ = await asyncio.wait([export], timeout=self.pace.patience)
        if done:
            export.result()
        return bool(done)

    def _has_link(self, job: Job) -> bool:
        lasts = self.pace.link_seconds
        aged = lasts is not None and self.clock() - job.linked >= lasts
        return bool(job.links) and not job.stale and not aged

    def by_secret(self, secret: str) -> Job | None:
        """By its file's address now."""
        for job in self.all.values():
            if self._has_link(job) and job.secret == secret:
                return job
        return None

    def close(self) -> None:
        """Let running exports finish, forget those that have not begun."""
        self._threads.shutdown(cancel_futures=True)
