"""`pipulate runs`: list, show, delete, export or import runs.

pipulate runs                         the newest first; --json: as for `import`
pipulate runs show WORKFLOW ID        one, to read
pipulate runs export [WORKFLOW ID]    one, or all, as lines for `import`
pipulate runs import [FILE]           from a file, or from stdin
pipulate runs delete WORKFLOW ID
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pipulate.botify.urls import run_id
from pipulate.commands import parser
from pipulate.commands.run import find
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.exchange import exact, export, export_lines, import_lines, stored
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings

ACTS = ("list", "show", "delete", "export", "import")


def main(argv: Sequence[str], settings: Settings) -> None:
    """Raises Invalid, Unknown."""
    reader = parser(__doc__)
    reader.add_argument("act", nargs="?", default="list", choices=ACTS)
    what = "a workflow and a run ID; a file (or -) for import"
    reader.add_argument("what", nargs="*", metavar="WORKFLOW ID", help=what)
    reader.add_argument("--json", action="store_true", help="JSON lines")
    args = reader.parse_args(argv)
    engine = Pipulate.open(settings.data)
    try:
        if args.act == "import":
            print("\n".join(import_lines(engine, _read(args.what))))
        elif args.act == "list" or (args.act == "export" and not args.what):
            as_json = args.json or args.act == "export"
            print(_all(engine, as_json), end="")
        elif len(args.what) == 2:
            workflow, id = args.what
            reading = partial(_normalise, settings, workflow)
            print(_one(Pipulate(engine.store, workflow, reading), args.act, id, args.json))
        else:
            raise Invalid(f"`pipulate runs {args.act}` needs a workflow and a run ID.")
    finally:
        engine.store.close()


def _normalise(settings: Settings, workflow: str, text: str) -> str:
    with suppress(PipulateError):  # it does not load, or is written by hand
        return find(workflow, settings).normalise(text)
    return run_id(text)


def _read(what: Sequence[str]) -> str:
    if not what or what[0] == "-":
        return sys.stdin.read()
    try:
        return Path(what[0]).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Unknown(f"There is no file {error.filename}.") from error


def _all(engine: Pipulate, as_json: bool) -> str:
    rows = engine.runs(limit=100_000)
    if as_json:
        lines, damaged = export_lines(rows)
        for row in damaged:
            print(f"Damaged: {row['workflow']} {row['id']}", file=sys.stderr)
        return lines
    return "".join(f"{row['updated']}  {row['workflow']:<14} {row['id']}\n" for row in rows)


def _one(engine: Pipulate, act: str, id: str, as_json: bool) -> str:
    row = stored(engine, id)
    if act == "delete":
        exact(engine).delete(row["id"])
        return "Deleted. Its history is kept, so the run can be brought back."
    indent = 2 if act == "show" and not as_json else None
    return json.dumps(export(row), ensure_ascii=False, indent=indent)
