"""All runs of all workflows and profiles: search, open, delete and undo, export and import."""

from typing import Any
from urllib.parse import urlencode

from fastcore.xml import FT, A, Button, Details, Div, Input, Label, P, Section, Summary
from fasthtml.common import FastHTML
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipulate.engine.errors import Invalid
from pipulate.engine.exchange import export_lines, import_lines
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.workflow import Workflow
from pipulate.pages.profiles import PROFILES
from pipulate.pages.profiles import label as menu_label
from pipulate.web.components import failure, form, fragment, page
from pipulate.web.runs import run_list, run_row, run_search
from pipulate.web.state import State

ABOUT = (
    "All runs of all workflows, newest first, of all profiles. "
    "A run is opened by its ID, exported as JSON and imported again."
)
MOST = 200  #: runs that are shown; the search finds the others


def runs_found(state: State, search: str = "", empty: str = "") -> FT:
    """Return the runs with `search` in their IDs, each with its profile if there are several."""
    profiles = {row["id"]: menu_label(row) for row in PROFILES.rows(state.store)}
    if len(profiles) == 1:
        profiles = {}
    rows = []
    for row in Pipulate(state.store).runs(search, limit=MOST):
        flow = state.found.get(row["workflow"])
        known = flow if isinstance(flow, Workflow) else None
        profile = profiles.get(row["profile_id"], "")
        rows.append(run_row(row, known, workflow=row["workflow"], profile=profile))
    return run_list(rows, empty)


def content(state: State, imported: str = "", error: str = "") -> FT:
    """Return the page's body; `imported` is how many runs just were."""
    note = None
    if imported.isdecimal():
        ending = "" if imported == "1" else "s"
        note = P(f"Imported: {imported} run{ending}.", role="status", cls="note")
    return Section(
        note,
        run_search("/runs/list"),
        runs_found(state, empty="No runs yet. Begin one in a workflow."),
        Div(
            A("Export all", href="/runs/export", role="button", cls="quiet", download="runs.jsonl"),
            import_form(error),
            failure(error),
            cls="row",
        ),
        cls="recent",
    )


def import_form(error: str) -> FT:
    """Return the form that takes a file, folded unless it was refused."""
    file = Input(type="file", name="file", accept=".json,.jsonl", required=True)
    return Details(
        Summary("Import runs"),
        form(
            "/runs/import/upload",
            Label("A file that was exported here", file),
            Button("Import", type="submit"),
            files=True,
        ),
        open=bool(error),
    )


def routes(app: FastHTML) -> None:
    """Add the page."""
    state: State = app.state
    state.add_page("Runs", "/runs")

    @app.route("/runs", methods=["GET"])
    def runs(request: Request) -> Any:
        body = content(state, request.query_params.get("imported", ""))
        return page(request, "Runs", body, about=ABOUT)

    @app.route("/runs/list", methods=["GET"])
    def runs_list(request: Request) -> Any:
        search = request.query_params.get("q", "")
        return fragment(runs_found(state, search, "No run has that in its ID."))

    @app.route("/runs/export", methods=["GET"])
    def runs_export(request: Request) -> Any:
        return Response(
            exported(state, request.query_params.get("workflow"), request.query_params.get("id")),
            media_type="application/jsonl",
            headers={"content-disposition": "attachment; filename=runs.jsonl"},
        )

    @app.route("/runs/import/upload", methods=["POST"])
    async def runs_import(request: Request) -> Any:
        async with request.form() as sent:  # which closes the file
            upload = sent.get("file")
            given = await upload.read() if isinstance(upload, UploadFile) else b""
        try:
            if not given:
                raise Invalid("Choose a file that was exported here.")
            engine = Pipulate(state.store, normalise=state.normalise)
            count = len(import_lines(engine, given.decode("utf-8", "replace")))
        except Invalid as error:
            return page(request, "Runs", content(state, error=str(error)), about=ABOUT)
        return RedirectResponse(f"/runs?{urlencode({'imported': count})}", 303)


def exported(state: State, workflow: str | None, id: str | None) -> str:
    """Return all runs as lines of JSON, or the one that is named."""
    engine = Pipulate(state.store)
    rows = engine.runs(limit=100_000)
    if workflow:
        rows = [row for row in rows if (row["workflow"], row["id"]) == (workflow, id)]
    return export_lines(engine, rows)
