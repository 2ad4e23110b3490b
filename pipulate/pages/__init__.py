"""The pages that are no workflows; each module's `routes(app)` adds its own."""

from collections.abc import Callable
from importlib import import_module

from fasthtml.common import FastHTML

PAGES = (
    "introduction",
    "connect",
    "download",
    "graphs",
    "profiles",
    "tasks",
    "runs",
    "stream",
    "memory",
    "settings",
    "docs",
    "find",
    "chat",
    "model",
    "devices",
    "agents",
)


#: The order of the menu and of Settings.
ORDER = (
    "link_graph",
    "explore_csv",
    "bridge",
    "petite",
    "poet",
    "work",
    "byhand",
    "Introduction",
    "Connect to Botify",
    "Link graphs",
    "Runs",
    "Stream simulator",
    "Memory",
    "Settings",
    "Manual",
    "Profiles",
    "Tasks",
    "Appearance",
    "Model",
    "Folders and backups",
    "Other devices",
    "Agents of other programs",
)


def parts() -> list[Callable[[FastHTML], None]]:
    """The `routes` of every part; imports them, only now."""
    names = ["backups", *(f"pages.{page}" for page in PAGES)]
    return [import_module(f"pipulate.{name}").routes for name in names]
