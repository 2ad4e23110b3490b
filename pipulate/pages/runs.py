"""All runs: search, open, delete, export, import."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlencode

from fasthtml.common import (
    FT,
    A,
    Button,
    Details,
    Div,
    FastHTML,
    FileResponse,
    Input,
    Label,
    P,
    RedirectResponse,
    Request,
    Response,
    Section,
    Summary,
)
from starlette.background import BackgroundTask

from pipulate.engine.errors import PipulateError
from pipulate.engine.exchange import ALL, export_file, import_file
from pipulate.engine.kept import Desk
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Row
from pipulate.engine.workflow import Workflow
from pipulate.pages.profiles import names
from pipulate.pages.sent import Sent
from pipulate.web.components import failure, form, fragment, page
from pipulate.web.runs import deleted_row, run_list, run_row, run_search
from pipulate.web.state import State

ABOUT = (
    "All runs of all workflows, newest first, of all profiles. "
    "A run is opened by its ID, exported as JSON, with its files as a zip, and imported again."
)
MOST = 50  #: runs that are shown, in 10 ms; the search finds the others


def _found(state: State, search: str, empty: str) -> FT:
    whose = names(state.store)
    if len(whose) == 1:
        whose = {}
    rows = []
    engine = Pipulate(state.store)
    for found in state.found.values():
        if isinstance(found, Workflow) and found.formerly:
            found.engine(state.store)  # what it takes over is not listed by a name that is gone
    for row in engine.runs(search, limit=MOST + 1):
        flow = state.found.get(row["workflow"])
        known = flow if isinstance(flow, Workflow) else None
        profile = whose.get(row["profile_id"], "")
        rows.append(run_row(row, known, engine, workflow=row["workflow"], profile=profile))
    return run_list(rows, empty, MOST)


def _content(state: State, note: FT | None = None, error: str = "") -> FT:
    return Section(
        note,
        run_search("/runs/list"),
        _found(state, "", "No runs yet. Begin one in a workflow."),
        Div(
            A(
                "Export all",
                href="/runs/export",
                role="button",
                cls="quiet",
                download=True,
            ),
            _import_form(error),
            failure(error),
            cls="row",
        ),
        cls="recent",
    )


def _import_form(error: str) -> FT:
    file = Input(type="file", name="file", accept=".json,.jsonl,.zip", required=True)
    upload = form(
        "/runs/import/upload",
        Label("A file that was exported here", file),
        Button("Import", type="submit"),
        files=True,
    )
    return Details(Summary("Import runs"), upload, open=bool(error))


def _count(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0


def routes(app: FastHTML) -> None:
    """Add the page."""
    state: State = app.state
    state.add_page("Runs", "/runs")

    @app.get("/runs")
    def runs(request: Request) -> Response:
        runs, missing = (_count(request, name) for name in ("imported", "missing"))
        note = None
        if runs:
            words = f"Imported: {runs} run{'s' * (runs > 1)}."
            if missing:
                words += f" {missing} of their files neither came along nor were here."
            note = P(words, role="status", cls="note")
        return page(request, "Runs", _content(state, note), about=ABOUT)

    @app.get("/runs/list")
    def runs_list(request: Request) -> Response:
        search = request.query_params.get("q", "")
        return fragment(_found(state, search, "No run has that in its ID."))

    def engine(request: Request) -> tuple[Pipulate, str]:
        wanted = request.query_params
        workflow = wanted.get("workflow", "")
        return Pipulate(state.store, workflow, str), wanted.get("id", "")

    @app.post("/runs/delete")
    def runs_delete(request: Request) -> Response:
        runs, id = engine(request)
        runs.delete(id)
        undo = f"/runs/undelete?{request.url.query}"
        return fragment(deleted_row(undo, id))

    @app.post("/runs/undelete")
    def runs_undelete(request: Request) -> Response:
        runs, id = engine(request)
        runs.undelete(id)
        row = runs.row(id) or {}
        return fragment(run_row(row, None, runs, workflow=runs.workflow))

    @app.get("/runs/export")
    def runs_export(request: Request) -> Response:
        rows = Pipulate(state.store).runs(limit=ALL)
        wanted = request.query_params
        if "workflow" in wanted:
            one = (wanted["workflow"], wanted.get("id"))
            rows = [row for row in rows if (row["workflow"], row["id"]) == one]
        return _export(rows, state.store.folder)

    @app.post("/runs/import/upload")
    def runs_import(request: Request, sent: Sent) -> Response:
        try:
            with sent.file("file") as file:
                done = import_file(Pipulate(state.store), file)
        except PipulateError as error:
            refused = _content(state, error=str(error))
            return page(request, "Runs", refused, about=ABOUT, status=422)
        counts = {"imported": len(done.ids), "missing": len(done.missing)}
        return RedirectResponse(f"/runs?{urlencode(counts)}", 303)


def _export(rows: list[Row], folder: Path) -> Response:
    desk = Desk(folder)  # cleared by daily care, if not here
    written = desk.file("runs")
    with written.open("wb") as out:
        done = export_file(rows, folder, out)
    ending = "zip" if done.zipped else "jsonl"
    lacks = {"damaged": len(done.damaged), "missing": len(done.missing)}
    words = [f"-without-{count}-{what}" for what, count in lacks.items() if count]
    kind = f"application/{ending}"
    after = BackgroundTask(shutil.rmtree, desk.path, ignore_errors=True)
    name = f"runs{''.join(words)}.{ending}"
    return FileResponse(written, media_type=kind, filename=name, background=after)
