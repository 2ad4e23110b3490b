"""What a model, a slash command or an MCP client can do here: TOOLS.

A TOOL    is a function of the desk and of described texts: its signature
          is its JSON schema, its docstring what a model is told.  None is a
          shell, reads files or asks the network.
READING   A function that returns Markdown acts at once.
CHANGING  A generator yields in plain words what exactly will happen, does
          it and returns how to undo it.  Only `proposals` goes past the
          yield, when the user says Yes.
UNDO      See `desk`, or ["run", workflow, id, revision].
"""

import asyncio
import inspect
import re
import shlex
from collections.abc import Callable, Generator, Mapping
from typing import Annotated, Any, get_type_hints
from urllib.parse import quote

from pipulate.chat import prompts
from pipulate.chat.desk import Desk, Row, drop, find, put, row_of
from pipulate.chat.memory import clean, identity, text
from pipulate.chat.questions import query_data, query_links, search_docs
from pipulate.engine import answers, forms, profiles
from pipulate.engine.errors import Invalid, OutOfOrder, Refused, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.workflow import Run, Step

Undo = list[list[Any]]
Change = Generator[str, None, Undo]

LONGEST_NAME = 300  # characters
MOST_MEMORIES = 50  # told at once

# --- tasks and profiles

Which = Annotated[str, "its number, or words of its name"]
NewName = Annotated[str, "the new name"]


def list_tasks(desk: Desk) -> str:
    """Show the tasks on the user's to-do list."""
    lines = [f"{row['id']}. {row['name']}{' (done)' * row['done']}" for row in _tasks(desk)]
    return "\n".join(lines) or "There are no tasks."


def add_task(desk: Desk, name: Annotated[str, "what is to be done"]) -> Change:
    """Add a task to the to-do list."""
    name = clean(name, "name", LONGEST_NAME)
    yield f"Add the task “{name}”."
    last = _last(_tasks(desk))
    return [
        put(
            desk,
            "task",
            {"name": name, "profile_id": desk.profile, "priority": last},
        )
    ]


def complete_task(desk: Desk, task: Which) -> Change:
    """Mark a task as done."""
    row = find(_tasks(desk), task, "task")
    yield f"Mark the task “{row['name']}” as done."
    return [put(desk, "task", {"id": row["id"], "done": 1})]


def rename_task(desk: Desk, task: Which, name: NewName) -> Change:
    """Change the wording of a task."""
    return (yield from _rename(desk, "task", find(_tasks(desk), task, "task"), name))


def delete_task(desk: Desk, task: Which) -> Change:
    """Remove a task from the to-do list."""
    row = find(_tasks(desk), task, "task")
    yield f"Delete the task “{row['name']}”."
    return [drop(desk, "task", row["id"])]


def list_profiles(desk: Desk) -> str:
    """Show the profiles: the clients and sites the user works for."""
    lines = []
    for row in _profiles(desk):
        chosen = " (chosen)" if row["id"] == desk.profile else ""
        lines.append(f"{row['id']}. {row['name']}{chosen}")
    return "\n".join(lines)


def add_profile(desk: Desk, name: Annotated[str, "the client's or site's name"]) -> Change:
    """Add a profile: a client or site."""
    name = clean(name, "name", LONGEST_NAME)
    yield f"Add the profile “{name}”."
    last = _last(_profiles(desk))
    return [put(desk, "profile", {"name": name, "menu_name": name, "priority": last})]


def rename_profile(desk: Desk, profile: Which, name: NewName) -> Change:
    """Change the name of a profile."""
    row = find(_profiles(desk), profile, "profile")
    return (yield from _rename(desk, "profile", row, name))


def delete_profile(desk: Desk, profile: Which) -> Change:
    """Remove a profile."""
    row = find(_profiles(desk), profile, "profile")
    name = row["name"]
    if row["id"] in (desk.profile, profiles.chosen(desk.store)):
        cure = "Choose another one first, then delete it."
        raise Refused(f"“{name}” is the profile you are in. {cure}")
    kept = "Its tasks and runs are kept, for when it is brought back."
    yield f"Delete the profile “{name}”. {kept}"
    return [drop(desk, "profile", row["id"])]


def _rename(desk: Desk, table: str, row: Row, name: str) -> Change:
    name = clean(name, "name", LONGEST_NAME)
    yield f"Rename the {table} “{row['name']}” to “{name}”."
    return [put(desk, table, {"id": row["id"], "name": name})]


