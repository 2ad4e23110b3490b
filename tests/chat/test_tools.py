"""The tools: their schemas, what they read, what they say they would do, and which row they
mean.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from pipulate.chat import prompts
from pipulate.chat.desk import Desk
from pipulate.chat.proposals import Proposal, call, confirm
from pipulate.chat.tools import TOOLS, check, schema
from pipulate.engine.errors import Invalid, OutOfOrder, PipulateError, Refused, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.workflow import Run, Workflow
from tests.chat.fakes import FakeEmbedder, make_desk

TASKS = ("Write to the bank", "Buy tea", "Buy coffee", "Pay the bank's invoice")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk with four tasks."""
    return make_desk(tmp_path, TASKS)


def words(desk: Desk, tool: str, **arguments: str) -> str:
    """Return what a changing tool would do."""
    made = call(desk, tool, arguments)
    assert isinstance(made, Proposal)
    return made.words


def begin(desk: Desk, id: str, *answers: tuple[str, dict]) -> None:
    """Begin a run of the Bridge with these answers."""
    engine = Pipulate(desk.store, "bridge")
    engine.initialize_if_missing(id)
    for step, data in answers:
        engine.set_step_data(id, step, data)


def test_every_tool_is_described() -> None:
    """Each has a docstring of a sentence or two, and describes each argument; none can confirm."""
    assert len(TOOLS) == 20 and not any("confirm" in name or "sql" in name for name in TOOLS)
    for name, tool in TOOLS.items():
        told = schema(tool)
        assert (tool.__doc__ or "").split(".")[0], name
        assert all(
            p["type"] == "string" and p["description"] for p in told["properties"].values()
        ), name
        assert (
            set(told["required"]) <= set(told["properties"])
            and told["additionalProperties"] is False
        )


def test_a_schema_is_the_signature() -> None:
    """Optional parameters are not required; the desk is none of the model's business."""
    assert schema(TOOLS["remember"])["required"] == ["sentence"]
    assert list(schema(TOOLS["remember"])["properties"]) == ["sentence", "key"]
    assert schema(TOOLS["list_tasks"])["properties"] == {}


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("nothing", {}, "no tool 'nothing'"),
        ("add_task", {}, "add_task needs name"),
        ("add_task", {"name": ["a"]}, "add_task needs name, a text"),
        ("add_task", {"name": None}, "add_task needs name, a text"),
        ("add_task", {"name": "a", "profile_id": 2}, "no argument 'profile_id'"),
    ],
)
def test_wrong_arguments_are_named(tool: str, given: dict, said: str) -> None:
    """A model can read what was wrong and try again."""
    with pytest.raises(PipulateError, match=said):
        check(tool, given)
    assert check("delete_task", {"task": 3}) == {"task": "3"}


def test_tasks_of_this_profile_only(desk: Desk) -> None:
    """Another client's tasks are neither listed nor found."""
    desk.store.db.t.profile.insert({"name": "Acme"})
    desk.store.db.t.task.insert({"name": "Secret of Acme", "profile_id": 2})
    assert (
        call(desk, "list_tasks", {})
        == "1. Write to the bank\n2. Buy tea\n3. Buy coffee\n4. Pay the bank's invoice"
    )
    assert call(replace(desk, profile=2), "list_tasks", {}) == "5. Secret of Acme"
    assert call(desk, "list_profiles", {}) == "1. Default profile (chosen)\n2. Acme"
    with pytest.raises(Unknown):
        call(desk, "delete_task", {"task": "secret"})
    assert call(replace(desk, profile=3), "list_tasks", {}) == "There are no tasks."


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("2", "Buy tea"),
        ("buy TEA", "Buy tea"),
        ("coffee", "Buy coffee"),
        ("the task about coffee", "Buy coffee"),
        ("invoices", "Pay the bank's invoice"),
        ("write bank", "Write to the bank"),
    ],
)
def test_which_task_is_meant(desk: Desk, wanted: str, found: str) -> None:
    """By number, name, part of the name, or most of the words."""
    assert words(desk, "delete_task", task=wanted) == f"Delete the task “{found}”."


