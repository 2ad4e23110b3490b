"""What is answered when something failed: a page, for HTMX an alert.

TRUTH   What a request has saved, SQLite itself tells (`store.saved`).  So
        whatever fails afterwards, no answer says that nothing was.
"""

from typing import Any

import apsw
from fastcore.xml import P
from loguru import logger
from starlette.requests import Request
from starlette.responses import Response

from pipulate.engine.errors import CannotWrite, PipulateError
from pipulate.engine.store import plainly, saved
from pipulate.web.components import failure, fragment, of_htmx, page
from pipulate.web.faults import MEND, fault

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
