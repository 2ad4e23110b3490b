"""Jobs: one runner, resumed by starting again, cancelled, failed and unsure in words; results
only where they belong."""

import asyncio

import pytest

from pipulate.engine import profiles
from pipulate.engine.errors import PipulateError, Refused
from pipulate.engine.jobs import Jobs
from pipulate.engine.settings import Settings
from tests.engine.work import KEY, Plain, make, other


class Definite(PipulateError):
    """A refusal after which nothing was done."""

    definite = True


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


@pytest.mark.parametrize("result", [{}, [], "", 0, False, None, {"a": ""}], ids=repr)
async def test_an_empty_result_is_one(tmp_path, result):
    """The step is done, and gives back in code what the work returned; None only says so."""
    flow, step, engine, jobs = make(tmp_path, lambda run, job: result)
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    run = flow.load(engine.store, "r", jobs.settings)
    assert run.open_index == 2 and run["act"] == ({"done": True} if result is None else result)
    assert jobs.row(KEY)["state"] == "done"
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
    await jobs.wait(KEY)
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


# --- a cancel ends it, and what is not wanted


def words(jobs):
    """Return what the job's card would say, and how far it is."""
    now = jobs.progress(KEY)
    return now.fraction, now.message


async def state(flow, engine, jobs):
    """Return the state of the job as its card would show it."""
    run = flow.load(engine.store, "r", jobs.settings)
    return jobs.state(run, flow.steps[1])[0]


async def test_a_cancel_ends_a_plain_function_at_its_next_word(tmp_path):
    """Its present act is let through and told of; then nothing more is done."""
    work = Plain()
    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    assert await work.reached() == 0
    await jobs.cancel(KEY)
    assert jobs.running(KEY) and await state(flow, engine, jobs) == "ending"
    assert words(jobs) == (0.0, "Cancelled; it ends when its present act is through.")
    work.go_on(3)
    await jobs.wait(KEY)
    assert len(work.done) == 1 and await state(flow, engine, jobs) == "cancelled"
    assert "step_02" not in engine.get_state("r")
    await jobs.close()


async def test_going_on_waits_for_the_earlier_try(tmp_path):
    """However often it is cancelled and started meanwhile: no two threads do one job at once."""
    work = Plain()
    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await work.reached()
    for _ in range(3):
        await jobs.cancel(KEY)
        await jobs.start(flow, "r", step)
        await jobs.start(flow, "r", step)
        await jobs.mind(flow, "r")
    assert words(jobs) == (0.0, "Waiting for the earlier try to end…")
    assert await state(flow, engine, jobs) == "running"
    work.go_on()  # the end of the first try
    assert await work.reached() == 0
    work.go_on(3)
    await jobs.wait(KEY)
    assert work.done == [(1, 0), (2, 0), (2, 1), (2, 2)]
    assert engine.get_step_data("r", "step_02") == {"acts": 3}
    await jobs.close()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_the_end_of_the_server_waits_for_no_thread(tmp_path, cancelled):
    """A function in the midst of an act holds its job until the process ends, so that nobody does
    it beside it.  The next start resumes it, unless the user had cancelled it."""
    work = Plain()
    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await work.reached()
    if cancelled:
        await jobs.cancel(KEY)
    await jobs.close(patience=0)
    later = other(engine)
    await later.resume({"w": flow})
    with pytest.raises(Refused, match="another Pipulate process"):
        await later.start(flow, "r", step)
    work.go_on()
    await jobs.wait(KEY)
    assert len(work.done) == 1
    assert jobs.row(KEY)["state"] == ("cancelled" if cancelled else "running")
    await jobs.close()
    await later.resume({"w": flow})
    assert later.running(KEY) is not cancelled
    if not cancelled:
        work.go_on(3)
        await later.wait(KEY)
        assert engine.get_step_data("r", "step_02") == {"acts": 3}
    await later.close()


