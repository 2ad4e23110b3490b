"""Settings: the theme, where things are, backups.  Other parts add cards of their own."""

from typing import Any

from fastcore.xml import (
    FT,
    H2,
    Button,
    Code,
    Div,
    Fieldset,
    Input,
    Label,
    Legend,
    Li,
    P,
    Section,
    Ul,
)
from fasthtml.common import FastHTML
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipulate.engine.settings import Settings
from pipulate.engine.store import Store, backups
from pipulate.web.components import button, form, page
from pipulate.web.state import State

ABOUT = """Settings: light or dark, which model answers, where the data folder is, backups and
how to restore one."""
THEMES = {"": "As the system has it", "light": "Light", "dark": "Dark"}


def appearance(app: FastHTML) -> FT:
    """Return the choice of theme."""
    chosen = app.state.store.get("theme", "")
    radios = [
        Label(Input(type="radio", name="theme", value=key, checked=key == chosen), label)
        for key, label in THEMES.items()
    ]
    save = Button("Save", type="submit")
    return Section(
        H2("Appearance"),
        form("/settings/theme", Fieldset(Legend("Theme"), *radios), save),
        cls="card open",
    )


def places(app: FastHTML) -> FT:
    """Return where things are, and the backups."""
    settings = app.state.settings
    return Section(
        H2("Folders and backups"),
        _folders(settings),
        P(
            f"Served at {settings.url}. Port, folders and LAN are set when Pipulate is started; ",
            Code("pipulate --help"),
            " lists how.",
        ),
        button("/settings/backup", "Back up now", cls=""),
        _backups(app.state.store),
        P(
            "A backup is made at the start, daily, and before every upgrade; seven are kept. "
            "To bring one back, stop Pipulate and run ",
            Code("pipulate restore"),
            ".",
        ),
        cls="card open",
    )


def _folders(settings: Settings) -> FT:
    paths = {
        "Data": settings.data,
        "Downloads": settings.downloads,
        "Workflows of your own": settings.workflows[-1],
        "Log": settings.log,
    }
    return Ul(*[Li(f"{what}: ", Code(str(path.resolve()))) for what, path in paths.items()])


def _backups(store: Store) -> FT:
    files = backups(store.folder)
    if not files:
        return P("No backup yet.")
    return Ul(*[Li(Code(file.name), f" {file.stat().st_size / 1024:,.0f} KB") for file in files])


def choose(state: State, theme: str) -> None:
    """Show every page in a theme from now on; "" is the system's own."""
    state.store["theme"] = theme
    state.theme.pop("data-theme", None)
    if theme:
        state.theme["data-theme"] = theme


def routes(app: FastHTML) -> None:
    """Add the page with the two cards of its own."""
    app.state.add_page("Settings", "/settings")
    app.state.add_settings("Appearance", appearance)
    app.state.add_settings("Folders and backups", places)

    @app.route("/settings", methods=["GET"])
    async def settings(request: Request) -> Any:
        cards = [section(app) for section in app.state.settings_sections]
        return page(request, "Settings", Div(*cards), about=ABOUT)

    @app.route("/settings/theme", methods=["POST"])
    async def set_theme(request: Request) -> Response:
        chosen = (await request.form()).get("theme")
        if chosen in THEMES:
            choose(app.state, chosen)
        return RedirectResponse("/settings", 303)

    @app.route("/settings/backup", methods=["POST"])
    def backup() -> Response:
        app.state.store.backup()
        return RedirectResponse("/settings", 303)
