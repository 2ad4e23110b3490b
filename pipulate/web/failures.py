"""What is answered when something failed: a page, for HTMX an alert.

TRUTH   What a request has saved, SQLite itself tells (`store.saved`).  So
        whatever fails afterwards, no answer says that nothing was.
"""

from typing import TYPE_CHECKING, Any

import apsw
from fastcore.xml import FT, Code, Details, Div, P, Pre, Summary
from loguru import logger
from starlette.requests import Request
from starlette.responses import Response

from pipulate.engine.errors import CannotWrite, Corrupt, PipulateError
from pipulate.engine.found import Broken, Helper
from pipulate.engine.store import plainly, saved
from pipulate.engine.workflow import Workflow
from pipulate.web.components import (
    address,
    button,
    failure,
    fragment,
    of_htmx,
    page,
)

if TYPE_CHECKING:
    from pipulate.engine.fault import Fault

#: The way on where an author's code failed.
MEND = "Mend it: with --dev a saved file is read at once, without it at the next start."

_WORDS = {
    404: (
        "Not found",
        "There is nothing at this address. The menu leads to everything there is.",
    ),
    405: (
        "Not possible",
        "This address cannot be used that way. Go back and use the page's own buttons.",
    ),
    413: ("Too large", "That was more than this page takes."),
    400: ("Not understood", "The request was not understood."),
}


def fault(error: BaseException) -> "Fault":
    """Return what is to be told of an error."""
    from pipulate.engine import fault  # seldom: something failed

    return fault.fault(error)


def _message(request: Request, title: str, text: str, status: int) -> Response:
    if saved.get():
        text += " What was saved before that stays: reload the page to see how it stands."
    if of_htmx(request):
        words = P(text, cls="error")
        return fragment(words, status=status, hx_retarget="#alert", hx_reswap="innerHTML")
    return page(request, title, failure(text), status=status)


def _failed(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)  # a number that SQLite cannot hold is none
    return _message(request, *_WORDS[status], status)


def refused(request: Request, error: PipulateError) -> Response:
    """Say why nothing was done."""
    status = error.status
    if status >= 500:
        status = 424  # another service failed, not this server
    return _message(request, "That did not work", str(error), status)


def _unsaved(request: Request, error: apsw.Error) -> Response:
    try:
        with plainly(request.app.state.store.path):
            raise error
    except PipulateError as told:
        return refused(request, told)


def _machine(request: Request, error: OSError) -> Response:
    from pipulate.engine.fault import in_words, is_machines  # seldom: something failed

    if not is_machines(error):
        raise error
    logger.warning("{} {}: {}", request.method, request.url.path, in_words(error))
    return _message(request, "That did not work", in_words(error), CannotWrite.status)


def _crashed(request: Request, error: Exception) -> Response:
    logger.opt(exception=error).error("{} {} failed", request.method, request.url.path)
    told = fault(error)
    title = "Something failed"
    text = "Something in Pipulate failed. The log in the data folder has the details."
    if told.line:
        title, text = "This page's code failed", f"{told}. {MEND}"
    if request.method == "POST" and not saved.get():
        text += " Nothing was saved in the database."
    return _message(request, title, text, 500)


#: For FastHTML: by status or exception.
HANDLERS: dict[Any, Any] = {
    **dict.fromkeys([*_WORDS, OverflowError], _failed),
    500: _crashed,
    PipulateError: refused,
    apsw.Error: _unsaved,
    OSError: _machine,
}


def faulty(told: "Fault") -> tuple[FT | None, ...]:
    """Return what failed in an author's code, where, and the way on."""
    if not told.line:
        return (failure(told.what),)
    return (
        failure(told.what),
        P(f"{told.file}, line {told.line}: ", Code(told.code)),
        P(f"{told.way}. {MEND}".removeprefix(". ")),
        Details(Summary("Where it failed"), Pre(told.traceback)),
    )


def idle_page(request: Request, found: Broken | Helper) -> Response:
    """Return the page of a file that serves no workflow."""
    about = str(found)
    content = P(about, cls="lead")
    if isinstance(found, Broken):
        lead = P(f"This is out of order until {found.path.name} is mended. All else works.")
        content = Div(lead, *faulty(found.fault), cls="card broken")
    return page(request, found.title, content, about=about)


def damaged(flow: Workflow, id: str, error: PipulateError) -> FT:
    """Return the card of a run that cannot be shown."""
    mend = None
    if isinstance(error, Corrupt):
        mend = button(address(flow, id, "repair"), "Restore the last good state", cls="")
    return Div(failure(error), mend, cls="card")
