"""Runs as lines of JSON, to carry from one data folder to another.

FORMAT   {"pipulate": 1, "workflow": "bridge", "id": "arthur", "rev": 7,
          "record": {…}}
IMPORT   never overwrites a different run; the same one changes nothing.
"""

import json
from contextlib import suppress
from typing import Any

from pipulate.engine import record as rec
from pipulate.engine.errors import Invalid
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Row

EXPECTED = 'expected {"workflow": ..., "id": ..., "record": {...}}.'


def export(engine: Pipulate, id: str) -> dict[str, Any]:
    """Return the run as one JSON object for `import_run`."""
    record, rev = engine.load(id)
    id = engine.normalise(id)
    return {
        "pipulate": 1,
        "workflow": engine.workflow,
        "id": id,
        "rev": rev,
        "record": record,
    }


def export_lines(engine: Pipulate, rows: list[Row]) -> str:
    """Return the runs of these rows, of any workflow, for `import_lines`."""
    runs = (export(engine.for_workflow(row["workflow"]), row["id"]) for row in rows)
    return "".join(json.dumps(run, ensure_ascii=False) + "\n" for run in runs)


def import_run(engine: Pipulate, data: Any) -> str:
    """Store an exported run and return its ID; raises Invalid, Corrupt."""
    match data:
        case {"id": str(id), "record": dict(record)} if data.get("pipulate", 1) == 1:
            workflow = str(data.get("workflow") or engine.workflow)
        case _:
            raise Invalid(f"This is not an exported run: {EXPECTED}")
    if not workflow:
        raise Invalid(f"This run does not say of which workflow it is: {EXPECTED}")
    engine = engine.for_workflow(workflow)
    id = engine.normalise(id)
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
    runs = _read(text)
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
