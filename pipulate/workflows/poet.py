"""Poet: the full tour. Five steps lead to a poem by a model, of which you may
change every line.

Ask the poet for a subject, a form and a mood. The model writes the poem once;
what you approve is what is kept, since nothing is written anew when the page
is opened again. While no model answers, you write the lines.
"""

from fasthtml.common import Blockquote, Input, Label, Option, P, Select, Textarea

from pipulate import Invalid, PipulateError, Workflow

flow = Workflow(
    "poet",
    title="The Poet",
    id_label="Poem",
    id_hint="A name for the poem. Enter it again to go on writing.",
)

FORMS = {"haiku": 3, "couplet": 2, "quatrain": 4}


@flow.step("subject", "What shall it be about?")
def subject(run):
    return Input(name="subject", placeholder="A frog, a pond", required=True, maxlength=200)


@flow.step("form", "Which form?")
def form(run):
    options = [Option(f"{name.title()} ({n} lines)", value=name) for name, n in FORMS.items()]
    return Select(*options, name="form")


@form.show
def show_form(run):
    return f"{run['form'].title()}, {FORMS[run['form']]} lines"


@flow.step("mood", "In which mood?")
def mood(run):
    return Select(*[Option(m) for m in ("serene", "merry", "gloomy", "heroic")], name="mood")


@flow.work("draft", "The poet writes")
async def draft(run, job):
    length = FORMS[run["form"]]
    prompt = (
        f"Write a {run['mood']} {run['form']} of exactly {length} short lines "
        f"about: {run['subject']}. Only the poem."
    )
    text = ""
    try:
        async for piece in run.ask(prompt):
            text += piece
            job.progress(min(len(text) / 150, 0.95), text[-80:])
    except PipulateError as error:
        return {"lines": [], "note": str(error)}
    return {"lines": lines(text)[:length], "note": ""}


def lines(text):
    """Return the lines that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@draft.show
def show_draft(run):
    made = run["draft"]
    if not made["lines"]:
        return P(f"The poet is away. {made['note']}")
    return Blockquote(*[P(line) for line in made["lines"]])


@flow.step("poem", "Change what you like", button="This is the poem")
def poem(run):
    written = "\n".join(run["draft"]["lines"])
    label = "The poem" if written else "The poet is away: write the lines yourself"
    return Label(label, Textarea(written, name="poem", rows=5, required=True))


@poem.accept
def check_poem(run, form):
    if len(form["poem"].strip().splitlines()) > 20:
        raise Invalid("Twenty lines are enough for any pond.", "poem")
    return form


@flow.result
def result(run):
    written = lines(run["poem"])
    kind = run["form"] if len(written) == FORMS[run["form"]] else "poem"
    return (
        Blockquote(*[P(line) for line in written]),
        P(f"— a {run['mood']} {kind}. Finalize it to keep it so."),
    )
