"""The pages that are not workflows.  Each module has `routes(app)`, which adds its routes and menu entries."""

from collections.abc import Callable

from fasthtml.common import FastHTML

from pipulate.apps import connect, download, find, introduction, lan, memory, profiles, runs, settings, stream, tasks
from pipulate.chat import panel
from pipulate.chat import settings as model_settings
from pipulate.graph import pages

PARTS: tuple[Callable[[FastHTML], None], ...] = (
    introduction.routes,
    connect.routes,
    download.routes,
    pages.routes,
    profiles.routes,
    tasks.routes,
    runs.routes,
    stream.routes,
    memory.routes,
    settings.routes,
    find.routes,
    panel.routes,
    model_settings.routes,
    lan.routes,
)
