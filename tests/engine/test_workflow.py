"""What a workflow file is made of: steps, runs, versions, and `job.once`, which does an outward
act at most once ever."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Input, P

from pipulate.engine import record as rec
from pipulate.engine.errors import Incompatible, Invalid, PipulateError, Stale, Unknown, Unsure
from pipulate.engine.exchange import import_run
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.voice import Silent, voice
from pipulate.engine.workflow import Job, Run, Workflow, answer, call


class Definite(PipulateError):
    """A refusal after which nothing was done."""

    definite = True


class Killed(BaseException):
    """The process ends here."""


def bridge(version: int = 1) -> Workflow:
    """A workflow of two cards and a piece of work between them."""
    flow = Workflow("bridge", "The Bridge of Death", version=version)

    @flow.step("name", "Name", button="Go")
    def name(run: Run) -> Any:
        return Input(name="name", required=True)

    @flow.work("export", "Export links", auto=False)
    async def export(run: Run, job: Job) -> dict[str, int]:
        return {"rows": 12}

    @flow.step("color", "Color", explain=False)
    def color(run: Run) -> Any:
        return Input(name="color")

    @flow.result
    def verdict(run: Run) -> Any:
        return P("Right. Off you go.")

    return flow


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Pipulate]:
    """An engine with the run `arthur` begun."""
    engine = Pipulate.open(tmp_path / "data", "bridge")
    engine.initialize_if_missing("arthur")
    yield engine
    engine.store.close()


def opened(engine: Pipulate, flow: Workflow | None = None) -> Run:
    """Return `arthur` as it is stored now."""
    flow = flow or bridge()
    return Run(flow, engine, "arthur", *flow.open(engine, "arthur"), Settings())


def job(engine: Pipulate, key: str = "export") -> Job:
    """Return a job of `arthur`, as after a restart."""
    flow = bridge()
    step = next(step for step in flow.steps if step.key == key)
    return Job(opened(engine, flow), step, lambda fraction, message: None)


# --- workflows and steps


def test_steps_are_numbered_by_their_place() -> None:
    """A step's id is its place, its tuple what the engine takes; decorators give the step back
    under its name."""
    flow = bridge()
    assert flow.tuples == [
        ("name", "step_01", "Name"),
        ("export", "step_02", "Export links"),
        ("color", "step_03", "Color"),
    ]
    assert [(step.work, step.auto, step.button, step.explain) for step in flow.steps] == [
        (False, True, "Go", True),
        (True, False, "Start", True),
        (False, True, "Next", False),
    ]
    assert flow.result_function and flow.steps[0].accept_function is None


def test_accept_and_show_belong_to_their_step() -> None:
    """`@name.accept` and `@name.show` are kept with the step, and remain plain functions."""
    flow = bridge()
    step = flow.steps[0]

    @step.accept
    def check(run: Any, form: Any) -> Any:
        return form

    @step.show
    def shown(run: Any) -> Any:
        return P("x")

    assert (step.accept_function, step.show_function) == (check, shown) and check(None, 1) == 1


def test_two_steps_of_one_key() -> None:
    """Each step needs a key of its own; the message names it."""
    flow = bridge()
    with pytest.raises(PipulateError, match=r"'bridge' has two steps with the key 'color'"):
        flow.step("color", "Again")(lambda run: None)


@pytest.mark.parametrize(("given", "title"), [("", "Link graph"), ("Links!", "Links!")])
def test_the_title(given: str, title: str) -> None:
    """The title comes from the name, unless the author says otherwise."""
    assert Workflow("link_graph", given).title == title


async def test_call_takes_plain_and_async_functions() -> None:
    """A plain function runs in a thread, so that it may take its time; an async one on the
    loop; errors pass."""

    async def on_loop(x: int) -> tuple[int, threading.Thread]:
        return x, threading.current_thread()

    def in_thread(x: int) -> tuple[int, threading.Thread]:
        return x, threading.current_thread()

    def fail() -> None:
        raise Invalid("no")

    main = threading.current_thread()
    assert await call(on_loop, 1) == (1, main)
    assert (await call(in_thread, 2))[0] == 2 and (await call(in_thread, 2))[1] is not main
    with pytest.raises(Invalid):
        await call(fail)


# --- runs


def test_a_run_as_its_functions_see_it(engine: Pipulate) -> None:
    """`run["color"]` is the field of the step's name, else all its fields; what is not done is
    a KeyError."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur", "title": "King"})
    engine.set_step_data("arthur", "step_02", {"rows": 12})
    run = opened(engine)
    assert run["name"] == "Arthur" and run["export"] == {"rows": 12}
    assert run.answers() == {"name": "Arthur", "export": {"rows": 12}}
    assert run.open_index == 2 and run.get("color") is None and run.get("color", "?") == "?"
    with pytest.raises(KeyError, match="'color' of 'bridge' is not done yet"):
        run["color"]
    with pytest.raises(KeyError, match="'quest' of 'bridge' is not a step"):
        run["quest"]
    assert run.summary() == "- Name: Arthur\n- Export links: {'rows': 12}"


