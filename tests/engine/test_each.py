"""Loops of a job over items: what was finished stays finished, whatever stops the loop."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.engine.errors import NotSaved, PipulateError
from pipulate.engine.job import Cancelled, Job
from tests.engine.work import KEY, make

ROWS = "SELECT count(*) AS n FROM checkpoint"


class Loop:
    """A step's work: it looks at items, one after the other, and keeps a value for each."""

    def __init__(self, items: Any, **how: Any) -> None:
        self.items = items
        self.how = how
        self.looked: list[Any] = []
        self.at: Callable[[Any], Any] = lambda item: f"<{item}>"

    async def __call__(self, run: Any, job: Job) -> Any:
        """Look at all that is to be looked at."""
        run.get("go")
        each = job.each(self.items, **self.how)
        async for item in each:
            self.looked.append(item)
            each.keep(self.at(item))
        return {"kept": each.kept, "failed": each.failed}


class Session:
    """One job, tried again and again."""

    def __init__(self, folder: Path, work: Any) -> None:
        # The function is looked at, to see whether it is an async one.
        function = work.__call__ if isinstance(work, Loop) else work
        self.flow, self.step, self.engine, self.jobs = make(folder, function)

    async def tried(self) -> str:
        """Do the job, or go on with it; return its state."""
        await self.jobs.start(self.flow, "r", self.step)
        await self.jobs.wait(KEY)
        return str((self.jobs.row(KEY) or {})["state"])

    @property
    def result(self) -> Any:
        """What the step holds."""
        return self.engine.get_step_data("r", "step_02")

    @property
    def rows(self) -> int:
        """How many checkpoints there are."""
        return int((self.engine.store.one(ROWS) or {})["n"])

    def job(self) -> Job:
        """Return a job that nobody looks after, as after a restart."""
        run = self.flow.load(self.engine.store, "r", self.jobs.settings)
        return Job(run.before(self.step), self.step, lambda fraction, message: None)


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Callable[[Any], Session]]:
    """Return what makes a session of a work."""
    made: list[Session] = []

    def make_one(work: Any) -> Session:
        made.append(Session(tmp_path, work))
        return made[-1]

    yield make_one
    for one in made:
        await one.jobs.close()
        one.engine.store.close()


@pytest.fixture
def one(session: Callable[[Any], Session]) -> Session:
    """Return a session of a work that does nothing."""
    return session(Loop([]))


async def test_a_later_try_skips_what_was_finished(session: Callable[[Any], Session]) -> None:
    """An error leaves the loop; the item that it came from is done again, with those after it.
    What was kept of the others is there; and after the result nothing is left of it."""
    work = Loop(["a", "b", "c"])
    broken = [True]

    def look(item: str) -> str:
        if item == "b" and broken:
            broken.pop()
            raise PipulateError("No answer.")
        return item.upper()

    work.at = look
    one = session(work)
    assert await one.tried() == "failed" and one.rows == 1
    assert await one.tried() == "done" and one.rows == 0
    assert work.looked == ["a", "b", "b", "c"]
    assert one.result["kept"] == [["a", "A"], ["b", "B"], ["c", "C"]]


async def test_redo_begins_anew(session: Callable[[Any], Session]) -> None:
    """What a finished try had kept is not taken for what a new one finds."""
    work = Loop([1, 2])
    one = session(work)
    await one.tried()
    one.engine.clear_steps_from("r", "step_02", one.flow.tuples)
    await one.tried()
    assert work.looked == [1, 2, 1, 2]


async def test_what_rests_on_other_answers_is_not_taken(session: Callable[[Any], Session]) -> None:
    """An answer that the work had read changed: all is done anew.  It is as it was again: what
    was done then counts, with what no change has touched."""
    work = Loop([1, 2])
    stop = [2]

    def look(item: int) -> int:
        if item in stop:
            raise PipulateError("Stop.")
        return item

    work.at = look
    one = session(work)
    await one.tried()
    one.engine.set_step_data("r", "step_01", {"go": "no"})
    await one.tried()
    assert work.looked == [1, 2, 1, 2]
    one.engine.undo("r")
    await one.tried()
    assert work.looked == [1, 2, 1, 2, 2]
    one.engine.set_step_data("r", "step_01", {"go": "yes", "beside": "unread"})
    await one.tried()
    assert work.looked == [1, 2, 1, 2, 2, 2]


async def test_a_run_begun_anew_knows_nothing_of_the_deleted_one(
    session: Callable[[Any], Session],
) -> None:
    """Nor does the job of the deleted one write into it."""
    one = session(Loop([]))
    job = one.job()
    loop = iter(job.each([1, 2, 3]))
    assert (next(loop), next(loop)) == (1, 2)
    one.engine.store.write("UPDATE pipeline SET created = 'another time'")
    job.flush()
    assert one.rows == 0


