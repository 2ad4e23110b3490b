"""Outward acts: `job.once` does each at most once ever."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fasthtml.common import Input

from pipulate.engine.errors import Invalid, PipulateError, Unsure
from pipulate.engine.exchange import import_run
from pipulate.engine.job import Cancelled, Job
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow


class Definite(PipulateError):
    """A refusal after which nothing was done."""

    definite = True


class Killed(BaseException):
    """The process ends here."""


def bridge() -> Workflow:
    """A workflow of two cards and a piece of work between them."""
    flow = Workflow("bridge")
    flow.step("name", "Name")(lambda run: Input(name="name"))
    flow.work("export", "Export links", auto=False)(lambda run, job: {"rows": 12})
    flow.step("color", "Color")(lambda run: Input(name="color"))
    return flow


@pytest.fixture
def engine(engine: Pipulate) -> Pipulate:
    """An engine with the run `arthur`, which has come to its work."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    return engine


def opened(engine: Pipulate) -> Run:
    """Return `arthur` as it is stored now."""
    flow = bridge()
    return Run(flow, engine, "arthur", *flow.open(engine, "arthur"), Settings())


def job(engine: Pipulate, key: str = "export") -> Job:
    """Return a job of `arthur`, as after a restart."""
    run = opened(engine)
    step = next(step for step in run.flow.steps if step.key == key)
    return Job(run, step, lambda fraction, message: None)


class World:
    """The outside: it counts what is done to it, and can break a caller at any point."""

    def __init__(
        self, before: BaseException | None = None, after: BaseException | None = None
    ) -> None:
        self.done, self.before, self.after = 0, before, after

    async def act(self) -> dict[str, int]:
        """Do the act, unless broken before it; break after it if so told."""
        if self.before:
            raise self.before
        self.done += 1
        if self.after:
            raise self.after
        return {"job": self.done}

    async def find(self) -> dict[str, int] | None:
        """Say what the world's own list has of the act."""
        return {"job": self.done} if self.done else None


async def test_an_act_is_done_once(engine: Pipulate) -> None:
    """The first call acts, every later one (another job, another process) gives the recorded
    result."""
    world = World()
    for _ in range(3):
        assert await job(engine).once("post", world.act) == {"job": 1}
    assert world.done == 1


@pytest.mark.parametrize("result", [None, 0, "", [], {}, {"a": [1, None]}, "text"], ids=repr)
async def test_any_result_is_kept(engine: Pipulate, result: Any) -> None:
    """An empty result is a result: the act is not repeated because of it."""
    calls = 0

    async def act() -> Any:
        nonlocal calls
        calls += 1
        return result

    assert [await job(engine).once("post", act) for _ in range(2)] == [
        result,
        result,
    ] and calls == 1


@pytest.mark.parametrize(
    ("first", "second", "acts"),
    [
        ({"name": "post"}, {"name": "post"}, 1),
        (
            {"name": "post", "params": {"a": 1, "b": 2}},
            {"name": "post", "params": {"b": 2, "a": 1}},
            1,
        ),
        ({"name": "post", "params": {"size": 1}}, {"name": "post", "params": {"size": 2}}, 2),
        ({"name": "post"}, {"name": "post", "params": {"size": 1}}, 2),
        ({"name": "post"}, {"name": "patch"}, 2),
    ],
)
async def test_what_is_the_same_act(engine: Pipulate, first: Any, second: Any, acts: int) -> None:
    """An act is named by step, name and parameters, in whatever order these stand."""
    world = World()
    for named in (first, second):
        await job(engine).once(function=world.act, **named)
    assert world.done == acts


async def test_the_same_name_in_two_steps(engine: Pipulate) -> None:
    """Two steps may name their acts alike."""
    world = World()
    await job(engine, "export").once("post", world.act)
    engine.set_step_data("arthur", "step_02", {"rows": 12})
    await job(engine, "color").once("post", world.act)
    assert world.done == 2


async def test_an_act_is_known_after_its_step_has_moved(engine: Pipulate) -> None:
    """A later version with a step put before it finds the act again, for it goes by the step's
    key."""
    world = World()
    await job(engine).once("post", world.act)
    moved = job(engine)
    moved.step.number = 7
    assert await moved.once("post", world.act) == {"job": 1} and world.done == 1


async def test_parameters_that_are_no_json(engine: Pipulate) -> None:
    """Parameters that would not look the same after a restart are refused before anything is
    done."""
    world = World()
    with pytest.raises(TypeError, match="JSON"):
        await job(engine).once("post", world.act, params={1, 2})
    assert world.done == 0


BREAKS: list[Callable[[], BaseException]] = [
    lambda: Killed(),
    lambda: asyncio.CancelledError(),
    lambda: ConnectionError("reset"),
    lambda: PipulateError("no answer within 30 s"),
]


