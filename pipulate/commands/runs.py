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
from pathlib import Path

from pipulate.botify.urls import run_id
from pipulate.commands import parser
from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.exchange import export, export_lines, import_lines
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
    engine = Pipulate.open(settings.data, normalise=run_id)
    try:
        if args.act == "import":
            print("\n".join(import_lines(engine, _read(args.what))))
        elif args.act == "list" or (args.act == "export" and not args.what):
            as_json = args.json or args.act == "export"
            print(_all(engine, as_json), end="")
        elif len(args.what) == 2:
            workflow, id = args.what
            print(_one(engine.for_workflow(workflow), args.act, id, args.json))
        else:
            raise Invalid(f"`pipulate runs {args.act}` needs a workflow and a run ID.")
    finally:
        engine.store.close()


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
        return export_lines(engine, rows)
    return "".join(f"{row['updated']}  {row['workflow']:<14} {row['id']}\n" for row in rows)


def _one(engine: Pipulate, act: str, id: str, as_json: bool) -> str:
    if act == "delete":
        engine.delete(id)
        return "Deleted. Its history is kept, so the run can be brought back."
    indent = 2 if act == "show" and not as_json else None
    return json.dumps(export(engine, id), ensure_ascii=False, indent=indent)
