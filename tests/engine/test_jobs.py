"""Jobs: one runner, resumed by starting again, cancelled, failed and unsure in words; results
only where they belong."""

import asyncio

import pytest

from pipulate.engine.errors import PipulateError, Refused
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow


class Definite(PipulateError):
    """A refusal after which nothing was done."""

    definite = True


def make(tmp_path, work):
    """Return (flow, step, engine, jobs) for a workflow of one question and one piece of work,
    its question answered."""
    flow = Workflow("w", about="x")
    flow.step("go", "Go?")(lambda run: None)
    step = flow.work("act", "Act")(work)
    store = Store(tmp_path / "pipulate.db")
    engine = Pipulate(store, "w")
    engine.initialize_if_missing("r")
    engine.set_step_data("r", "step_01", {"go": "yes"})
    return flow, step, engine, Jobs(store, Settings(data=tmp_path))


KEY = ("w", "r", "act")


async def test_the_result_is_stored_under_the_step(tmp_path):
    """A dictionary is stored as it is; progress is known meanwhile."""
    seen, go = asyncio.Event(), asyncio.Event()

    async def work(run, job):
        job.progress(0.25, "a quarter")
        seen.set()
        await go.wait()
        return {"rows": 3}

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await seen.wait()
    assert (jobs.progress(KEY).fraction, jobs.progress(KEY).message) == (0.25, "a quarter")
    assert jobs.running(KEY) and jobs.row(KEY)["state"] == "running"
    go.set()
    await jobs.wait(KEY)
    assert engine.get_step_data("r", "step_02") == {"rows": 3} and jobs.row(KEY)["state"] == "done"
    await jobs.close()


async def test_starting_twice_runs_once(tmp_path):
    """A second start of a running job changes nothing."""
    count, go = [], asyncio.Event()

    async def work(run, job):
        count.append(1)
        await go.wait()

    flow, step, engine, jobs = make(tmp_path, work)
    for _ in range(3):
        await jobs.start(flow, "r", step)
    await asyncio.sleep(0)
    go.set()
    await jobs.wait(KEY)
    assert len(count) == 1 and engine.get_step_data("r", "step_02") == {"done": True}
    await jobs.close()


@pytest.mark.parametrize(
    ("raised", "state", "says"),
    [
        (PipulateError("No right to do this."), "failed", "No right to do this."),
        (ValueError("odd"), "failed", "ValueError: odd"),
    ],
)
async def test_a_failure_is_told_in_the_row_and_stores_nothing(tmp_path, raised, state, says):
    """What failed looks failed."""

    async def work(run, job):
        raise raised

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    assert jobs.row(KEY)["state"] == state and jobs.row(KEY)["error"].startswith(says)
    if not isinstance(raised, PipulateError):
        assert "(test_jobs.py, line " in jobs.row(KEY)["error"]
        assert ": “raise raised”). Mend it, then try again." in jobs.row(KEY)["error"]
    assert "step_02" not in engine.get_state("r")
    await jobs.close()


async def test_cancel_keeps_what_was_done_once(tmp_path):
    """After a cancel the job goes on where it was: acts that were done are not done again."""
    done, stuck = [], asyncio.Event()

    async def work(run, job):
        async def act():
            done.append("act")
            return 7

        value = await job.once("act", act)
        if len(done) == 1 and not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()
        return {"value": value}

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await stuck.wait()
    await jobs.cancel(KEY)
    assert jobs.row(KEY)["state"] == "cancelled" and "step_02" not in engine.get_state("r")
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    assert done == ["act"] and engine.get_step_data("r", "step_02") == {"value": 7}
    await jobs.close()


async def test_an_act_without_an_answer_is_not_repeated_unless_the_user_says_so(tmp_path):
    """Interrupted between act and answer: unsure; only `repeat` does it again."""
    tries = []

    async def work(run, job):
        async def act():
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionError("lost")
            return "ok"

        return {"value": await job.once("post", act)}

    flow, step, engine, jobs = make(tmp_path, work)
    for expected in ("failed", "unsure", "unsure"):
        await jobs.start(flow, "r", step)
        await jobs.wait(KEY)
        assert jobs.row(KEY)["state"] == expected
    assert len(tries) == 1
    await jobs.repeat(flow, "r", step)
    await jobs.wait(KEY)
    assert len(tries) == 2 and engine.get_step_data("r", "step_02") == {"value": "ok"}
    await jobs.close()


async def test_a_definite_refusal_may_be_tried_again(tmp_path):
    """When nothing was done, trying again is no repetition."""
    tries = []

    async def work(run, job):
        async def act():
            tries.append(1)
            if len(tries) == 1:
                raise Definite("Refused.")
            return "ok"

        return {"value": await job.once("post", act)}

    flow, step, _, jobs = make(tmp_path, work)
    for expected in ("failed", "done"):
        await jobs.start(flow, "r", step)
        await jobs.wait(KEY)
        assert jobs.row(KEY)["state"] == expected
    await jobs.close()


async def test_only_one_process_runs_a_job_and_a_dead_one_is_replaced(tmp_path):
    """Another live process's job is refused; after its end the job is resumed at the next start."""
    go = asyncio.Event()

    async def work(run, job):
        await go.wait()
        return {"value": 1}

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await asyncio.sleep(0)
    other = Jobs(engine.store, Settings(data=tmp_path))
    with pytest.raises(Refused, match="another Pipulate process"):
        await other.start(flow, "r", step)
    await other.resume({"w": flow})
    assert not other.running(KEY)
    await jobs.close()  # a shutdown: the row stays running, the owner is gone
    assert other.row(KEY)["state"] == "running"
    go.set()
    await other.resume({"w": flow})
    await other.wait(KEY)
    assert engine.get_step_data("r", "step_02") == {"value": 1}
    await other.close()
    assert not list((tmp_path / "locks").glob("*.lock"))


async def test_a_result_is_dropped_when_the_run_went_back_meanwhile(tmp_path):
    """A revert wins over a job that finishes after it."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(run, job):
        begun.set()
        await go.wait()
        return {"value": 1}

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await begun.wait()
    engine.clear_steps_from("r", "step_01", flow.tuples)
    go.set()
    await jobs.wait(KEY)
    assert "step_02" not in engine.get_state("r")
    await jobs.close()


async def test_a_job_of_a_workflow_that_is_gone_is_failed_in_words(tmp_path):
    """Nothing stays "running" for ever."""

    async def work(run, job):
        await asyncio.Event().wait()

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await asyncio.sleep(0)
    await jobs.close()
    other = Jobs(engine.store, Settings(data=tmp_path))
    await other.resume({})
    assert other.row(KEY)["state"] == "failed" and "no longer installed" in other.row(KEY)["error"]
    await other.close()


async def test_who_waits_for_it_hears_once_of_work_that_was_done(tmp_path):
    """With the run as it stands; not of work that failed, nor of a step that a revert reopened."""
    heard = []

    async def finished(run):
        heard.append((run.id, run["act"], run.open_index))
        raise RuntimeError("a listener's fault is the listener's")

    outcome = {"rows": 3}

    async def work(run, job):
        if outcome:
            return outcome
        raise PipulateError("No luck.")

    flow, step, engine, jobs = make(tmp_path, work)
    jobs.finished = finished
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    assert heard == [("r", {"rows": 3}, 2)] and jobs.row(KEY)["state"] == "done"
    engine.clear_steps_from("r", "step_02", flow.tuples)
    outcome = {}
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    assert len(heard) == 1 and jobs.row(KEY)["state"] == "failed"
    await jobs.close()