@pytest.mark.parametrize("plain", [True, False])
async def test_a_cancel_keeps_what_was_finished(
    session: Callable[[Any], Session], plain: bool
) -> None:
    """Both kinds of function go on with the item that they were at."""
    looked: list[int] = []
    begun, stop = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def at(item: int) -> None:
        looked.append(item)
        if looked == [1, 2]:
            loop.call_soon_threadsafe(begun.set)

    def of_plain(run: Any, job: Job) -> None:
        for item in job.each([1, 2, 3]):
            at(item)
            if looked == [1, 2]:
                stop.wait()
                job.progress(None)

    async def of_async(run: Any, job: Job) -> None:
        async for item in job.each([1, 2, 3]):
            at(item)
            if looked == [1, 2]:
                await asyncio.Event().wait()

    one = session(of_plain if plain else of_async)
    await one.jobs.start(one.flow, "r", one.step)
    await begun.wait()
    await one.jobs.cancel(KEY)
    stop.set()
    assert await one.tried() == "done"
    await one.jobs.wait(KEY)
    assert looked == [1, 2, 2, 3]


async def test_items_are_known_by_what_they_are(session: Callable[[Any], Session]) -> None:
    """Not by their place: inserted, moved and removed ones are told apart; so is one of equals,
    and the order of an object's keys is nothing."""
    one = session(Loop([]))
    first = one.job()
    done = first.each([{"a": 1, "b": 2}, "x", "x", Path("p"), 1.5, None])
    for item in done:
        done.keep(repr(item))
    first.flush()
    again = one.job().each([None, "new", "x", "x", "x", {"b": 2, "a": 1}, Path("p")])
    assert list(again) == ["new", "x"]
    assert [item for item, _ in again.kept] == [None, "x", "x", {"a": 1, "b": 2}, Path("p")]


async def test_other_items_need_a_key(session: Callable[[Any], Session]) -> None:
    """What is no JSON is told; a function that says what is the same makes it known."""
    one = session(Loop([]))
    items = [{1, 2}, {3}]
    with pytest.raises(PipulateError, match="key=function"):
        list(one.job().each(items))
    job = one.job()
    assert list(job.each(items, key=sorted)) == items
    job.flush()
    assert list(one.job().each(items, key=sorted)) == []


async def test_each_loop_has_its_name(session: Callable[[Any], Session]) -> None:
    """Two loops over the same items are not taken for each other."""
    one = session(Loop([]))
    job = one.job()
    assert list(job.each([1, 2])) == list(job.each([1, 2], "again")) == [1, 2]
    with pytest.raises(PipulateError, match="Give each its own"):
        job.each([3])


async def test_failed_items_come_again(session: Callable[[Any], Session]) -> None:
    """After all others, `tries` times in all; then they are told. A later try asks them again."""
    fails = Counter({"b": 1, "c": 5})
    looked: list[str] = []

    async def work(run: Any, job: Job) -> Any:
        each = job.each("abcd", tries=3)
        async for item in each:
            looked.append(item)
            if fails[item]:
                fails[item] -= 1
                each.fail(f"no {item}")
            else:
                each.keep(item.upper())
        if each.failed:
            raise PipulateError(f"{each.failed}")
        return {"kept": each.kept}

    one = session(work)
    assert await one.tried() == "failed"
    assert looked == list("abcdbcc") and "[('c', 'no c')]" in one.jobs.row(KEY)["error"]
    assert await one.tried() == "done"
    assert looked == list("abcdbccccc")
    assert one.result["kept"] == [[letter, letter.upper()] for letter in "abcd"]


async def test_break_and_continue_are_the_loops(session: Callable[[Any], Session]) -> None:
    """`continue` finishes an item, `break` does not."""
    one = session(Loop([]))
    job = one.job()
    each = job.each(range(5))
    for item in each:
        if item == 1:
            continue
        if item == 3:
            break
    job.flush()
    assert list(one.job().each(range(5))) == [3, 4]


async def test_what_is_kept_is_json_and_of_the_present_item(
    session: Callable[[Any], Session],
) -> None:
    """A later try has it as this one: a tuple is a list from the start."""
    one = session(Loop([]))
    each = one.job().each([1])
    with pytest.raises(PipulateError, match="into the loop"):
        each.keep(1)
    for _ in each:
        with pytest.raises(PipulateError, match="plain JSON"):
            each.keep(object())
        each.keep((1, 2))
    assert each.kept == [(1, [1, 2])]
    with pytest.raises(PipulateError, match="into the loop"):
        each.fail("late")


