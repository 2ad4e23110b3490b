"""What a model, a slash command or an MCP client can do here: one list of plain functions, TOOLS.

A TOOL     is a function of the desk and of described texts: its signature is its JSON schema, its docstring what a model
           is told.  There is no shell, no file and no network among them.
READING    A function that returns text (Markdown) acts at once.
CHANGING   A generator: up to its `yield` it only checks, and yields in plain words what exactly will happen; what follows
           does it and returns how to undo it.  `proposals` alone goes past the yield, when the user says Yes.
UNDO       [table, key, row before, row after] for each row, or ["run", workflow, id, revision].

The profile is the page's, given with the desk: no model can choose to work for another client.
"""

import asyncio
import inspect
import re
import shlex
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import quote

from pipulate import docs
from pipulate.chat import prompts, sql
from pipulate.chat.memory import Memory, clean, identity, text
from pipulate.engine import forms
from pipulate.engine.errors import Invalid, OutOfOrder, Refused, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow, accepted, call
from pipulate.graph.shelf import Shelf

Row = dict[str, Any]
Undo = list[list[Any]]
Change = Generator[str, None, Undo]

KINDS = 12  # different values up to which a column's values are told to a model that writes SQL
KEYS = {
    "task": "id",
    "profile": "id",
    "memory": "id",
    "prompt": "version",
}  #: tables that tools change, and their keys
#: Words that tell no name from another.
FILLERS = {
    "a",
    "about",
    "all",
    "an",
    "as",
    "for",
    "i",
    "in",
    "is",
    "it",
    "my",
    "of",
    "on",
    "one",
    "s",
    "that",
    "the",
    "this",
    "to",
    "with",
    "task",
    "client",
    "memory",
}


@dataclass
class Desk:
    """What the tools work on, for one request: made anew with the profile of the page."""

    store: Store
    memory: Memory
    flows: Mapping[str, Workflow] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    profile: int = 1
    docs: Path = docs.FOLDER
    source: str = "chat"  #: noted with what is remembered


def schema(function: Callable[..., Any]) -> Row:
    """Return the JSON schema of a tool's arguments, all of them texts."""
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    properties = {
        p.name: {"type": "string", "description": hints[p.name].__metadata__[0]} for p in parameters
    }
    required = [p.name for p in parameters if p.default is p.empty]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def offered() -> list[Row]:
    """Return all tools as models that call tools natively are told of them."""
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": tool.__doc__,
                "parameters": schema(tool),
            },
        }
        for name, tool in TOOLS.items()
    ]


