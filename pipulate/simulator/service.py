"""One simulated API: what it is about, who may come in, and what has happened."""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipulate.simulator.bql import compile_query
from pipulate.simulator.errors import Refusal
from pipulate.simulator.evaluation import Query
from pipulate.simulator.exportfile import Extra, FileFormat
from pipulate.simulator.faults import Faults
from pipulate.simulator.jobs import Job, Jobs
from pipulate.simulator.options import Options, User
from pipulate.simulator.projects import Project


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    method: str
    path: str
    query: str
    status: int
    with_token: bool


class Calls:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self.log: deque[Call] = deque(maxlen=100_000)

    def count(self, method: str, path: str) -> int:
        """How many requests had this method, and a path that the pattern matches whole."""
        return sum(
            call.method == method and re.fullmatch(path, call.path) is not None for call in self.log
        )

    @property
    def tokens_at_file_host(self) -> int:
        return sum(call.with_token and call.path.startswith("/cdn/") for call in self.log)


class Service:
    """What all endpoints of one simulator work with."""

    def __init__(
        self,
        projects: Sequence[Project],
        tokens: Mapping[str, User],
        options: Options,
        faults: Faults,
        folder: Path | None,
        clock: Callable[[], float],
    ) -> None:
        self.projects = list(projects)
        self.tokens = tokens
        self.options = options
        self.faults = faults
        self.clock = clock
        self.calls = Calls()
        self.jobs = Jobs(self._compile_job, self._form_of, options.pace, clock, folder)
        self.recent: dict[str, deque[float]] = {}  # times of each token's latest requests

    def project(self, org: str, slug: str, user: User) -> Project:
        """Rights come first, as with any organisation one is not a member of."""
        known = [project for project in self.projects if project.org == org]
        if known and not user.may_see(org):
            raise Refusal(code=1002)
        for project in known:
            if project.slug == slug:
                return project
        raise Refusal(code=1010)

    def collection_id(self, slug: str) -> str:
        """How the collection of an analysis is called."""
        return f"crawl.{slug[:8]}{slug[8:].replace('-', self.options.same_day_mark)}"

    def compile(self, project: Project, body: Any) -> Query:
        """Compile a query of the project (in a thread: the site may have to be made first)."""
        return compile_query(
            body, lambda name: project.collection(name, self.collection_id), self.options.bql
        )

    def _compile_job(self, job: Job) -> Query:
        return self.compile(self.project(job.org, job.project, User()), job.payload["query"])

    def _form_of(self, job: Job) -> FileFormat:
        """How the file of a job is written: as asked, or as its faults have it."""
        config = job.payload["formatter_config"]
        old = "v1-header" in job.faults
        return FileFormat(
            config["delimiter"],
            config["print_header"] or old,
            config["print_delimiter"] or old or "sep" in job.faults,
            "verbose" if old else config["header_format"],
            tuple(Extra(**extra) for extra in config.get("prepend_columns", [])),
            tuple(Extra(**extra) for extra in config.get("append_columns", [])),
            job.packing,
            self.options.booleans,
        )
