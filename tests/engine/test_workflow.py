"""What a workflow file is made of: steps, runs, versions, answers."""

import threading
from typing import Any

import pytest
from fasthtml.common import Input, P

from pipulate.engine import record as rec
from pipulate.engine.answers import answer, is_stored, question
from pipulate.engine.calls import call
from pipulate.engine.errors import Incompatible, Invalid, PipulateError, Stale, Unknown
from pipulate.engine.job import Job
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.voice import Silent, voice
from pipulate.engine.workflow import Run, Workflow


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


# --- answers


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
    assert not is_stored(run, name, {"name": [""]}, run.rev)
    assert await answer(await question(run, name), {"name": [""]}) == 0
    assert run.record["step_01"] == {"name": ""} and run.open_index == 1
    assert engine.load("arthur") == (run.record, run.rev)
    assert is_stored(run, name, {"name": [""]}, 0)
    with pytest.raises(Stale, match="already answered"):
        is_stored(run, name, {"name": ["Robin"]})
    with pytest.raises(Stale, match="older than the run"):
        is_stored(run, age, {"age": ["7"]}, run.rev - 1)
    await answer(await question(run, age), {"age": ["7"]})
    assert engine.load("arthur") == (run.record, run.rev) and run["age"] == 7
