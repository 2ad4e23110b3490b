"""The pages that are not workflows.  Each module has `routes(app)`, which adds its routes and menu entries."""

from collections.abc import Callable
from importlib import import_module

from fasthtml.common import FastHTML

PARTS = (
    "pipulate.web.backups",
    "pipulate.pages.introduction",
    "pipulate.pages.connect",
    "pipulate.pages.download",
    "pipulate.pages.graphs",
    "pipulate.pages.profiles",
    "pipulate.pages.tasks",
    "pipulate.pages.runs",
    "pipulate.pages.stream",
    "pipulate.pages.memory",
    "pipulate.pages.settings",
    "pipulate.pages.docs",
    "pipulate.pages.find",
    "pipulate.pages.chat",
    "pipulate.pages.model",
    "pipulate.pages.devices",
    "pipulate.pages.agents",
)


def parts() -> list[Callable[[FastHTML], None]]:
    """Return the `routes` of every part, in the order of the menu; imported now, as the command line needs few of them."""
    return [import_module(name).routes for name in PARTS]
