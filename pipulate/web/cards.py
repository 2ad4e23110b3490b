"""A run as a chain of cards: functions that return HTML, and nothing else.

CHAIN   the revision, the undo line, then the cards up to the first open one, or
        the result.  A submit answers with its done card and the next, other
        acts with the whole chain.
ERRORS  An author's bug shows in its own card; the other cards live on.
"""

import asyncio
import json
from typing import Any

from fastcore.xml import (
    FT,
    H2,
    A,
    Article,
    Button,
    Details,
    Div,
    Footer,
    Form,
    Header,
    Input,
    Li,
    P,
    Progress,
    Section,
    Small,
    Span,
    Summary,
    Ul,
)
from loguru import logger

from pipulate.engine import forms
from pipulate.engine import record as rec
from pipulate.engine.answers import Question, question
from pipulate.engine.calls import call
from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.history import Act
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Kind
from pipulate.engine.values import LARGE, is_file
from pipulate.engine.workflow import Run, Step
from pipulate.web import uploads
from pipulate.web.components import MULTIPART, address, failure, file_link
from pipulate.web.faults import fault, faulty
from pipulate.web.filling import fill

FORMER = "pipulate-former"  #: the field that names the key of a gone answer
REV = "pipulate-rev"  #: the field with the revision on show: no author's
AT_WORK = ("running", "ending", "elsewhere")  #: of the states of jobs
MOST = 300  #: characters of an answer that are shown
URLENCODED = "application/x-www-form-urlencoded"  # FastHTML's Form is multipart


# --- the chain


async def chain(
    run: Run,
    jobs: Jobs,
    message: str = "",
    note: str = "",
    at: int = 0,
    last: FT | None = None,
) -> FT:
    """Return the cards; `message`: what failed; `at`: the focus; `last`: drawn already."""
    shown = await up_to_open(run, jobs, 0, last)
    for card in shown[:-1]:
        if card.attrs.get("id") == f"card{at}":
            card(data_focus="1")
    last_act = await asyncio.to_thread(run.engine.undoable, run.id)
    return Section(
        revision(run),
        _undo(run, last_act),
        failure(message, id="refused"),
        note and P(note, cls="note", role="status"),
        _gone(run),
        _reopening(run),
        *shown,
        id="chain",
    )


async def up_to_open(run: Run, jobs: Jobs, first: int, last: FT | None = None) -> list[FT]:
    """Return the cards from index `first` to the open one, or the result."""
    shown = []
    for index in range(first, run.open_index):
        step = run.flow.steps[index]
        here = rec.is_done(run.state, step.id)
        shown.append(await card(run, jobs, index) if here else _skipped(step))
    return [*shown, last or await card(run, jobs, run.open_index)]


def revision(run: Run, oob: bool = False) -> FT:
    """Return the hidden field with the revision on show."""
    swap = oob and "true"
    return Input(type="hidden", id="rev", name=REV, value=str(run.rev), hx_swap_oob=swap)


def _undo(run: Run, last: Act | None) -> FT:
    if run.state.get("finalized") or last is None or last.kind != Kind.REVERT:
        return Div(id="undo")
    words = Span("Went back. Later answers are kept.")
    return Div(words, act(run, "undo", "Undo"), id="undo", cls="note")


def _reopening(run: Run) -> FT | None:
    if not run.state.get("finalized") or run.open_index == len(run.flow.steps):
        return None
    words = P("The workflow has changed since this run was finalized: a step is open.")
    return Div(words, act(run, "unfinalize", "Unlock"), cls="note")


def _gone(run: Run) -> FT | None:
    kept = run.state.get("gone")
    if not kept:
        return None
    count = f"{len(kept)} answers of steps that are gone"
    if len(kept) == 1:
        count = "1 answer of a step that is gone"
    items = [Li(f"{key}: {_was(run, key)}") for key in kept]
    return Details(Summary(f"Kept: {count}"), Ul(*items), cls="note")


def _was(run: Run, key: str) -> str:
    entry = run.state["gone"][key]
    return plain(rec.answer(entry.get("answer", entry.get("was")), key))


