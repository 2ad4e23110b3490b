"""The Bridge of Death: the smallest complete workflow. Copy this file to
start your own.

The bridgekeeper asks three questions. (This docstring is also what the model
is told.)
"""

from fasthtml.common import Input, Option, P, Select

from pipulate import Workflow

flow = Workflow("bridge", title="The Bridge of Death")


@flow.step("name", "What... is your name?")
def name(run):
    return Input(name="name", placeholder="Sir Lancelot", required=True)


@flow.step("quest", "What... is your quest?")
def quest(run):
    return Input(name="quest", placeholder="I seek the Grail", required=True)


@flow.step("color", "What... is your favorite color?")
def color(run):
    return Select(
        *[Option(c, value=c.lower()) for c in ("Red", "Blue", "Green")],
        name="color",
    )


@color.show
def show_color(run):
    return run["color"].title()


@flow.result
def verdict(run):
    if run["color"] == "blue":
        return P("Right. Off you go.")
    return P(f"{run['color'].title()}?! You are cast into the Gorge of Eternal Peril!")
