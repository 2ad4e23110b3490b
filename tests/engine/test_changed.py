"""Which question an answer was given to: renamed steps, and records of 0.1.0."""

from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Input

from pipulate.engine.answers import answer, question
from pipulate.engine.changed import former, opened, take
from pipulate.engine.errors import OutOfOrder, Unknown
from pipulate.engine.job import Job
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow

SETTINGS = Settings()


def asks(*names: str, kind: str = "text") -> Any:
    """Return the function of a step with these fields."""
    return lambda run: tuple(Input(name=name, type=kind) for name in names)


def workflow(name: str = "evo", formerly: str = "", /, **steps: Any) -> Workflow:
    """Return a workflow with these steps: by key, their function."""
    flow = Workflow(name, formerly=formerly)
    for key, function in steps.items():
        flow.step(key, key)(function)
    return flow


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store."""
    made = Store(tmp_path / "pipulate.db")
    yield made
    made.close()


async def answered(store: Store, flow: Workflow, **given: str) -> None:
    """Answer the steps of a new run."""
    flow.begin(flow.engine(store), "x")
    for key, value in given.items():
        run = await opened(flow, store, "x", SETTINGS)
        step = run.flow.find(key)
        assert step
        await answer(await question(run, step), {key: [value]})


async def accept(run: Run, former: str) -> None:
    """Say that the open step is a former one."""
    step = run.flow.steps[run.open_index]
    inside = () if step.work else (await question(run, step)).inside
    take(run, step, inside, former)


async def candidates(run: Run) -> list[str]:
    """Return the keys that the open step is asked to be."""
    step = run.flow.steps[run.open_index]
    inside = () if step.work else (await question(run, step)).inside
    return former(run, step, inside)


# --- renamed steps


async def test_a_renamed_work_repeats_no_act(store: Store) -> None:
    """Once its result is taken as the new step's, so is what it had done to the world."""
    flow = Workflow("evo")
    flow.work("export", "Export")(lambda run, job: None)
    engine = flow.engine(store)
    flow.begin(engine, "x")
    acts: list[str] = []

    def work(run: Run, job: Job) -> dict[str, bool]:
        return {"posted": job.once("post", lambda: acts.append("post") or True)}

    async def done(flow: Workflow) -> None:
        jobs = Jobs(store, SETTINGS)
        await jobs.start(flow, "x", flow.steps[0])
        await jobs.wait(("evo", "x", flow.steps[0].key))
        await jobs.close()

    flow.steps[0].function = work
    await done(flow)
    renamed = Workflow("evo")
    renamed.work("links", "Export")(work)
    run = await opened(renamed, store, "x", SETTINGS)
    take(run, renamed.steps[0], (), "export")
    engine.clear_steps_from("x", "step_01", renamed.tuples)
    await done(renamed)
    assert acts == ["post"] and engine.get_step_data("x", "step_01") == {"posted": True}


async def test_renamed_work_without_a_result_is_asked_about_for_its_acts(store: Store) -> None:
    """It did something, then failed; under the new name that is not done again."""
    acts: list[str] = []

    def work(run: Run, job: Job) -> Any:
        job.once("post", lambda: acts.append("post") or True)
        if len(acts) == 1 and job.step.key == "export":
            raise ValueError("later")

    async def tried(key: str) -> Workflow:
        flow = Workflow("evo")
        flow.work(key, "Export")(work)
        flow.begin(flow.engine(store), "x")
        return flow

    async def done(flow: Workflow) -> None:
        jobs = Jobs(store, SETTINGS)
        await jobs.start(flow, "x", flow.steps[0])
        await jobs.wait(("evo", "x", flow.steps[0].key))
        await jobs.close()

    await done(await tried("export"))
    flow = await tried("links")
    run = await opened(flow, store, "x", SETTINGS)
    assert former(run, flow.steps[0], ()) == ["export"]
    take(run, flow.steps[0], (), "export")
    assert former(run, flow.steps[0], ()) == []
    await done(flow)
    run = await opened(flow, store, "x", SETTINGS)
    assert acts == ["post"] and run.open_index == 1
    third = await tried("third")
    run = await opened(third, store, "x", SETTINGS)
    assert former(run, third.steps[0], ()) == ["links", "export"]


