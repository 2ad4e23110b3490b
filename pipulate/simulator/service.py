"""One simulated API: what it is about, who may come in, what has happened."""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pipulate.simulator.bql import compile_query
from pipulate.simulator.errors import Refusal
from pipulate.simulator.evaluation import Query
from pipulate.simulator.exportfile import FileFormat, write_export
from pipulate.simulator.faults import Faults
from pipulate.simulator.jobs import Job, Jobs
from pipulate.simulator.options import Options, User
from pipulate.simulator.projects import Project


class Call(NamedTuple):
    """One request."""

    method: str
    path: str
    status: int
    with_token: bool


class Calls:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self.log: deque[Call] = deque(maxlen=100_000)

    def count(self, method: str, path: str) -> int:
        """`path` is a pattern of the whole path."""
        found = (call for call in self.log if call.method == method)
        return sum(bool(re.fullmatch(path, call.path)) for call in found)

    @property
    def tokens_at_file_host(self) -> int:
        return sum(call.with_token and call.path.startswith("/cdn/") for call in self.log)


@dataclass
class Service:
    """What all endpoints of one simulator work with."""

    projects: Sequence[Project]
    tokens: Mapping[str, User]
    options: Options
    faults: Faults
    folder: Path | None
    clock: Callable[[], float]
    calls: Calls = field(default_factory=Calls)
    #: times of a token's requests
    recent: dict[str, deque[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jobs = Jobs(self._write, self.options.pace, self.clock, self.folder)

    def project(self, org: str, slug: str, user: User) -> Project:
        """The want of rights is said first."""
        known = [project for project in self.projects if project.org == org]
        if known and not user.may_see(org):
            raise Refusal(code=1002)
        for project in known:
            if project.slug == slug:
                return project
        raise Refusal(code=1010)

    def collection_id(self, slug: str) -> str:
        """An analysis's."""
        return f"crawl.{slug.replace('-', self.options.same_day_mark)}"

    def compile(self, project: Project, body: Any) -> Query:
        """May make the site: call in a thread."""
        return compile_query(
            body,
            lambda name: project.collection(name, self.collection_id),
            self.options.bql,
        )

    def _write(self, job: Job, path: Path) -> None:
        payload = job.payload
        query = self.compile(self.project(job.org, job.project, User()), payload["query"])
        form = FileFormat(
            **payload["formatter_config"],
            packing=job.packing,
            booleans=self.options.booleans,
        )
        if "v1-header" in job.faults:
            form = replace(form, print_header=True, header_format="verbose")
        if {"v1-header", "sep"}.intersection(job.faults):
            form = replace(form, print_delimiter=True)
        size = 0 if "empty" in job.faults else payload["export_size"]
        write_export(query, path, size, form)