@pytest.mark.parametrize("wanted", ["buy", "it", "", "9", "bank", "the task", "reports"])
def test_when_in_doubt_it_asks(desk: Desk, wanted: str) -> None:
    """Two that fit, or none, are an error that lists the choice; nothing is guessed."""
    with pytest.raises(Unknown, match=r"Which task is meant .* There are: \d\. "):
        call(desk, "delete_task", {"task": wanted})


def test_the_words_say_exactly_what_would_happen(desk: Desk) -> None:
    """Every changing tool says it, and changes nothing."""
    desk.store.db.t.profile.insert({"name": "Acme"})
    desk.memory.add("Sam", key="name")
    begin(desk, "arthur", ("step_01", {"name": "Arthur"}))
    said = [
        words(desk, "add_task", name=" Call\nBob "),
        words(desk, "complete_task", task="tea"),
        words(desk, "rename_task", task="tea", name="Buy cocoa"),
        words(desk, "add_profile", name="Northwind"),
        words(desk, "rename_profile", profile="acme", name="Acme Ltd"),
        words(desk, "delete_profile", profile="acme"),
        words(desk, "fill_run", run="arthur", answer="the Grail"),
        words(desk, "remember", sentence="Samantha", key="name"),
        words(desk, "remember", sentence="I like tea."),
        words(desk, "forget", memory="sam"),
        words(desk, "change_prompt", prompt="Be a pirate.").splitlines()[1],
    ]
    assert said == [
        "Add the task “Call Bob”.",
        "Mark the task “Buy tea” as done.",
        "Rename the task “Buy tea” to “Buy cocoa”.",
        "Add the profile “Northwind”.",
        "Rename the profile “Acme” to “Acme Ltd”.",
        "Delete the profile “Acme”. Its tasks and runs are kept, for when it is brought back.",
        "Answer “What... is your quest?” in the run arthur of The Bridge of Death "
        "with “the Grail”.",
        "Remember as name: “Samantha” (so far “Sam”).",
        "Remember: “I like tea.”.",
        "Forget for good: “name: Sam”. This cannot be undone.",
        "+ Be a pirate.",
    ]
    assert (
        len(desk.store.read("SELECT * FROM task")) == 4
        and prompts.current(desk.store) == prompts.DEFAULT
    )
    assert len(desk.memory.all()) == 1 and len(desk.store.read("SELECT * FROM profile")) == 2


def test_the_profile_one_is_in_stays(desk: Desk) -> None:
    """It cannot be deleted from within."""
    with pytest.raises(Refused, match="Choose another"):
        call(desk, "delete_profile", {"profile": "1"})


def test_runs_are_listed_opened_explained(desk: Desk) -> None:
    """With their address, their workflow's purpose, what was answered and what comes next."""
    begin(desk, "king/arthur [1]", ("step_01", {"name": "Arthur"}), ("step_02", {"quest": "Grail"}))
    begin(desk, "robin")
    listed = call(desk, "list_runs", {"search": "king"})
    link = r"[king/arthur \[1\]](/bridge?id=king%2Farthur%20%5B1%5D) (The Bridge of Death)"
    assert listed == f"- {link}, changed {str(listed)[-10:]}"
    assert str(call(desk, "open_run", {"run": "arthur"})).startswith(
        r"Open [king/arthur \[1\]](/bridge"
    )
    told = str(call(desk, "explain_run", {"run": "king"}))
    assert "asks three questions" in told and "What... is your quest?: Grail" in told
    assert told.endswith("Next: What... is your favorite color?")
    assert call(desk, "list_runs", {"search": "nobody"}) == "There are no such runs."


