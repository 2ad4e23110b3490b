"""Stream simulator: how a page follows something long.  To be copied.

Server-sent events replace the bar (`progress`) or append a word (`text`).
The position is a number in the page: to stop is to close the stream, to
resume is to open it there; the server remembers nothing.  (What must survive
a restart is a job: see the template "work".)
"""

import asyncio
from collections.abc import AsyncIterator

from fastcore.xml import FT, Button, Code, Div, P, Script, Span
from fasthtml.common import (
    EventStream,
    FastHTML,
    Hidden,
    Progress,
    Request,
    Response,
    sse_message,
)

from pipulate.web.components import page

SAID = """A workflow is a row of cards. Each answer is on disk before the next card
appears, so a run may be interrupted after every card, and entering its ID again is the
only way in which it ever goes on. What takes long is told piece by piece, as this text
is: a small event, a small change of the page, and nothing has to be reloaded."""
TEXT = SAID.split()
ABOUT = """The stream simulator shows authors how a page follows a long task by
server-sent events, with progress, stop and resume."""
PAUSE = 0.12  #: seconds between two words


def bar(at: int) -> FT:
    """The progress bar with the position that the buttons send."""
    return Div(
        Progress(value=str(at), max=str(len(TEXT)), aria_label="Progress of the stream"),
        P(f"{at} of {len(TEXT)} words", cls="hint"),
        Hidden(str(at), name="at", id=None),
    )


def box(at: int, running: bool) -> FT:
    """The stream's box, running or stopped at word `at`."""
    listening = {}
    button = switch("Resume" if at else "Start", "/stream/running")
    if running:
        button = switch("Stop", "/stream/stopped")
        listening = {
            "hx_ext": "sse",
            "sse_connect": f"/stream/events?at={at}",
            "sse_close": "end",
        }
    return Div(
        Div(bar(at), sse_swap="progress"),
        P(
            " ".join(TEXT[:at]),
            sse_swap="text",
            hx_swap="beforeend",
            cls="streamed",
        ),
        Div(button, sse_swap="finished", cls="row"),
        id="stream",
        cls="card open",
        **listening,
    )


def switch(sign: str, address: str) -> FT:
    """The button that stops the stream, or lets it go on."""
    return Button(
        sign,
        hx_get=address,
        hx_include="#stream [name=at]",
        hx_target="#stream",
        hx_swap="outerHTML",
    )


async def events(at: int) -> AsyncIterator[str]:
    """Yield the events from word `at` on."""
    for number, word in enumerate(TEXT[at:], at + 1):
        await asyncio.sleep(PAUSE)
        yield sse_message(Span(f" {word}"), event="text")
        yield sse_message(bar(number), event="progress")
    yield sse_message(switch("Again", "/stream/running"), event="finished")
    yield "event: end\ndata: \n\n"


def position(request: Request) -> int:
    """The word to go on at: 0 if finished, or odd."""
    text = request.query_params.get("at", "")
    if text.isdecimal() and len(text) < 6 and int(text) < len(TEXT):
        return int(text)
    return 0


def routes(app: FastHTML) -> None:
    """Add the page and its stream."""
    app.state.add_page("Stream simulator", "/stream")

    @app.get("/stream")
    async def stream(request: Request) -> Response:
        lead = P(
            "A long task tells its progress piece by piece. Stop it, resume it, and read ",
            Code("pipulate/pages/stream.py"),
            " to see how.",
            cls="lead",
        )
        script = Script(src="/static/vendor/htmx-sse.min.js", defer=True)
        return page(request, "Stream simulator", lead, box(0, False), script, about=ABOUT)

    @app.get("/stream/running")
    async def running(request: Request) -> FT:
        return box(position(request), True)

    @app.get("/stream/stopped")
    async def stopped(request: Request) -> FT:
        return box(position(request), False)

    @app.get("/stream/events")
    async def stream_events(request: Request) -> Response:
        return EventStream(events(position(request)))