def test_what_a_step_was(engine: Pipulate) -> None:
    """After a revert a step's earlier answer is at hand, for prefilling; of other steps nothing
    is."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    engine.set_step_data("arthur", "step_03", "a plain text")
    engine.clear_steps_from("arthur", "step_01", bridge().tuples)
    run = opened(engine)
    assert run.was("name") == {"name": "Arthur"} and run.get("name") is None
    assert run.was("color") == run.was("export") == run.was("nothing") == {}


async def test_where_nobody_listens() -> None:
    """Without a chat panel saying is harmless, and asking is refused kindly."""
    await Silent().say("hello")
    with pytest.raises(Unknown, match="No model answers yet"):
        async for _ in Silent().ask("why?"):
            pass


async def test_a_run_speaks_with_the_voice_of_its_context(engine: Pipulate) -> None:
    """`run.say` and `run.ask` go to the voice that serves the present request or job."""

    class Parrot(Silent):
        heard: tuple[str, ...] = ()

        async def say(self, text: str) -> None:
            self.heard += (text,)

        async def ask(self, prompt: str) -> Any:
            for word in prompt.split():
                yield word

    parrot = Parrot()
    token = voice.set(parrot)
    try:
        await opened(engine).say("hello")
        assert parrot.heard == ("hello",) and [
            word async for word in opened(engine).ask("a b")
        ] == ["a", "b"]
    finally:
        voice.reset(token)


# --- versions


def test_an_older_record_is_upgraded_once(engine: Pipulate) -> None:
    """A record of an older version is converted on opening, noted in history, and never
    converted again."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    engine.checkpoint(
        "arthur", lambda record: {**record, "once": {"export:job:1": {"begun": "?", "result": 1}}}
    )
    flow = bridge(version=2)

    @flow.upgrade
    def upgrade(record: rec.Record, wrote: int) -> rec.Record:
        assert wrote == 1
        return {
            "step_01": {"name": record["step_01"]["name"].upper()},
            "created": record["created"],
        }

    record, rev = flow.open(engine, "arthur")
    assert record["step_01"] == {"name": "ARTHUR"} and record["version"] == 2 and rev == 3
    assert record["once"] == {
        "export:job:1": {"begun": "?", "result": 1}
    }  # whatever the author's function forgets
    assert flow.open(engine, "arthur") == (record, rev)
    assert engine.history("arthur")[-1]["act"] == "upgrade to 2"


def test_two_tabs_open_an_old_run(engine: Pipulate) -> None:
    """Of two that find the old version at the same moment, one converts it and the other takes
    the result."""
    flow = bridge(version=2)
    upgrades: list[int] = []

    @flow.upgrade
    def upgrade(record: rec.Record, wrote: int) -> rec.Record:
        upgrades.append(wrote)
        return record

    class Overtaken(Pipulate):
        """An engine of a tab that is overtaken by another one after its first reading."""

        reads = 0

        def load(self, id: str) -> tuple[rec.Record, int]:
            read = super().load(id)
            self.reads += 1
            if self.reads == 1:
                flow.open(engine, id)
            return read

    assert flow.open(Overtaken(engine.store, "bridge"), "arthur") == engine.load("arthur")
    assert upgrades == [1]


@pytest.mark.parametrize(("wrote", "installed"), [(1, 2), (3, 2), (2, 1)])
def test_a_record_that_cannot_be_read(engine: Pipulate, wrote: int, installed: int) -> None:
    """A newer record, or an older one without a conversion, is refused with what to do, and
    left as it is."""
    engine.change("arthur", "test", lambda record: {**record, "version": wrote})
    before = engine.load("arthur")
    flow = bridge(version=installed)
    if wrote > installed:
        flow.upgrade(lambda record, wrote: record)
    with pytest.raises(
        Incompatible,
        match=rf"version {wrote} of .*installed is version {installed}.*answers are safe",
    ):
        flow.open(engine, "arthur")
    assert engine.load("arthur") == before


def test_an_upgrade_opens_even_a_finalized_run(engine: Pipulate) -> None:
    """The lock is the user's and does not keep a record old; it stays."""
    engine.finalize("arthur")
    flow = bridge(version=2)
    flow.upgrade(lambda record, wrote: record)
    assert flow.open(engine, "arthur")[0]["finalized"]


# --- job.once


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
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    world = World()
    await job(engine).once("post", world.act)
    engine.set_step_data("arthur", "step_02", {"rows": 12})
    for act in acts:
        act(engine)
    assert await job(engine).once("post", world.act) == {"job": 1} and world.done == 1


async def test_progress_is_reported(engine: Pipulate) -> None:
    """`job.progress` hands fraction and message on."""
    told: list[tuple[float | None, str]] = []
    work = Job(
        opened(engine),
        bridge().steps[1],
        lambda fraction, message: told.append((fraction, message)),
    )
    work.progress(0.4, "12,000 of 30,000 rows")
    work.progress(None)
    assert told == [(0.4, "12,000 of 30,000 rows"), (None, "")]


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


async def test_an_answer_is_read_shaped_and_stored(engine: Pipulate) -> None:
    """One function serves browser, terminal and chat: it checks, shapes, stores, and lets a
    double submit pass."""
    flow = Workflow("bridge")
    flow.step("name", "Name?")(lambda run: Input(name="name"))
    flow.step("age", "Age?")(lambda run: Input(name="age", type="number")).accept(
        lambda run, form: {"age": int(form["age"])}
    )
    name, age = flow.steps
    run = flow.load(engine.store, " arthur ", Settings())
    assert await answer(run, name, Input(name="name"), {"name": [""]}, run.rev)
    assert run.record["step_01"] == {"name": "", "answered": True} and engine.load("arthur") == (
        run.record,
        run.rev,
    )
    assert not await answer(run, name, Input(name="name"), {"name": [""]}, 0)
    with pytest.raises(Stale, match="already answered"):
        await answer(run, name, Input(name="name"), {"name": ["Robin"]})
    with pytest.raises(Stale, match="older than the run"):
        await answer(run, age, Input(name="age"), {"age": ["7"]}, run.rev - 1)
    await answer(run, age, Input(name="age"), {"age": ["7"]})
    assert engine.load("arthur") == (run.record, run.rev) and run["age"] == 7
