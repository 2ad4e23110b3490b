"""What is out of order, shown where it stands: an author's code, a file, a run."""

from typing import TYPE_CHECKING

from fastcore.xml import FT, Code, Details, Div, P, Pre, Summary
from starlette.requests import Request
from starlette.responses import Response

from pipulate.engine.errors import Corrupt, PipulateError
from pipulate.engine.found import Broken, Helper
from pipulate.engine.workflow import Workflow
from pipulate.web.components import (
    address,
    button,
    failure,
    page,
)

if TYPE_CHECKING:
    from pipulate.engine.fault import Fault

#: The way on where an author's code failed.
MEND = "Mend it: with --dev a saved file is read at once, without it at the next start."


def fault(error: BaseException) -> "Fault":
    """Return what is to be told of an error."""
    from pipulate.engine import fault  # seldom: something failed

    return fault.fault(error)


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
