"""The peer of bench_web: what its author would write in plain FastHTML, without a framework.

STEPS   The same three questions as the bridge's, with the same two cards in each answer; they are
        kept in the same kind of SQLite file (WAL, synchronous=FULL), one durable commit a step.
PAGES   /introduction, /tasks and /bridge show the same content as ours, alone: no menu, no finder,
        no chat panel.

python bench/peer.py PORT DATABASE
"""

import json
import sys
from typing import Any

import apsw
import uvicorn
from fasthtml.common import (
    FT,
    H1,
    H2,
    A,
    Article,
    Button,
    Div,
    FastHTML,
    Footer,
    Form,
    Header,
    Hidden,
    Input,
    Kbd,
    Label,
    Li,
    Main,
    Ol,
    P,
    Section,
    Small,
    Span,
    Title,
    Ul,
)
from starlette.requests import Request

QUESTIONS = ("name", "quest", "color")
ANSWERS = ("Arthur", "The Grail", "blue")

app = FastHTML(
    default_hdrs=False, canonical=False, surreal=False, htmx=False, sess_cls=None, secret_key="x"
)
db = apsw.Connection(sys.argv[2])
db.pragma("journal_mode", "wal")
db.pragma("synchronous", "FULL")
db.execute("CREATE TABLE run (id TEXT PRIMARY KEY, data TEXT)")


def open_card(number: int, id: str) -> FT:
    """Return the card that asks, or the result."""
    if number > len(QUESTIONS):
        return Article(H2("Result"), P("Right. Off you go."), id="result")
    url = f"/card{number}?id={id}"
    name = QUESTIONS[number - 1]
    form = Form(
        Input(name=name, required=True),
        Footer(Button("Next")),
        hx_post=url,
        action=url,
        method="post",
        hx_target=f"#card{number}",
        hx_swap="outerHTML",
    )
    head = Header(Span(str(number)), H2(f"What... is your {name}?"))
    return Article(head, form, id=f"card{number}")


def done_card(number: int, value: Any) -> FT:
    """Return an answered card."""
    body = Div(Small(f"What... is your {QUESTIONS[number - 1]}?"), Div(value))
    change = Form(Button("Change"), hx_post="/revert")
    return Article(Span("v"), body, change, id=f"card{number}")


@app.route("/card{n}", methods=["POST"])
async def card(request: Request, n: int, id: str) -> Any:
    """Store an answer."""
    name = QUESTIONS[n - 1]
    given = (await request.form())[name]
    with db:
        row = db.execute("SELECT data FROM run WHERE id = ?", (id,)).fetchone()
        data = json.loads(row[0]) if row else {}
        data[f"step_{n:02d}"] = {name: given}
        db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (id, json.dumps(data)))
    over = {"hx_swap_oob": "true"}
    rev = Hidden("1", id="rev", **over)
    return done_card(n, given), open_card(n + 1, id), rev, Div(id="undo", **over)


def page(title: str, *content: Any) -> tuple[FT, FT]:
    """Return a page without any shell."""
    return Title(title), Main(H1(title), *content)


@app.route("/introduction", methods=["GET"])
async def introduction() -> Any:
    """A page of text with two forms."""
    ways = [
        Article(
            Header(Div(number), H2("A first run, in a minute")),
            P("Three questions, three cards. Close the tab, come back: you are where you were."),
            Form(Hidden("arthur", name="id"), Button("Begin"), method="post", action="/open"),
        )
        for number in "12"
    ]
    text = "Every answer is on disk before the next card appears. Going back loses nothing."
    steps = [Li("A ", A("workflow", href="/bridge"), f" is a row of cards. {text}") for _ in "1234"]
    lead = P("Step-by-step workflows that run on your own machine.")
    hint = P(Kbd("Ctrl"), " ", Kbd("K"), " finds any page.")
    return page("Welcome", lead, Div(*ways), H2("How it works"), Ol(*steps), hint)


@app.route("/tasks", methods=["GET"])
async def tasks() -> Any:
    """A list of five rows that are edited in place."""
    rows = []
    for number in range(5):
        url = f"/tasks/{number}"
        swap = {"hx_target": "closest li", "hx_swap": "outerHTML"}
        tick = Input(type="checkbox", name="on", hx_post=f"{url}?field=done", **swap)
        field = Input(name="name", value=f"Task {number}", hx_post=url, **swap)
        acts = [Button(word, hx_post=f"{url}/{word}", **swap) for word in ("up", "down", "delete")]
        rows.append(Li(Span("="), tick, field, Span(*acts), id=f"task-{number}"))
    form = Form(Input(name="name"), Button("Add"), hx_post="/tasks", action="/tasks")
    return page("Tasks", P("Tasks of the chosen profile."), form, Ul(*rows))


@app.route("/bridge", methods=["GET"])
async def bridge(id: str) -> Any:
    """A run with three answered cards."""
    row = db.execute("SELECT data FROM run WHERE id = ?", (id,)).fetchone()
    data = json.loads(row[0]) if row else {}
    values = [data.get(f"step_{n:02d}", {}).get(QUESTIONS[n - 1], "") for n in (1, 2, 3)]
    cards = [done_card(number, value) for number, value in enumerate(values, 1)]
    choose = Form(Label("Run ID"), Input(name="id", value=id), Button("Open"), action="/open")
    return page("The Bridge", choose, Section(*cards, open_card(4, id)))


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        http="h11",
        access_log=False,
    )
