"""An answer, and what rests on it.

ASKED    Beside each answer stands which question it was given to:
         {"step_02": {"key": "budget", "fields": {"budget": "number"},
                      "read": {"name": "9f86d081"}, "sent": "60303ae2"}}
         key     of the step that held the id then
         fields  of its form, with their kinds
         kinds   of values that are no plain JSON (see `values`)
         files   that the step wrote
         read    what the form, `accept` or work read of earlier answers, each
                 with its fingerprint: "name" (the answer), "name.*" (all
                 fields), "*" (everything); without it, nobody knows
         sent    the fingerprint of the form as it was sent
HOLDS    An answer holds while what it read is as it was.  After a change, the
         later ones come back in order, up to the first that does not hold:
         that one is open, with what it was.  So is one with `again`.
ONE      Each change is made of one revision, and refused if there is a newer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipulate.engine import forms, values
from pipulate.engine import record as rec
from pipulate.engine.calls import call
from pipulate.engine.errors import Finalized, Stale
from pipulate.engine.pipeline import LOCKED, STALE, Kind
from pipulate.engine.record import Record, knows
from pipulate.engine.workflow import Run, Step

Submitted = Mapping[str, list[Any]]


@dataclass(eq=False)
class Question:
    """The form of an open step, as it was made for this run."""

    run: Run
    step: Step
    seen: Run  #: the run as the step sees it
    inside: Any  #: the components of its form
    #: Its files, kept where none is chosen.
    known: forms.Values = field(default_factory=dict)


async def question(run: Run, step: Step) -> Question:
    """Call the step's function."""
    seen = run.before(step)
    return Question(run, step, seen, await call(step.function, seen), run.was(step.key))


def is_known(run: Run) -> bool:
    """Say whether each answer tells its question; 0.1.0 did not note it."""
    asked = run.state.get("asked", {})
    here = (place for place in rec.step_ids(run.state) if rec.is_done(run.state, place))
    return all(place in asked for place in (*here, *run.state.get("was", ())))


def is_stored(run: Run, step: Step, submitted: Submitted, rev: int | None = None) -> bool:
    """Say whether this very answer was given: a double click.

    Raises Refused unless the step is open, in a run of the revision `rev`.
    """
    if run.state.get("finalized"):
        raise Finalized(LOCKED)
    if run.open_index == step.number - 1:
        if rev not in (None, run.rev):
            raise Stale(STALE)
        return False
    done = rec.is_done(run.state, step.id)
    if done and run.entry(step).get("sent") == rec.fingerprint(submitted):
        return True
    where = "already answered" if done else "not reached yet"
    raise Stale(
        f"“{step.label}” is {where}; nothing was changed. This page was "
        "probably open in another tab. Below is how the run stands now."
    )


async def accepted(asked: Question, submitted: Submitted) -> forms.Values:
    """Return what was submitted as the form reads and `accept` shapes it."""
    wanted = forms.fields(asked.inside)
    read = forms.read(wanted, forms.keep(wanted, submitted, asked.known))
    if asked.step.accept_function:
        shaped = await call(asked.step.accept_function, asked.seen, read)
        if isinstance(shaped, dict):
            return shaped
    return read


async def answer(asked: Question, submitted: Submitted) -> int:
    """Store the answer; return how many later ones hold again.

    Updates the question's `run`.  Raises Invalid, Refused, and what `accept`
    raises: then nothing was stored.
    """
    return await asyncio.to_thread(store, asked, submitted, await accepted(asked, submitted))


def store(asked: Question, submitted: Submitted, read: forms.Values) -> int:
    """Store what was `accepted`."""
    kinds = {item.name: item.kind for item in forms.fields(asked.inside)}
    entry = {"fields": kinds, "sent": rec.fingerprint(submitted)}
    return put(asked.seen, asked.run, asked.step, read, f"set {asked.step.id}", entry)


def rests(seen: Run, step: Step, record: Record) -> bool:
    """Say whether the record now is of the same run, and all that the step read as it was."""
    run = replace(seen, state=record, reads=None)
    same = record.get("created") == seen.state.get("created")
    known = same and knows(record, run.flow.places)
    return known and holds(run.before(step), dict(seen.reads or {}))


def holds(seen: Run, reads: Mapping[str, str] | None) -> bool:
    """Say whether all that was read is as it was."""
    if reads is None:
        return False
    return all(seen.fingerprint(what) == known for what, known in reads.items())


def put(
    seen: Run,
    run: Run,
    step: Step,
    data: Mapping[str, Any],
    act: str,
    entry: Record,
    kind: Kind = Kind.ANSWER,
) -> int:
    """Store what the step made of `seen`; return how many later ones hold again."""
    entry = {"key": step.key, "fields": {}, **entry, "read": seen.reads}
    folder = run.engine.store.folder
    made: list[Record] = []
    if step.work or seen.desk:
        from pipulate.engine.kept import beside

        held, kinds, made = beside(data, step.key, seen.desk, folder)
    else:
        held, kinds = values.encode(data, folder)
    more = {"kinds": kinds, "files": made}
    entry |= {name: value for name, value in more.items() if value}
    asked = {**run.state.get("asked", {}), step.id: entry}
    was = {**run.state.get("was", {}), step.id: held}
    state = {**rec.without(run.state, step.id), "asked": asked, "was": was}
    record, back = settled(replace(run, state=state, reads=None), step)
    change = partial(rec.restore, record)
    run.state, run.rev = run.engine.change(run.id, act, change, kind=kind, rev=run.rev)
    if seen.desk:
        seen.desk.remove()
    return back


def settled(run: Run, first: Step) -> tuple[Record, int]:
    """Return the record with what holds from `first` on, and how many came back after it.

    All of that is held in `was`.  If an earlier step is open, none does.
    """
    following = run.flow.steps[first.number - 1 :]
    state = {**run.state}
    was = {**state.pop("was", {})}
    was |= {step.id: state.pop(step.id) for step in following if step.id in state}
    run = replace(run, state=state)
    back = -1
    if run.open_index < first.number - 1:
        following = []
    for step in filter(run.has, following):  # each sees what came back before it
        if step is not first and not _comes_back(run, step, was):
            break
        state[step.id] = was.pop(step.id)
        back += 1
    if was:
        state["was"] = was
    return state, max(back, 0)


def _comes_back(run: Run, step: Step, was: Record) -> bool:
    entry = run.entry(step)
    known = step.id in was and entry.get("key") == step.key
    return known and not step.again and holds(run, entry.get("read"))