@pytest.mark.parametrize("broken", BREAKS, ids=["killed", "cancelled", "dropped", "timeout"])
@pytest.mark.parametrize("reached", [False, True], ids=["before", "after"])
async def test_a_crash_in_the_act_is_never_just_repeated(
    engine: Pipulate, broken: Callable[[], BaseException], reached: bool
) -> None:
    """Interrupted between intention and result: the list is asked; what it has is taken; else
    only the user decides."""
    world = World(after=broken()) if reached else World(before=broken())
    with pytest.raises(BaseException) as caught:
        await job(engine).once("post", world.act, world.find)
    assert caught.value is (world.after or world.before)
    world.before = world.after = None
    if reached:
        with pytest.raises(Unsure, match="may have been done"):  # without a list to ask
            await job(engine).once("post", world.act)
        assert await job(engine).once("post", world.act, world.find) == {"job": 1}
        assert await job(engine).once("post", world.act) == {"job": 1}  # what was found is recorded
        assert world.done == 1
    else:
        for find in (None, world.find, None):
            with pytest.raises(Unsure, match=r"begun at 20.*Do it again only if you are sure"):
                await job(engine).once("post", world.act, find)
        assert world.done == 0


async def test_the_intention_is_on_disk_before_the_act(engine: Pipulate) -> None:
    """While the act is under way, another process already reads that it was begun, and under
    which name to find it."""
    seen: dict[str, Any] = {}
    first = job(engine)

    async def act() -> None:
        other = Store(engine.store.path)
        seen.update(Pipulate(other, "bridge").get_state("arthur")["once"], nonce=first.nonce)
        other.close()

    await first.once("post", act)
    (key,) = seen.keys() - {"nonce"}
    assert key.startswith("export:post:") and seen[key].keys() == {"begun", "nonce"}
    assert seen[key]["nonce"] == seen["nonce"] != ""
    again = job(engine)
    await again.once("post", act)
    assert again.nonce == seen["nonce"]


@pytest.mark.parametrize("error", [Definite("400: no such project"), Definite("402: no credits")])
async def test_a_definite_refusal_may_be_tried_again(
    engine: Pipulate, error: PipulateError
) -> None:
    """When it is certain that nothing was done, the intention is taken back, and the next try
    acts."""
    world = World(before=error)
    with pytest.raises(Definite):
        await job(engine).once("post", world.act)
    world.before = None
    assert await job(engine).once("post", world.act) == {"job": 1}


async def test_two_at_once(engine: Pipulate) -> None:
    """Of two callers in the same moment, in whatever process, one acts and the other is Unsure:
    never do both act."""
    world, at_work, go_on = World(), asyncio.Event(), asyncio.Event()

    async def slow() -> dict[str, int]:
        at_work.set()
        await go_on.wait()
        return await world.act()

    first = asyncio.create_task(job(engine).once("post", slow))
    await at_work.wait()
    other = Store(engine.store.path)
    with pytest.raises(Unsure):
        await job(Pipulate(other, "bridge")).once("post", world.act)
    other.close()
    go_on.set()
    assert await first == {"job": 1} and world.done == 1


async def test_equal_acts_of_one_try_wait_for_each_other(engine: Pipulate) -> None:
    """As of a list that names a thing twice: nothing was interrupted, all get the one result."""
    one, world = job(engine), World()

    async def slow() -> dict[str, int]:
        await asyncio.sleep(0)
        return await world.act()

    results = await asyncio.gather(*(one.once("post", slow) for _ in range(5)))
    assert results == [{"job": 1}] * 5 and world.done == 1


async def test_equal_acts_of_threads_wait_for_each_other(engine: Pipulate) -> None:
    """In a plain function's thread pool."""
    one, done = job(engine), []
    all_there = threading.Barrier(5)

    def post() -> Any:
        all_there.wait()
        return one.once("post", lambda: done.append(1) or len(done))

    assert await asyncio.gather(*(asyncio.to_thread(post) for _ in range(5))) == [1] * 5


async def test_a_race_for_the_intention(engine: Pipulate) -> None:
    """Eight tasks that begin the same act at once do it once."""
    world = World()
    results = await asyncio.gather(
        *(job(engine).once("post", world.act) for _ in range(8)), return_exceptions=True
    )
    assert world.done == 1
    assert {type(result) for result in results} <= {dict, Unsure} and {"job": 1} in results


async def test_a_result_that_cannot_be_kept(engine: Pipulate) -> None:
    """A result that is no JSON is an error in words; the act is known to have been begun, and
    not repeated."""

    async def act() -> object:
        return object()

    with pytest.raises(Invalid, match="not plain JSON"):
        await job(engine).once("post", act)
    with pytest.raises(Unsure):
        await job(engine).once("post", act)


