"""Cards, chain, run list, shell: functions that return HTML, and nothing else.

CHAIN   <section id="chain">: the revision (#rev), the undo line (#undo), then flat sibling cards #card1, #card2, …
        up to the first open one, or #result.  A submit answers with its done card and the next card together,
        so a step is one round trip; revert, undo and locking answer with the whole chain.
SHELL   menu at the left, main column, chat panel at the right; the same around every page.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fasthtml.common import (
    FT,
    H1,
    H2,
    A,
    Article,
    Aside,
    Button,
    Code,
    Details,
    Dialog,
    Div,
    Footer,
    Form,
    Header,
    Input,
    Label,
    Li,
    Main,
    Nav,
    NotStr,
    P,
    Pre,
    Progress,
    Section,
    Small,
    Span,
    Strong,
    Summary,
    Title,
    Ul,
)  # fmt: skip

from pipulate import forms
from pipulate import record as rec
from pipulate.errors import Invalid
from pipulate.jobs import Jobs
from pipulate.pipeline import Pipulate
from pipulate.workflow import Run, Step, Workflow, call


def address(run: Run, tail: str = "") -> str:
    """Return the address of a run's page or act: /bridge/card3?id=arthur."""
    return f"/{run.flow.name}{'/' if tail else ''}{tail}?{urlencode({'id': run.id})}"


def plain(value: Any) -> Any:
    """Show an answer as text: lists joined, True as a tick, files by name."""
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, list):
        return ", ".join(str(plain(item)) for item in value)
    if isinstance(value, dict):
        parts = [f"{k.replace('_', ' ').capitalize()}: {plain(v)}" for k, v in value.items() if v not in ("", None, [])]
        return value.get("file") or " · ".join(part for part in parts if part != "Answered: ✓") or "–"
    text = str(value)
    return text if len(text) <= 300 else text[:300] + "…"


def markdown(text: str) -> NotStr:
    """Render Markdown safely: raw HTML is shown as text, images are not loaded."""
    from pipulate.chat.markdown import render

    return NotStr(f'<div class="markdown">{render(text)}</div>')


def download(label: str, name: str, text: str) -> FT:
    """Return a link that saves `text` as a file called `name`."""
    return A(label, href="data:text/plain;charset=utf-8," + quote(text), download=name, role="button", cls="quiet")


# -------------------------------------------------------------------- cards


async def card(run: Run, jobs: Jobs, index: int, error: Invalid | None = None, typed: forms.Values | None = None) -> FT:
    """Return the card at `index`: done, open or working; at len(steps), the result."""
    if index >= len(run.flow.steps):
        return await _result(run)
    step = run.flow.steps[index]
    try:
        if rec.is_done(run.record, step.id):
            return await _done(run, step)
        if step.work:
            return working(run, jobs, step)
        return await _open(run, step, error, typed)
    except Exception as problem:  # an author's bug shows in its card; the other cards live on
        return broken_card(step, problem)


def broken_card(step: Step, problem: BaseException) -> FT:
    """Return the card of a step whose own code failed."""
    import traceback

    text = "".join(traceback.format_exception(problem)[-6:])
    return Article(
        _head(step, f"{step.label} – this card's code failed"),
        P(f"{type(problem).__name__}: {problem}", role="alert", cls="error"),
        P("Your earlier answers are safe. Mend the workflow file and reload this page."),
        Details(Summary("Where it failed"), Pre(Code(text))),
        id=f"card{step.number}", cls="card open broken", data_current="1",
    )  # fmt: skip


def _head(step: Step, title: str, number: str = "") -> FT:
    return Header(
        Span(number or str(step.number), cls="number", aria_hidden="true"),
        H2(title, id=f"card{step.number}-title", tabindex="-1"),
    )


