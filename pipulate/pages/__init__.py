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


def parts() -> list[Callable[[FastHTML], None]]:
    """The `routes` of every part; imports them, only now."""
    names = ["backups", *(f"pages.{page}" for page in PAGES)]
    return [import_module(f"pipulate.{name}").routes for name in names]
