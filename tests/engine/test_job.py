"""What a step's work is given: its progress, and word that it has to end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine.job import Cancelled, Job
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow

Told = list[tuple[float | None, str]]


@pytest.fixture
def told() -> Told:
    """What is told of progress."""
    return []


@pytest.fixture
def job(tmp_path: Path, told: Told) -> Iterator[Job]:
    """A try of a workflow's one piece of work."""
    flow = Workflow("bridge")
    step = flow.work("export", "Export links")(lambda run, job: {"rows": 12})
    store = Store(tmp_path / "pipulate.db")
    flow.begin(flow.engine(store), "arthur")
    run = flow.load(store, "arthur", Settings())
    yield Job(run, step, lambda fraction, message: told.append((fraction, message)))
    store.close()


def test_progress_is_reported(job: Job, told: Told) -> None:
    """`job.progress` hands fraction and message on."""
    job.progress(0.4, "12,000 of 30,000 rows")
    job.progress(None)
    assert told == [(0.4, "12,000 of 30,000 rows"), (None, "")]


@pytest.mark.parametrize(
    "ask",
    [
        lambda job: job.progress(0.5),
        lambda job: job.part(0.5),
        lambda job: job.each([1]),
        lambda job: job.once("post", lambda: 1),
    ],
    ids=["progress", "part", "each", "once"],
)
def test_a_try_that_is_to_end_hears_of_it(job: Job, ask: Callable[[Job], Any]) -> None:
    """Whatever the work asks of its job raises, and no `except Exception` keeps that."""
    job.halt()
    with pytest.raises(Cancelled):
        ask(job)
    assert not issubclass(Cancelled, Exception)


def test_it_is_wanted_while_its_step_is_the_open_one(job: Job) -> None:
    """Not in a run that is locked, nor once the step is done, nor in another run of that ID."""
    record = job.run.state
    assert job.is_wanted(record)
    assert not job.is_wanted({**record, "finalized": "now"})
    assert not job.is_wanted({**record, "step_01": {"rows": 1}})
    assert not job.is_wanted({**record, "created": "later"})