async def _open(run: Run, step: Step, error: Invalid | None, typed: forms.Values | None) -> FT:
    inside = await call(step.function, run)
    whole = getattr(inside, "tag", "") == "article"
    controls = forms.fields(inside)
    upload = "/upload" if any(item.kind == "file" for item in controls) else ""
    known = {item.name: typed.get(item.name, []) for item in controls} if typed is not None else run.was(step.key)
    inside = forms.fill(inside, known, error.field if error else None)
    _name_controls(inside, f"card{step.number}-title")
    url, me = address(run, f"card{step.number}{upload}"), f"card{step.number}"
    sending = {
        "hx_post": url, "action": url, "method": "post", "hx_target": f"#{me}", "hx_swap": "outerHTML", "hx_include": "#rev",
        "hx_sync": "this:drop", "hx_disabled_elt": "find button[type=submit]", "enctype": "application/x-www-form-urlencoded",
        "autocomplete": "off",
    }  # fmt: skip
    if upload:
        sending |= {"hx_encoding": "multipart/form-data", "enctype": "multipart/form-data"}
    if whole:
        form = next((part for part in forms.walk(inside) if part.tag == "form"), None)
        if form is not None:
            form(**sending)
        return inside(id=me, data_current="1")
    return Article(
        _head(step, step.label),
        Form(
            P(str(error), role="alert", id="card-error", cls="error") if error else None,
            inside,
            Footer(Button(step.button, type="submit")),
            **sending,
        ),
        id=me, cls="card open", data_current="1", aria_labelledby=f"{me}-title",
    )  # fmt: skip


def _name_controls(inside: Any, title_id: str) -> None:
    """Give controls without a label of their own the card's title as accessible name."""
    labelled = {id(part) for label in forms.walk(inside) if label.tag == "label" for part in forms.walk(label.children)}
    targets = {part.attrs.get("for") for part in forms.walk(inside) if part.tag == "label"}
    for part in forms.walk(inside):
        own = (
            part.attrs.get("aria-label")
            or part.attrs.get("aria-labelledby")
            or part.attrs.get("id") in targets - {None}
        )
        if part.tag in ("input", "select", "textarea") and part.attrs.get("type") != "hidden":
            if part.attrs.get("id") == part.attrs.get("name"):
                part.attrs.pop("id", None)  # FastHTML's default id: two cards may use one name
            if id(part) not in labelled and not own:
                part.attrs["aria-labelledby"] = title_id


async def _done(run: Run, step: Step) -> FT:
    shown = await call(step.show_function, run) if step.show_function else plain(run[step.key])
    simple = isinstance(shown, str)
    change = None
    if not run.record.get("finalized"):
        url = address(run, f"revert{step.number}")
        change = Form(
            Button("Change" if not step.work else "Redo", type="submit", cls="quiet", aria_label=f"Change: {step.label}"),
            method="post", action=url, hx_post=url, hx_target="#chain", hx_swap="outerHTML", hx_include="#rev",
            enctype="application/x-www-form-urlencoded",
        )  # fmt: skip
    return Article(
        Span("✓", cls="number", aria_hidden="true"),
        Div(Small(step.label, cls="label", id=f"card{step.number}-title", tabindex="-1"), Div(shown, cls="answer"), cls="body"),
        change,
        id=f"card{step.number}", cls=f"card done{' plain' if simple else ''}", aria_labelledby=f"card{step.number}-title",
    )  # fmt: skip


