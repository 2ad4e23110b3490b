"""`pipulate runs`: list, show, delete, export or import runs.

pipulate runs                         the newest first; --json: as for `import`
pipulate runs show WORKFLOW ID        one, to read
pipulate runs export [WORKFLOW ID]    one, or all, for `import`: lines, or
                                      with files a zip; --to FILE
pipulate runs import [FILE]           from a file, or from stdin
pipulate runs delete WORKFLOW ID
"""

import io
import json
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pipulate.botify.urls import run_id
from pipulate.commands import parser
from pipulate.commands.run import find
from pipulate.engine import files
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.exchange import (
    ALL,
    exact,
    export,
    export_file,
    export_lines,
    import_file,
    readable,
    stored,
)
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Row

ACTS = ("list", "show", "delete", "export", "import")


def main(argv: Sequence[str], settings: Settings) -> None:
    """Raises Invalid, Unknown."""
    reader = parser(__doc__)
    reader.add_argument("act", nargs="?", default="list", choices=ACTS)
    what = "a workflow and a run ID; a file (or -) for import"
    reader.add_argument("what", nargs="*", metavar="WORKFLOW ID", help=what)
    reader.add_argument("--json", action="store_true", help="JSON lines")
    reader.add_argument("--to", metavar="FILE", type=Path, help="where to export to, not stdout")
    args = reader.parse_args(argv)
    engine = Pipulate.open(settings.data)
    try:
        if args.act == "import":
            _import(engine, args.what)
        elif args.act == "list":
            print(_list(engine, args.json), end="")
        elif args.act == "export" and not args.what:
            _export(engine, engine.runs(limit=ALL), args.to)
        elif len(args.what) == 2:
            workflow, id = args.what
            reading = partial(_normalise, settings, workflow)
            _one(Pipulate(engine.store, workflow, reading), args.act, id, args)
        else:
            raise Invalid(f"`pipulate runs {args.act}` needs a workflow and a run ID.")
    finally:
        engine.store.close()


def _normalise(settings: Settings, workflow: str, text: str) -> str:
    with suppress(PipulateError):  # it does not load, or is written by hand
        return find(workflow, settings).normalise(text)
    return run_id(text)


def _import(engine: Pipulate, what: Sequence[str]) -> None:
    if not what or what[0] == "-":
        with tempfile.TemporaryFile() as file:  # it is read twice
            shutil.copyfileobj(sys.stdin.buffer, file)
            done = import_file(engine, file)
    else:
        try:
            with Path(what[0]).open("rb") as file:
                done = import_file(engine, file)
        except FileNotFoundError as error:
            raise Unknown(f"There is no file {error.filename}.") from error
        except IsADirectoryError as error:
            raise Invalid(f"{error.filename} is a folder; expected a file.") from error
    print("\n".join(done.ids))
    _tell("Not among the files", done.missing)


def _list(engine: Pipulate, as_json: bool) -> str:
    rows = engine.runs(limit=ALL)
    if as_json:
        lines, damaged = export_lines(rows)
        _tell("Damaged", _names(damaged))
        return lines
    return "".join(f"{row['updated']}  {row['workflow']:<14} {row['id']}\n" for row in rows)


def _export(engine: Pipulate, rows: list[Row], to: Path | None) -> None:
    folder = engine.store.folder
    if to:
        with files.whole(to) as file:
            done = export_file(rows, folder, file)
    elif sys.stdout.isatty():
        done = export_file(rows, folder, out := io.BytesIO())
        if done.zipped:
            raise Invalid("The runs have files, so this is a zip. Add --to FILE.")
        print(out.getvalue().decode(), end="")
    else:
        done = export_file(rows, folder, sys.stdout.buffer)
    _tell("Damaged", _names(done.damaged))
    _tell("Gone, so not exported", done.missing)


def _names(rows: list[Row]) -> list[str]:
    return [f"{row['workflow']} {row['id']}" for row in rows]


def _tell(what: str, names: Sequence[str]) -> None:
    for name in names:
        print(f"{what}: {name}", file=sys.stderr)


def _one(engine: Pipulate, act: str, id: str, args: Namespace) -> None:
    row = stored(engine, id)
    if act == "delete":
        exact(engine).delete(row["id"])
        print("Deleted. Its history is kept, so the run can be brought back.")
    elif act == "export":
        _export(engine, [row], args.to)
    else:
        run = export(row)
        run["record"] = readable(run["record"], engine.store.folder)
        print(json.dumps(run, ensure_ascii=False, indent=None if args.json else 2))
