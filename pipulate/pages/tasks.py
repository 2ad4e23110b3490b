"""Tasks of the profile that the window shows."""

from fasthtml.common import FastHTML

from pipulate.engine import profiles
from pipulate.pages.lists import ListPage, Table

TASKS = Table(
    name="task",
    noun="task",
    fields={"name": "Task"},
    toggle=("done", "Done"),
    scope=lambda store: {"profile_id": profiles.shown(store)},
)
ABOUT = (
    "Tasks of the profile that the menu shows. Add one, tick it when it is done, rename it in "
    "place, drag it to its place, delete it (Undo brings it back)."
)


def routes(app: FastHTML) -> None:
    """Add the page."""
    ListPage(app, TASKS, "/tasks", "Tasks", ABOUT).add_routes()
