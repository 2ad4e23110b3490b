"""Nothing is changed without a Yes: calling tools, and the proposals of those that change something.

CALL       A reading tool acts and returns its text.  A changing one goes as far as the words of what exactly will happen,
           which are stored as a row of `proposal`: open -> done -> undone, or open -> refused.
YES        Only `confirm` goes on, and only the user's own click calls it; no tool, and so no model, can.  It starts the
           tool anew: if something else would happen by now than the words said, nothing does.  The change, how to
           undo it and the proposal's state are one transaction: it happens exactly once, whatever crashes.
COMMANDS   `/add task Call Bob` is add_task with name "Call Bob"; `/tasks` is list_tasks.  All are read off the tools.
"""

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipulate.chat.memory import erase
from pipulate.chat.tools import TOOLS, Change, Desk, Undo, check, row_of, schema
from pipulate.engine.errors import Invalid, Refused, Stale, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store, now

LONGEST = 8000  # characters of a result: a model has to read it


@dataclass(frozen=True)
class Proposal:
    """A change that waits for the user's Yes, who may edit the `arguments` before."""

    id: int
    tool: str
    arguments: dict[str, str]
    words: str
    profile: int
    state: str = "open"  #: open, done, refused or undone
    undoable: bool = False


def call(desk: Desk, name: str, arguments: Mapping[str, Any]) -> str | Proposal:
    """Do what a reading tool does, or propose what a changing one would do.  Raises a PipulateError."""
    given = check(name, arguments)
    made = TOOLS[name](desk, **given)
    if not inspect.isgenerator(made):
        return made if len(made) <= LONGEST else f"{made[:LONGEST]}\n\n(Cut here: there is more.)"
    words = str(next(made))
    sql = "INSERT INTO proposal (at, tool, arguments, profile_id, words) VALUES (?, ?, ?, ?, ?)"
    id = desk.store.write(
        sql, now(), name, json.dumps(given, ensure_ascii=False), desk.profile, words
    )
    return Proposal(id, name, given, words, desk.profile)


def get(store: Store, id: int) -> Proposal:
    """Return a proposal as it stands; raises Unknown."""
    row = store.one("SELECT * FROM proposal WHERE id = ?", id)
    if row is None:
        raise Unknown("There is no such proposal (any more).")
    arguments = json.loads(row["arguments"])
    return Proposal(
        id, row["tool"], arguments, row["words"], row["profile_id"], row["state"], row["undo"] != ""
    )


def confirm(desk: Desk, id: int, arguments: Mapping[str, Any] | None = None) -> Proposal:
    """The user said Yes, perhaps to edited arguments: do it, once.  After any PipulateError nothing was done."""
    shown = get(desk.store, id)
    given = shown.arguments if arguments is None else check(shown.tool, arguments)
    change: Change = TOOLS[shown.tool](replace(desk, profile=shown.profile), **given)
    words = next(change)
    if given == shown.arguments and words != shown.words:
        raise Stale(
            f"Things have changed since this was proposed. Now it would be: {words} Ask again."
        )
    with desk.store.transaction() as db:
        _step(desk.store, id, "open", "done")
        try:
            next(change)
        except StopIteration as end:
            undo: Undo = end.value
        values = (
            json.dumps(undo) if undo else "",
            json.dumps(given, ensure_ascii=False),
            words,
            id,
        )
        db.execute("UPDATE proposal SET undo = ?, arguments = ?, words = ? WHERE id = ?", values)
    try:
        return get(desk.store, id)
    except Unknown:  # it was about a memory, and went with it
        erase(desk.store)
        return replace(shown, arguments={}, words="Forgotten.", state="done")


def refuse(store: Store, id: int) -> Proposal:
    """The user said No."""
    _step(store, id, "open", "refused")
    return get(store, id)