@pytest.mark.parametrize("field", ["budget", "limit"])
async def test_a_renamed_step_is_asked_about_never_guessed(store: Store, field: str) -> None:
    """Also where its field, named like the step, was renamed with it."""
    old = workflow(name=asks("name"), budget=asks("budget"), city=asks("city"))
    await answered(store, old, name="Ann", budget="1000", city="Graz")
    new = workflow(name=asks("name"), limit=asks(field), city=asks("city"))
    run = await opened(new, store, "x", SETTINGS)
    assert run.open_index == 1 and run.get("limit") is None and run["city"] == "Graz"
    assert await candidates(run) == ["budget"]
    await accept(run, "budget")
    run = await opened(new, store, "x", SETTINGS)
    assert run.fields("limit") == {field: "1000"}
    assert run.open_index == 3 and "gone" not in run.state


async def test_what_rested_on_the_renamed_step_still_does(store: Store) -> None:
    """Its readers read it under the new name."""

    def reads(key: str) -> Any:
        return lambda run: (run[key], Input(name="total"))

    old = workflow(budget=asks("budget"), total=reads("budget"))
    await answered(store, old, budget="1000", total="1200")
    new = workflow(limit=asks("limit"), total=reads("limit"))
    run = await opened(new, store, "x", SETTINGS)
    await accept(run, "budget")
    run = await opened(new, store, "x", SETTINGS)
    assert run.answers() == {"limit": "1000", "total": "1200"}


async def test_a_step_with_other_fields_is_no_former_one(store: Store) -> None:
    """It is new, and the old answer is kept."""
    await answered(store, workflow(budget=asks("budget")), budget="1000")
    run = await opened(workflow(who=asks("first", "last")), store, "x", SETTINGS)
    assert await candidates(run) == [] and "budget" in run.state["gone"]
    with pytest.raises(OutOfOrder, match="no answer to 'nobody'"):
        await accept(run, "nobody")


@pytest.mark.parametrize("first", ["form", "work"])
async def test_a_form_and_work_of_one_key_are_two_questions(store: Store, first: str) -> None:
    """What was typed is no result, and a result is no answer; both are kept, and come back."""
    texts = {"form": "typed", "work": "made"}

    def made(kind: str) -> Workflow:
        flow = Workflow("evo")
        if kind == "form":
            flow.step("check", "Check")(asks("check"))
        else:
            flow.work("check", "Check")(lambda run, job: {"check": "made"})
        flow.step("last", "Last")(asks("last"))
        return flow

    async def done(kind: str) -> None:
        flow = made(kind)
        if kind == "form":
            run = await opened(flow, store, "x", SETTINGS)
            await answer(await question(run, flow.steps[0]), {"check": ["typed"]})
            return
        jobs = Jobs(store, SETTINGS)
        await jobs.start(flow, "x", flow.steps[0])
        await jobs.wait(("evo", "x", "check"))
        await jobs.close()

    second = {"form": "work", "work": "form"}[first]
    flow = made(first)
    engine = flow.engine(store)
    flow.begin(engine, "x")
    await done(first)
    listed = made(second).read(engine, engine.row("x") or {})
    run = await opened(made(second), store, "x", SETTINGS)
    assert listed.open_index == run.open_index == 0 and [*run.state["gone"]] == [f"check ({first})"]
    await done(second)
    run = await opened(made(second), store, "x", SETTINGS)
    assert run["check"] == texts[second]
    run = await opened(made(first), store, "x", SETTINGS)
    assert [*run.state["gone"]] == [f"check ({first})", f"check ({second})"]
    assert await candidates(run) == [f"check ({first})"]
    await accept(run, f"check ({first})")
    run = await opened(made(first), store, "x", SETTINGS)
    assert run["check"] == texts[first]


