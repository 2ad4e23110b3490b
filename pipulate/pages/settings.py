"""Settings: the theme, where things are, backups.  Parts that have settings of their own add a section."""

from typing import Any

from fasthtml.common import (
    FT,
    H2,
    Button,
    Code,
    Div,
    FastHTML,
    Fieldset,
    Form,
    Input,
    Label,
    Legend,
    Li,
    P,
    Section,
    Ul,
)
from starlette.requests import Request
from starlette.responses import RedirectResponse

from pipulate.engine.store import Store, backups
from pipulate.web.components import page

ABOUT = "Settings: light or dark, which model answers, where the data folder is, backups and how to restore one."
THEMES = {"": "As the system has it", "light": "Light", "dark": "Dark"}


def _form(action: str, *inside: Any) -> FT:
    return Form(*inside, method="post", action=action, enctype="application/x-www-form-urlencoded")


def theme(app: FastHTML) -> FT:
    """Return the choice of theme."""
    chosen = app.state.store.get("theme", "")
    radios = [
        Label(Input(type="radio", name="theme", value=key, checked=key == chosen, id=None), label)
        for key, label in THEMES.items()
    ]
    return Section(
        H2("Appearance"),
        _form("/settings/theme", Fieldset(Legend("Theme"), *radios), Button("Save", type="submit")),
        cls="card open",
    )


def places(app: FastHTML) -> FT:
    """Return where things are, and the backups."""
    settings, store = app.state.settings, app.state.store
    assert isinstance(store, Store)
    rows = [
        ("Data", settings.data),
        ("Downloads", settings.downloads),
        ("Workflows of your own", settings.workflows[-1]),
        ("Log", settings.data / "log" / "pipulate.log"),
    ]
    made = backups(store.folder)
    return Section(
        H2("Folders and backups"),
        Ul(*[Li(f"{label}: ", Code(str(path.resolve()))) for label, path in rows]),
        P(
            f"Served at http://{settings.host}:{settings.port}. Port, folders and LAN are set when Pipulate is started; ",
            Code("pipulate --help"),
            " lists how.",
        ),
        _form("/settings/backup", Button("Back up now", type="submit")),
        Ul(*[Li(Code(path.name), f" {path.stat().st_size / 1024:,.0f} KB") for path in made])
        if made
        else P("No backup yet."),
        P(
            "A backup is made at the start, daily, and before every upgrade; seven are kept. To bring one back, stop Pipulate and run ",
            Code("pipulate restore"),
            ".",
        ),
        cls="card open",
    )


def routes(app: FastHTML) -> None:
    """Add the page; other parts add their cards by `app.state.add_settings`."""
    app.state.add_page("Settings", "/settings")
    app.state.add_settings("Appearance", theme)
    app.state.add_settings("Folders and backups", places)

    @app.route("/settings", methods=["GET"])
    async def settings(request: Request) -> Any:
        return page(
            request,
            "Settings",
            Div(*[section(app) for section in app.state.settings_sections]),
            about=ABOUT,
        )

    @app.route("/settings/theme", methods=["POST"])
    async def set_theme(request: Request) -> Any:
        chosen = str((await request.form()).get("theme", ""))
        if chosen in THEMES:
            app.state.store["theme"] = chosen
            app.state.theme.pop("data-theme", None)
            if chosen:
                app.state.theme["data-theme"] = chosen
        return RedirectResponse("/settings", 303)

    @app.route("/settings/backup", methods=["POST"])
    def backup() -> Any:
        app.state.store.backup()
        return RedirectResponse("/settings", 303)