def check(name: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments for the tool `name`; raises Unknown, or Invalid naming the argument."""
    if name not in TOOLS:
        raise Unknown(f"There is no tool {name!r}. There are: {', '.join(TOOLS)}.")
    return checked(TOOLS[name], given)


def checked(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments for a tool's function; raises Invalid naming the argument."""
    name, wanted = function.__name__, schema(function)
    for key in [*given, *wanted["required"]]:
        if key not in wanted["properties"]:
            raise Invalid(
                f"{name} has no argument {key!r}; it takes {', '.join(wanted['properties']) or 'none'}.",
                key,
            )
        if not isinstance(given.get(key), (str, int, float)):
            raise Invalid(
                f"{name} needs {key}, a text: {wanted['properties'][key]['description']}.", key
            )
    return {key: str(value).strip() for key, value in given.items()}


# ---------------------------------------------------------------- tasks and profiles

Which = Annotated[str, "its number, or words of its name"]
NewName = Annotated[str, "the new name"]


def list_tasks(desk: Desk) -> str:
    """Show the tasks on the user's to-do list."""
    return (
        "\n".join(f"{r['id']}. {r['name']}{' (done)' * r['done']}" for r in _tasks(desk))
        or "There are no tasks."
    )


def add_task(desk: Desk, name: Annotated[str, "what is to be done"]) -> Change:
    """Add a task to the to-do list."""
    name = clean(name, "name", 300)
    yield f"Add the task “{name}”."
    return [
        _put(
            desk,
            "task",
            {"name": name, "profile_id": desk.profile, "priority": _last(_tasks(desk))},
        )
    ]


def complete_task(desk: Desk, task: Which) -> Change:
    """Mark a task as done."""
    row = _find(_tasks(desk), task, "task")
    yield f"Mark the task “{row['name']}” as done."
    return [_put(desk, "task", {"id": row["id"], "done": 1})]


def rename_task(desk: Desk, task: Which, name: NewName) -> Change:
    """Change the wording of a task."""
    row, name = _find(_tasks(desk), task, "task"), clean(name, "name", 300)
    yield f"Rename the task “{row['name']}” to “{name}”."
    return [_put(desk, "task", {"id": row["id"], "name": name})]


def delete_task(desk: Desk, task: Which) -> Change:
    """Remove a task from the to-do list."""
    row = _find(_tasks(desk), task, "task")
    yield f"Delete the task “{row['name']}”."
    return [_drop(desk, "task", row["id"])]


def list_profiles(desk: Desk) -> str:
    """Show the profiles: the clients and sites the user works for."""
    return "\n".join(
        f"{r['id']}. {r['name']}{' (chosen)' * (r['id'] == desk.profile)}" for r in _profiles(desk)
    )


def add_profile(desk: Desk, name: Annotated[str, "the client's or site's name"]) -> Change:
    """Add a profile: a client or site."""
    name = clean(name, "name", 300)
    yield f"Add the profile “{name}”."
    return [
        _put(desk, "profile", {"name": name, "menu_name": name, "priority": _last(_profiles(desk))})
    ]


def rename_profile(desk: Desk, profile: Which, name: NewName) -> Change:
    """Change the name of a profile."""
    row, name = _find(_profiles(desk), profile, "profile"), clean(name, "name", 300)
    yield f"Rename the profile “{row['name']}” to “{name}”."
    return [_put(desk, "profile", {"id": row["id"], "name": name})]


def delete_profile(desk: Desk, profile: Which) -> Change:
    """Remove a profile."""
    row = _find(_profiles(desk), profile, "profile")
    if row["id"] == desk.profile:
        raise Refused(
            f"“{row['name']}” is the profile you are in. Choose another one first, then delete it."
        )
    yield f"Delete the profile “{row['name']}”. Its tasks and runs are kept, for when it is brought back."
    return [_drop(desk, "profile", row["id"])]


def _tasks(desk: Desk) -> list[Row]:
    return desk.store.read(
        "SELECT * FROM task WHERE profile_id = ? ORDER BY priority, id", desk.profile
    )


def _profiles(desk: Desk) -> list[Row]:
    return desk.store.read("SELECT * FROM profile ORDER BY priority, id")


def _last(rows: list[Row]) -> int:
    return max((row["priority"] for row in rows), default=0) + 1


def _find(rows: list[Row], wanted: str, what: str) -> Row:
    """Return the row that is meant by its number, its name, or best by the rare words of its name; raises Unknown."""
    stems = {row["id"]: _stems(row["name"]) for row in rows}
    count = Counter(stem for each in stems.values() for stem in each)
    score = {
        id: sum(1 / count[stem] for stem in each & _stems(wanted)) for id, each in stems.items()
    }
    exact = [row for row in rows if wanted.casefold() in (str(row["id"]), row["name"].casefold())]
    best = exact or [row for row in rows if 0 < score[row["id"]] == max(score.values())]
    if len(best) == 1:
        return best[0]
    listed = "; ".join(f"{row['id']}. {row['name']}" for row in (best or rows)[:10]) or "none yet"
    raise Unknown(
        f"Which {what} is meant by “{wanted}”? There are: {listed}. Name one by its number."
    )


def _stems(text: str) -> set[str]:
    """Return the beginnings of the words that may tell one name from another."""
    return {word[:5] for word in re.findall(r"\w+", text.casefold())} - FILLERS


def row_of(store: Store, table: str, key: Any) -> Row | None:
    """Return the row of one of the tables in KEYS as it is now."""
    return store.one(f"SELECT * FROM {table} WHERE {KEYS[table]} = ?", key)  # noqa: S608 - our names


def _put(desk: Desk, table: str, row: Row) -> list[Any]:
    """Insert the row, or change these columns of the one with its key; returns how to undo that."""
    key, rows = row.get(KEYS[table]), desk.store.db.t[table]
    before = row_of(desk.store, table, key) if key else None
    if key and not before:
        raise Unknown(f"This {table} was deleted meanwhile.")
    key = (rows.update(row) if key else rows.insert(row))[KEYS[table]]
    return [table, key, before, row_of(desk.store, table, key)]


def _drop(desk: Desk, table: str, key: Any) -> list[Any]:
    before = row_of(desk.store, table, key)
    desk.store.db.t[table].delete(key)
    return [table, key, before, None]


# ---------------------------------------------------------------- runs

RunId = Annotated[str, "the run's ID, or a part of it"]
Flow = Annotated[str, "its workflow, if several have a run of that ID"]


def list_runs(desk: Desk, search: Annotated[str, "part of the ID"] = "") -> str:
    """Show the user's latest runs of workflows."""
    rows = Pipulate(desk.store).runs(search, profile_id=desk.profile)
    return (
        "\n".join(f"- {_link(desk, row)}, changed {row['updated'][:10]}" for row in rows)
        or "There are no such runs."
    )


def open_run(desk: Desk, run: RunId, workflow: Flow = "") -> str:
    """Open a run of a workflow."""
    return f"Open {_link(desk, _find_run(desk, run, workflow))}"


def explain_run(desk: Desk, run: RunId, workflow: Flow = "") -> str:
    """Explain a run: what its workflow is for, what was answered so far, what comes next."""
    here = _load_run(desk, _find_run(desk, run, workflow))
    ahead = [step.label for step in here.flow.steps[here.open_index :]]
    then = (
        f"Next: {ahead[0]}"
        if ahead
        else "It is complete" + (" and locked." if "finalized" in here.record else ".")
    )
    return f"{here.flow.title}: {here.flow.about}\n\nSo far:\n{here.summary() or '(nothing yet)'}\n{then}"


def fill_run(
    desk: Desk,
    run: RunId,
    answer: Annotated[str, "the answer; field=value for each field if there are several"],
    workflow: Flow = "",
) -> Change:
    """Answer the open step of a run."""
    here = _load_run(desk, _find_run(desk, run, workflow))
    step = here.flow.steps[here.open_index] if here.open_index < len(here.flow.steps) else None
    if step is None or step.work:
        raise OutOfOrder(
            f"The run {here.id} waits for no answer: {'its work is next' if step else 'it is complete'}."
        )
    wanted = forms.fields(asyncio.run(call(step.function, here)))
    data = asyncio.run(
        accepted(here, step, forms.read(wanted, _split(answer, [item.name for item in wanted])))
    )
    shown = ", ".join(str(value) for key, value in data.items() if key != "answered")
    yield f"Answer “{step.label}” in the run {here.id} of {here.flow.title} with “{shown}”."
    _, rev = here.engine.change(
        here.id, f"set {step.id}", lambda record: {**record, step.id: data}, rev=here.rev
    )
    return [["run", here.flow.name, here.id, rev]]


def _find_run(desk: Desk, wanted: str, workflow: str) -> Row:
    rows = Pipulate(desk.store, workflow).runs(wanted, limit=10)
    found = [row for row in rows if row["id"] == wanted] or rows
    if len(found) == 1:
        return found[0]
    listed = "; ".join(
        f"{row['id']} ({row['workflow']})" for row in found or Pipulate(desk.store).runs(limit=10)
    )
    raise Unknown(f"Which run is meant by “{wanted}”? There are: {listed or 'none yet'}.")


def _load_run(desk: Desk, row: Row) -> Run:
    flow = desk.flows.get(row["workflow"])
    if flow is None:
        raise Refused(
            f"Runs of {row['workflow']!r} can be read and filled on its own page only: {_link(desk, row)}"
        )
    return flow.load(desk.store, row["id"], desk.settings)


def _link(desk: Desk, row: Row) -> str:
    flow, label = desk.flows.get(row["workflow"]), re.sub(r"([\\\[\]])", r"\\\1", row["id"])
    return f"[{label}](/{row['workflow']}?id={quote(row['id'], safe='')}) ({flow.title if flow else row['workflow']})"


def _split(given: str, names: list[str]) -> dict[str, list[Any]]:
    """Return {field: [value]} of a bare value for one field, of `a=1 b="two words"` for several."""
    if len(names) == 1:
        return {names[0]: [given.removeprefix(f"{names[0]}=")]}
    try:
        return {
            name: [value] for name, value in (part.split("=", 1) for part in shlex.split(given))
        }
    except ValueError:
        raise Invalid(
            f"Write field=value for each of: {', '.join(names)}; quote what has blanks.", "answer"
        ) from None


# ---------------------------------------------------------------- questions to the data and the manual


Select = Annotated[str, "one SQLite SELECT"]


def query_data(desk: Desk, statement: Select) -> str:
    """Count and look up tasks, profiles and runs by SQL.  Tables: task (id, name, done, priority, profile_id),
    profile (id, name, address), pipeline (workflow, id, data, created, updated), history, job, conversation, message.
    """
    return f"`{statement}`\n\n{sql.query(desk.store.path, statement)}"


def query_links(
    desk: Desk, statement: Select, graph: Annotated[str, "org/project; empty for the latest"] = ""
) -> str:
    """Find pages of a site by their links, depth, PageRank, clicks or impressions, by SQL.  Tables: pages (url, depth in
    clicks from home, inlinks, outlinks, pagerank, orphan, dead_end, ..., and the crawl's columns, such as pagetype,
    impressions, clicks), links (source, target).
    """
    from pipulate.graph import sql as graph_sql  # here: it brings polars, which few commands need

    answer = graph_sql.query(_graph(desk, graph), statement, sql.ROWS)
    more = f"\n\nThese are the first {sql.ROWS} rows; there are more." if answer.more else ""
    return f"`{statement}`\n\n{sql.table(answer.columns, answer.rows)}{more}"


def describe_data(desk: Desk, tool: str) -> str:
    """Return the tables that a querying tool reads, for a model that writes SQL."""
    if tool != "query_links":
        return inspect.getdoc(TOOLS[tool]) or ""
    from pipulate.graph import sql as graph_sql

    folder = _graph(desk, "")
    lines = graph_sql.schema(folder).splitlines()
    for place, line in enumerate(lines[: lines.index("links: one row a link")]):
        if match := re.match(r"  (\w+) (?:TEXT|INTEGER)", line):  # what may be in it?
            found = graph_sql.query(folder, f"SELECT DISTINCT {match[1]} FROM pages", KINDS)  # noqa: S608 - checked
            values = sorted(str(value) for (value,) in found.rows if value is not None)
            lines[place] += "" if found.more or not values else f"  -- one of: {', '.join(values)}"
    return "\n".join(lines)


def _graph(desk: Desk, wanted: str) -> Path:
    """Return the folder of the latest link graph whose name has `wanted` in it."""
    graphs = {place.name: place.graph for place in Shelf(desk.settings.downloads).built()}
    for name, folder in graphs.items():
        if wanted.casefold() in name.casefold():
            return folder
    raise Unknown(
        f"There is no such link graph. There are: {', '.join(graphs) or 'none yet; make one in Link graph'}."
    )


def search_docs(desk: Desk, query: Annotated[str, "a few words"]) -> str:
    """Search the manual for how Pipulate works and how something is done with it."""
    found = [
        f"{section.page}, {section.title}:\n{section.text[:1500]}"
        for section in docs.search(query, folder=desk.docs)
    ]
    return "\n\n".join(found) or "The manual has nothing on that."


# ---------------------------------------------------------------- memory and prompt


def remember(
    desk: Desk,
    sentence: Annotated[str, "what to remember, as a sentence"],
    key: Annotated[
        str, "only for a short fact that belongs in every conversation: what it is about, like name"
    ] = "",
) -> Change:
    """Remember something about the user for later conversations."""
    sentence = clean(sentence)
    before = row_of(desk.store, "memory", identity(sentence, key))
    yield f"Remember{f' as {key}' if key else ''}: “{sentence}”" + (
        f" (so far “{before['content']}”)." if before else "."
    )
    new = desk.memory.add(sentence, key=key, source=desk.source)
    return [["memory", new["id"], before, new]]


def recall(
    desk: Desk, about: Annotated[str, "what the question is about; empty for everything"] = ""
) -> str:
    """Tell what is remembered about the user."""
    rows = (
        desk.memory.recall(about)
        if about
        else [row for row in desk.memory.all() if row["state"] == "active"][:50]
    )
    return (
        "\n".join(f"- {text(row)}" for row in rows if desk.memory.enabled)
        or "Nothing is remembered about that."
    )


def forget(desk: Desk, memory: Annotated[str, "words of what to forget"]) -> Change:
    """Forget something that is remembered about the user."""
    row = _find([row | {"name": text(row)} for row in desk.memory.all()], memory, "memory")
    yield f"Forget for good: “{row['name']}”. This cannot be undone."
    desk.memory.forget(row["id"])
    return []


def change_prompt(desk: Desk, prompt: Annotated[str, "the whole new system prompt"]) -> Change:
    """Propose another system prompt for yourself, when the user wants you to behave differently for good."""
    prompt = prompts.check(prompt)
    yield f"Change the system prompt:\n{prompts.diff(prompts.current(desk.store), prompt)}"
    version = prompts.accept(desk.store, prompt, "model")
    return [["prompt", version, None, row_of(desk.store, "prompt", version)]]


FUNCTIONS = (
    list_tasks,
    add_task,
    complete_task,
    rename_task,
    delete_task,
    list_profiles,
    add_profile,
    rename_profile,
    delete_profile,
    list_runs,
    open_run,
    explain_run,
    fill_run,
    query_data,
    query_links,
    search_docs,
    remember,
    recall,
    forget,
    change_prompt,
)
TOOLS: dict[str, Callable[..., Any]] = {function.__name__: function for function in FUNCTIONS}