async def test_what_was_done_is_known(engine: Pipulate) -> None:
    """By name and params; begun or spoilt is not done."""

    async def work() -> str:
        return "id"

    assert not job(engine).did("post", 1)
    await job(engine).once("post", work, params=1)
    assert job(engine).did("post", 1) and not job(engine).did("post", 2)
    with pytest.raises(Unsure):
        await job(engine).spoil("post", 1, "The link expired.")
    assert not job(engine).did("post", 1)


async def test_a_spoilt_result_is_the_users_to_replace(engine: Pipulate) -> None:
    """When a result became worthless, the act is neither repeated nor taken for done: the
    reason is shown instead."""
    world = World()
    await job(engine).once("post", world.act, params=1)
    for _ in range(2):
        with pytest.raises(Unsure, match="The link expired"):
            await job(engine).spoil("post", 1, "The link expired.")
        with pytest.raises(Unsure, match="The link expired"):
            await job(engine).once("post", world.act, params=1)
    assert world.done == 1


STEPS = bridge().tuples

GOINGS_ON: dict[str, list[Callable[[Pipulate], Any]]] = {
    "revert": [lambda e: e.clear_steps_from("arthur", "step_01", STEPS)],
    "undo": [lambda e: e.undo("arthur")],
    "revert and undo": [
        lambda e: e.clear_steps_from("arthur", "step_01", STEPS),
        lambda e: e.undo("arthur"),
    ],
    "finalize": [lambda e: e.finalize("arthur"), lambda e: e.unfinalize("arthur")],
    "delete": [lambda e: e.delete("arthur"), lambda e: e.undelete("arthur")],
    "begin anew": [lambda e: e.delete("arthur"), lambda e: e.initialize_if_missing("arthur")],
    "import": [
        lambda e: e.delete("arthur"),
        lambda e: import_run(
            e, {"id": "arthur", "workflow": "bridge", "record": {"step_01": {"name": "x"}}}
        ),
    ],
    "damage": [
        lambda e: e.store.write("UPDATE pipeline SET data = '{'"),
        lambda e: e.repair("arthur"),
    ],
    "damage and deletion": [
        lambda e: e.store.write("UPDATE pipeline SET data = '{'"),
        lambda e: e.delete("arthur"),
        lambda e: e.initialize_if_missing("arthur"),
    ],
}


@pytest.mark.parametrize("acts", GOINGS_ON.values(), ids=GOINGS_ON.keys())
async def test_nothing_makes_an_act_forgotten(
    engine: Pipulate, acts: list[Callable[[Pipulate], Any]]
) -> None:
    """Neither revert, undo, lock, deletion, import nor damage lets an outward act be done a
    second time."""
    world = World()
    await job(engine).once("post", world.act)
    engine.set_step_data("arthur", "step_02", {"rows": 12})
    for act in acts:
        act(engine)
    assert await job(engine).once("post", world.act) == {"job": 1} and world.done == 1


async def test_two_acts_at_once_keep_their_own_names(engine: Pipulate) -> None:
    """Each of two acts under way in one job reads the nonce under which it can be found, not
    the other's."""
    acting, both = job(engine), asyncio.Barrier(2)

    async def act() -> str:
        await both.wait()
        return acting.nonce

    nonces = await asyncio.gather(acting.once("links", act), acting.once("pages", act))
    stored = {
        key.split(":")[1]: act["nonce"] for key, act in engine.get_state("arthur")["once"].items()
    }
    assert nonces == [stored["links"], stored["pages"]] and len(set(nonces)) == 2


# --- in plain functions, and after a cancel


def plainly(work: Callable[[Job], Any], job: Job) -> Any:
    """Call a plain function as `jobs` does: in a thread without an event loop."""
    return asyncio.to_thread(work, job)


async def test_a_plain_function_acts_once(engine: Pipulate) -> None:
    """It gets the result itself; the deed may be plain or async, and is called in its thread."""
    world = World()
    threads: list[int] = []

    def act() -> dict[str, int]:
        threads.append(threading.get_ident())
        world.done += 1
        return {"job": world.done}

    def work(job: Job) -> Any:
        threads.append(threading.get_ident())
        again = [job.once("post", act), job.once("post", act)]
        return [*again, job.once("async", world.act), job.nonce != ""]

    assert await plainly(work, job(engine)) == [{"job": 1}, {"job": 1}, {"job": 2}, True]
    assert threads[0] == threads[1] and len(threads) == 2
    assert await job(engine).once("post", world.act) == {"job": 1}  # an async one knows of it


