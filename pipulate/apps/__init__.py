"""The pages that are not workflows.  Each module has `routes(app)`, which adds its routes and menu entries."""

from collections.abc import Callable
from importlib import import_module

from fasthtml.common import FastHTML

PARTS = (
    "pipulate.apps.care",
    "pipulate.apps.introduction",
    "pipulate.apps.connect",
    "pipulate.apps.download",
    "pipulate.graph.pages",
    "pipulate.apps.profiles",
    "pipulate.apps.tasks",
    "pipulate.apps.runs",
    "pipulate.apps.stream",
    "pipulate.apps.memory",
    "pipulate.apps.settings",
    "pipulate.apps.find",
    "pipulate.chat.panel",
    "pipulate.chat.settings",
    "pipulate.apps.lan",
    "pipulate.chat.mcp",
)


def parts() -> list[Callable[[FastHTML], None]]:
    """Return the `routes` of every part, in the order of the menu; imported now, as the command line needs few of them."""
    return [import_module(name).routes for name in PARTS]
