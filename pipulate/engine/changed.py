"""Which question an answer was given to, where that is not known for certain.

RENAMED   A new step may be a gone one under another name: where the forms
          have the same fields, that is asked, never guessed.  A field that is
          named like its step is the same if both were renamed.  Work that did
          outward acts and came to no result is one, too.
0.1.0     did not note keys.  Such an answer belongs where it stands, if the
          form there has its fields (see `opened`); else it is gone, under
          its id, and may be asked about.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from pipulate.engine import forms, values
from pipulate.engine import record as rec
from pipulate.engine.answers import is_known, question, settled
from pipulate.engine.errors import Invalid, OutOfOrder
from pipulate.engine.forms import Field
from pipulate.engine.kept import of_before
from pipulate.engine.pipeline import Kind
from pipulate.engine.places import Fit, parted, unknown
from pipulate.engine.record import Record
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Step, Workflow

MARKER = "answered"  #: by which 0.1.0 told an empty answer from none


async def opened(flow: Workflow, store: Store, id: str, settings: Settings) -> Run:
    """Return the run as stored, each answer with the question that it was given to.

    Raises Unknown, Corrupt, Incompatible.
    """
    run = flow.load(store, id, settings)
    return run if is_known(run) else await _verified(run)


# --- renamed steps


def former(run: Run, step: Step, inside: Any) -> list[str]:
    """Return the keys of gone answers that may be this step's, by its form's inside."""
    if step.id in run.state.get("was", {}):
        return []  # it was answered by its own name
    names = {item.name for item in forms.fields(inside)}
    gone: Record = run.state.get("gone", {})
    same = [key for key, entry in gone.items() if entry["fields"].keys() - {MARKER} == names]
    wanted = _alike(step.key, names)
    alike = same or [key for key, entry in gone.items() if _alike(key, entry["fields"]) & wanted]
    return [*alike, *(key for key in acted(run, step) if key not in gone)]


def acted(run: Run, step: Step) -> list[str]:
    """Return the keys of gone steps whose outward acts may be this step's own."""
    acts = run.state.get("once", {})
    mine = tuple(f"{key}:" for key in run.flow.places)
    if not step.work or any(name.startswith(f"{step.key}:") for name in acts):
        return []
    taken = {name.partition(":")[2] for name in acts if name.startswith(mine)}
    others = [name.partition(":") for name in acts if not name.startswith(mine)]
    return list(dict.fromkeys(key for key, _, act in others if act not in taken))


def _alike(key: str, fields: Iterable[str]) -> set[frozenset[str]]:
    # work has no fields: one is like another
    names = frozenset(fields) - {MARKER}
    own = frozenset("" if name == key else name for name in names)
    if len(names) == 1 and key.startswith("step_"):
        own = frozenset({""})  # 0.1.0 did not say what it asked
    return {names, own}


def take(run: Run, step: Step, inside: Any, key: str) -> None:
    """Take a gone answer as the open step's; updates the run.  Raises Refused."""
    if key not in former(run, step, inside) or run.open_index != step.number - 1:
        raise OutOfOrder(f"There is no answer to {key!r} that this step could take.")
    if key not in run.state.get("gone", {}):  # it did something, and left no result
        acts = partial(_known_as, step.key, key)
        run.state, run.rev = run.engine.change(run.id, f"set {step.id}", acts, rev=run.rev)
        return
    entry, held = parted(run.state["gone"][key])
    data = held.get("answer", held.get("was"))
    names = [item.name for item in forms.fields(inside)]
    if isinstance(data, dict) and names:
        known = [name for name in entry["fields"] if name != MARKER]
        data = _named(data, known, names)
        entry = {**entry, "fields": _named(entry["fields"], known, names)}
    gone = rec.without(run.state["gone"], key)
    others = run.state.get("asked", {})
    asked = {place: _renamed(kept, key, step.key) for place, kept in others.items()}
    asked[step.id] = {**entry, "key": step.key}
    was = {**run.state.get("was", {}), step.id: data}
    state = {**run.state, "gone": gone, "asked": asked, "was": was}
    if not gone:
        del state["gone"]
    record, _ = settled(replace(run, state=state), step)

    def change(now: Record) -> Record:
        return _known_as(step.key, key, rec.restore(record, now))

    run.state, run.rev = run.engine.change(run.id, f"set {step.id}", change, rev=run.rev)


