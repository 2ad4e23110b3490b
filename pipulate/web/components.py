"""Cards and the chain that they make: functions that return HTML, and nothing else.

CHAIN   <section id="chain">: the revision (#rev), the undo line (#undo), then flat sibling cards #card1, #card2, … up to
        the first open one, or #result.  A submit answers with its done card and the next card together, so a step is
        one round trip; revert, undo and locking answer with the whole chain.
"""

import traceback
from typing import Any
from urllib.parse import quote, urlencode

# FastHTML's own names are these with attribute checks on top, which cost half of a card's time.
from fastcore.xml import (
    FT,
    H1,
    H2,
    A,
    Article,
    Button,
    Code,
    Details,
    Div,
    Footer,
    Form,
    Header,
    Input,
    NotStr,
    P,
    Pre,
    Section,
    Small,
    Span,
    Summary,
    Title,
    to_xml,
)
from fasthtml.common import Progress
from starlette.responses import HTMLResponse, Response

from pipulate.engine import forms
from pipulate.engine import record as rec
from pipulate.engine.errors import Invalid
from pipulate.engine.jobs import Jobs
from pipulate.engine.workflow import Run, Step, Workflow, call

URLENCODED = "application/x-www-form-urlencoded"


def address(flow: Workflow, id: str, tail: str = "") -> str:
    """Return the address of a run's page or act: /bridge/card3?id=arthur."""
    return f"/{flow.name}{'/' if tail else ''}{tail}?{urlencode({'id': id})}"


def fragment(*parts: Any, status: int = 200, **headers: Any) -> Response:
    """Return components as an HTML fragment; `hx_retarget="#x"` becomes the HX-Retarget header."""
    named = {key.replace("_", "-"): str(value) for key, value in headers.items()}
    return HTMLResponse(
        to_xml(tuple(part for part in parts if part is not None), indent=False), status, named
    )


def posting(url: str, target: str, **more: str) -> dict[str, str]:
    """Return the attributes of a form that posts to `url`, with the page's revision, by HTMX or without."""
    return {
        "method": "post",
        "action": url,
        "hx_post": url,
        "hx_target": target,
        "hx_swap": "outerHTML",
        "hx_include": "#rev",
        "hx_disabled_elt": "find button[type=submit]",
        "enctype": URLENCODED,
        **more,
    }


def button(url: str, label: str, target: str = "#chain", **attributes: Any) -> FT:
    """Return a form of one button that does something to a run."""
    return Form(Button(label, type="submit", **attributes), **posting(url, target))


def failure(text: Any, **attributes: Any) -> FT | None:
    """Return a message that is read out at once; None for an empty one."""
    return P(str(text), role="alert", cls="error", **attributes) if text else None


def plain(value: Any) -> Any:
    """Show an answer as text: lists joined, True as a tick, files by name."""
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, list):
        return ", ".join(str(plain(item)) for item in value)
    if isinstance(value, dict):
        held = {
            key: item
            for key, item in value.items()
            if item not in ("", None, []) and key != "answered"
        }
        parts = [
            f"{key.replace('_', ' ').capitalize()}: {plain(item)}" for key, item in held.items()
        ]
        return value.get("file") or " · ".join(parts) or "–"
    text = str(value)
    return text if len(text) <= 300 else text[:300] + "…"


def markdown(text: str) -> NotStr:
    """Render Markdown safely: raw HTML is shown as text, images are not loaded."""
    from pipulate.web.markdown import render

    return NotStr(f'<div class="markdown">{render(text)}</div>')


def download(label: str, name: str, text: str) -> FT:
    """Return a link that saves `text` as a file called `name`."""
    return A(
        label,
        href="data:text/plain;charset=utf-8," + quote(text),
        download=name,
        role="button",
        cls="quiet",
    )


async def card(
    run: Run,
    jobs: Jobs,
    index: int,
    error: Invalid | None = None,
    typed: forms.Values | None = None,
) -> FT:
    """Return the card at `index`: done, open or working; at len(steps), the result."""
    if index >= len(run.flow.steps):
        return await _result(run)
    step = run.flow.steps[index]
    try:
        if rec.is_done(run.record, step.id):
            return await _done(run, step)
        return working(run, jobs, step) if step.work else await _open(run, step, error, typed)
    except Exception as problem:  # an author's bug shows in its card; the other cards live on
        return broken_card(step, problem)


