"""Files that come with a form: kept by what is in them, or not at all.

REMEMBERED  A file is received before the other fields are read.  If one of
            them is refused, the store knows the file, and nobody sends it
            twice.
KEPT        The card shows the files it knows, those of a changed answer too;
            what it showed with a tick is kept if no other is chosen.  Only
            names of fields travel, never paths.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastcore.xml import (
    FT,
    Input,
    Label,
    Small,
)
from starlette.datastructures import FormData, UploadFile

from pipulate.engine import forms, values
from pipulate.engine import record as rec
from pipulate.engine.answers import Question
from pipulate.engine.store import now
from pipulate.engine.values import File
from pipulate.engine.workflow import Run, Step
from pipulate.web.filling import after

KEEP = f"{rec.RESERVED}keep"  #: names a field whose known file is kept


async def received(form: FormData, run: Run, step: Step) -> dict[str, list[Any]]:
    """Return a form's values, files as `File`; raises CannotWrite."""
    sent: dict[str, list[Any]] = {}
    for name, item in form.multi_items():
        if name.startswith(rec.RESERVED):
            continue
        value: Any = item
        if isinstance(item, UploadFile):
            value = await asyncio.to_thread(_save, item, run.engine.store.folder)
        sent.setdefault(name, []).append(value)
    files = _files(sent)
    if files and not rec.is_done(run.state, step.id):
        await asyncio.to_thread(_remember, run, step, files)
    return sent


def _save(upload: UploadFile, folder: Path) -> File | None:
    if not upload.filename:
        return None
    from pipulate.engine.kept import keep, plain_name  # seldom: a file came

    return keep(upload.file, plain_name(upload.filename), folder)


def _files(sent: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: items for name, items in sent.items() if any(isinstance(x, File) for x in items)}


def _key(run: Run, step: Step) -> str:
    return f"uploads {json.dumps([run.flow.name, run.id, step.key])}"


def _remember(run: Run, step: Step, files: dict[str, list[Any]]) -> None:
    store = run.engine.store
    with store.transaction():
        new, _ = values.encode(files, store.folder)
        files = {**_remembered(run, step), **new}
        created = run.state.get("created")
        store[_key(run, step)] = {"at": now(), "created": created, "files": files}


def _remembered(run: Run, step: Step) -> dict[str, Any]:
    known = run.engine.store.get(_key(run, step), {})
    if known.get("created") != run.state.get("created"):  # of an earlier run of that ID
        return {}
    return dict(known["files"])


async def forget(run: Run, step: Step) -> None:
    """Remember no files of the step, as it is answered."""
    key = _key(run, step)
    if key in run.engine.store:
        await asyncio.to_thread(run.engine.store.__delitem__, key)


def recall(asked: Question) -> None:
    """Let a question know the files that were sent before, too."""
    controls = [item.name for item in forms.fields(asked.inside) if item.kind == "file"]
    if controls:
        store = asked.run.engine.store
        remembered = _remembered(asked.run, asked.step)
        known = {**asked.known, **values.decode(remembered, {}, store.folder)}
        asked.known = {name: known.get(name) for name in controls}


def choose(asked: Question, form: FormData, sent: dict[str, list[Any]]) -> None:
    """Let a question know only those files that its form says are kept, or sent."""
    recall(asked)
    wanted = {*_files(sent), *map(str, form.getlist(KEEP))}
    asked.known = {name: file for name, file in asked.known.items() if name in wanted}


def shown(asked: Question, inside: Any) -> Any:
    """Return a form with the names of known files, each behind its field."""
    parts = inside if isinstance(inside, tuple) else (inside,)
    for item, own in zip(forms.fields(parts), forms.fields(asked.inside), strict=True):
        known = asked.known.get(item.name)
        files = known if isinstance(known, list) else [known]
        names = [file.name for file in files if isinstance(file, File)]
        if item.kind == "file" and names:
            parts = after(parts, item.parts[0], _note(own, ", ".join(names)))
    return parts[0] if len(parts) == 1 else parts


def _note(item: forms.Field, names: str) -> FT:
    if not item.required:
        tick = Input(type="checkbox", name=KEEP, value=item.name, checked=True)
        return Label(tick, f"Keep {names}, unless another is chosen", cls="kept")
    hidden = Input(type="hidden", name=KEEP, value=item.name)
    return Small(f"{names} is kept, unless another is chosen.", hidden, cls="hint kept")
