"""A job at work: it ends when it is cancelled or its run has changed, and takes no thread of
others."""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine.errors import NotSaved
from pipulate.engine.pipeline import Pipulate
from tests.engine.work import KEY, Plain, make


async def test_no_exception_handler_keeps_a_cancelled_function_alive(tmp_path):
    """`except Exception` around all it does, as authors write it, does not stop the cancel."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop, tries = asyncio.get_running_loop(), []

    def work(run, job):
        while True:
            try:
                tries.append(1)
                loop.call_soon_threadsafe(begun.set)
                go_on.wait()
                job.progress(None, "again")
            except Exception as error:
                tries.append(error)

    flow, step, _, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await begun.wait()
    await jobs.cancel(KEY)
    go_on.set()
    await jobs.wait(KEY)
    assert tries == [1] and jobs.row(KEY)["state"] == "cancelled"
    await jobs.close()


async def test_a_result_that_is_made_all_the_same_is_kept(tmp_path):
    """A function that comes to its end before it hears of the cancel has done the work: it is
    not done again."""
    work = Plain(acts=1)
    flow, step, engine, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await work.reached()
    await jobs.cancel(KEY)
    await jobs.start(flow, "r", step)
    work.go_on()
    await jobs.wait(KEY)
    assert len(work.done) == 1 and engine.get_step_data("r", "step_02") == {"acts": 1}
    assert jobs.row(KEY)["state"] == "done"
    await jobs.close()


CHANGES: dict[str, Callable[[Pipulate, Any], Any]] = {
    "revert": lambda engine, flow: engine.clear_steps_from("r", "step_01", flow.tuples),
    "undo": lambda engine, flow: engine.undo("r"),
    "deletion": lambda engine, flow: engine.delete("r"),
    "lock": lambda engine, flow: engine.finalize("r"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("plain", [True, False])
async def test_a_run_that_changes_cancels_its_job(tmp_path, change, plain):
    """Whoever changes it, in whatever process: the job sees it by itself, and writes nothing."""
    asked = asyncio.Event()

    async def work(run, job):
        asked.set()
        await asyncio.Event().wait()

    led = Plain()
    flow, step, engine, jobs = make(tmp_path, led if plain else work)
    jobs.pace = 0.001
    await jobs.start(flow, "r", step)
    await (led.reached() if plain else asked.wait())
    change(engine, flow)
    if plain:
        while jobs.progress(KEY).message != "Cancelled; it ends when its present act is through.":
            await asyncio.sleep(0)
        led.go_on(3)
    before = engine.get_state("r")
    await jobs.wait(KEY)
    row = jobs.row(KEY)
    assert (row["state"], engine.get_state("r")) == ("cancelled", before)
    assert "What this rests on has changed" in row["error"] and len(led.done) == plain
    await jobs.close()


def runs_out(run: Any, job: Any) -> None:
    """Ask for a next one where there is none."""
    next(iter([]))


def exits(run: Any, job: Any) -> None:
    """End the program, it thinks."""
    sys.exit("no")


async def exits_on_loop(run: Any, job: Any) -> None:
    """The same, in an async function."""
    sys.exit("no")


@pytest.mark.parametrize("work", [runs_out, exits, exits_on_loop])
async def test_whatever_the_work_raises_fails_in_words(tmp_path: Path, work: Any) -> None:
    """Nothing that an author writes ends the server, or leaves the job running for ever."""
    flow, step, _, jobs = make(tmp_path, work)
    await jobs.start(flow, "r", step)
    await jobs.wait(KEY)
    row = jobs.row(KEY) or {}
    assert row["state"] == "failed" and ("StopIteration()" in row["error"] or "no" in row["error"])
    await jobs.close()


async def test_long_work_takes_no_thread_from_others(tmp_path):
    """However many plain functions are at work, the rest of the program has its threads."""
    go_on, begun = threading.Event(), threading.Barrier(41)

    def work(run, job):
        begun.wait(30)
        go_on.wait(30)

    flow, step, engine, jobs = make(tmp_path, work)
    for number in range(40):
        engine.initialize_if_missing(f"r{number}")
        engine.set_step_data(f"r{number}", "step_01", {"go": "yes"})
        await jobs.start(flow, f"r{number}", step)
    await asyncio.to_thread(begun.wait, 30)  # all at work, and a thread is left for this
    go_on.set()
    for number in range(40):
        await jobs.wait(("w", f"r{number}", "act"))
    await jobs.close()


async def test_a_disk_that_cannot_be_read_for_a_while_ends_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its thread would go on alone, and be done beside by the next."""
    work = Plain(acts=1)
    flow, step, engine, jobs = make(tmp_path, work)
    jobs.pace = 0.001
    looks = 0

    def unreadable(*query: Any) -> Any:
        nonlocal looks
        looks += 1
        raise NotSaved("The disk is away.")

    await jobs.start(flow, "r", step)
    await work.reached()
    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "one", unreadable)
        while looks < 3:
            await asyncio.sleep(0)
    assert jobs.running(KEY)
    work.go_on()
    await jobs.wait(KEY)
    assert engine.get_step_data("r", "step_02") == {"acts": 1}
    await jobs.close()