def _card(me: str, number: Any, title: str, kind: str, *content: Any) -> FT:
    head = Header(
        Span(number, cls="number", aria_hidden="true"), H2(title, id=f"{me}-title", tabindex="-1")
    )
    return Article(
        head,
        *content,
        id=me,
        cls=f"card open {kind}".strip(),
        data_current="1",
        aria_labelledby=f"{me}-title",
    )


def _step_card(step: Step, kind: str, *content: Any, remark: str = "") -> FT:
    return _card(f"card{step.number}", step.number, step.label + remark, kind, *content)


def broken_card(step: Step, problem: BaseException) -> FT:
    """Return the card of a step whose own code failed."""
    return _step_card(
        step,
        "broken",
        failure(f"{type(problem).__name__}: {problem}"),
        P("Your earlier answers are safe. Mend the workflow file and reload this page."),
        Details(
            Summary("Where it failed"), Pre(Code("".join(traceback.format_exception(problem)[-6:])))
        ),
        remark=" – this card's code failed",
    )


async def _open(run: Run, step: Step, error: Invalid | None, typed: forms.Values | None) -> FT:
    inside, me = await call(step.function, run), f"card{step.number}"
    controls = forms.fields(inside)
    known = (
        {item.name: typed.get(item.name, []) for item in controls}
        if typed is not None
        else run.was(step.key)
    )
    inside = forms.fill(inside, known, error.field if error else None)
    _name_controls(inside, f"{me}-title")
    files = {"hx_encoding": "multipart/form-data", "enctype": "multipart/form-data"}
    upload = any(item.kind == "file" for item in controls)
    url = address(run.flow, run.id, f"{me}/upload" if upload else me)
    sending = posting(
        url, f"#{me}", hx_sync="this:drop", autocomplete="off", **(files if upload else {})
    )
    if getattr(inside, "tag", "") == "article":  # the step made the card itself
        for form in [part for part in forms.walk(inside) if part.tag == "form"][:1]:
            form(**sending)
        return inside(id=me, data_current="1")
    refused = failure(error, id="card-error")
    return _step_card(
        step, "", Form(refused, inside, Footer(Button(step.button, type="submit")), **sending)
    )


def _name_controls(inside: Any, title_id: str) -> None:
    """Give controls without a label of their own the card's title as accessible name."""
    parts = list(forms.walk(inside))
    labels = [part for part in parts if part.tag == "label"]
    labelled = {id(part) for label in labels for part in forms.walk(label.children)}
    targets = {label.attrs["for"] for label in labels if label.attrs.get("for")}
    for part in parts:
        attrs = part.attrs
        if part.tag in forms.CONTROLS and attrs.get("type") != "hidden":
            own = (
                attrs.get("aria-label")
                or attrs.get("aria-labelledby")
                or attrs.get("id") in targets
            )
            if attrs.get("id") == attrs.get("name"):
                attrs.pop("id", None)  # FastHTML's default id: two cards may use one name
            if id(part) not in labelled and not own:
                attrs["aria-labelledby"] = title_id


async def _done(run: Run, step: Step) -> FT:
    shown = await call(step.show_function, run) if step.show_function else plain(run[step.key])
    me, label, url = (
        f"card{step.number}",
        "Redo" if step.work else "Change",
        address(run.flow, run.id, f"revert{step.number}"),
    )
    return Article(
        Span("✓", cls="number", aria_hidden="true"),
        Div(
            Small(step.label, cls="label", id=f"{me}-title", tabindex="-1"),
            Div(shown, cls="answer"),
            cls="body",
        ),
        None
        if run.record.get("finalized")
        else button(url, label, cls="quiet", aria_label=f"Change: {step.label}"),
        id=me,
        cls=f"card done{' plain' if isinstance(shown, str) else ''}",
        aria_labelledby=f"{me}-title",
    )