def test_a_list_of_runs_that_is_cut_says_so(desk: Desk) -> None:
    """A model would take it for all."""
    for number in range(21):
        assert "newest" not in str(call(desk, "list_runs", {}))
        begin(desk, f"run {number}")
    told = str(call(desk, "list_runs", {}))
    assert told.count("- [run") == 20 and "These are the 20 newest" in told


def test_which_run_is_meant(desk: Desk) -> None:
    """The exact ID wins; one ID in two workflows needs the workflow's name."""
    begin(desk, "robin")
    begin(desk, "robin-2")
    assert "(/bridge?id=robin)" in str(call(desk, "open_run", {"run": "robin"}))
    Pipulate(desk.store, "other").initialize_if_missing("robin")
    with pytest.raises(Unknown, match=r"robin \(.*\); robin \("):
        call(desk, "open_run", {"run": "robin"})
    assert "(/bridge?id=robin)" in str(
        call(desk, "open_run", {"run": "robin", "workflow": "bridge"})
    )
    with pytest.raises(Refused, match="on its own page"):
        call(desk, "explain_run", {"run": "robin", "workflow": "other"})
    with pytest.raises(Unknown, match="Which run"):
        call(desk, "open_run", {"run": "nobody"})


def test_a_run_is_filled_by_its_own_rules(desk: Desk) -> None:
    """The form's choices and the workflow's check hold for a model too; a finished run
    takes no answer.
    """
    flow = Workflow("order", about="Orders.")

    @flow.step("who", "Who?")
    def who(run: Run) -> list:
        from fasthtml.common import Input

        return [Input(name="first", required=True), Input(name="last")]

    @who.accept
    def checked(run: Run, form: dict) -> dict:
        if form["first"] == "Nobody":
            raise Invalid("Somebody, please.", "first")
        return {"name": f"{form['first']} {form['last']}".strip()}

    @flow.work("send", "Send")
    async def send(run: Run, job: object) -> None: ...

    desk = replace(desk, flows={"order": flow, **desk.flows})
    Pipulate(desk.store, "order").initialize_if_missing("one")
    begin(desk, "two", ("step_01", {"name": "A"}), ("step_02", {"quest": "B"}))
    with pytest.raises(Invalid, match="one of the choices: red, blue, green"):
        call(desk, "fill_run", {"run": "two", "answer": "pink"})
    with pytest.raises(Invalid, match="field=value for each of: first, last"):
        call(desk, "fill_run", {"run": "one", "answer": "Ann"})
    with pytest.raises(Invalid, match="Somebody"):
        call(desk, "fill_run", {"run": "one", "answer": "first=Nobody"})
    for run, answer in (("one", 'first=Ann last="de Wit"'), ("two", "blue")):
        made = call(desk, "fill_run", {"run": run, "answer": answer})
        assert isinstance(made, Proposal)
        confirm(desk, made.id)
    assert Pipulate(desk.store, "order").get_state("one")["step_01"] == {"name": "Ann de Wit"}
    assert Pipulate(desk.store, "bridge").get_state("two")["step_03"] == {"color": "blue"}
    for run, why in (("one", "its work is next"), ("two", "it is complete")):
        with pytest.raises(OutOfOrder, match=why):
            call(desk, "fill_run", {"run": run, "answer": "x"})


def test_memory_tools(desk: Desk) -> None:
    """Everything, or what fits; nothing of what is off, or while the memory is."""
    assert call(desk, "recall", {}) == "Nothing is remembered about that."
    desk.memory.embedder = FakeEmbedder()
    desk.memory.add("Sam", key="name")
    desk.memory.switch(desk.memory.add("I dislike cats")["id"], False)
    desk.memory.add("the office is in Bonn")
    assert set(str(call(desk, "recall", {})).splitlines()) == {
        "- name: Sam",
        "- the office is in Bonn",
    }
    assert call(desk, "recall", {"about": "where is the office"}) == "- the office is in Bonn"
    desk.memory.enabled = False
    assert call(desk, "recall", {}) == "Nothing is remembered about that."
