"""Jobs: their life by polls and by the clock, their memory across a restart, and what POST /jobs must hold."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipulate.simulator.errors import Refusal
from pipulate.simulator.exportfile import FileFormat, write_export
from pipulate.simulator.jobs import Job, Jobs
from pipulate.simulator.options import Pace
from pipulate.simulator.payload import read_request
from tests.simulator.test_bql import body, compiled


class Clock:
    """Time that only the test moves."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def payload(request=None, **more) -> dict:
    """A payload as `read_request` makes it."""
    posted = {"username": "o", "project": "p", "connector": "direct_download", "formatter": "csv"}
    return read_request(
        {"job_type": "export", "payload": {**posted, "query": request or body(["url"]), **more}},
        100,
        False,
    )[2]


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
    """The next simulator on the same folder knows the jobs, their counts and addresses; a lost file comes back equal."""
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


def post(**changes) -> dict:
    """A POST /jobs body; a key set to None is left out."""
    full = {
        "username": "o",
        "project": "p",
        "connector": "direct_download",
        "formatter": "csv",
        "query": {"collections": []},
        **changes,
    }
    return {
        "job_type": "export",
        "payload": {key: value for key, value in full.items() if value is not None},
    }


def test_the_echo_has_the_servers_defaults():
    """As the real server echoed a job without formatter_config: no header, no sep line, gzip."""
    org, project, echo = read_request(post(), 1000, False)
    assert (org, project) == ("o", "p")
    assert echo == {
        "query": {"collections": []},
        "export_size": 1000,
        "connector": "direct_download",
        "formatter": "csv",
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


def test_a_size_above_the_limit_is_cut_or_refused():
    """Which of the two is an option."""
    assert read_request(post(export_size=5000), 1000, False)[2]["export_size"] == 1000
    with pytest.raises(Refusal, match="at most 1000"):
        read_request(post(export_size=5000), 1000, True)


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ([], "object"),
        ({"payload": {}}, '"job_type" is mandatory'),
        ({"job_type": "export"}, '"payload" is mandatory'),
        ({**post(), "username": "o"}, '"username" is not a valid field'),
        ({**post(), "job_type": "logs_urls_export"}, "not simulated"),
        (post(username=None), '"username" is mandatory'),
        (post(query=None), '"query" is mandatory'),
        (post(project=3), "text"),
        (post(connector="s3"), "not simulated"),
        (post(formatter="xml"), "not simulated"),
        (post(query=[]), "object"),
        (post(export_size="10"), "whole number"),
        (post(export_size=0), "whole number"),
        (post(export_job_name=3), "text"),
        (post(header=True), '"header" is not a valid field'),
        (post(formatter_config={"header": True}), '"header" is not a valid field'),
        (post(formatter_config={"print_header": 1}), "not possible"),
        (post(formatter_config={"header_format": "loud"}), "not possible"),
        (post(formatter_config={"delimiter": ",,"}), "not possible"),
        (post(formatter_config={"append_columns": [{"value": "x"}]}), "not possible"),
        (post(extra_config={"compression": "bz2"}), "not possible"),
    ],
)
def test_a_wrong_request_is_refused_by_key(posted, words):
    """The message names what is wrong."""
    with pytest.raises(Refusal, match=words):
        read_request(posted, 1000, False)


@pytest.mark.parametrize("extra", [{"compression": "zip"}, {"filetype": "zip"}])
def test_zip_can_be_asked_for_in_two_ways(extra):
    """As the documents show."""
    job = Job(1, "u", "o", "p", read_request(post(extra_config=extra), 10, False)[2], 0.0)
    assert job.packing == "zip"
    assert job.file_name == "p-1970-01-01.csv.zip"
