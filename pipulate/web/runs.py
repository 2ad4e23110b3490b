"""All runs of all workflows: search, open, delete and undo, export and import; and the command `pipulate runs`."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fasthtml.common import (
    FT,
    H2,
    A,
    Button,
    Details,
    Div,
    FastHTML,
    Input,
    Label,
    Li,
    P,
    Section,
    Small,
    Strong,
    Summary,
    Ul,
)
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, Invalid, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow
from pipulate.pages.profiles import PROFILES
from pipulate.pages.profiles import label as menu_label
from pipulate.web.components import failure, form, fragment, page

ABOUT = "All runs of all workflows, newest first, of all profiles. A run is opened by its ID, exported as JSON and imported again."


def export(engine: Pipulate, id: str) -> dict[str, Any]:
    """Return the run as one JSON object for `import_run`."""
    record, rev = engine.load(id)
    return {
        "pipulate": 1,
        "workflow": engine.workflow,
        "id": rec.normalise_id(id),
        "rev": rev,
        "record": record,
    }


def import_run(engine: Pipulate, data: Any) -> str:
    """Store an exported run under its own ID and return that; refuses to overwrite a different one."""
    if not (
        isinstance(data, dict)
        and data.get("pipulate", 1) == 1
        and isinstance(data.get("id"), str)
        and isinstance(data.get("record"), dict)
        and (data.get("workflow") or engine.workflow)
    ):
        raise Invalid(
            'This is not an exported run: expected {"workflow": ..., "id": ..., "record": {...}}.'
        )
    id, engine = (
        rec.normalise_id(data["id"]),
        engine.for_workflow(str(data.get("workflow") or engine.workflow)),
    )
    record = rec.loads(rec.dumps(data["record"]))
    with engine.store.transaction():
        if row := engine.row(id):
            if rec.loads(row["data"]) == record:
                return id
            raise Invalid(
                f"A different run {id!r} exists already. Delete it first, or change the ID in the file."
            )
        engine.insert(id, "import", record)
    return id


def import_lines(engine: Pipulate, text: str) -> list[str]:
    """Import exported runs, one JSON object in all or one a line; returns their IDs."""
    try:
        return [import_run(engine, json.loads(text))]
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
        return [import_run(engine, run) for run in runs]


# -------------------------------------------------------------------- choosing a run, here and on each workflow's page


def id_card(flow: Workflow, id: str = "", error: str = "", missing: bool = False) -> FT:
    """Return the card on top of every workflow: which run?"""
    return form(
        f"/{flow.name}/open",
        Label(flow.id_label, _for="run-id"),
        Div(
            Input(
                name="id",
                id="run-id",
                value=id[:600],
                required=True,
                maxlength=str(rec.MAX_ID),
                autocomplete="off",
                spellcheck="false",
                autofocus=not id or missing,
                aria_describedby="id-hint",
                aria_invalid="true" if error else None,
            ),
            Button("Begin" if missing or not id else "Open", type="submit"),
            cls="joined",
        ),
        failure(error),
        Small(
            f"There is no run “{id}” yet. Begin it?" if missing else flow.id_hint,
            id="id-hint",
            cls="hint",
        ),
        cls="card id",
    )


def run_state(flow: Workflow | None, data: str) -> str:
    """Say in a few words how far a stored run is."""
    try:
        record = rec.loads(data)
    except Corrupt:
        return "damaged"
    if flow is None:
        return f"{len(rec.step_ids(record))} steps"
    if record.get("finalized"):
        return "finalized"
    index = rec.first_open(record, flow.tuples)
    return (
        "complete"
        if index >= len(flow.steps)
        else f"{index} of {len(flow.steps)} · next: {flow.steps[index].label}"
    )


def run_list(
    rows: Sequence[dict[str, Any]],
    flows: dict[str, Workflow],
    show_workflow: bool = False,
    empty: str = "No runs yet.",
    profiles: dict[int, str] | None = None,
) -> FT:
    """Return runs as a list: ID, state, when, whose (if `profiles` has the menu names of several), delete."""
    names = profiles if profiles and len(profiles) > 1 else {}
    items = [
        run_row(row, flows.get(row["workflow"]), show_workflow, names.get(row["profile_id"], ""))
        for row in rows
    ]
    return Ul(*items or [Li(empty, cls="empty")], id="run-list", cls="runs")


def run_row(
    row: dict[str, Any], flow: Workflow | None, show_workflow: bool = False, profile: str = ""
) -> FT:
    """Return one run of a list."""
    name, query = row["workflow"], urlencode({"id": row["id"]})
    about = Small(
        f"{name} · " if show_workflow else "",
        run_state(flow, row["data"]),
        " · ",
        ago(row["updated"]),
        f" · {profile}" if profile else "",
    )
    return Li(
        A(Strong(row["id"]), about, href=f"/{name}?{query}"),
        Button(
            "Delete",
            cls="quiet",
            aria_label=f"Delete run {row['id']}",
            hx_post=f"/{name}/delete?{query}",
            hx_target="closest li",
            hx_swap="outerHTML",
        ),
    )


def deleted_row(undo: str, id: str) -> FT:
    """Return what stands in a deleted run's place: what happened, and the way back (a POST to `undo`)."""
    back = Button("Undo", cls="quiet", hx_post=undo, hx_target="closest li", hx_swap="outerHTML")
    return Li(P(f"Deleted “{id}”."), back, cls="note")