def undo(store: Store, id: int) -> Proposal:
    """Take a done change back; raises Refused if what it changed has been changed again since, or cannot be undone."""
    row = store.one("SELECT undo FROM proposal WHERE id = ?", id)
    if not row or not row["undo"]:
        raise Refused("This cannot be undone.")
    with store.transaction():
        _step(store, id, "done", "undone")
        for table, key, *states in reversed(json.loads(row["undo"])):
            if table == "run":
                Pipulate(store, key).undo(states[0], rev=states[1])
                continue
            before, after = states
            if row_of(store, table, key) != after:
                raise Refused("It has been changed again since, so it cannot be undone by itself.")
            if after:
                store.db.t[table].delete(key)
            if before:
                store.db.t[table].insert(before)
    return get(store, id)


def _step(store: Store, id: int, old: str, new: str) -> None:
    with store.transaction() as db:
        db.execute("UPDATE proposal SET state = ? WHERE id = ? AND state = ?", (new, id, old))
        if not db.changes():
            raise Refused(f"This is {get(store, id).state} already.")


# ---------------------------------------------------------------- slash commands


def commands() -> dict[str, str]:
    """Return {how it is typed: tool}, such as {"tasks": "list_tasks", "add task": "add_task"}."""
    return {name.removeprefix("list_").replace("_", " "): name for name in TOOLS}


def parse(line: str) -> tuple[str, dict[str, str]]:
    """Return (tool, arguments) of a slash command; raises Unknown or Invalid, saying how it is written."""
    typed = " ".join(line.strip().removeprefix("/").split(" "))
    for spelled, name in sorted(commands().items(), key=lambda pair: -len(pair[0])):
        match = re.match(rf"{spelled.replace(' ', '[ _]')}(?:\s+|$)", typed, re.IGNORECASE)
        if match:
            return name, _arguments(name, typed[match.end() :].strip())
    raise Unknown(f"There is no command “/{typed[:40]}”. Type /help for a list.")


def _arguments(name: str, given: str) -> dict[str, str]:
    """Read `key=value` pairs at the beginning or end; what stands between goes by place, its rest to the last argument."""
    wanted = schema(TOOLS[name])
    names, found = list(wanted["properties"]), {}
    pair = rf"({'|'.join(names) or '-'})=(\"[^\"]*\"|\S+)"
    while match := re.match(rf"{pair}(?:\s+|$)", given) or re.search(rf"(?:^|\s+){pair}$", given):
        found[match[1]] = match[2].strip('"')
        given = given[: match.start()] + given[match.end() :]
    free = [key for key in names if key not in found]
    for key in [key for key in free if key in wanted["required"]] or free[:1]:
        last = key == free[-1] or not any(
            k in wanted["required"] for k in free[free.index(key) + 1 :]
        )
        one = re.match(r"\"([^\"]+)\"\s*|(\S+)\s*", given)
        if one and (not last or one.end() == len(given)):
            found[key], given = one[1] or one[2], given[one.end() :]
        elif given:
            found[key], given = given, ""
    if given:
        raise Invalid(f"That is one argument too many: “{given}”. {usage(name)}")
    if missing := [key for key in wanted["required"] if key not in found]:
        raise Invalid(f"{missing[0]} is missing. {usage(name)}", missing[0])
    return found


def usage(name: str) -> str:
    """Return how the command of a tool is written."""
    wanted = schema(TOOLS[name])
    spelled = next(spelled for spelled, tool in commands().items() if tool == name)
    return " ".join(
        [
            f"/{spelled}",
            *(
                key.upper() if key in wanted["required"] else f"[{key.upper()}]"
                for key in wanted["properties"]
            ),
        ]
    )


def help_text() -> str:
    """Return the list of commands, in Markdown; of each description the first sentence, the rest is for models."""
    return "\n".join(
        f"- `{usage(name)}`: {(inspect.getdoc(tool) or '').split('. ')[0].rstrip('.')}."
        for name, tool in TOOLS.items()
    )