def _posting(run: Run, tail: str, target: str, step: Step | None) -> dict[str, str]:
    # By its key: another may have come to stand at the number.
    more = {"step": step.key} if step else {}
    url = address(run.flow, run.id, tail, **more)
    return {
        "method": "post",
        "action": f"{url}&{REV}={run.rev}",  # of the whole page that shows it
        "hx_post": url,
        "hx_target": target,
        "hx_swap": "outerHTML",
        "hx_include": "#rev",
        "hx_disabled_elt": "find button[type=submit]",
    }


def act(
    run: Run,
    kind: str,
    label: str,
    step: Step | None = None,
    target: str = "#chain",
    cls: str = "quiet",
    **more: Any,
) -> FT:
    """Return a form of one button that does something to a run or a step."""
    tail = f"{kind}{step.number}" if step else kind
    button = Button(label, type="submit", cls=cls, **more)
    return Form(button, **_posting(run, tail, target, step))


# --- a card


async def card(run: Run, jobs: Jobs, index: int, typed: forms.Values | None = None) -> FT:
    """Return the card at `index`; at len(steps), the result."""
    if index >= len(run.flow.steps):
        return await _result(run)
    step = run.flow.steps[index]
    try:
        if rec.is_done(run.state, step.id):
            return await _done(run, step)
        if step.when:
            await call(step.when, run.before(step))  # if it fails, its card says so
        if step.work:
            return working(run, jobs, step)
        asked = await question(run, step)
        uploads.recall(asked)
        return asking(asked, typed)
    except Exception as problem:
        logger.opt(exception=problem).error("{} of {} failed", step.key, run.flow.name)
        return _broken(run, step, problem)


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


def _skipped(step: Step) -> FT:
    words = Small(f"{step.label} – not needed here", cls="hint")
    return Div(words, id=f"card{step.number}", cls="skipped")


def _broken(run: Run, step: Step, problem: Exception) -> FT:
    remark = " – this card's code failed"
    shown = faulty(fault(problem))
    if isinstance(problem, PipulateError):  # no fault of the code's
        remark = " – not ready"
        shown = (failure(problem),)
    safe = P("Your earlier answers are safe.")
    back = _change(run, step) if rec.is_done(run.state, step.id) else None
    return _step_card(step, "broken", *shown, safe, back, remark=remark)


# --- asking


def asking(
    asked: Question,
    typed: forms.Values | None = None,
    error: Invalid | None = None,
) -> FT:
    """Return the card around a step's form, with what was `typed`."""
    run, step = asked.run, asked.step
    me = f"card{step.number}"
    controls = forms.fields(asked.inside)
    values = run.was(step.key)
    if typed is not None:
        values = {item.name: typed.get(item.name, []) for item in controls}
    files = {item.name: asked.known.get(item.name) for item in controls if item.kind == "file"}
    inside = fill(asked.inside, {**values, **files}, getattr(error, "field", None))
    inside = uploads.shown(asked, inside)
    name_controls(inside, f"{me}-title")
    sending = _posting(run, f"{me}/upload" if files else me, f"#{me}", step) | {
        "hx_sync": "this:drop",
        "hx_encoding": bool(files) and MULTIPART,
        "enctype": MULTIPART if files else URLENCODED,
        "autocomplete": "off",
        "data_draft": json.dumps([run.flow.name, run.id, step.key, run.state.get("created")]),
        "data_typed": typed is not None and "1",
    }
    reason = failure(error, id="card-error")
    if getattr(inside, "tag", "") == "article":  # the step made the card itself
        for own in [part for part in forms.walk(inside) if part.tag == "form"][:1]:
            own(**sending)
            own.children = (reason, *own.children)
        return inside(id=me, data_current="1")
    foot = Footer(Button(step.button, type="submit"))
    form = Form(reason, inside, foot, **sending)
    return _step_card(step, "", *offers(run, step, asked.inside), form)


def offers(run: Run, step: Step, inside: Any = ()) -> list[FT]:
    """Return the questions whether the step is a gone one under a new name."""
    if not (run.state.get("gone") or run.state.get("once")):
        return []
    from pipulate.engine.changed import former  # seldom: the file has changed

    return [_offer(run, step, key) for key in former(run, step, inside)]


def _offer(run: Run, step: Step, key: str) -> FT:
    told = "It has no result, but what it did to the world is not repeated then."
    if key in run.state.get("gone", {}):
        told = f"Its answer was: {_was(run, key)}"
    words = P(f"Is ‘{step.key}’ the former ‘{key}’? {told}")
    yes = act(run, "take", "Yes, take that", step, name=FORMER, value=key)
    return Div(words, yes, cls="note former")


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


