"""Petite: a client briefing in three cards, with the widgets that an author
needs most.

The first card shows the text fields, the second the choices, the third files
and numbers. Copy the lines you need.
"""

from itertools import islice

from fasthtml.common import (
    H3,
    Fieldset,
    Input,
    Label,
    Legend,
    Option,
    P,
    Progress,
    Select,
    Table,
    Tbody,
    Td,
    Textarea,
    Th,
    Thead,
    Tr,
)

from pipulate import Invalid, Workflow
from pipulate.engine import foreign
from pipulate.web.components import download, markdown

flow = Workflow(
    "petite",
    title="Petite briefing",
    id_label="Client",
    id_hint="A client's short name. Enter it again to go on.",
)

MORE = {"contact": "Contact", "due": "Due"}
GOALS = ("More visits", "More sales", "Fewer errors")


@flow.step("brief", "Who is it, and what is it about?")
def brief(run):
    return (
        Label(
            "Site",
            Input(
                name="site",
                type="url",
                placeholder="https://example.com",
                required=True,
            ),
        ),
        Label(
            "Contact",
            Input(name="contact", type="email", placeholder="name@example.com"),
        ),
        Label(
            "The brief, in Markdown",
            Textarea(name="text", rows=5, placeholder="**Goal:** …", maxlength=5000),
        ),
        Label("Due", Input(name="due", type="date")),
    )


@brief.accept
def check_brief(run, form):
    if "example.invalid" in form["site"]:
        raise Invalid("This address can never exist. Enter the client's real site.", "site")
    return form


@brief.show
def show_brief(run):
    told = run["brief"]
    more = [f"{name}: {told[key]}" for key, name in MORE.items() if told[key]]
    return (P(told["site"]), P(" · ".join(more)) if more else None, markdown(told["text"]))


@flow.step("choices", "What matters?")
def choices(run):
    return (
        Label(
            "Market",
            Select(*[Option(m) for m in ("Europe", "America", "Asia")], name="market"),
        ),
        Fieldset(
            Legend("Goals"),
            *[Label(Input(type="checkbox", name="goals", value=g), g) for g in GOALS],
        ),
        Fieldset(
            Legend("Pace"),
            *[
                Label(Input(type="radio", name="pace", value=p, required=True), p)
                for p in ("Calm", "Quick")
            ],
        ),
        Label(
            "Effort, from 1 to 10",
            Input(name="effort", type="range", min=1, max=10, value=5),
        ),
        Label(
            Input(type="checkbox", name="report", role="switch"),
            "Send a weekly report",
        ),
    )


@flow.step("data", "Any numbers?", button="Finish")
def data(run):
    return (
        Label(
            "A CSV file with two columns, name and number (optional)",
            Input(name="table", type="file", accept=".csv"),
        ),
        Label(
            "Budget, in hours",
            Input(name="hours", type="number", min=0, max=1000, step=1, value=8),
        ),
    )


@data.accept
def check_data(run, form):
    if form["table"] and not rows(form["table"]):
        raise Invalid(
            "The file has no rows. Choose a CSV with a name and a number in each line.",
            "table",
        )
    return form


def rows(table):
    """Return the first 50 (name, number) pairs of a CSV; other rows are left out."""
    try:
        with table.open(errors="replace", newline="") as file:
            return list(islice(pairs(file), 50))
    except ValueError as error:
        raise Invalid(f"{table.name} cannot be read: {error}.", "table") from error


def pairs(file):
    """Yield them one by one: a list of all rows of a large file would fill the memory."""
    for _, row in foreign.rows(file):
        if len(row) > 1 and is_number(row[1]):
            yield row[0], float(row[1])


def is_number(text):
    return text.strip().lstrip("-").replace(".", "", 1).isdecimal()


@flow.result
def briefing(run):
    wishes = run["choices"]
    goals = ", ".join(wishes["goals"]) or "none named"
    due = run["brief"]["due"]
    when = f"Due on a {due:%A}, {due}" if due else "No date yet"
    text = f"""# {run.id}

{run["brief"]["text"]}

Market: {wishes["market"]}. Goals: {goals}. {when}, {run["data"]["hours"] or "?"} hours.
"""
    return (
        markdown(text),
        numbers(run),
        download("Download the briefing", f"{run.id}.md", text),
    )


def numbers(run):
    """Return the table of the uploaded file, or nothing."""
    file = run["data"]["table"]
    if not file:
        return None
    table = rows(file)
    most = max(number for _, number in table)
    if most <= 0:
        most = 1  # a bar needs a length, also where there is nothing to compare with
    head = Tr(Th("Name"), Th("Number"), Th("Share of the largest"))
    body = [number_row(name, number, most) for name, number in table]
    return H3("The numbers"), Table(Thead(head), Tbody(*body))


def number_row(name, number, most):
    bar = Progress(value=max(number, 0), max=most, aria_label=f"{name}: {number:g}")
    return Tr(Td(name), Td(f"{number:g}"), Td(bar))
