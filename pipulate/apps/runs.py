"""All runs of all workflows: search, open, delete and undo, export and import; and the command `pipulate runs`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fasthtml.common import FT, A, Button, Details, Div, FastHTML, Form, Input, Label, P, Section, Summary
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipulate.components import page, run_list, run_search
from pipulate.errors import Invalid, Unknown
from pipulate.pipeline import Pipulate
from pipulate.routes import fragment
from pipulate.settings import Settings
from pipulate.store import Store
from pipulate.workflow import Workflow

ABOUT = "All runs of all workflows, newest first, of the chosen profile or of all. A run is opened by its ID, exported as JSON and imported again."


def import_lines(engine: Pipulate, text: str) -> list[str]:
    """Import exported runs, one JSON object in all or one a line; returns their IDs."""
    try:
        return [engine.import_run(json.loads(text))]
    except ValueError:
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        runs = [json.loads(line) for line in lines]
    except ValueError as error:
        raise Invalid(f"This is not an export of runs: it is not JSON ({error}).") from error
    if not runs:
        raise Invalid("The file is empty. Choose a file that was exported here.")
    with engine.store.transaction():
        return [engine.import_run(run) for run in runs]


def content(app: FastHTML, search: str = "", error: str = "") -> FT:
    """Return the page's body."""
    store: Store = app.state.store
    flows = {name: flow for name, flow in app.state.found.items() if isinstance(flow, Workflow)}
    return Section(
        run_search("/runs/list", search),
        run_list(Pipulate(store).runs(search, limit=200), flows, show_workflow=True, empty="No runs yet. Begin one in a workflow."),
        Div(
            A("Export all", href="/runs/export", role="button", cls="quiet", download="runs.jsonl"),
            Details(
                Summary("Import runs"),
                Form(
                    Label("A file that was exported here", Input(type="file", name="file", accept=".json,.jsonl", required=True)),
                    Button("Import", type="submit"), method="post", action="/runs/import/upload", enctype="multipart/form-data",
                ),
                open=bool(error),
            ),
            P(error, role="alert", cls="error") if error else None,
            cls="row",
        ),
        cls="recent",
    )  # fmt: skip


def routes(app: FastHTML) -> None:
    """Add the page."""
    store: Store = app.state.store
    app.state.menu.setdefault("Pages", []).append(("Runs", "/runs"))

    @app.route("/runs", methods=["GET"])
    def runs(request: Request) -> Any:
        return page(request, "Runs", content(app), about=ABOUT)

    @app.route("/runs/list", methods=["GET"])
    def runs_list(request: Request) -> Any:
        flows = {name: flow for name, flow in app.state.found.items() if isinstance(flow, Workflow)}
        rows = Pipulate(store).runs(request.query_params.get("q", ""), limit=200)
        return fragment(run_list(rows, flows, show_workflow=True, empty="No run has that in its ID."))

    @app.route("/runs/export", methods=["GET"])
    def runs_export(request: Request) -> Any:
        engine, one = Pipulate(store), request.query_params
        rows = engine.runs(limit=100_000)
        if one.get("workflow"):
            rows = [row for row in rows if row["workflow"] == one["workflow"] and row["id"] == one.get("id")]
        lines = [json.dumps(engine.for_workflow(row["workflow"]).export(row["id"]), ensure_ascii=False) for row in rows]
        return Response(
            "\n".join(lines) + "\n",
            media_type="application/jsonl",
            headers={"content-disposition": "attachment; filename=runs.jsonl"},
        )

    @app.route("/runs/import/upload", methods=["POST"])
    async def runs_import(request: Request) -> Any:
        form = await request.form()
        upload = form.get("file")
        try:
            if not isinstance(upload, UploadFile):
                raise Invalid("Choose a file that was exported here.")
            import_lines(Pipulate(store), (await upload.read()).decode("utf-8", "replace"))
        except Invalid as error:
            return page(request, "Runs", content(app, error=str(error)), about=ABOUT)
        return RedirectResponse(f"/runs?{urlencode({'imported': 1})}", 303)


# -------------------------------------------------------------------- pipulate runs


def main(argv: Sequence[str], settings: Settings) -> int:
    """List, show, delete, export or import runs in the terminal."""
    parser = argparse.ArgumentParser(prog="pipulate runs", description="List, show, delete, export or import runs.")
    parser.add_argument("act", nargs="?", default="list", choices=["list", "show", "delete", "export", "import"])
    parser.add_argument(
        "what", nargs="*", metavar="WORKFLOW ID", help="a workflow and a run ID; a file (or -) for import"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines")
    args = parser.parse_args(argv)
    engine = Pipulate.open(settings.data)
    try:
        if args.act == "list":
            for row in engine.runs(limit=100_000):
                if args.json:
                    print(json.dumps(engine.for_workflow(row["workflow"]).export(row["id"]), ensure_ascii=False))
                else:
                    print(f"{row['updated']}  {row['workflow']:<14} {row['id']}")
        elif args.act == "import":
            source = args.what[0] if args.what else "-"
            text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
            print("\n".join(import_lines(engine, text)))
        elif args.act == "export" and not args.what:
            for row in engine.runs(limit=100_000):
                print(json.dumps(engine.for_workflow(row["workflow"]).export(row["id"]), ensure_ascii=False))
        elif len(args.what) != 2:
            raise Invalid(f"`pipulate runs {args.act}` needs a workflow and a run ID.")
        elif args.act == "delete":
            engine.for_workflow(args.what[0]).delete(args.what[1])
            print("Deleted. Its history is kept, so the run can be brought back.")
        else:
            print(
                json.dumps(
                    engine.for_workflow(args.what[0]).export(args.what[1]),
                    ensure_ascii=False,
                    indent=2 if args.act == "show" and not args.json else None,
                )
            )
        return 0
    except FileNotFoundError as error:
        raise Unknown(f"There is no file {error.filename}.") from error
    finally:
        engine.store.close()
