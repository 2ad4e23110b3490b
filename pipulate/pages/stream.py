"""Stream simulator: how a page follows something long by server-sent events.  For authors to read and copy.

The page opens /stream/events, which sends two kinds of events: `progress` replaces the bar, `text` appends a word.
The position is a number in the page, so stopping is closing the stream, and resuming is opening it at that number:
the server remembers nothing.  (Work that must survive a restart is a job; see the template "work".)
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fasthtml.common import (
    FT,
    Button,
    Code,
    Div,
    EventStream,
    FastHTML,
    Hidden,
    P,
    Progress,
    Script,
    Span,
    sse_message,
)
from starlette.requests import Request

from pipulate.web.components import page

TEXT = [
    "A",
    "workflow",
    "is",
    "a",
    "row",
    "of",
    "cards.",
    "Each",
    "answer",
    "is",
    "on",
    "disk",
    "before",
    "the",
    "next",
    "card",
    "appears,",
    "so",
    "a",
    "run",
    "may",
    "be",
    "interrupted",
    "after",
    "every",
    "card,",
    "and",
    "entering",
    "its",
    "ID",
    "again",
    "is",
    "the",
    "only",
    "way",
    "in",
    "which",
    "it",
    "ever",
    "goes",
    "on.",
    "What",
    "takes",
    "long",
    "is",
    "told",
    "piece",
    "by",
    "piece,",
    "as",
    "this",
    "text",
    "is:",
    "a",
    "small",
    "event,",
    "a",
    "small",
    "change",
    "of",
    "the",
    "page,",
    "and",
    "nothing",
    "has",
    "to",
    "be",
    "reloaded.",
]
ABOUT = "The stream simulator shows authors how a page follows a long task by server-sent events, with progress, stop and resume."
PAUSE = 0.12  #: seconds between two words


def bar(at: int) -> FT:
    """Return the progress bar with the position that the buttons send."""
    return Div(
        Progress(value=str(at), max=str(len(TEXT)), aria_label="Progress of the stream"),
        P(f"{at} of {len(TEXT)} words", cls="hint"),
        Hidden(str(at), name="at", id=None),
    )


def box(at: int, running: bool) -> FT:
    """Return the stream's box: running, stopped or finished."""
    connect = (
        {"hx_ext": "sse", "sse_connect": f"/stream/events?at={at}", "sse_close": "end"}
        if running
        else {}
    )
    sign = "Stop" if running else "Again" if at >= len(TEXT) else "Resume" if at else "Start"
    button = Button(
        sign,
        hx_get="/stream/stopped" if running else "/stream/running",
        hx_include="#stream [name=at]",
        hx_target="#stream",
        hx_swap="outerHTML",
    )
    return Div(
        Div(bar(at), sse_swap="progress"),
        P(
            " ".join(TEXT[:at]),
            Span(" ") if at else None,
            sse_swap="text",
            hx_swap="beforeend",
            cls="streamed",
        ),
        Div(button, sse_swap="finished", cls="row"),
        id="stream",
        cls="card open",
        **connect,
    )


async def events(at: int) -> AsyncIterator[str]:
    """Yield the events from word `at` on."""
    for number in range(at, len(TEXT)):
        await asyncio.sleep(PAUSE)
        yield sse_message(Span(TEXT[number] + " "), event="text")
        yield sse_message(bar(number + 1), event="progress")
    again = Button(
        "Again", hx_get="/stream/running?from=0", hx_target="#stream", hx_swap="outerHTML"
    )
    yield sse_message(again, event="finished")
    yield "event: end\ndata: \n\n"


def position(request: Request) -> int:
    """Return the word at which to go on; a finished or odd position begins anew."""
    text = request.query_params.get("at", "0")
    at = int(text) if text.isdecimal() and len(text) < 6 else 0
    return at if at < len(TEXT) else 0


def routes(app: FastHTML) -> None:
    """Add the page and its stream."""
    app.state.add_page("Stream simulator", "/stream")

    @app.route("/stream", methods=["GET"])
    async def stream(request: Request) -> Any:
        lead = P(
            "A long task tells its progress piece by piece. Stop it, resume it, and read ",
            Code("pipulate/apps/stream.py"),
            " to see how.",
            cls="lead",
        )
        return page(
            request,
            "Stream simulator",
            lead,
            box(0, False),
            Script(src="/static/vendor/htmx-sse.min.js", defer=True),
            about=ABOUT,
        )

    @app.route("/stream/running", methods=["GET"])
    async def running(request: Request) -> Any:
        return box(position(request), True)

    @app.route("/stream/stopped", methods=["GET"])
    async def stopped(request: Request) -> Any:
        return box(position(request), False)

    @app.route("/stream/events", methods=["GET"])
    async def stream_events(request: Request) -> Any:
        return EventStream(events(position(request)))
