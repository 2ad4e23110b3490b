"""Jobs: their life by polls and by the clock, and their memory across a restart."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipulate.simulator.exportfile import FileFormat, write_export
from pipulate.simulator.jobs import Job, Jobs
from pipulate.simulator.options import Pace
from pipulate.simulator.payload import read_request
from tests.simulator.examples import body, compiled, export_body


class Clock:
    """Time that only the test moves."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def payload(request=None, **more) -> dict:
    """A payload as `read_request` makes it."""
    return read_request(export_body(request or body(["url"]), **more), 100, False)[2]


def jobs_of(pace=None, folder=None, clock=None) -> Jobs:
    def write(job: Job, path: Path) -> None:
        form = FileFormat(packing=job.packing)
        write_export(compiled(job.payload["query"]), path, 100, form)

    return Jobs(write, replace(pace or Pace(), patience=60), clock or Clock(), folder)


async def life(jobs: Jobs, job: Job, polls: int) -> list[str]:
    return [await jobs.look(job, poll=True) for _ in range(polls)]


@pytest.mark.parametrize(
    ("pace", "faults", "expected"),
    [
        (Pace(), [], ["CREATED", "PROCESSING", "DONE", "DONE"]),
        (Pace(polls=0), [], ["DONE", "DONE", "DONE", "DONE"]),
        (Pace(polls=3), ["job-no-processing"], ["CREATED", "CREATED", "CREATED", "DONE"]),
        (Pace(), ["job-stuck"], ["CREATED", "PROCESSING", "PROCESSING", "PROCESSING"]),
        (Pace(), ["job-fails"], ["CREATED", "PROCESSING", "FAILED", "FAILED"]),
        (Pace(seconds=5), [], ["CREATED", "PROCESSING", "PROCESSING", "PROCESSING"]),
    ],
)
async def test_a_job_lives_by_its_polls(pace, faults, expected):
    """Each look brings it nearer to its end."""
    jobs = jobs_of(pace)
    job = jobs.create("u", "o", "p", payload(), faults)
    assert await life(jobs, job, 4) == expected


async def test_a_job_lives_by_the_clock():
    """With seconds set it is done only then."""
    clock = Clock()
    jobs = jobs_of(Pace(polls=0, seconds=10), clock=clock)
    job = jobs.create("u", "o", "p", payload(), [])
    assert await life(jobs, job, 2) == ["CREATED", "PROCESSING"]
    clock.now += 10
    assert await life(jobs, job, 1) == ["DONE"]


async def test_looking_without_a_poll_changes_nothing():
    """A list of jobs does not bring them nearer to their end."""
    jobs = jobs_of()
    job = jobs.create("u", "o", "p", payload(), [])
    assert [await jobs.look(job, poll=False) for _ in range(5)] == ["CREATED"] * 5


async def test_a_bad_query_fails_its_job():
    """The reason is kept."""
    jobs = jobs_of(Pace(polls=0))
    job = jobs.create("u", "o", "p", payload(body(["nope"])), [])
    assert await life(jobs, job, 1) == ["FAILED"]
    assert job.failure == 'Field "nope" does not exist'


async def test_jobs_survive_a_restart(tmp_path):
    """The next simulator on the folder knows jobs, counts and addresses; a lost file comes back."""
    before = jobs_of(Pace(polls=0), tmp_path)
    before.posts["label"] += 1
    job = before.create("u", "o", "p", payload(export_job_name="label"), [])
    await life(before, job, 1)
    content = before.path(job).read_bytes()
    before.path(job).unlink()
    after = jobs_of(Pace(polls=0), tmp_path)
    assert after.posts == before.posts == {"label": 1}
    assert after.created == {"label": 1}
    same = after.by_secret(job.secret)
    assert same == job
    assert await life(after, same, 1) == ["DONE"]
    assert after.path(same).read_bytes() == content
    assert after.create("u", "o", "p", payload(), []).id == job.id + 1


async def test_state_is_readable(tmp_path):
    """One JSON file, whole at every moment."""
    jobs = jobs_of(folder=tmp_path)
    jobs.create("u", "o", "p", payload(), [])
    state = json.loads((tmp_path / "jobs.json").read_text())
    assert [job["project"] for job in state["jobs"]] == ["p"]


async def test_an_address_expires_and_the_next_look_gives_a_fresh_one():
    """By the clock, or because it was made stale."""
    clock = Clock()
    jobs = jobs_of(Pace(polls=0, link_seconds=60), clock=clock)
    job = jobs.create("u", "o", "p", payload(), [])
    assert jobs.by_secret(job.secret) is None
    await life(jobs, job, 1)
    first = job.secret
    assert jobs.by_secret(first) is job
    clock.now += 60
    assert jobs.by_secret(first) is None
    await life(jobs, job, 1)
    assert jobs.by_secret(first) is None
    assert jobs.by_secret(job.secret) is job
    job.stale = True
    assert jobs.by_secret(job.secret) is None


def test_without_a_folder_nothing_stays_on_disk():
    """The temporary folder goes with the jobs."""
    jobs = jobs_of()
    folder = jobs.folder
    assert folder.exists()
    jobs.close()
    del jobs
    assert not folder.exists()
