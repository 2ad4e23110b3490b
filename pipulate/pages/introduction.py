"""The introduction: what this is, and two short ways to a finished run."""

from collections.abc import Iterator

from fasthtml.common import (
    FT,
    H2,
    A,
    Article,
    Button,
    Div,
    FastHTML,
    Header,
    Input,
    Kbd,
    Li,
    Ol,
    P,
    RedirectResponse,
    Request,
    Response,
)

from pipulate.engine.pipeline import Pipulate
from pipulate.web.components import button, form, page

ABOUT = """The introduction explains Pipulate: workflows are linear sequences of cards;
a run has an ID, and entering the ID again continues it exactly where it was; nothing
leaves the user's own machine."""
ARTHUR = "arthur"  #: the first run
LEAD = "Step-by-step workflows that run on your own machine and remember everything."
HOW = (
    "A run has an ID. Entering it again is how a run continues: "
    "after a coffee, a crash or a month.",
    "Every answer is on disk before the next card appears. "
    "Going back loses nothing; Undo brings it back.",
    "The panel at the side holds a local model that knows the page you are on. "
    "All works without it, too.",
)
FINDER = " finds any page, run, task or profile. Nothing you enter leaves this machine."


def _ways(begun: bool, has_link_graph: bool) -> Iterator[FT]:
    text = (
        "Three questions, three cards. Close the tab in the middle, come back, "
        "enter the same ID: you are where you were."
    )
    cross = "Cross the Bridge of Death"
    if begun:
        text = f"You have begun it as “{ARTHUR}”, and are where you were. Another ID begins anew."
        cross = f"Go on as {ARTHUR}"
    known = Input(type="hidden", name="id", value=ARTHUR)
    go = form("/bridge/open", known, Button(cross, type="submit"))
    yield _way(1, "A first run, in a minute", text, go)
    if has_link_graph:
        yield _way(
            2,
            "A link graph, in three",
            "The flagship: export a site's internal links, check them, see them "
            "drawn. With demo data, no account is needed.",
            button("/connect/demo", "Try it without an account", cls=""),
        )


def _way(number: int, title: str, text: str, begin: FT) -> FT:
    sign = Div(number, cls="number", aria_hidden="true")
    return Article(Header(sign, H2(title)), P(text), begin, cls="card way")


def routes(app: FastHTML) -> None:
    """Add the introduction, which is also the first page."""
    app.state.add_page("Introduction", "/introduction")

    @app.get("/introduction")
    def introduction(request: Request) -> Response:
        begun = Pipulate(app.state.store, "bridge").row(ARTHUR) is not None
        workflow = A("workflow", href="/bridge")
        cards = Li(
            "A ",
            workflow,
            " is a row of cards. Answer one, and the next appears.",
        )
        return page(
            request,
            "Welcome to Pipulate",
            P(LEAD, cls="lead"),
            Div(*_ways(begun, "link_graph" in app.state.found), cls="ways"),
            H2("How it works"),
            Ol(cards, *map(Li, HOW)),
            P(Kbd("Ctrl"), " ", Kbd("K"), FINDER, cls="hint"),
            about=ABOUT,
        )

    @app.get("/")
    async def home() -> Response:
        return RedirectResponse("/introduction", 303)
