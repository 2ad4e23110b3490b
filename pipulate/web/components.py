"""What any page shows, and an author's card may: functions that return HTML, and nothing else.

PAGE    `page` is a page in its shell, `fragment` is components as HTMX takes them.
FORM    `form` is every form that posts, `button` one of a single button; method, action and
        encoding are said here alone.
WORDS   `failure` is read out at once; `markdown` renders anybody's text safely; `ago` tells a time.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

# FastHTML's own names are these with checks on top, which cost half of a card's time.
from fastcore.xml import FT, H1, A, Button, Div, Form, Input, NotStr, P, Title, to_xml
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipulate.engine.workflow import Workflow
from pipulate.web.shell import document

MULTIPART = "multipart/form-data"
_VARY = {"vary": "HX-Request, HX-History-Restore-Request"}  # with or without the shell


def address(flow: Workflow, id: str, tail: str = "") -> str:
    """Return the address of a run's page or act: /bridge/card3?id=arthur."""
    path = f"/{flow.name}/{tail}".rstrip("/")
    return f"{path}?{urlencode({'id': id})}"


def page(
    request: Request,
    title: str,
    *content: Any,
    about: str = "",
    wide: bool = False,
    status: int = 200,
) -> Response:
    """Return a page in its shell, or without it to HTMX; `about` is what the model is told."""
    if about:  # else the address may be anything that somebody typed
        request.app.state.about[request.url.path] = (title, about)
    column = Div(H1(title), *content, cls="wide" if wide else "page")
    if of_htmx(request) and "hx-history-restore-request" not in request.headers:
        return fragment(Title(f"{title} · Pipulate"), column, status=status)
    return HTMLResponse(document(request, title, column), status, _VARY)


def of_htmx(request: Request) -> bool:
    """Say whether HTMX asks, which puts the answer into a page that is there already."""
    return request.headers.get("hx-request") == "true"


def fragment(*parts: Any, status: int = 200, **headers: Any) -> Response:
    """Return components as an HTML fragment; `hx_retarget="#x"` becomes the HX-Retarget header."""
    named = {key.replace("_", "-"): str(value) for key, value in headers.items()}
    shown = tuple(part for part in parts if part is not None)
    return HTMLResponse(to_xml(shown, indent=False), status, named)


def form(action: str, *inside: Any, files: bool = False, **attributes: Any) -> FT:
    """Return a form that posts to `action`; with `files`, to one that ends in /upload."""
    if files:
        attributes["enctype"] = MULTIPART
    return Form(*inside, method="post", action=action, **attributes)


def button(
    action: str, text: str, cls: str = "quiet", label: str | None = None, **attributes: Any
) -> FT:
    """Return a form of one button; `label` is its accessible name, `attributes` are the form's."""
    act = Button(text, type="submit", cls=cls or None, aria_label=label)
    return form(action, act, **attributes)


def search_field(address: str, target: str, label: str, value: str = "") -> FT:
    """Return a field that replaces `target` by what `address` finds, as one types."""
    return Input(
        type="search",
        name="q",
        value=value,
        placeholder=label,
        aria_label=label,
        hx_get=address,
        hx_trigger="input changed delay:150ms, search",
        hx_target=target,
        hx_swap="outerHTML",
    )


def failure(text: Any, cls: str = "error", **attributes: Any) -> FT | None:
    """Return a message that is read out at once; None for an empty one."""
    return P(str(text), role="alert", cls=cls, **attributes) if text else None


def ago(time: str | None) -> str:
    """Say how long ago a UTC time was: "5 minutes ago"; "" for what is no time."""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(time or "")).total_seconds()
    except (ValueError, TypeError):
        return ""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def markdown(text: str) -> NotStr:
    """Render Markdown safely: raw HTML is shown as text, images are not loaded."""
    from pipulate.web.markdown import render

    return NotStr(f'<div class="markdown">{render(text)}</div>')


def download(label: str, name: str, text: str) -> FT:
    """Return a link that saves `text` as a file called `name`."""
    href = "data:text/plain;charset=utf-8," + quote(text)
    return A(label, href=href, download=name, role="button", cls="quiet")
