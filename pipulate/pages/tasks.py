"""Tasks of the chosen profile."""

from fasthtml.common import FastHTML

from pipulate.pages.lists import ListApp

TASKS = ListApp(
    table="task",
    path="/tasks",
    title="Tasks",
    noun="task",
    fields={"name": "Task"},
    toggle=("done", "Done"),
    about="Tasks of the chosen profile. Add one, tick it when it is done, rename it in place, drag it to its place, delete it (Undo brings it back).",
    scope=lambda store: {"profile_id": store.get("profile_id", 1)},
)


def routes(app: FastHTML) -> None:
    """Add the page."""
    TASKS.routes(app)