async def _done(run: Run, step: Step) -> FT:
    if step.show_function:
        shown = await call(step.show_function, run)
    else:
        shown = _short(run, step)
    me = f"card{step.number}"
    links = [Li(file_link(run, step.key, name)) for name in run.files(step.key)]
    return Article(
        Span("✓", cls="number", aria_hidden="true"),
        Div(
            Small(step.label, cls="label", id=f"{me}-title", tabindex="-1"),
            Div(shown, cls="answer"),
            Ul(*links, cls="files") if links else None,
            cls="body",
        ),
        _change(run, step),
        id=me,
        cls="card done plain" if isinstance(shown, str) else "card done",
        aria_labelledby=f"{me}-title",
    )


def _short(run: Run, step: Step) -> str:
    data = run.state[step.id]
    if isinstance(data, dict) and is_file(data.get(LARGE)):  # not read just for that
        return f"A result of {data[LARGE]['size'] / 1e6:,.1f} MB"
    return plain(run.told(step))


def _change(run: Run, step: Step) -> FT | None:
    if run.state.get("finalized"):
        return None
    word = "Redo" if step.work else "Change"
    return act(run, "revert", word, step, aria_label=f"Change: {step.label}")


def plain(value: Any) -> str:
    """Return an answer as text: True as a tick, files by name."""
    text = _words(value)
    return text if len(text) <= MOST else text[:MOST] + "…"


def _words(value: Any) -> str:
    if value in (None, "") or value is False:
        return "–"
    if value is True:
        return "✓"
    if isinstance(value, list):  # a few; there may be a million
        return ", ".join(map(_words, value[:MOST])) or "–"
    if not isinstance(value, dict):
        return str(value)
    if is_file(value):
        return str(value["file"])
    parts = [
        f"{key.replace('_', ' ').capitalize()}: {_words(item)}"
        for key, item in value.items()
        if item not in ("", None, [])
    ]
    return " · ".join(parts) or "–"


# --- working


def working(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the card of a machine's step: ready, running, or stopped."""
    state, why = jobs.state(run, step)
    me = f"#card{step.number}"
    if state in AT_WORK:
        button = act(run, "cancel", "Cancel", step, me)
        if state == "ending":
            button = act(run, "start", "Go on", step, me)
        return _step_card(step, "work", progress(run, jobs, step), button)
    labels = {"ready": step.button, "unsure": "Look again", "cancelled": "Go on"}
    acts = [act(run, "start", labels.get(state, "Try again"), step, me, cls="")]
    if state == "unsure":
        acts.append(act(run, "repeat", "Do it again", step, me, "quiet danger"))
    reason = failure(why, cls="error" if state in ("unsure", "failed") else "hint")
    return _step_card(step, "work", *offers(run, step), reason, Div(*acts, cls="row"))


def progress(run: Run, jobs: Jobs, step: Step) -> FT:
    """Return the part of a working card that is asked for twice a second."""
    now = jobs.progress((run.flow.name, run.id, step.key))
    me = f"card{step.number}"
    place = {}
    if now.fraction is not None:
        # htmx first carries the style over to the new bar, so that it moves.
        place = {"value": f"{now.fraction:.4f}", "style": f"--done: {now.fraction:.2%}"}
    name = f"{me}-title"
    return Div(
        Progress(max="1", id=f"progress{step.number}", aria_labelledby=name, **place),
        P(now.message or "Working…", cls="hint"),
        hx_get=address(run.flow, run.id, f"{me}/progress", step=step.key),
        hx_trigger="every 500ms",
        hx_swap="outerHTML settle:20ms",
        hx_target="this",
        cls="progress",
    )


# --- the result


async def _result(run: Run) -> FT:
    shown = Div(await _verdict(run), cls="result")
    another = A("Start another run", href=f"/{run.flow.name}", role="button", cls="quiet")
    since = str(run.state.get("finalized") or "")[:10]
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
        if isinstance(problem, PipulateError):  # no fault of the code's
            return failure(problem)
        return P("The result's code failed; all answers are safe."), *faulty(fault(problem))
