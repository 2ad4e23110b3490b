"""A run as a chain of cards: functions that return HTML, and nothing else.

CHAIN   <section id="chain">: the revision (#rev), the undo line (#undo), then
        the cards #card1, #card2, … up to the first open one, or #result.  A
        submit answers with its done card and the next; revert, undo and
        locking answer with the whole chain.
ERRORS  An author's bug shows in its own card; the other cards live on.
"""

import json
from typing import Any

from fastcore.xml import (
    FT,
    H2,
    A,
    Article,
    Button,
    Div,
    Footer,
    Form,
    Header,
    Input,
    P,
    Progress,
    Section,
    Small,
    Span,
)
from loguru import logger

from pipulate.engine import forms
from pipulate.engine import record as rec
from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.fault import fault
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Kind
from pipulate.engine.workflow import Run, Step, call
from pipulate.web.components import MULTIPART, address, failure
from pipulate.web.failures import faulty

URLENCODED = "application/x-www-form-urlencoded"  # FastHTML's Form is multipart


# --- the chain


async def chain(
    run: Run,
    jobs: Jobs,
    message: str = "",
    typed: forms.Values | None = None,
    at: int = 0,
) -> FT:
    """Return the cards; `message`: why `typed` was refused; `at`: the focus."""
    last = run.open_index
    cards = [await card(run, jobs, index) for index in range(last)]
    cards.append(await card(run, jobs, last, typed=typed))
    if 0 < at <= last:
        cards[at - 1](data_focus="1")
    return Section(
        revision(run),
        undo(run),
        failure(message, id="refused"),
        *cards,
        id="chain",
    )


def revision(run: Run, oob: bool = False) -> FT:
    """Return the hidden field with the revision on show."""
    swap = oob and "true"
    return Input(type="hidden", id="rev", name="rev", value=str(run.rev), hx_swap_oob=swap)


def undo(run: Run) -> FT:
    """Return the line that offers to take a revert back, empty for none."""
    last = run.engine.undoable(run.id)
    if run.record.get("finalized") or last is None or last.kind != Kind.REVERT:
        return Div(id="undo")
    words = Span("Went back. Later answers are kept.")
    return Div(words, act(run, "undo", "Undo"), id="undo", cls="note")


def _posting(run: Run, tail: str, target: str) -> dict[str, str]:
    url = address(run.flow, run.id, tail)
    return {
        "method": "post",
        "action": url,
        "hx_post": url,
        "hx_target": target,
        "hx_swap": "outerHTML",
        "hx_include": "#rev",
        "hx_disabled_elt": "find button[type=submit]",
    }


def act(
    run: Run,
    tail: str,
    label: str,
    target: str = "#chain",
    cls: str = "quiet",
    **more: Any,
) -> FT:
    """Return a form of one button that does something to a run."""
    return Form(
        Button(label, type="submit", cls=cls, **more),
        **_posting(run, tail, target),
    )


# --- a card


async def card(run: Run, jobs: Jobs, index: int, typed: forms.Values | None = None) -> FT:
    """Return the card at `index`; at len(steps), the result."""
    if index >= len(run.flow.steps):
        return await result(run)
    step = run.flow.steps[index]
    try:
        if rec.is_done(run.record, step.id):
            return await done(run, step)
        if step.work:
            return working(run, jobs, step)
        return asking(run, step, await call(step.function, run), typed)
    except Exception as problem:
        logger.opt(exception=problem).error("{} of {} failed", step.key, run.flow.name)
        return broken(step, problem)


def _card(me: str, number: Any, title: str, kind: str, *content: Any) -> FT:
    heading = H2(title, id=f"{me}-title", tabindex="-1")
    return Article(
        Header(Span(number, cls="number", aria_hidden="true"), heading),
        *content,
        id=me,
        cls=f"card open {kind}".strip(),
        data_current="1",
        aria_labelledby=f"{me}-title",
    )


def _step_card(step: Step, kind: str, *content: Any, remark: str = "") -> FT:
    return _card(f"card{step.number}", step.number, step.label + remark, kind, *content)


def broken(step: Step, problem: Exception) -> FT:
    """Return the card of a step that cannot be shown."""
    remark = " – this card's code failed"
    shown = faulty(fault(problem))
    if isinstance(problem, PipulateError):  # no fault of the code's
        remark = " – not ready"
        shown = (failure(problem),)
    safe = P("Your earlier answers are safe.")
    return _step_card(step, "broken", *shown, safe, remark=remark)


# --- asking


def asking(
    run: Run,
    step: Step,
    inside: Any,
    typed: forms.Values | None = None,
    error: Invalid | None = None,
) -> FT:
    """Return the card around a step's form, with what was `typed`."""
    me = f"card{step.number}"
    controls = forms.fields(inside)
    known = run.was(step.key)
    if typed is not None:
        known = {item.name: typed.get(item.name, []) for item in controls}
    inside = forms.fill(inside, known, getattr(error, "field", None))
    name_controls(inside, f"{me}-title")
    sending = {
        "hx_sync": "this:drop",
        "autocomplete": "off",
        "enctype": URLENCODED,
        "data_draft": json.dumps([run.flow.name, run.id, step.key]),
        "data_typed": typed is not None and "1",
    }
    tail = me
    if any(item.kind == "file" for item in controls):
        sending |= {"hx_encoding": MULTIPART, "enctype": MULTIPART}
        tail = f"{me}/upload"
    sending |= _posting(run, tail, f"#{me}")
    if getattr(inside, "tag", "") == "article":  # the step made the card itself
        own = next((part for part in forms.walk(inside) if part.tag == "form"), None)
        if own is not None:
            own(**sending)
        return inside(id=me, data_current="1")
    foot = Footer(Button(step.button, type="submit"))
    return _step_card(step, "", Form(failure(error, id="card-error"), inside, foot, **sending))


