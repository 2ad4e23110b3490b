"""What any page shows, and an author's card may: functions that return HTML."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

# FastHTML's own add checks, which cost half of a card's time.
from fastcore.xml import (
    FT,
    H1,
    A,
    Button,
    Div,
    Form,
    Input,
    NotStr,
    P,
    Table,
    Tbody,
    Td,
    Th,
    Thead,
    Title,
    Tr,
    to_xml,
)
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    RedirectResponse,
    Response,
)
from starlette.types import Receive, Scope, Send

from pipulate.engine.workflow import Run, Workflow
from pipulate.web import offers
from pipulate.web.shell import document
from pipulate.web.windows import carried

MULTIPART = "multipart/form-data"
VARY = {"vary": "HX-Request, HX-History-Restore-Request"}


def address(flow: Workflow, id: str, tail: str = "", **more: str) -> str:
    """Return a run's address: /bridge/card3?id=arthur."""
    path = f"/{flow.name}/{tail}".rstrip("/")
    return f"{path}?{urlencode({'id': id, **more})}"


def page(
    request: Request,
    title: str,
    *content: Any,
    about: str = "",
    wide: bool = False,
    status: int = 200,
) -> Response:
    """Return a page, to HTMX without its shell; `about` is for the model."""
    if about:  # else somebody may have typed the address
        request.app.state.remember(request.url.path, title, about)
    column = Div(H1(title), *content, cls="wide" if wide else "page")
    if of_htmx(request) and "hx-history-restore-request" not in request.headers:
        return fragment(Title(f"{title} · Pipulate"), column, status=status)
    whole = partial(document, request, title, column)
    if "frame" in request.scope:
        return HTMLResponse(whole(), status, VARY)
    return Page(whole, status)


class Page(Response):
    """A page that is made in a thread."""

    def __init__(self, whole: Callable[[], str], status: int) -> None:
        super().__init__(status_code=status)
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        html = await asyncio.to_thread(self._whole)
        await HTMLResponse(html, self.status_code, VARY)(scope, receive, send)


def of_htmx(request: Request) -> bool:
    """Say whether HTMX asks, which has a page already."""
    return request.headers.get("hx-request") == "true"


class Fragment(HTMLResponse):
    """HTML for HTMX; for who has no JavaScript a page, or the way back to it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if of_htmx(request):
            await super().__call__(scope, receive, send)
            return
        refused = self.status_code >= 400
        if request.method == "POST" and not refused:
            came = request.headers.get("referer", "")
            await RedirectResponse(carried(came), 303)(scope, receive, send)
            return
        title = "That did not work" if refused else "Found"
        html = NotStr(bytes(self.body).decode())
        await page(request, title, html, status=self.status_code)(scope, receive, send)


def fragment(*parts: Any, status: int = 200, **headers: Any) -> Response:
    """Return HTML for HTMX; `hx_retarget="#x"` is its HX-Retarget header."""
    named = {key.replace("_", "-"): str(value) for key, value in headers.items()}
    shown = tuple(part for part in parts if part is not None)
    return Fragment(to_xml(shown, indent=False), status, named)


def form(action: str, *inside: Any, files: bool = False, **attributes: Any) -> FT:
    """Return a form that posts; with `files`, `action` ends in /upload."""
    if files:
        attributes["enctype"] = MULTIPART
    return Form(*inside, method="post", action=action, **attributes)


def button(
    action: str,
    text: str,
    cls: str = "quiet",
    label: str | None = None,
    **attributes: Any,
) -> FT:
    """Return a form of one button, with the accessible name `label`."""
    act = Button(text, type="submit", cls=cls or None, aria_label=label)
    return form(action, act, **attributes)


def search_field(address: str, target: str, label: str, value: str = "") -> FT:
    """Return a field that replaces `target` by what `address` finds."""
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
    """Return a message that is read out at once; None for no `text`."""
    return P(str(text), role="alert", cls=cls, **attributes) if text else None


def ago(time: str | None) -> str:
    """Say how long ago it was: "5 minutes ago"; "" for what is no time."""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(time or "")).total_seconds()
    except (ValueError, TypeError):
        return ""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count > 0:
            return f"{count} {name}{'s' * (count > 1)} ago"
    return "just now"


def markdown(text: str) -> NotStr:
    """Render Markdown safely: no raw HTML, no images."""
    from pipulate.markdown import render

    return NotStr(f'<div class="markdown">{render(text)}</div>')


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> FT:
    """Return a table; where it is too wide, it scrolls by itself."""
    body = Tbody(*[Tr(*map(Td, row)) for row in rows])
    grid = Table(Thead(Tr(*map(Th, head))), body)
    return Div(grid, cls="scroll", tabindex="0", role="region", aria_label="Table")


def file_link(run: Run, key: str, name: str, label: str = "") -> FT:
    """Return a link that saves a file which step `key` wrote."""
    href = address(run.flow, run.id, f"file/{quote(name)}", step=key)
    return A(label or name, href=href, download=name)


def download(label: str, name: str, text: str) -> FT:
    """Return a link that saves `text` as a file called `name`."""
    href = offers.address(name, text)
    return A(label, href=href, download=name, role="button", cls="quiet")
