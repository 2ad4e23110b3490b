"""Export jobs of the simulator: made, run in a thread, polled, and remembered across a restart.

STATE       One JSON file, jobs.json, beside the jobs' files in one folder: {"jobs": [...], "posts": {label: n}},
            rewritten whole (temporary file, rename) at each change.  Without a folder a temporary one is used.
LIFE        CREATED -> PROCESSING -> DONE or FAILED.  A job is ready once it was polled `polls` times, is `seconds` old,
            and its file is written.  After a restart a job without a file is simply run again: same query, same bytes.
LINKS       A finished job's file has an address that needs no token and cannot be guessed (a hash).  It may expire;
            the next look at the job then gives a fresh one.
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
from typing import Any

from pipulate.simulator.bql import Query
from pipulate.simulator.exportfile import SUFFIXES, FileFormat, Packing, write_export
from pipulate.simulator.expressions import QueryRefused


@dataclass
class Job:
    """One export job.  `payload` is what was posted, with the server's defaults filled in."""

    id: int
    user: str
    org: str
    project: str
    payload: dict[str, Any]
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
    def day(self) -> str:
        return datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%d")

    @property
    def secret(self) -> str:
        """The unguessable part of the file's present address."""
        return hashlib.sha256(
            f"{self.id}/{self.created}/{self.links}/{self.payload}".encode()
        ).hexdigest()

    @property
    def file_name(self) -> str:
        return f"{self.project}-{self.day}{SUFFIXES[self.packing]}"

    @property
    def packing(self) -> Packing:
        if "plain" in self.faults:
            return "plain"
        return (
            "zip"
            if "zip" in self.faults or self.payload["extra_config"]["compression"] == "zip"
            else "gzip"
        )


@dataclass(frozen=True)
class Pace:
    """How soon a job is done: polls answered before, seconds, and how long one poll waits for the file itself."""

    polls: int = 2
    seconds: float = 0.0
    patience: float = 5.0
    link_seconds: float | None = None  # after which an address of the file expires


class Jobs:
    """All jobs of one simulator.  Use on the event loop; only the exports run in threads."""

    def __init__(
        self,
        compile_job: Callable[[Job], Query],
        form_of: Callable[[Job], FileFormat],
        pace: Pace,
        clock: Callable[[], float],
        folder: Path | None = None,
    ) -> None:
        self.compile_job = compile_job
        self.form_of = form_of
        self.pace = pace
        self.clock = clock
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="botify-simulator-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.all: dict[int, Job] = {}
        self.posts: Counter[str] = Counter()  # POST /jobs by export_job_name, refused ones included
        self._running: dict[int, Future[None]] = {}
        self._threads = ThreadPoolExecutor(2, "export")
        self._read()

    # -- state

    def _read(self) -> None:
        try:
            state = json.loads((self.folder / "jobs.json").read_text("utf-8"))
        except FileNotFoundError:
            return
        self.all = {job["id"]: Job(**job) for job in state["jobs"]}
        self.posts.update(state["posts"])

    def save(self) -> None:
        state = {"jobs": [asdict(job) for job in self.all.values()], "posts": self.posts}
        temporary = self.folder / "jobs.json.part"
        temporary.write_text(json.dumps(state, indent=1), "utf-8")
        temporary.replace(self.folder / "jobs.json")

    def close(self) -> None:
        """Let running exports finish, forget those that have not begun."""
        self._threads.shutdown(cancel_futures=True)

    @property
    def created(self) -> Counter[str]:
        """How many jobs were really created, and would have been paid for, by export_job_name."""
        return Counter(job.label for job in self.all.values())

    # -- life

    def create(
        self, user: str, org: str, project: str, payload: dict[str, Any], faults: list[str]
    ) -> Job:
        job = Job(3_658_303 + len(self.all), user, org, project, payload, self.clock(), faults)
        self.all[job.id] = job
        self.save()
        self._begin(job)
        return job

    def running(self) -> int:
        return sum(not future.done() for future in self._running.values())

    def path(self, job: Job) -> Path:
        return self.folder / f"{job.id}{SUFFIXES[job.packing]}"

    def _begin(self, job: Job) -> None:
        if job.id not in self._running and not self.path(job).exists():
            self._running[job.id] = self._threads.submit(self._export, job)

    def _export(self, job: Job) -> None:
        """Write the job's file (in a thread)."""
        size = 0 if "empty" in job.faults else int(job.payload["export_size"])
        try:
            write_export(self.compile_job(job), self.path(job), size, self.form_of(job))
        except QueryRefused as refusal:
            job.failure = str(refusal)

    async def look(self, job: Job, *, poll: bool) -> str:
        """The job's present status.  A finished job has an address then; a poll brings it nearer to its end."""
        job.polls += poll
        status = await self._status(job)
        aged = (
            self.pace.link_seconds is not None
            and self.clock() - job.linked >= self.pace.link_seconds
        )
        if status == "DONE" and (not job.links or job.stale or aged):
            job.links, job.linked, job.stale = job.links + 1, self.clock(), False
        self.save()
        return status

    async def _status(self, job: Job) -> str:
        due = job.polls > self.pace.polls and self.clock() - job.created >= self.pace.seconds
        early = "CREATED" if job.polls <= 1 or "job-no-processing" in job.faults else "PROCESSING"
        if "job-stuck" in job.faults or not due:
            return early
        if "job-fails" in job.faults or "job-fails-silently" in job.faults:
            job.failure = None if "job-fails-silently" in job.faults else "The export failed."
            return "FAILED"
        self._begin(job)
        future = self._running.get(job.id)
        if future is not None:
            waiting = asyncio.wrap_future(future)
            done, _ = await asyncio.wait([waiting], timeout=self.pace.patience)
            if not done:
                return early
            waiting.result()
        return "FAILED" if job.failure else "DONE"

    def by_secret(self, secret: str) -> Job | None:
        """The job whose file has this address now."""
        for job in self.all.values():
            if job.links and job.secret == secret:
                aged = (
                    self.pace.link_seconds is not None
                    and self.clock() - job.linked >= self.pace.link_seconds
                )
                return None if job.stale or aged else job
        return None