def working(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the card of a step that the machine does: ready, running, or stopped with its reason."""
    key = (run.flow.name, run.id, step.id)
    row = jobs.row(key) or {"state": "ready", "error": ""}
    state, why = row["state"], row["error"]

    def act(kind: str, label: str, cls: str = "") -> FT:
        return button(
            address(run.flow, run.id, f"{kind}{step.number}"), label, f"#card{step.number}", cls=cls
        )

    if jobs.running(key) or state == "running":
        return _step_card(step, "work", progress(run, jobs, step), act("cancel", "Cancel", "quiet"))
    labels = {
        "ready": step.button,
        "done": step.button,
        "unsure": "Look again",
        "cancelled": "Go on",
    }
    again = act("start", labels.get(state, "Try again"))
    twice = act("repeat", "Do it again", "quiet danger") if state == "unsure" else None
    reason = (
        failure(why)
        if state in ("failed", "unsure")
        else P(why, role="alert", cls="hint")
        if why
        else None
    )
    return _step_card(step, "work", reason, Div(again, twice, cls="row"))


def progress(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the part of a working card that asks for its successor every half second."""
    now, me = jobs.progress((run.flow.name, run.id, step.id)), f"card{step.number}"
    # The style is what htmx carries over to the new bar first, so that it moves from the old place to the new one.
    value = (
        {}
        if now.fraction is None
        else {"value": f"{now.fraction:.4f}", "style": f"--done: {now.fraction:.2%}"}
    )
    return Div(
        Progress(max="1", id=f"progress{step.number}", aria_labelledby=f"{me}-title", **value),
        P(now.message or "Working…", cls="hint"),
        hx_get=address(run.flow, run.id, f"{me}/progress"),
        hx_trigger="every 500ms",
        hx_swap="outerHTML settle:20ms",
        hx_target="this",
        cls="progress",
    )


async def _result(run: Run) -> FT:
    locked = run.record.get("finalized")
    try:
        shown = (
            await call(run.flow.result_function, run)
            if run.flow.result_function
            else P("All steps are done.")
        )
    except Exception as problem:
        shown = failure(f"The result's code failed: {type(problem).__name__}: {problem}")
    hint = (
        Span(
            f"Finalized on {str(locked)[:10]}: nothing can change until you unlock it.", cls="hint"
        )
        if locked
        else None
    )
    lock = button(
        address(run.flow, run.id, "unfinalize" if locked else "finalize"),
        "Unlock" if locked else "Finalize",
        cls="quiet",
    )
    another = A("Start another run", href=f"/{run.flow.name}", role="button", cls="quiet")
    return _card(
        "result",
        "★",
        "Result",
        "locked" if locked else "",
        Div(shown, cls="result"),
        Footer(hint, lock, another),
    )


async def chain(
    run: Run, jobs: Jobs, message: str = "", typed: forms.Values | None = None, at: int = 0
) -> FT:
    """Return the run's cards; `message` was refused, `typed` goes into the open card, number `at` gets the focus."""
    last = run.open_index
    cards = [
        await card(run, jobs, index, typed=typed if index == last else None)
        for index in range(last + 1)
    ]
    if 0 < at <= last:
        cards[at - 1](data_focus="1")
    return Section(revision(run), undo(run), failure(message, id="refused"), *cards, id="chain")


def revision(run: Run, oob: bool = False) -> FT:
    """Return the hidden field with the revision that the page shows."""
    return Input(
        type="hidden", id="rev", name="rev", value=str(run.rev), hx_swap_oob="true" if oob else None
    )


def undo(run: Run) -> FT:
    """Return the line that offers to take a revert back."""
    if run.record.get("finalized") or not (run.engine.undoable(run.id) or "").startswith("revert"):
        return Div(id="undo")
    back = button(address(run.flow, run.id, "undo"), "Undo", cls="quiet")
    return Div(Span("Went back. Later answers are kept."), back, id="undo", cls="note")


def page(
    request: Any, title: str, *content: Any, about: str = "", wide: bool = False
) -> tuple[FT, ...]:
    """Return a page for the shell; `about` is what the model is told when the user opens it."""
    request.app.state.about[request.url.path] = (title, about)
    return Title(f"{title} · Pipulate"), Div(H1(title), *content, cls="wide" if wide else "page")
