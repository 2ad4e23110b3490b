"""Nothing is changed without a Yes: calling tools, and what they propose.

CALL      A reading tool returns its text.  A changing one goes as far as
          the words of what exactly will happen, a row of `proposal`:
          open -> done -> undone, or open -> refused.
YES       Only `confirm` goes on, and only the user's own click calls it.
          It starts the tool anew: if something else would happen by now
          than the words said, nothing does.  The change, how to undo it
          and the state are one transaction: it happens exactly once.
COMMANDS  `/add task Call Bob` is add_task, `/tasks` is list_tasks.
"""

import asyncio
import inspect
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pipulate.chat.desk import Desk, row_of
from pipulate.chat.memory import erase
from pipulate.chat.tools import TOOLS, Change, Undo, check, schema
from pipulate.engine.errors import Invalid, Refused, Stale, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store, now

LONGEST = 8000  # characters of a result: a model has to read it
#: Tools have threads of their own: a slow one keeps nobody from the store.
_THREADS = ThreadPoolExecutor(4, thread_name_prefix="tool")


@dataclass(frozen=True)
class Proposal:
    """A change that waits for the user's Yes, who may edit `arguments`."""

    id: int
    tool: str
    arguments: dict[str, str]
    words: str
    profile: int
    state: str = "open"  #: open, done, refused or undone
    undoable: bool = False


async def called(desk: Desk, name: str, arguments: Mapping[str, Any]) -> str | Proposal:
    """What `call` returns, without blocking the loop."""
    act = partial(copy_context().run, call, desk, name, arguments)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, act)


def call(desk: Desk, name: str, arguments: Mapping[str, Any]) -> str | Proposal:
    """What a reading tool says, or what a changing one would do."""
    given = check(name, arguments)
    made = TOOLS[name](desk, **given)
    if inspect.isgenerator(made):
        insert = """INSERT INTO proposal (at, tool, arguments, profile_id, words)
            VALUES (?, ?, ?, ?, ?)"""
        id = desk.store.write(insert, now(), name, _json(given), desk.profile, next(made))
        return get(desk.store, id)
    if len(made) > LONGEST:
        return f"{made[:LONGEST]}\n\n(Cut here: there is more.)"
    return str(made)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def get(store: Store, id: int) -> Proposal:
    """A proposal as it stands; raises Unknown."""
    query = """SELECT id, tool, arguments, words, profile_id AS profile, state,
        undo != '' AS undoable FROM proposal WHERE id = ?"""
    row = store.one(query, id)
    if row is None:
        raise Unknown("There is no such proposal (any more).")
    return Proposal(**row | {"arguments": json.loads(row["arguments"])})


def confirm(desk: Desk, id: int, arguments: Mapping[str, Any] | None = None) -> Proposal:
    """The user said Yes: do it, once.  Any PipulateError: nothing was done."""
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
        undo = _finish(change)
        update = "UPDATE proposal SET undo = ?, arguments = ?, words = ? WHERE id = ?"
        db.execute(update, (json.dumps(undo) if undo else "", _json(given), words, id))
    try:
        return get(desk.store, id)
    except Unknown:  # it was about a memory, and went with it
        erase(desk.store)
        return replace(shown, arguments={}, words="Forgotten.", state="done")


def _finish(change: Change) -> Undo:
    try:
        next(change)
    except StopIteration as end:
        undo: Undo = end.value
        return undo
    raise TypeError("a tool yields once")


def refuse(store: Store, id: int) -> Proposal:
    """The user said No."""
    _step(store, id, "open", "refused")
    return get(store, id)


def undo(store: Store, id: int) -> Proposal:
    """Take a change back; Refused if it cannot be, or was changed since."""
    row = store.one("SELECT undo FROM proposal WHERE id = ?", id)
    if not row or not row["undo"]:
        raise Refused("This cannot be undone.")
    with store.transaction():
        _step(store, id, "done", "undone")
        for step in reversed(json.loads(row["undo"])):
            _put_back(store, *step)
    return get(store, id)


def _put_back(store: Store, table: str, key: Any, before: Any, after: Any) -> None:
    if table == "run":  # whose ID is `before`, and its revision `after`
        Pipulate(store, key, str).undo(before, rev=after)
        return
    if row_of(store, table, key) != after:
        raise Refused("It has been changed again since, so it cannot be undone by itself.")
    if after:
        store.db.t[table].delete(key)
    if before:
        store.db.t[table].insert(before)


def _step(store: Store, id: int, old: str, new: str) -> None:
    with store.transaction() as db:
        db.execute(
            "UPDATE proposal SET state = ? WHERE id = ? AND state = ?",
            (new, id, old),
        )
        if not db.changes():
            raise Refused(f"This is {get(store, id).state} already.")


# --- slash commands


def commands() -> dict[str, str]:
    """Return {how it is typed: tool}, such as {"tasks": "list_tasks"}."""
    return {name.removeprefix("list_").replace("_", " "): name for name in TOOLS}


def parse(line: str) -> tuple[str, dict[str, str]]:
    """Return (tool, arguments) of a command; raises Unknown or Invalid."""
    typed = line.strip().removeprefix("/")
    for spelled, name in sorted(commands().items(), key=lambda pair: -len(pair[0])):
        match = re.match(rf"{spelled.replace(' ', '[ _]')}(?:\s+|$)", typed, re.IGNORECASE)
        if match:
            return name, _arguments(name, typed[match.end() :].strip())
    raise Unknown(f"There is no command “/{typed[:40]}”. Type /help for a list.")


def _arguments(name: str, given: str) -> dict[str, str]:
    # `key=value` at the beginning or end; what stands between goes by place.
    wanted = schema(TOOLS[name])
    required = wanted["required"]
    keys = list(wanted["properties"])
    found, given = _named(keys, given)
    free = [key for key in keys if key not in found]
    by_place = [key for key in free if key in required] or free[:1]
    for key in by_place:
        if given:
            found[key], given = _next(given, last=key == by_place[-1])
    if given:
        raise Invalid(f"That is one argument too many: “{given}”. {usage(name)}")
    for key in required:
        if key not in found:
            raise Invalid(f"{key} is missing. {usage(name)}", key)
    return found


def _named(names: list[str], given: str) -> tuple[dict[str, str], str]:
    found: dict[str, str] = {}
    pair = rf"({'|'.join(names) or '-'})=(\"[^\"]*\"|\S+)"
    while True:
        match = re.match(rf"{pair}(?:\s+|$)", given) or re.search(rf"(?:^|\s+){pair}$", given)
        if not match:
            return found, given
        found[match[1]] = match[2].strip('"')
        given = given[: match.start()] + given[match.end() :]


def _next(given: str, last: bool) -> tuple[str, str]:
    # a word, or "some in quotes", and the rest; the last takes all
    one = re.match(r"\"([^\"]+)\"\s*|(\S+)\s*", given)
    if one and (not last or one.end() == len(given)):
        return one[1] or one[2], given[one.end() :]
    return given, ""


def usage(name: str) -> str:
    """How a tool's command is written: /add task NAME."""
    wanted = schema(TOOLS[name])
    words = [f"/{spelled}" for spelled, tool in commands().items() if tool == name]
    for key in wanted["properties"]:
        words.append(key.upper() if key in wanted["required"] else f"[{key.upper()}]")
    return " ".join(words)


def help_text() -> str:
    """The commands in Markdown."""
    lines = []
    for name, tool in TOOLS.items():
        first = (inspect.getdoc(tool) or "").split(". ")[0].rstrip(".")
        lines.append(f"- `{usage(name)}`: {' '.join(first.split())}.")
    return "\n".join(lines)