def name_controls(inside: Any, title_id: str) -> None:
    """Name controls that have no label by the card's title."""
    parts = list(forms.walk(inside))
    labels = [part for part in parts if part.tag == "label"]
    wrapped = {id(part) for label in labels for part in forms.walk(label.children)}
    targets = {label.attrs.get("for") for label in labels} - {None}
    for part in parts:
        attrs = part.attrs
        if part.tag not in forms.CONTROLS or attrs.get("type") == "hidden":
            continue
        named = attrs.get("aria-label") or attrs.get("aria-labelledby")
        if not (named or id(part) in wrapped or attrs.get("id") in targets):
            attrs["aria-labelledby"] = title_id
        if attrs.get("id") == attrs.get("name"):
            attrs.pop("id", None)  # FastHTML's default; two cards may use a name


# --- done


async def done(run: Run, step: Step) -> FT:
    """Return the card of an answered step, with the way back to it."""
    if step.show_function:
        shown = await call(step.show_function, run)
    else:
        shown = plain(run[step.key])
    me = f"card{step.number}"
    return Article(
        Span("✓", cls="number", aria_hidden="true"),
        Div(
            Small(step.label, cls="label", id=f"{me}-title", tabindex="-1"),
            Div(shown, cls="answer"),
            cls="body",
        ),
        _change(run, step),
        id=me,
        cls="card done plain" if isinstance(shown, str) else "card done",
        aria_labelledby=f"{me}-title",
    )


def _change(run: Run, step: Step) -> FT | None:
    if run.record.get("finalized"):
        return None
    word = "Redo" if step.work else "Change"
    return act(run, f"revert{step.number}", word, aria_label=f"Change: {step.label}")


def plain(value: Any) -> str:
    """Return an answer as text: True as a tick, files by name."""
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, dict):
        return plain(value.get("file") or "") or _fields(value)
    text = str(value)
    return text if len(text) <= 300 else text[:300] + "…"


def _fields(value: dict[str, Any]) -> str:
    parts = [
        f"{key.replace('_', ' ').capitalize()}: {plain(item)}"
        for key, item in value.items()
        if item not in ("", None, []) and key != "answered"
    ]
    return " · ".join(parts) or "–"


# --- working


def working(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the card of a machine's step: ready, running, or stopped."""
    key = (run.flow.name, run.id, step.id)
    row = jobs.row(key) or {"state": "ready", "error": ""}
    state = row["state"]
    number = step.number
    me = f"#card{number}"
    if jobs.running(key) or state == "running":
        cancel = act(run, f"cancel{number}", "Cancel", me)
        return _step_card(step, "work", progress(run, jobs, step), cancel)
    labels = {"ready": step.button, "done": step.button}
    labels |= {"unsure": "Look again", "cancelled": "Go on"}
    label = labels.get(state, "Try again")
    acts = [act(run, f"start{number}", label, me, cls="")]
    if state == "unsure":
        acts.append(act(run, f"repeat{number}", "Do it again", me, cls="quiet danger"))
    tones = {"unsure": "error", "failed": "error"}
    reason = failure(row["error"], cls=tones.get(state, "hint"))
    return _step_card(step, "work", reason, Div(*acts, cls="row"))


def progress(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the part of a working card that is asked for twice a second."""
    now = jobs.progress((run.flow.name, run.id, step.id))
    me = f"card{step.number}"
    place = {}
    if now.fraction is not None:
        # htmx first carries the style over to the new bar, so that it moves.
        place = {
            "value": f"{now.fraction:.4f}",
            "style": f"--done: {now.fraction:.2%}",
        }
    return Div(
        Progress(
            max="1",
            id=f"progress{step.number}",
            aria_labelledby=f"{me}-title",
            **place,
        ),
        P(now.message or "Working…", cls="hint"),
        hx_get=address(run.flow, run.id, f"{me}/progress"),
        hx_trigger="every 500ms",
        hx_swap="outerHTML settle:20ms",
        hx_target="this",
        cls="progress",
    )


# --- the result


async def result(run: Run) -> FT:
    """Return the last card, with the lock of a finalized run."""
    shown = Div(await _verdict(run), cls="result")
    another = A("Start another run", href=f"/{run.flow.name}", role="button", cls="quiet")
    since = str(run.record.get("finalized") or "")[:10]
    foot = [act(run, "finalize", "Finalize")]
    if since:
        hint = f"Finalized on {since}: nothing can change until you unlock it."
        foot = [Span(hint, cls="hint"), act(run, "unfinalize", "Unlock")]
    kind = since and "locked"
    return _card("result", "★", "Result", kind, shown, Footer(*foot, another))


async def _verdict(run: Run) -> Any:
    if not run.flow.result_function:
        return P("All steps are done.")
    try:
        return await call(run.flow.result_function, run)
    except Exception as problem:
        logger.opt(exception=problem).error("the result of {} failed", run.flow.name)
        return P("The result's code failed; all answers are safe."), *faulty(fault(problem))
