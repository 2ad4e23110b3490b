"""Settings: theme, folders, backups, and the cards of other parts."""

from typing import Any

from fastcore.xml import (
    FT,
    H2,
    Button,
    Code,
    Fieldset,
    Input,
    Label,
    Legend,
    Li,
    P,
    Section,
    Ul,
)
from fasthtml.common import FastHTML, RedirectResponse, Request, Response

from pipulate.engine.care import backups
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.pages.sent import Sent
from pipulate.web.components import button, form, page

ABOUT = """Settings: light or dark, which model answers, where the data folder is,
backups and how to restore one."""
THEMES = {"": "As the system has it", "light": "Light", "dark": "Dark"}


def card(title: str, *inside: Any) -> FT:
    """A card of this page."""
    return Section(H2(title), *inside, cls="card open")


def _appearance(app: FastHTML) -> FT:
    chosen = app.state.store.get("theme", "")
    radios = [
        Label(
            Input(type="radio", name="theme", value=key, checked=key == chosen),
            label,
        )
        for key, label in THEMES.items()
    ]
    theme = Fieldset(Legend("Theme"), *radios)
    save = Button("Save", type="submit")
    return card("Appearance", form("/settings/theme", theme, save))


def _places(app: FastHTML) -> FT:
    settings = app.state.settings
    return card(
        "Folders and backups",
        _folders(settings),
        P(
            f"Served at {settings.url}. Port, folders and LAN are set when Pipulate is started; ",
            Code("pipulate --help"),
            " lists how.",
        ),
        button("/settings/backup", "Back up now", cls=""),
        _backups(app.state.store),
        P(
            "A backup is made at the start, daily, and before every upgrade; "
            "seven are kept. To bring one back, stop Pipulate and run ",
            Code("pipulate restore"),
            ".",
        ),
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
    return Ul(*[Li(Code(it.name), f" {it.stat().st_size / 1024:,.0f} KB") for it in files])


def routes(app: FastHTML) -> None:
    """Add the page with the two cards of its own."""
    state = app.state
    state.add_page("Settings", "/settings")
    state.add_settings("Appearance", _appearance)
    state.add_settings("Folders and backups", _places)
    if chosen := state.store.get("theme"):
        state.theme["data-theme"] = chosen

    @app.get("/settings")
    def settings(request: Request) -> Response:
        cards = [section(app) for section in state.settings_sections]
        return page(request, "Settings", *cards, about=ABOUT)

    @app.post("/settings/theme")
    def set_theme(sent: Sent) -> Response:
        chosen = sent.get("theme")
        if chosen in THEMES:
            state.store["theme"] = chosen
            state.theme.pop("data-theme", None)
            if chosen:
                state.theme["data-theme"] = chosen
        return RedirectResponse("/settings", 303)

    @app.post("/settings/backup")
    def backup() -> Response:
        state.store.backup()
        return RedirectResponse("/settings", 303)