def _tasks(desk: Desk) -> list[Row]:
    query = "SELECT * FROM task WHERE profile_id = ? ORDER BY priority, id"
    return desk.store.read(query, desk.profile)


def _profiles(desk: Desk) -> list[Row]:
    return desk.store.read("SELECT * FROM profile ORDER BY priority, id")


def _last(rows: list[Row]) -> int:
    return max((row["priority"] for row in rows), default=0) + 1


# --- runs

RunId = Annotated[str, "the run's ID, or a part of it"]
Flow = Annotated[str, "its workflow, if several have a run of that ID"]
Answer = Annotated[str, "the answer; field=value for each field if there are several"]


LISTED = 20  #: runs


def list_runs(desk: Desk, search: Annotated[str, "part of the ID"] = "") -> str:
    """Show the user's latest runs of workflows."""
    rows = Pipulate(desk.store).runs(search, LISTED + 1, desk.profile)
    lines = [f"- {_link(desk, row)}, changed {row['updated'][:10]}" for row in rows[:LISTED]]
    if len(rows) > LISTED:
        lines.append(f"These are the {LISTED} newest; a part of the ID finds the others.")
    return "\n".join(lines) or "There are no such runs."


def open_run(desk: Desk, run: RunId, workflow: Flow = "") -> str:
    """Open a run of a workflow."""
    return f"Open {_link(desk, _find_run(desk, run, workflow))}"


def explain_run(desk: Desk, run: RunId, workflow: Flow = "") -> str:
    """Explain a run: what its workflow is for, what was answered so far, what comes next."""
    here = _load_run(desk, _find_run(desk, run, workflow))
    step = _open_step(here)
    then = "It is complete."
    if step:
        then = f"Next: {step.label}"
    elif "finalized" in here.state:
        then = "It is complete and locked."
    so_far = here.summary() or "(nothing yet)"
    return f"{here.flow.title}: {here.flow.about}\n\nSo far:\n{so_far}\n{then}"


def fill_run(desk: Desk, run: RunId, answer: Answer, workflow: Flow = "") -> Change:
    """Answer the open step of a run."""
    here = _load_run(desk, _find_run(desk, run, workflow))
    step = _open_step(here)
    if step is None:
        raise OutOfOrder(f"The run {here.id} waits for no answer: it is complete.")
    if step.work:
        raise OutOfOrder(f"The run {here.id} waits for no answer: its work is next.")
    asked = asyncio.run(answers.question(here, step))
    submitted = _split(answer, [item.name for item in forms.fields(asked.inside)])
    read = asyncio.run(answers.accepted(asked, submitted))
    shown = ", ".join(str(value) for value in read.values() if value is not None)
    yield f"Answer “{step.label}” in the run {here.id} of {here.flow.title} with “{shown}”."
    answers.store(asked, submitted, read)
    return [["run", here.flow.name, here.id, here.rev]]


def _open_step(run: Run) -> Step | None:
    return next(iter(run.flow.steps[run.open_index :]), None)


def _find_run(desk: Desk, wanted: str, workflow: str) -> Row:
    rows = Pipulate(desk.store, workflow).runs(wanted, limit=10)
    meant = [row for row in rows if row["id"] == wanted] or rows
    if len(meant) == 1:
        return meant[0]
    listed = meant or Pipulate(desk.store).runs(limit=10)
    names = "; ".join(f"{row['id']} ({row['workflow']})" for row in listed) or "none yet"
    raise Unknown(f"Which run is meant by “{wanted}”? There are: {names}.")


def _load_run(desk: Desk, row: Row) -> Run:
    flow = desk.flows.get(row["workflow"])
    if flow is None:
        where = f"can be read and filled on its own page only: {_link(desk, row)}"
        raise Refused(f"Runs of {row['workflow']!r} {where}")
    return flow.load(desk.store, row["id"], desk.settings)


def _link(desk: Desk, row: Row) -> str:
    name = row["workflow"]
    title = desk.flows[name].title if name in desk.flows else name
    label = re.sub(r"([\\\[\]])", r"\\\1", row["id"])
    return f"[{label}](/{name}?id={quote(row['id'], safe='')}) ({title})"