async def test_the_bar_goes_from_item_to_item(session: Callable[[Any], Session]) -> None:
    """Those of an earlier try count; what the body reports is of its item; a part is the loop's
    when it is inside."""
    one = session(Loop([]))
    first = one.job()
    for item in first.each("abcd"):
        if item == "b":
            break
    first.flush()
    told: list[tuple[float | None, str]] = []
    run = one.job().run
    job = Job(run, one.step, lambda fraction, message: told.append((fraction, message)))
    with job.part(0.5, "Letters"):
        for item in job.each("abcd"):
            if item == "c":
                job.progress(0.5, "half of c")
    job.progress(0.75)
    assert told == [
        (0.0, "Letters"),
        (0.125, "Letters, 2 of 4"),
        (0.25, "Letters, 3 of 4"),
        (0.3125, "half of c"),
        (0.375, "Letters, 4 of 4"),
        (0.75, ""),
    ]


async def test_items_without_an_end_have_no_bar(session: Callable[[Any], Session]) -> None:
    """A generator's are counted."""
    told: list[tuple[float | None, str]] = []
    run = session(Loop([])).job().run
    job = Job(run, run.flow.steps[1], lambda fraction, message: told.append((fraction, message)))
    assert list(job.each(iter("ab"))) == ["a", "b"]
    assert told == [(None, "1"), (None, "2")]


async def test_workers_share_a_loop(session: Callable[[Any], Session]) -> None:
    """Several tasks, or threads, take from one loop; each keeps the value of its own item."""
    one = session(Loop([]))
    together = asyncio.Barrier(4)

    async def worker(each: Any) -> None:
        async for item in each:
            await together.wait()
            each.keep(item * 10)

    each = one.job().each(range(40))
    await asyncio.gather(*(worker(each) for _ in range(4)))
    assert each.kept == [(item, item * 10) for item in range(40)]

    all_in = threading.Barrier(4)

    def in_thread(each: Any) -> None:
        for item in each:
            all_in.wait()
            each.keep(item * 10)

    each = one.job().each(range(40))
    await asyncio.gather(*(asyncio.to_thread(in_thread, each) for _ in range(4)))
    assert each.kept == [(item, item * 10) for item in range(40)]


async def test_a_cancelled_loop_takes_no_more(session: Callable[[Any], Session]) -> None:
    """`Cancelled` is raised where the next item would be."""
    job = session(Loop([])).job()
    taken = []
    with pytest.raises(Cancelled):
        for item in job.each([1, 2, 3]):
            taken.append(item)
            job.halt()
    assert taken == [1]


async def test_a_disk_that_is_full_for_a_while(
    session: Callable[[Any], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be noted is noted the next time."""
    one = session(Loop([]))
    job = one.job()
    list(job.each([1, 2]))

    def full() -> Any:
        raise NotSaved("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(one.engine.store, "transaction", full)
        with pytest.raises(NotSaved):
            job.flush()
    job.flush()
    assert list(one.job().each([1, 2])) == []


async def test_many_items_are_few_notes_and_stop_no_page(
    session: Callable[[Any], Session],
) -> None:
    """A row is written for all that a fifth of a second finished, never more than what is new.
    While items are worked on without a wait, and while they are skipped, others have their turn."""
    turns = 0
    at_start: list[int] = []

    async def work(run: Any, job: Job) -> None:
        at_start.append(turns)
        each = job.each(range(5_000))
        async for item in each:
            each.keep(item)
        if len(at_start) == 1:
            raise PipulateError("Stop.")

    async def page() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    one = session(work)
    pages = asyncio.create_task(page())
    assert await one.tried() == "failed" and turns - at_start[0] >= 5_000
    assert one.rows < 50
    size = one.engine.store.one("SELECT sum(length(items)) AS n FROM checkpoint") or {}
    assert size["n"] < 5_000 * 35 and len(one.engine.history("r")) == 2
    assert await one.tried() == "done" and turns - at_start[1] >= 5_000 / 200
    pages.cancel()


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tries=st.lists(
        st.tuples(st.lists(st.integers(0, 4), max_size=8), st.integers(0, 9), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
async def test_whatever_the_items_are_and_wherever_it_stops(
    one: Session, tries: list[tuple[list[int], int, bool]]
) -> None:
    """Against a model: a bag of what was finished.  Each try gets the items that are in none."""
    one.engine.store.write("DELETE FROM checkpoint")
    check(one, tries)


def check(one: Session, tries: list[tuple[list[int], int, bool]]) -> None:
    """Let each try loop over its items up to a place; compare it with the model."""
    done: Counter[int] = Counter()
    for items, stop, flushed in tries:
        job = one.job()
        each = job.each(items)
        expected, seen = [], Counter[int]()
        for item in items:
            seen[item] += 1
            if seen[item] > done[item]:
                expected.append(item)
        got = []
        for item in each:
            got.append(item)
            if len(got) > stop:
                break
            each.keep(item)
        assert got == expected[: stop + 1]
        if flushed:
            job.flush()
            finished = Counter(items) & done
            finished.update(got[:stop])
            done |= finished
