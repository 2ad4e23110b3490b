"""All runs: search, open, delete, export, import."""

from fasthtml.common import (
    FT,
    A,
    Button,
    Details,
    Div,
    FastHTML,
    Input,
    Label,
    P,
    RedirectResponse,
    Request,
    Response,
    Section,
    Summary,
)

from pipulate.engine.errors import Invalid
from pipulate.engine.exchange import export_lines, import_lines
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.workflow import Workflow
from pipulate.web import uploads
from pipulate.web.components import failure, form, fragment, page
from pipulate.web.runs import run_list, run_row, run_search
from pipulate.web.state import State
from pipulate.web.windows import names

ABOUT = (
    "All runs of all workflows, newest first, of all profiles. "
    "A run is opened by its ID, exported as JSON and imported again."
)
MOST = 200  #: runs that are shown; the search finds the others


def _found(state: State, search: str, empty: str) -> FT:
    whose = names(state.store)
    if len(whose) == 1:
        whose = {}
    rows = []
    for row in Pipulate(state.store).runs(search, limit=MOST):
        flow = state.found.get(row["workflow"])
        known = flow if isinstance(flow, Workflow) else None
        profile = whose.get(row["profile_id"], "")
        rows.append(run_row(row, known, workflow=row["workflow"], profile=profile))
    return run_list(rows, empty)


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
    file = Input(type="file", name="file", accept=".json,.jsonl", required=True)
    upload = form(
        "/runs/import/upload",
        Label("A file that was exported here", file),
        Button("Import", type="submit"),
        files=True,
    )
    return Details(Summary("Import runs"), upload, open=bool(error))


def routes(app: FastHTML) -> None:
    """Add the page."""
    state: State = app.state
    state.add_page("Runs", "/runs")

    @app.get("/runs")
    def runs(request: Request) -> Response:
        count = request.query_params.get("imported", "")
        note = None
        if count.isdecimal():
            runs = {"1": "1 run"}.get(count, f"{count} runs")
            note = P(f"Imported: {runs}.", role="status", cls="note")
        return page(request, "Runs", _content(state, note), about=ABOUT)

    @app.get("/runs/list")
    def runs_list(request: Request) -> Response:
        search = request.query_params.get("q", "")
        return fragment(_found(state, search, "No run has that in its ID."))

    @app.get("/runs/export")
    def runs_export(request: Request) -> Response:
        rows = Pipulate(state.store).runs(limit=100_000)
        wanted = request.query_params
        if "workflow" in wanted:
            one = (wanted["workflow"], wanted.get("id"))
            rows = [row for row in rows if (row["workflow"], row["id"]) == one]
        lines, damaged = export_lines(rows)
        name = f"runs-without-{len(damaged)}-damaged.jsonl" if damaged else "runs.jsonl"
        saved = {"content-disposition": f"attachment; filename={name}"}
        return Response(lines, 200, saved, "application/jsonl")

    @app.post("/runs/import/upload")
    async def runs_import(request: Request) -> Response:
        given = await uploads.content(request)
        try:
            text = given.decode("utf-8", "replace")
            count = len(import_lines(Pipulate(state.store), text))
        except Invalid as error:
            return page(request, "Runs", _content(state, error=str(error)), about=ABOUT)
        return RedirectResponse(f"/runs?imported={count}", 303)