async def test_a_plain_act_without_an_answer_is_asked_for(engine: Pipulate) -> None:
    """As of an async one; and a definite refusal takes the intention back."""
    world = World(after=ConnectionError("reset"))

    def post(job: Job) -> Any:
        return job.once("post", world.act)

    with pytest.raises(ConnectionError):
        await plainly(post, job(engine))
    with pytest.raises(Unsure):
        await plainly(post, job(engine))
    assert await plainly(lambda job: job.once("post", None, world.find), job(engine)) == {"job": 1}
    world.before = Definite("402: no credits")
    with pytest.raises(Definite):
        await plainly(lambda job: job.once("other", world.act), job(engine))
    world.before = world.after = None
    assert await plainly(lambda job: job.once("other", world.act), job(engine)) == {"job": 2}


async def test_after_a_cancel_nothing_new_is_begun(engine: Pipulate) -> None:
    """Not even what was done is told again."""
    world, work = World(), job(engine)
    await work.once("post", world.act)
    work.halt()
    for name in ("post", "another"):
        with pytest.raises(Cancelled):
            await work.once(name, world.act)
    assert world.done == 1


NEWS: dict[str, Callable[[Pipulate], Any]] = {
    "reverted": lambda e: e.clear_steps_from("arthur", "step_01", STEPS),
    "answered otherwise": lambda e: e.set_step_data("arthur", "step_01", {"name": "Robin"}),
    "done by another": lambda e: e.set_step_data("arthur", "step_02", {"rows": 1}),
    "locked": lambda e: e.finalize("arthur"),
    "begun anew": lambda e: e.store.write(
        "UPDATE pipeline SET data = json_set(data, '$.created', 'later')"
    ),
}


@pytest.mark.parametrize("news", NEWS.values(), ids=NEWS.keys())
@pytest.mark.parametrize("between", [False, True], ids=["before", "between look and act"])
async def test_nothing_is_begun_for_a_run_that_has_changed(
    engine: Pipulate, news: Callable[[Pipulate], Any], between: bool
) -> None:
    """Its own process need not have seen the change: the run is asked, in the same breath."""
    world = World()
    work = job(engine)
    seen = work.run.before(work.step)
    assert seen["name"] == "Arthur"
    work.run = seen
    if between and news is not NEWS["begun anew"]:  # which no revision tells
        work.run.engine = Hasty(engine.store, "bridge", news=lambda: news(engine))
    else:
        news(engine)
    with pytest.raises(Cancelled):
        await work.once("post", world.act)
    assert world.done == 0 and not engine.get_state("arthur").get("once")


class Hasty(Pipulate):
    """An engine whose run changes as soon as somebody has looked at it."""

    def __init__(self, *args: Any, news: Callable[[], Any]) -> None:
        super().__init__(*args)
        self.news = [news]

    def load(self, id: str) -> tuple[dict[str, Any], int]:
        """Return the run as it was until now."""
        found = super().load(id)
        while self.news:
            self.news.pop()()
        return found


async def test_what_the_work_has_not_read_may_change(engine: Pipulate) -> None:
    """Its acts do not rest on it."""
    world = World()
    work = job(engine)
    work.run = work.run.before(work.step)
    engine.set_step_data("arthur", "step_01", {"name": "Robin"})
    assert await work.once("post", world.act) == {"job": 1}


class Noting(Pipulate):
    """An engine in whose nth note of a job a cancel arrives."""

    def __init__(self, *args: Any, nth: int, cancel: Callable[[], Any]) -> None:
        super().__init__(*args)
        self.left = nth
        self.cancel = cancel

    def checkpoint(self, *args: Any) -> Any:
        """Note it; the cancel is heard before that returns."""
        self.left -= 1
        if self.left == 0:
            self.cancel()
        return super().checkpoint(*args)


@pytest.mark.parametrize(("nth", "done"), [(1, 0), (2, 1)], ids=["intention", "result"])
async def test_a_cancel_in_the_midst_of_a_note_leaves_nothing_unsure(
    engine: Pipulate, nth: int, done: int
) -> None:
    """The note is finished first: an act that was done is known as done, and the intention of one
    that was not begun is taken back."""
    world, work, loop = World(), job(engine), asyncio.get_running_loop()
    cancelled = threading.Event()

    def cancel() -> None:
        loop.call_soon_threadsafe(lambda: (act.cancel(), cancelled.set()))
        cancelled.wait()

    work.run.engine = Noting(engine.store, "bridge", nth=nth, cancel=cancel)
    act = asyncio.create_task(work.once("post", world.act))
    with pytest.raises(asyncio.CancelledError):
        await act
    assert world.done == done
    assert await job(engine).once("post", world.act) == {"job": 1} and world.done == 1


async def test_an_act_under_way_at_a_cancel_is_noted(engine: Pipulate) -> None:
    """It was done: the next try has its result, and is not unsure."""
    world = World()
    work = job(engine)

    def act() -> str:
        work.halt()
        return "sent"

    assert await plainly(lambda job: job.once("post", act), work) == "sent"
    assert await job(engine).once("post", world.act) == "sent" and world.done == 0