# --- renamed workflows


async def test_a_renamed_workflow_finds_its_runs(store: Store) -> None:
    """With their history; a run that it has itself stays its own."""
    await answered(store, workflow("evo", name=asks("name")), name="Ann")
    renamed = workflow("evolution", "evo", name=asks("name"))
    run = await opened(renamed, store, "x", SETTINGS)
    assert run["name"] == "Ann" and len(run.engine.history("x")) == 2
    await answered(store, workflow("evo", name=asks("name")), name="Eve")
    assert (await opened(renamed, store, "x", SETTINGS))["name"] == "Ann"
    with pytest.raises(Unknown):
        await opened(renamed, store, "y", SETTINGS)


async def test_nobody_begins_a_run_over_one_of_the_former_name(store: Store) -> None:
    """Who enters its ID as a new one gets it, and lists show it."""
    await answered(store, workflow("evo", name=asks("name")), name="Ann")
    renamed = workflow("evolution", "evo", name=asks("name"))
    assert [row["id"] for row in renamed.engine(store).runs()] == ["x"]
    await answered(store, workflow("evo", name=asks("name")), name="Ann")
    begun = workflow("evolve", "evo", name=asks("name"))
    begun.begin(begun.engine(store), "x")
    assert (await opened(begun, store, "x", SETTINGS))["name"] == "Ann"


# --- records of 0.1.0


def by_hand(flow: Workflow, store: Store, *steps: dict[str, Any]) -> Pipulate:
    """Begin the run as 0.1.0 left it."""
    engine = flow.engine(store)
    engine.initialize_if_missing("x")
    for number, data in enumerate(steps, 1):
        engine.set_step_data("x", f"step_{number:02d}", data)
    return engine


async def test_an_old_record_is_taken_by_place_where_the_fields_agree(store: Store) -> None:
    """Once, in one act; numbers become numbers, the mark of an empty answer goes."""
    flow = workflow(budget=asks("budget", kind="number"), note=asks("note"))
    engine = by_hand(flow, store, {"budget": "1000"}, {"note": "", "answered": True})
    run = await opened(flow, store, "x", SETTINGS)
    assert run["budget"] == 1000 and run.fields("note") == {"note": ""} and run.open_index == 2
    assert [act["act"] for act in engine.history("x")][-1] == "the workflow changed"
    assert (await opened(flow, store, "x", SETTINGS)).rev == run.rev


async def test_an_old_answer_of_other_fields_is_asked_about(store: Store) -> None:
    """A step was put in front since: nothing stands under another question."""
    old = workflow(name=asks("name"), budget=asks("budget"))
    by_hand(old, store, {"name": "Ann"}, {"budget": "1000"})
    new = workflow(email=asks("email"), name=asks("name"), budget=asks("budget"))
    run = await opened(new, store, "x", SETTINGS)
    assert run.answers() == {} and {"Ann", "1000"} <= set(map(str, values(run.state["gone"])))
    await answer(await question(run, new.steps[0]), {"email": ["a@b.c"]})
    run = await opened(new, store, "x", SETTINGS)
    assert await candidates(run) == ["step_01"]
    await accept(run, "step_01")
    run = await opened(new, store, "x", SETTINGS)
    assert run["name"] == "Ann" and await candidates(run) == ["step_02"]


def values(gone: dict[str, Any]) -> list[Any]:
    """Return all values of gone answers."""
    return [value for entry in gone.values() for value in entry["answer"].values()]


async def test_a_form_that_cannot_be_made_now_leaves_the_answer_where_it_stood(
    store: Store,
) -> None:
    """The service that it asks may be away."""

    def fails(run: Run) -> Any:
        raise OSError("no network")

    flow = workflow(project=fails)
    by_hand(flow, store, {"project": "shop"})
    assert (await opened(flow, store, "x", SETTINGS))["project"] == "shop"