def _split(given: str, names: list[str]) -> dict[str, list[Any]]:
    # a bare value for one field, `a=1 b="two words"` for several
    if len(names) == 1:
        return {names[0]: [given.removeprefix(f"{names[0]}=")]}
    try:
        pairs = [part.split("=", 1) for part in shlex.split(given)]
        return {name: [value] for name, value in pairs}
    except ValueError:
        each = f"Write field=value for each of: {', '.join(names)}"
        raise Invalid(f"{each}; quote what has blanks.", "answer") from None


# --- memory and prompt

Key = Annotated[
    str,
    "only for a short fact that belongs in every conversation: what it is about, like name",
]
About = Annotated[str, "what the question is about; empty for everything"]


def remember(
    desk: Desk,
    sentence: Annotated[str, "what to remember, as a sentence"],
    key: Key = "",
) -> Change:
    """Remember something about the user for later conversations."""
    sentence = clean(sentence)
    before = row_of(desk.store, "memory", identity(sentence, key))
    what = f"Remember as {key}" if key else "Remember"
    instead = f" (so far “{before['content']}”)" if before else ""
    yield f"{what}: “{sentence}”{instead}."
    new = desk.memory.add(sentence, key=key, source=desk.source)
    return [["memory", new["id"], before, new]]


def recall(desk: Desk, about: About = "") -> str:
    """Tell what is remembered about the user."""
    rows = desk.memory.recall(about) if about else desk.memory.active()[:MOST_MEMORIES]
    return "\n".join(f"- {text(row)}" for row in rows) or "Nothing is remembered about that."


def forget(desk: Desk, memory: Annotated[str, "words of what to forget"]) -> Change:
    """Forget something that is remembered about the user."""
    named = [row | {"name": text(row)} for row in desk.memory.all()]
    row = find(named, memory, "memory")
    yield f"Forget for good: “{row['name']}”. This cannot be undone."
    desk.memory.forget(row["id"])
    return []


def change_prompt(desk: Desk, prompt: Annotated[str, "the whole new system prompt"]) -> Change:
    """Propose another system prompt for yourself, when the user wants you
    to behave differently for good.
    """
    prompt = prompts.check(prompt)
    yield f"Change the system prompt:\n{prompts.diff(prompts.current(desk.store), prompt)}"
    version = prompts.accept(desk.store, prompt, "model")
    return [["prompt", version, None, row_of(desk.store, "prompt", version)]]


# --- the list, and what each takes

TOOLS: dict[str, Callable[..., Any]] = {
    tool.__name__: tool
    for tool in (
        *(list_tasks, add_task, complete_task, rename_task, delete_task),
        *(list_profiles, add_profile, rename_profile, delete_profile),
        *(list_runs, open_run, explain_run, fill_run),
        *(query_data, query_links, search_docs),
        *(remember, recall, forget, change_prompt),
    )
}


def schema(function: Callable[..., Any]) -> Row:
    """Return the JSON schema of a tool's arguments, all of them texts."""
    hints = get_type_hints(function, include_extras=True)
    _desk, *parameters = inspect.signature(function).parameters.values()
    said = {each.name: hints[each.name].__metadata__[0] for each in parameters}
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": about} for name, about in said.items()
        },
        "required": [each.name for each in parameters if each.default is each.empty],
        "additionalProperties": False,
    }


def offered() -> list[Row]:
    """Return all tools for models that call tools natively."""
    told = []
    for name, tool in TOOLS.items():
        about = {"name": name, "description": inspect.getdoc(tool)}
        told.append({"type": "function", "function": about | {"parameters": schema(tool)}})
    return told


def check(name: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments for a tool; raises Unknown, or as `checked`."""
    if name not in TOOLS:
        raise Unknown(f"There is no tool {name!r}. There are: {', '.join(TOOLS)}.")
    return checked(TOOLS[name], given)


def checked(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, str]:
    """Return a tool's arguments; raises Invalid naming the argument."""
    name = function.__name__
    wanted = schema(function)
    known = wanted["properties"]
    for key in [*given, *wanted["required"]]:
        if key not in known:
            takes = ", ".join(known) or "none"
            raise Invalid(f"{name} has no argument {key!r}; it takes {takes}.", key)
        if not isinstance(given.get(key), (str, int, float)):
            raise Invalid(f"{name} needs {key}, a text: {known[key]['description']}.", key)
    return {key: str(value).strip() for key, value in given.items()}