async def test_a_start_after_a_change_waits_for_the_old_job_and_begins_anew(tmp_path):
    """Reverted and answered anew before the job could see it: it is not taken for the new one."""
    work = Plain(acts=2)
    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await work.reached()
    engine.clear_steps_from("r", "step_01", flow.tuples)
    await jobs.mind(flow, "r")
    engine.set_step_data("r", "step_01", {"go": "no"})
    await jobs.start(flow, "r", step)
    assert words(jobs)[1] == "Waiting for the earlier try to end…"
    work.go_on(3)
    await jobs.wait(KEY)
    assert len(work.done) == 3 and engine.get_step_data("r", "step_02") == {"acts": 2}
    await jobs.close()


async def test_a_job_is_cancelled_from_another_process(tmp_path):
    """It is shown there as what it is, and ends where it is done."""
    work = Plain()
    flow, step, engine, jobs = make(tmp_path, work)
    jobs.pace = 0.001
    await jobs.start(flow, "r", step)
    await work.reached()
    theirs = other(engine)
    assert await state(flow, engine, theirs) == "elsewhere"
    await theirs.cancel(KEY)
    while await state(flow, engine, jobs) == "running":
        await asyncio.sleep(0)
    work.go_on(3)
    await jobs.wait(KEY)
    assert len(work.done) == 1 and await state(flow, engine, theirs) == "cancelled"
    await theirs.start(flow, "r", step)
    await theirs.cancel(KEY)
    work.go_on(3)
    await theirs.wait(KEY)
    for process in (jobs, theirs):
        await process.close()


async def test_a_row_of_before_is_resumed_by_its_steps_id(tmp_path):
    """Such rows were named by the place of their step."""
    flow, _, engine, jobs = make(tmp_path, lambda run, job: {"value": 1})
    old = ("w", "r", "step_02")
    insert = "INSERT INTO job VALUES (?, ?, ?, 'running', 'gone', NULL, '', '', '', '')"
    engine.store.write(insert, *old)
    await jobs.resume({"w": flow})
    await jobs.wait(KEY)
    assert engine.get_step_data("r", "step_02") == {"value": 1}
    assert (jobs.row(KEY)["state"], jobs.row(old)["state"]) == ("done", "cancelled")
    await jobs.close()


async def test_what_a_dead_process_left_is_shown_and_can_be_gone_on_with(tmp_path):
    """Not as running for ever."""
    go = asyncio.Event()

    async def work(run, job):
        await go.wait()
        return {"value": 1}

    flow, step, engine, jobs = make(tmp_path, work)
    theirs = other(engine)
    await jobs.start(flow, "r", step)
    await jobs.close()
    run = flow.load(engine.store, "r", theirs.settings)
    assert theirs.state(run, step)[0] == "cancelled" and "has ended" in theirs.state(run, step)[1]
    go.set()
    await theirs.start(flow, "r", step)
    await theirs.wait(KEY)
    assert engine.get_step_data("r", "step_02") == {"value": 1}
    await theirs.close()


async def test_how_a_job_ended_is_said_of_the_answers_it_had(tmp_path):
    """Its error is not shown under other answers, nor in a run begun anew."""

    async def work(run, job):
        raise PipulateError("There is no such project.")

    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    assert await state(flow, engine, jobs) == "failed"
    engine.set_step_data("r", "step_01", {"go": "elsewhere"})
    assert await state(flow, engine, jobs) == "ready"
    engine.undo("r")
    assert await state(flow, engine, jobs) == "failed"
    await jobs.close()


async def test_a_resumed_job_acts_for_the_profile_of_its_run(tmp_path):
    """Whichever is chosen by now; so does what follows it."""
    whose = []

    async def work(run, job):
        run.engine.initialize_if_missing(f"{run.id}'s child")
        whose.append(profiles.shown(run.engine.store))
        return {"rows": 3}

    async def finished(run):
        whose.append(profiles.shown(run.engine.store))

    flow, step, engine, jobs = make(tmp_path, work)
    profiles.choose(engine.store, 7)
    jobs.finished = finished
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    assert whose == [1, 1] and engine.row("r's child")["profile_id"] == 1
    await jobs.close()