def working(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the card of a step that the machine does: ready, running, or stopped with its reason."""
    key = (run.flow.name, run.id, step.id)
    row = jobs.row(key)
    state = row["state"] if row else "ready"
    if jobs.running(key) or state == "running":
        body: list[Any] = [
            progress(run, jobs, step),
            _act(run, f"cancel{step.number}", "Cancel", f"#card{step.number}", "quiet"),
        ]
    else:
        text = row["error"] if row else ""
        again = {"ready": step.button, "unsure": "Look again", "cancelled": "Go on", "done": step.button}.get(
            state, "Try again"
        )
        body = [
            P(text, role="alert", cls="error" if state in ("failed", "unsure") else "hint") if text else None,
            Div(
                _act(run, f"start{step.number}", again, f"#card{step.number}"),
                _act(run, f"repeat{step.number}", "Do it again", f"#card{step.number}", "quiet danger")
                if state == "unsure"
                else None,
                cls="row",
            ),
        ]
    return Article(
        _head(step, step.label), *body,
        id=f"card{step.number}", cls="card open work", data_current="1", aria_labelledby=f"card{step.number}-title",
    )  # fmt: skip


def progress(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the part of a working card that asks for its successor every half second."""
    now = jobs.progress((run.flow.name, run.id, step.id))
    # The style is what htmx carries over to the new bar first, so that it moves from the old place to the new one.
    value = {} if now.fraction is None else {"value": f"{now.fraction:.4f}", "style": f"--done: {now.fraction:.2%}"}
    return Div(
        Progress(max="1", id=f"progress{step.number}", aria_labelledby=f"card{step.number}-title", **value),
        P(now.message or "Working…", cls="hint"),
        hx_get=address(run, f"card{step.number}/progress"), hx_trigger="every 500ms", hx_swap="outerHTML settle:20ms", hx_target="this",
        cls="progress",
    )  # fmt: skip


def _act(run: Run, tail: str, label: str, target: str = "#chain", cls: str = "") -> FT:
    """Return a one-button form that does something to the run."""
    url = address(run, tail)
    return Form(
        Button(label, type="submit", cls=cls),
        method="post", action=url, hx_post=url, hx_target=target, hx_swap="outerHTML", hx_include="#rev",
        hx_disabled_elt="find button", enctype="application/x-www-form-urlencoded",
    )  # fmt: skip


async def _result(run: Run) -> FT:
    locked = run.record.get("finalized")
    try:
        shown = await call(run.flow.result_function, run) if run.flow.result_function else P("All steps are done.")
    except Exception as problem:
        shown = Div(P(f"The result's code failed: {type(problem).__name__}: {problem}", role="alert", cls="error"))
    return Article(
        Header(Span("★", cls="number", aria_hidden="true"), H2("Result", id="result-title", tabindex="-1")),
        Div(shown, cls="result"),
        Footer(
            Span(f"Finalized {ago(locked)}: nothing can change until you unlock it.", cls="hint") if locked else None,
            _act(run, "unfinalize", "Unlock", cls="quiet") if locked else _act(run, "finalize", "Finalize", cls="quiet"),
            A("Start another run", href=f"/{run.flow.name}", role="button", cls="quiet"),
        ),
        id="result", cls=f"card open{' locked' if locked else ''}", data_current="1", aria_labelledby="result-title",
    )  # fmt: skip


# -------------------------------------------------------------------- chain and runs


async def chain(
    run: Run,
    jobs: Jobs,
    message: str = "",
    error: Invalid | None = None,
    typed: forms.Values | None = None,
    at: int = 0,
) -> FT:
    """Return the run's cards up to the first open one; `message` tells what was refused; `at` is the card to focus."""
    cards = [
        await card(run, jobs, i, *((error, typed) if i == run.open_index else ())) for i in range(run.open_index + 1)
    ]
    if 0 < at <= run.open_index:
        cards[at - 1](data_focus="1")
    return Section(
        revision(run),
        undo(run),
        P(message, role="alert", cls="error", id="refused") if message else None,
        *cards,
        id="chain",
    )


def revision(run: Run, oob: bool = False) -> FT:
    """Return the hidden field with the revision that the page shows."""
    return Input(type="hidden", id="rev", name="rev", value=str(run.rev), **({"hx_swap_oob": "true"} if oob else {}))


def undo(run: Run, oob: bool = False) -> FT:
    """Return the line that offers to take a revert back."""
    act = run.engine.undoable(run.id) or ""
    offer = act.startswith("revert") and not run.record.get("finalized")
    inside = (Span("Went back. Later answers are kept."), _act(run, "undo", "Undo", cls="quiet")) if offer else ()
    return Div(*inside, id="undo", cls="note" if offer else "", **({"hx_swap_oob": "true"} if oob else {}))


def id_card(flow: Workflow, id: str = "", error: str = "", missing: bool = False) -> FT:
    """Return the card on top of every workflow: which run?"""
    return Form(
        Label(flow.id_label, _for="run-id"),
        Div(
            Input(
                name="id", id="run-id", value=id, required=True, maxlength=str(rec.MAX_ID), autocomplete="off", spellcheck="false",
                autofocus=not id or missing, aria_describedby="id-hint", aria_invalid="true" if error else None,
            ),
            Button("Begin" if missing or not id else "Open", type="submit"),
            cls="joined",
        ),
        P(error, role="alert", cls="error") if error else None,
        Small(f"There is no run “{id}” yet. Begin it?" if missing else flow.id_hint, id="id-hint", cls="hint"),
        action=f"/{flow.name}/open", method="post", cls="card id", enctype="application/x-www-form-urlencoded",
    )  # fmt: skip


def run_state(flow: Workflow | None, data: str) -> str:
    """Say in a few words how far a stored run is."""
    try:
        record = rec.loads(data)
    except Exception:
        return "damaged"
    if flow is None:
        return f"{len(rec.step_ids(record))} steps"
    if record.get("finalized"):
        return "finalized"
    index = rec.first_open(record, flow.tuples)
    return "complete" if index >= len(flow.steps) else f"{index} of {len(flow.steps)} · next: {flow.steps[index].label}"


def run_list(
    rows: Sequence[dict[str, Any]], flows: dict[str, Workflow], show_workflow: bool = False, empty: str = ""
) -> FT:
    """Return runs as a list: ID, state, when, delete."""
    return Ul(
        *[run_row(row, flows.get(row["workflow"]), show_workflow) for row in rows],
        Li(empty or "No runs yet.", cls="empty") if not rows else None,
        id="run-list", cls="runs",
    )  # fmt: skip


def run_row(row: dict[str, Any], flow: Workflow | None, show_workflow: bool = False) -> FT:
    """Return one run of a list."""
    query = urlencode({"id": row["id"]})
    return Li(
        A(Strong(row["id"]), Small((f"{row['workflow']} · " if show_workflow else "") + run_state(flow, row["data"]), " · ", ago(row["updated"])),
          href=f"/{row['workflow']}?{query}"),
        Button("Delete", cls="quiet", aria_label=f"Delete run {row['id']}", hx_post=f"/{row['workflow']}/delete?{query}", hx_target="closest li",
               hx_swap="outerHTML", hx_vals='{"list": "all"}' if show_workflow else "{}"),
    )  # fmt: skip


def recent(engine: Pipulate, flow: Workflow, search: str = "") -> FT:
    """Return the search field and the list of the workflow's newest runs."""
    return Section(
        H2("Recent runs", id="recent-title"),
        Input(
            type="search", name="q", value=search, placeholder="Search by ID", aria_label="Search runs by ID",
            hx_get=f"/{flow.name}/runs", hx_trigger="input changed delay:150ms, search", hx_target="#run-list", hx_swap="outerHTML",
        ),
        run_list(engine.runs(search), {flow.name: flow}),
        cls="recent", aria_labelledby="recent-title",
    )  # fmt: skip


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


# -------------------------------------------------------------------- shell


def page(request: Any, title: str, *content: Any, about: str = "", wide: bool = False) -> tuple[FT, ...]:
    """Return a page for the shell; `about` is what the model is told when the user opens it."""
    request.app.state.about[request.url.path] = (title, about)
    return Title(f"{title} · Pipulate"), Div(H1(title), *content, cls="wide" if wide else "page")


def shell(content: Any, request: Any) -> tuple[Any, ...]:
    """Return the body around a page's content (FastHTML's `body_wrap`)."""
    for part in content:
        if getattr(part, "tag", "") == "main":  # FastHTML's Titled brings one of its own
            part.tag, part.attrs["class"] = "div", "page"
    state, path = request.app.state, request.url.path
    groups = [("Workflows", [(f.title, f"/{f.name}") for f in state.found.values()]), *state.menu.items()]
    menu = [
        Section(Small(group, id=f"menu-{group.lower()}"), Ul(*[Li(_link(t, h, path)) for t, h in items], aria_labelledby=f"menu-{group.lower()}"))
        for group, items in groups if items
    ]  # fmt: skip
    return (
        A("Skip to content", href="#main", cls="skip"),
        Header(
            Button("☰", cls="quiet", data_toggle="menu", aria_label="Menu", aria_expanded="false", aria_controls="menu"),
            A("Pipulate", href="/", cls="brand"),
            Button("Chat", cls="quiet", data_toggle="chat", aria_label="Chat", aria_expanded="false", aria_controls="chat"),
            cls="topbar",
        ),
        Nav(
            A("Pipulate", href="/", cls="brand"),
            Button(Span("Find anything"), Small("Ctrl K"), cls="quiet find", data_find="1"),
            state.profile_switcher(request) if state.profile_switcher else None,
            *menu,
            id="menu", aria_label="Main",
        ),
        Main(content, id="main", tabindex="-1"),
        state.chat_panel(request) if state.chat_panel else Aside(P("No model yet.", cls="hint"), id="chat", aria_label="Chat"),
        Dialog(
            Input(type="search", name="q", placeholder="Find a page, run, task, profile…", aria_label="Find", autocomplete="off",
                  hx_get="/find", hx_trigger="input changed delay:100ms, focus once", hx_target="#found", hx_swap="innerHTML"),
            Ul(id="found", aria_live="polite"),
            id="finder", aria_label="Find anything",
        ),
        P(id="announce", role="status", cls="sr"),
        Div(id="alert", role="alert"),
        P("The server does not answer. Reconnecting… What you typed is kept.", id="offline", role="status", hidden=True),
    )  # fmt: skip


def _link(title: str, href: str, path: str) -> FT:
    here = path == href or path.startswith(f"{href}/")
    return A(title, href=quote(href, safe="/?=&"), aria_current="page" if here else None)


def alert(text: str) -> FT:
    """Return a message for the page's alert line."""
    return P(text, cls="error")