def _known_as(new: str, old: str, record: Record) -> Record:
    """Let the outward acts of a renamed step be its own: they are not repeated."""
    acts = record.get("once", {})
    mine = f"{old}:"
    taken = {
        f"{new}:{name.removeprefix(mine)}": act
        for name, act in acts.items()
        if name.startswith(mine)
    }
    return {**record, "once": {**taken, **acts}} if taken else record


def _named(data: Record, old: Sequence[str], new: Sequence[str]) -> Record:
    # The one field that was renamed with its step.
    left = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    names = dict(zip(left, come, strict=False))
    return {names.get(name, name): value for name, value in data.items()}


def _renamed(entry: Record, old: str, new: str) -> Record:
    reads = entry.get("read")
    if not reads:
        return entry
    names = {old: new, f"{old}.*": f"{new}.*"}
    return {**entry, "read": {names.get(what, what): known for what, known in reads.items()}}


# --- records of 0.1.0


async def _verified(run: Run) -> Run:
    """Return the run with the question of each answer noted, in one act."""
    known = run.state.get("asked", {})
    fit = Fit({**run.state, "asked": {}})
    fit.asked = {**known}
    forms_of = await _forms(replace(run, state=fit.rest))
    for name, source in (("answer", fit.rest), ("was", fit.was)):
        for place in [place for place in rec.step_ids(source) if place not in known]:
            if name == "answer" and not rec.is_done(source, place):
                continue
            step = next((step for step in run.flow.steps if step.id == place), None)
            if step and _fits(step, forms_of, source[place]):
                items = forms_of.get(step.key) or []
                source[place], fit.asked[place] = _read(run, step, items, source[place])
            else:
                fit.gone[place] = unknown(place, source.pop(place), name)
    fit_to = partial(rec.restore, fit.record())
    act = partial(run.engine.change, kind=Kind.UPGRADE, locked=True, rev=run.rev)
    record, rev = await asyncio.to_thread(act, run.id, "the workflow changed", fit_to)
    return replace(run, state=record, rev=rev)


async def _forms(run: Run) -> dict[str, list[Field]]:
    made = {}
    for step in run.flow.steps:
        with suppress(Exception):  # some forms cannot be made now
            if not step.work:
                made[step.key] = forms.fields((await question(run, step)).inside)
    return made


def _fits(step: Step, forms_of: Mapping[str, list[Field]], data: Any) -> bool:
    names = {key: {item.name for item in items} for key, items in forms_of.items()}
    held = data.keys() - {MARKER} if isinstance(data, dict) else set()
    if step.key in names and names[step.key] <= held:
        return True
    # Work has no fields, an `accept` may replace them: no other form is just this.
    unsure = step.work or step.key not in names or step.accept_function is not None
    return unsure and held not in names.values()


def _read(run: Run, step: Step, items: Sequence[Field], data: Any) -> tuple[Any, Record]:
    # As the form reads it now: 0.1.0 kept numbers as texts.
    entry: Record = {"key": step.key, "fields": {item.name: item.kind for item in items}}
    if not isinstance(data, dict):
        return data, entry
    folder = run.engine.store.folder
    data = values.decode(data, {}, folder)
    for item in items:
        if item.kind == "file" and isinstance(data.get(item.name), str):
            data[item.name] = of_before(data[item.name], folder) or data[item.name]
    typed = {key: value for key, value in data.items() if key != MARKER or key in entry["fields"]}
    for item in items:
        value = data.get(item.name, [])
        with suppress(Invalid):
            typed |= forms.read([item], {item.name: value if isinstance(value, list) else [value]})
    held, kinds = values.encode(typed, folder)
    return held, entry | ({"kinds": kinds} if kinds else {})
