"""Choosing a run: the ID card, and the list of a workflow's runs or of all."""

from collections.abc import Sequence
from urllib.parse import urlencode

from fastcore.xml import (
    FT,
    H2,
    A,
    Button,
    Div,
    Input,
    Label,
    Li,
    P,
    Section,
    Small,
    Strong,
    Ul,
)

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Row
from pipulate.engine.workflow import Workflow
from pipulate.web.components import ago, failure, form, search_field

RECENT = 20  #: runs of a workflow that are shown


def id_card(
    flow: Workflow,
    id: str = "",
    error: str = "",
    missing: bool = False,
    here: bool = False,
) -> FT:
    """Return the card that asks for a run; `missing`: there is none yet.

    `here`: the run stands below it.
    """
    new = missing or not id
    hint = flow.id_hint
    if missing:
        hint = f"There is no run “{id}” yet. Begin it?"
    field = Input(
        name="id",
        id="run-id",
        value=id[:600],
        required=True,
        maxlength=str(rec.MAX_ID),
        autocomplete="off",
        spellcheck="false",
        autofocus=new,
        aria_describedby="id-hint",
        aria_invalid=bool(error) and "true",
    )
    return form(
        f"/{flow.name}/open",
        Label(flow.id_label, _for="run-id"),
        Div(field, Button("Begin" if new else "Open", type="submit"), cls="joined"),
        failure(error),
        Small(hint, id="id-hint", cls="hint"),
        cls="card id here" if here else "card id",
    )


def rest(most: int) -> FT:
    """Return the end of a list that is cut."""
    words = f"These are the {most} newest; the search finds the others."
    return Li(words, cls="empty")


def run_list(rows: Sequence[FT], empty: str = "No runs yet.", most: int = RECENT) -> FT:
    """Return the list of `run_row`s, which a search replaces; of too many it says so."""
    shown = [*rows[:most]] or [Li(empty, cls="empty")]
    if len(rows) > most:
        shown.append(rest(most))
    return Ul(*shown, id="run-list", cls="runs")


def run_row(
    row: Row,
    flow: Workflow | None,
    engine: Pipulate,
    *,
    workflow: str = "",
    profile: str = "",
) -> FT:
    """Return one run of a list: its ID, how it stands, whose it is, Delete."""
    query = urlencode({"id": row["id"]})
    delete = f"/{row['workflow']}/delete?{query}"
    if flow is None:  # one written by hand, or gone, has no such address
        delete = f"/runs/delete?{urlencode({'workflow': row['workflow']})}&{query}"
    told = [workflow, run_state(flow, engine, row), ago(row["updated"]), profile]
    words = Small(" · ".join(filter(None, told)))
    return Li(
        A(Strong(row["id"]), words, href=f"/{row['workflow']}?{query}"),
        Button(
            "Delete",
            cls="quiet",
            aria_label=f"Delete run {row['id']}",
            hx_post=delete,
            hx_target="closest li",
            hx_swap="outerHTML",
        ),
    )


def deleted_row(undo: str, id: str) -> FT:
    """Return what replaces a deleted run, with the way back."""
    back = Button(
        "Undo",
        cls="quiet",
        hx_post=undo,
        hx_target="closest li",
        hx_swap="outerHTML",
    )
    return Li(P(f"Deleted “{id}”."), back, cls="note")


def run_state(flow: Workflow | None, engine: Pipulate, row: Row) -> str:
    """Say how far a stored run is; without its workflow, its steps."""
    try:
        if flow is None:
            return f"{len(rec.step_ids(rec.loads(row['data'])))} steps"
        run = flow.read(engine, row)
    except Corrupt:
        return "damaged"
    if run.state.get("finalized"):
        return "finalized"
    following = flow.steps[run.open_index :]
    if not following:
        return "complete"
    return f"{len(run.done())} of {run.length} · next: {following[0].label}"


def run_search(address: str) -> FT:
    """Return the field that searches the list of runs."""
    return search_field(address, "#run-list", "Search runs by ID")


def recent(engine: Pipulate, flow: Workflow) -> FT:
    """Return the search field and the workflow's newest runs."""
    return Section(
        H2("Recent runs", id="recent-title"),
        run_search(f"/{flow.name}/runs"),
        run_list([run_row(row, flow, engine) for row in engine.runs(limit=RECENT + 1)]),
        cls="recent",
        aria_labelledby="recent-title",
    )
