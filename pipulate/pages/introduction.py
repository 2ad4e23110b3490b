"""The introduction: what this is, and two short ways to a finished run."""

from typing import Any

from fastcore.xml import FT, H2, A, Article, Button, Div, Header, Input, Kbd, Li, Ol, P
from fasthtml.common import FastHTML
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipulate.web.components import button, form, page

ABOUT = """The introduction explains Pipulate: workflows are linear sequences of cards; a run has
an ID, and entering the ID again continues it exactly where it was; nothing leaves the user's own
machine."""


def content(has_link_graph: bool) -> tuple[FT, ...]:
    """Return the page's body."""
    ways = [_bridge()]
    if has_link_graph:
        ways.append(_link_graph())
    return (
        P(
            "Step-by-step workflows that run on your own machine and remember everything.",
            cls="lead",
        ),
        Div(*ways, cls="ways"),
        H2("How it works"),
        _how(),
        P(
            Kbd("Ctrl"),
            " ",
            Kbd("K"),
            " finds any page, run, task or profile. Nothing you enter leaves this machine.",
            cls="hint",
        ),
    )


def _bridge() -> FT:
    arthur = Input(type="hidden", name="id", value="arthur")
    cross = Button("Cross the Bridge of Death", type="submit")
    return _way(
        1,
        "A first run, in a minute",
        "Three questions, three cards. Close the tab in the middle, come back, "
        "enter the same ID: you are where you were.",
        form("/bridge/open", arthur, cross),
    )


def _link_graph() -> FT:
    return _way(
        2,
        "A link graph, in three",
        "The flagship: export a site's internal links, check them, see them drawn. "
        "With demo data, no account is needed.",
        button("/connect/demo", "Try it without an account", cls=""),
    )


def _way(number: int, title: str, text: str, begin: FT) -> FT:
    head = Header(Div(number, cls="number", aria_hidden="true"), H2(title))
    return Article(head, P(text), begin, cls="card way")


def _how() -> FT:
    workflow = A("workflow", href="/bridge")
    return Ol(
        Li("A ", workflow, " is a row of cards. Answer one, and the next appears."),
        Li(
            "A run has an ID. Entering it again is how a run continues: "
            "after a coffee, a crash or a month."
        ),
        Li(
            "Every answer is on disk before the next card appears. "
            "Going back loses nothing; Undo brings it back."
        ),
        Li(
            "The panel at the side holds a local model that knows the page you are on. "
            "All works without it, too."
        ),
    )


def routes(app: FastHTML) -> None:
    """Add the introduction, which is also the first page."""
    app.state.add_page("Introduction", "/introduction")

    @app.route("/introduction", methods=["GET"])
    async def introduction(request: Request) -> Any:
        shown = content("link_graph" in app.state.found)
        return page(request, "Welcome to Pipulate", *shown, about=ABOUT)

    @app.route("/", methods=["GET"])
    async def home() -> Response:
        return RedirectResponse("/introduction", 303)
