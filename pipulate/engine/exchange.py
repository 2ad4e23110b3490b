"""Runs as lines of JSON, to carry from one data folder to another.

FORMAT   {"pipulate": 1, "workflow": "bridge", "id": "arthur", "rev": 7,
          "record": {…}}, or "damaged": its text, which import passes over
IDS      are read by nobody: here and there they are what they are.
IMPORT   never overwrites a different run; the same one changes nothing.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, Invalid, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Row

EXPECTED = 'expected {"workflow": ..., "id": ..., "record": {...}}.'


def exact(engine: Pipulate, workflow: str = "") -> Pipulate:
    """Return an engine that takes IDs as they are stored."""
    return Pipulate(engine.store, workflow or engine.workflow, str)


def stored(engine: Pipulate, id: str) -> Row:
    """Return the row of the run `id`, or else of the one that it names."""
    row = exact(engine).row(id) or engine.row(id)
    if row is None:
        raise Unknown(f"There is no run {id!r} in {engine.workflow!r}.")
    return row


def export(row: Row) -> dict[str, Any]:
    """Return the run as one JSON object for `import_run`; raises Corrupt."""
    return {**_name(row), "record": rec.loads(row["data"])}


def _name(row: Row) -> dict[str, Any]:
    return {"pipulate": 1, **{key: row[key] for key in ("workflow", "id", "rev")}}


def export_lines(rows: Iterable[Row]) -> tuple[str, list[Row]]:
    """Return runs of any workflow for `import_lines`, and the damaged ones."""
    runs = []
    damaged = []
    for row in rows:
        try:
            runs.append(export(row))
        except Corrupt:
            runs.append({**_name(row), "damaged": row["data"]})
            damaged.append(row)
    lines = "".join(json.dumps(run, ensure_ascii=False) + "\n" for run in runs)
    return lines, damaged


def import_run(engine: Pipulate, data: Any) -> str:
    """Store an exported run and return its ID; raises Invalid, Corrupt."""
    match data:
        case {"id": str(id), "record": dict(record)} if data.get("pipulate", 1) == 1:
            workflow = str(data.get("workflow") or engine.workflow)
        case _:
            raise Invalid(f"This is not an exported run: {EXPECTED}")
    if not workflow:
        raise Invalid(f"This run does not say of which workflow it is: {EXPECTED}")
    rec.normalise_id(id)  # raises for what is none
    engine = exact(engine, workflow)
    record = rec.loads(rec.dumps(record))
    with engine.store.transaction():
        row = engine.row(id)
        if row is None:
            engine.add(id, record)
        elif rec.loads(row["data"]) != record:
            raise Invalid(
                f"A different run {id!r} exists already. "
                "Delete it first, or change the ID in the file."
            )
    return id


def import_lines(engine: Pipulate, text: str) -> list[str]:
    """Import all runs or none, one JSON object a line; return their IDs."""
    runs = [run for run in _read(text) if not (isinstance(run, dict) and "damaged" in run)]
    if not runs:
        raise Invalid("The file is empty. Choose a file that was exported here.")
    with engine.store.transaction():
        return [import_run(engine, run) for run in runs]


def _read(text: str) -> list[Any]:
    with suppress(ValueError):  # several lines, then
        return [json.loads(text)]
    lines = text.split("\n")  # an answer may hold other line ends
    try:
        return [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise Invalid(f"This is not an export of runs: it is not JSON ({error}).") from error
