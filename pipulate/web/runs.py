"""Choosing a run: the ID card, and the list of a workflow's runs or of all."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastcore.xml import FT, H2, A, Button, Div, Input, Label, Li, P, Section, Small, Strong, Ul

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.workflow import Workflow
from pipulate.web.components import ago, failure, form, search_field

Row = Mapping[str, Any]  #: of the table `pipeline`


def id_card(flow: Workflow, id: str = "", error: str = "", missing: bool = False) -> FT:
    """Return the card on top of every workflow: which run?  `missing`: there is none yet."""
    hint = flow.id_hint
    word = "Open"
    if missing:
        hint = f"There is no run “{id}” yet. Begin it?"
    if missing or not id:
        word = "Begin"
    field = Input(
        name="id",
        id="run-id",
        value=id[:600],
        required=True,
        maxlength=str(rec.MAX_ID),
        autocomplete="off",
        spellcheck="false",
        autofocus=not id or missing,
        aria_describedby="id-hint",
        aria_invalid=bool(error) and "true",
    )
    return form(
        f"/{flow.name}/open",
        Label(flow.id_label, _for="run-id"),
        Div(field, Button(word, type="submit"), cls="joined"),
        failure(error),
        Small(hint, id="id-hint", cls="hint"),
        cls="card id",
    )


def run_list(rows: Sequence[FT], empty: str = "No runs yet.") -> FT:
    """Return the list of what `run_row` made, which a search replaces."""
    return Ul(*rows or [Li(empty, cls="empty")], id="run-list", cls="runs")


def run_row(row: Row, flow: Workflow | None, *, workflow: str = "", profile: str = "") -> FT:
    """Return one run of a list: its ID, how it stands, whose it is if that is given, Delete."""
    query = urlencode({"id": row["id"]})
    told = [workflow, run_state(flow, row["data"]), ago(row["updated"]), profile]
    return Li(
        A(
            Strong(row["id"]),
            Small(" · ".join(filter(None, told))),
            href=f"/{row['workflow']}?{query}",
        ),
        Button(
            "Delete",
            cls="quiet",
            aria_label=f"Delete run {row['id']}",
            hx_post=f"/{row['workflow']}/delete?{query}",
            hx_target="closest li",
            hx_swap="outerHTML",
        ),
    )


def deleted_row(undo: str, id: str) -> FT:
    """Return what stands in a deleted run's place, with the way back (a POST to `undo`)."""
    back = Button("Undo", cls="quiet", hx_post=undo, hx_target="closest li", hx_swap="outerHTML")
    return Li(P(f"Deleted “{id}”."), back, cls="note")


def run_state(flow: Workflow | None, data: str) -> str:
    """Say in a few words how far a stored run is; without its workflow, how many steps it has."""
    try:
        record = rec.loads(data)
    except Corrupt:
        return "damaged"
    if flow is None:
        return f"{len(rec.step_ids(record))} steps"
    if record.get("finalized"):
        return "finalized"
    done = rec.first_open(record, flow.tuples)
    if done >= len(flow.steps):
        return "complete"
    return f"{done} of {len(flow.steps)} · next: {flow.steps[done].label}"


def run_search(address: str) -> FT:
    """Return the field that searches the list of runs."""
    return search_field(address, "#run-list", "Search runs by ID")


def recent(engine: Pipulate, flow: Workflow) -> FT:
    """Return the search field and the list of the workflow's newest runs."""
    rows = [run_row(row, flow) for row in engine.runs()]
    return Section(
        H2("Recent runs", id="recent-title"),
        run_search(f"/{flow.name}/runs"),
        run_list(rows),
        cls="recent",
        aria_labelledby="recent-title",
    )