# ------------------------------------------------------------------------------------------- POST /jobs, checked

_DEFAULTS: dict[str, Any] = {
    "formatter_config": {
        "delimiter": ",",
        "print_header": False,
        "header_format": "verbose",
        "print_delimiter": False,
    },
    "extra_config": {"compression": "gzip"},
    "sort_url_id": False,
    "export_job_name": None,
}
_CONFIG: dict[str, Callable[[Any], bool]] = {
    "delimiter": lambda value: isinstance(value, str) and len(value.encode()) == 1,
    "print_header": lambda value: isinstance(value, bool),
    "print_delimiter": lambda value: isinstance(value, bool),
    "header_format": lambda value: value in ("verbose", "slug", "collection_slug"),
    "prepend_columns": lambda value: _is_columns(value),
    "append_columns": lambda value: _is_columns(value),
}
_EXTRA: dict[str, Callable[[Any], bool]] = {
    "compression": lambda value: value in ("gzip", "zip"),
    "filetype": lambda value: value in ("csv", "zip"),
}


def read_request(body: Any, limit: int, refuse_over_limit: bool) -> tuple[str, str, dict[str, Any]]:
    """Check the body of POST /jobs: organisation, project, and the payload as the server echoes it.

    That is without these two and with its defaults filled in.  Raises QueryRefused with the key that is wrong.
    """
    _only(body, "body", ("job_type", "payload"))
    if body["job_type"] != "export":
        raise QueryRefused(
            f'job_type: {json.dumps(body["job_type"])} is not simulated, only "export".', 1020
        )
    payload = body["payload"]
    _only(payload, "payload", _NEEDED, ("export_size", *_DEFAULTS))
    for key in ("username", "project"):
        if not isinstance(payload[key], str):
            raise QueryRefused(f"payload.{key}: a text was expected.", 1020)
    for key, only in (("connector", "direct_download"), ("formatter", "csv")):
        if payload[key] != only:
            raise QueryRefused(
                f"payload.{key}: {json.dumps(payload[key])} is not simulated, only {only}.", 1020
            )
    label = payload.get("export_job_name")
    if label is not None and not isinstance(label, str):
        raise QueryRefused("payload.export_job_name: a text was expected.", 1020)
    if not isinstance(payload["query"], dict):
        raise QueryRefused("payload.query: an object was expected.", 1024)
    echoed: dict[str, Any] = {
        "query": payload["query"],
        "export_size": _size(payload.get("export_size", limit), limit, refuse_over_limit),
        "connector": "direct_download",
        "formatter": "csv",
        "formatter_config": _settings(payload, "formatter_config", _CONFIG),
        "extra_config": _settings(payload, "extra_config", _EXTRA),
        "sort_url_id": bool(payload.get("sort_url_id", False)),
        "export_job_name": label,
    }
    if echoed["extra_config"].get("filetype") == "zip":
        echoed["extra_config"]["compression"] = "zip"
    return payload["username"], payload["project"], echoed


_NEEDED = ("username", "project", "connector", "formatter", "query")


def _only(node: Any, what: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    if not isinstance(node, dict):
        raise QueryRefused(f"{what}: an object was expected.", 1020)
    for key in required:
        if key not in node:
            raise QueryRefused(f'{what}: "{key}" is mandatory.', 1020)
    for key in node:
        if key not in required and key not in optional:
            raise QueryRefused(f'{what}: "{key}" is not a valid field.', 1020)


def _settings(payload: dict, name: str, known: dict[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """One of the payload's two objects of settings, over its defaults."""
    given = payload.get(name) or {}
    _only(given, f"payload.{name}", (), tuple(known))
    for key, value in given.items():
        if not known[key](value):
            raise QueryRefused(f"payload.{name}.{key}: {json.dumps(value)} is not possible.", 1020)
    return {**_DEFAULTS[name], **given}


def _is_columns(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(column, dict)
        and set(column) == {"value", "name", "slug"}
        and all(isinstance(text, str) for text in column.values())
        for column in value
    )


def _size(size: Any, limit: int, refuse_over_limit: bool) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise QueryRefused("payload.export_size: a whole number above 0 was expected.", 1020)
    if size > limit and refuse_over_limit:
        raise QueryRefused(f"payload.export_size: at most {limit} rows can be exported.", 1020)
    return min(size, limit)
