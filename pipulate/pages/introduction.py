"""The introduction: what this is, and two short ways to a finished run."""

from typing import Any

from fasthtml.common import (
    FT,
    H2,
    A,
    Article,
    Button,
    Div,
    FastHTML,
    Form,
    Header,
    Hidden,
    Kbd,
    Li,
    Ol,
    P,
)
from starlette.requests import Request
from starlette.responses import RedirectResponse

from pipulate.web.components import page

ABOUT = """The introduction explains Pipulate: workflows are linear sequences of cards; a run has an ID, and entering
the ID again continues it exactly where it was; nothing leaves the user's own machine."""


def _way(number: str, title: str, text: str, form: FT) -> FT:
    return Article(
        Header(Div(number, cls="number", aria_hidden="true"), H2(title)),
        P(text),
        form,
        cls="card way",
    )


def _begin(workflow: str, id: str, label: str) -> FT:
    return Form(
        Hidden(id, name="id", id=None),
        Button(label, type="submit"),
        method="post",
        action=f"/{workflow}/open",
        enctype="application/x-www-form-urlencoded",
    )


def content(app: FastHTML) -> tuple[Any, ...]:
    """Return the page's body."""
    ways = [
        _way(
            "1",
            "A first run, in a minute",
            "Three questions, three cards. Close the tab in the middle, come back, enter the same ID: you are where you were.",
            _begin("bridge", "arthur", "Cross the Bridge of Death"),
        ),
    ]
    if "link_graph" in app.state.found:
        ways.append(
            _way(
                "2",
                "A link graph, in three",
                "The flagship: export a site's internal links, check them, see them drawn. With demo data, no account is needed.",
                Form(
                    Button("Try it without an account", type="submit"),
                    method="post",
                    action="/connect/demo",
                    enctype="application/x-www-form-urlencoded",
                ),
            )
        )
    return (
        P(
            "Step-by-step workflows that run on your own machine and remember everything.",
            cls="lead",
        ),
        Div(*ways, cls="ways"),
        H2("How it works"),
        Ol(
            Li(
                "A ",
                A("workflow", href="/bridge"),
                " is a row of cards. Answer one, and the next appears.",
            ),
            Li(
                "A run has an ID. Entering it again is how a run continues: after a coffee, a crash or a month."
            ),
            Li(
                "Every answer is on disk before the next card appears. Going back loses nothing; Undo brings it back."
            ),
            Li(
                "The panel at the side holds a local model that knows the page you are on. All works without it, too."
            ),
        ),
        P(
            Kbd("Ctrl"),
            " ",
            Kbd("K"),
            " finds any page, run, task or profile. Nothing you enter leaves this machine.",
            cls="hint",
        ),
    )


def routes(app: FastHTML) -> None:
    """Add the introduction, which is also the first page."""
    app.state.add_page("Introduction", "/introduction")

    @app.route("/introduction", methods=["GET"])
    async def introduction(request: Request) -> Any:
        return page(request, "Welcome to Pipulate", *content(app), about=ABOUT)

    @app.route("/", methods=["GET"])
    async def home() -> Any:
        return RedirectResponse("/introduction", 303)