def ago(time: str | None) -> str:
    """Say how long ago a UTC time was: "5 minutes ago"."""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(time or "")).total_seconds()
    except (ValueError, TypeError):
        return ""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def run_search(address: str, value: str = "") -> FT:
    """Return the field that searches the list of runs as one types."""
    return Input(
        type="search",
        name="q",
        value=value,
        placeholder="Search by ID",
        aria_label="Search runs by ID",
        hx_get=address,
        hx_trigger="input changed delay:150ms, search",
        hx_target="#run-list",
        hx_swap="outerHTML",
    )


def recent(engine: Pipulate, flow: Workflow) -> FT:
    """Return the search field and the list of the workflow's newest runs."""
    runs = run_list(engine.runs(), {flow.name: flow})
    title = H2("Recent runs", id="recent-title")
    return Section(
        title, run_search(f"/{flow.name}/runs"), runs, cls="recent", aria_labelledby="recent-title"
    )


# -------------------------------------------------------------------- the page


def found(app: FastHTML, search: str, empty: str) -> FT:
    """Return the list of the runs with `search` in their IDs, of all workflows and profiles."""
    store: Store = app.state.store
    flows = {name: flow for name, flow in app.state.found.items() if isinstance(flow, Workflow)}
    names = {row["id"]: menu_label(row) for row in PROFILES.rows(store)}
    return run_list(
        Pipulate(store).runs(search, limit=200),
        flows,
        show_workflow=True,
        empty=empty,
        profiles=names,
    )


def content(app: FastHTML, imported: str = "", error: str = "") -> FT:
    """Return the page's body."""
    return Section(
        P(f"Imported: {imported} run{'' if imported == '1' else 's'}.", role="status", cls="note")
        if imported.isdecimal()
        else None,
        run_search("/runs/list"),
        found(app, "", "No runs yet. Begin one in a workflow."),
        Div(
            A("Export all", href="/runs/export", role="button", cls="quiet", download="runs.jsonl"),
            Details(
                Summary("Import runs"),
                form(
                    "/runs/import/upload",
                    Label(
                        "A file that was exported here",
                        Input(type="file", name="file", accept=".json,.jsonl", required=True),
                    ),
                    Button("Import", type="submit"),
                    files=True,
                ),
                open=bool(error),
            ),
            P(error, role="alert", cls="error") if error else None,
            cls="row",
        ),
        cls="recent",
    )


def routes(app: FastHTML) -> None:
    """Add the page."""
    store: Store = app.state.store
    app.state.add_page("Runs", "/runs")

    @app.route("/runs", methods=["GET"])
    def runs(request: Request) -> Any:
        return page(
            request, "Runs", content(app, request.query_params.get("imported", "")), about=ABOUT
        )

    @app.route("/runs/list", methods=["GET"])
    def runs_list(request: Request) -> Any:
        return fragment(found(app, request.query_params.get("q", ""), "No run has that in its ID."))

    @app.route("/runs/export", methods=["GET"])
    def runs_export(request: Request) -> Any:
        engine, one = Pipulate(store), request.query_params
        rows = engine.runs(limit=100_000)
        if one.get("workflow"):
            rows = [
                row
                for row in rows
                if row["workflow"] == one["workflow"] and row["id"] == one.get("id")
            ]
        lines = [
            json.dumps(export(engine.for_workflow(row["workflow"]), row["id"]), ensure_ascii=False)
            for row in rows
        ]
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
            runs = import_lines(Pipulate(store), (await upload.read()).decode("utf-8", "replace"))
        except Invalid as error:
            return page(request, "Runs", content(app, error=str(error)), about=ABOUT)
        return RedirectResponse(f"/runs?{urlencode({'imported': len(runs)})}", 303)


# -------------------------------------------------------------------- pipulate runs


def main(argv: Sequence[str], settings: Settings) -> int:
    """List, show, delete, export or import runs in the terminal."""
    parser = argparse.ArgumentParser(
        prog="pipulate runs", description="List, show, delete, export or import runs."
    )
    parser.add_argument(
        "act", nargs="?", default="list", choices=["list", "show", "delete", "export", "import"]
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WORKFLOW ID",
        help="a workflow and a run ID; a file (or -) for import",
    )
    parser.add_argument("--json", action="store_true", help="JSON lines")
    args = parser.parse_args(argv)
    engine = Pipulate.open(settings.data)
    try:
        if args.act == "list":
            for row in engine.runs(limit=100_000):
                if args.json:
                    print(
                        json.dumps(
                            export(engine.for_workflow(row["workflow"]), row["id"]),
                            ensure_ascii=False,
                        )
                    )
                else:
                    print(f"{row['updated']}  {row['workflow']:<14} {row['id']}")
        elif args.act == "import":
            source = args.what[0] if args.what else "-"
            text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
            print("\n".join(import_lines(engine, text)))
        elif args.act == "export" and not args.what:
            for row in engine.runs(limit=100_000):
                print(
                    json.dumps(
                        export(engine.for_workflow(row["workflow"]), row["id"]), ensure_ascii=False
                    )
                )
        elif len(args.what) != 2:
            raise Invalid(f"`pipulate runs {args.act}` needs a workflow and a run ID.")
        elif args.act == "delete":
            engine.for_workflow(args.what[0]).delete(args.what[1])
            print("Deleted. Its history is kept, so the run can be brought back.")
        else:
            print(
                json.dumps(
                    export(engine.for_workflow(args.what[0]), args.what[1]),
                    ensure_ascii=False,
                    indent=2 if args.act == "show" and not args.json else None,
                )
            )
        return 0
    except FileNotFoundError as error:
        raise Unknown(f"There is no file {error.filename}.") from error
    finally:
        engine.store.close()
