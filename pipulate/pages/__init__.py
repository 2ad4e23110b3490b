"""The pages that are not workflows: each module has `routes(app)`, which adds them to an app."""

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
    """Return the `routes` of every part; imported now, as commands need few of them."""
    return [import_module(name).routes for name in PARTS]
