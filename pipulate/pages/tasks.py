"""Tasks of the chosen profile."""

from fasthtml.common import FastHTML

from pipulate.pages.lists import ListPage, Table
from pipulate.pages.profiles import chosen

TASKS = Table(
    name="task",
    noun="task",
    fields={"name": "Task"},
    toggle=("done", "Done"),
    scope=lambda store: {"profile_id": chosen(store)},
)
ABOUT = (
    "Tasks of the chosen profile. Add one, tick it when it is done, rename it in "
    "place, drag it to its place, delete it (Undo brings it back)."
)


def routes(app: FastHTML) -> None:
    """Add the page."""
    ListPage(app, TASKS, "/tasks", "Tasks", ABOUT).add_routes()
