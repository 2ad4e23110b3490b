"""Connect to Botify: the token is checked, kept in a private file, and shown to nobody; or try it with demo data."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fasthtml.common import (
    FT,
    H2,
    A,
    Button,
    Code,
    Div,
    FastHTML,
    Form,
    Input,
    Label,
    Li,
    P,
    Section,
    Ul,
)
from starlette.requests import Request
from starlette.responses import RedirectResponse

from pipulate.botify import token
from pipulate.botify.client import Botify
from pipulate.botify.connection import DEMO_ORG, demo_folders, demo_is_on, simulator
from pipulate.botify.token import Token
from pipulate.botify.urls import APP
from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from pipulate.graph.htmlsite import read_html_site
from pipulate.web.components import page

ABOUT = """On this page the user connects to Botify with an API token, which is kept in a private file and told to no model,
or switches on demo data: made-up sites, or a folder of real HTML pages served as if Botify had crawled them."""
DEMO_PROJECT = "shop"


def _form(action: str, *inside: Any, **named: Any) -> FT:
    return Form(
        *inside, method="post", action=action, enctype="application/x-www-form-urlencoded", **named
    )


def project_link(project: str) -> str:
    """The address of the link graph run of a demo project."""
    return f"/link_graph?{urlencode({'id': f'{APP}/{DEMO_ORG}/{project}/'})}"


def account(app: FastHTML, error: str = "") -> FT:
    """Return the card of the user's own account."""
    settings, store = app.state.settings, app.state.store
    if token.path(settings.data).exists():
        inside: tuple[Any, ...] = (
            P(f"Welcome, {store.get('botify_name', 'you are connected')}."),
            P("Open ", A("Link graph", href="/link_graph"), " and paste a project's address."),
            _form("/connect/forget", Button("Disconnect", type="submit", cls="quiet danger")),
        )
    else:
        inside = (
            _form(
                "/connect/token",
                Label(
                    "API token",
                    Input(
                        type="password",
                        name="token",
                        required=True,
                        autocomplete="off",
                        spellcheck="false",
                        aria_invalid="true" if error else None,
                    ),
                ),
                P(error, role="alert", cls="error") if error else None,
                P(
                    "You find it at ",
                    A(
                        "app.botify.com/account",
                        href=token.WHERE,
                        target="_blank",
                        rel="noopener noreferrer",
                    ),
                    ". It is kept in a file that only you can read, and goes to Botify's API alone.",
                    cls="hint",
                ),
                Button("Connect", type="submit"),
            ),
        )
    return Section(H2("Your account"), *inside, cls="card open")


def demo(app: FastHTML, error: str = "", typed: str = "") -> FT:
    """Return the card of the demo data."""
    settings, store = app.state.settings, app.state.store
    folders = demo_folders(store)
    names, own = ["shop", "tiny", "portal"], list[str]()
    if demo_is_on(settings, store) and folders:
        own = [
            project.slug
            for project in simulator(settings, store).state.projects
            if project.slug not in names
        ]
    return Section(
        H2("Demo data"),
        P(
            "Made-up sites, served by a simulator of Botify's API inside this app. Nothing leaves this machine, nothing costs anything."
        ),
        _form("/connect/demo", Button("Try it without an account", type="submit")),
        _links(names) if demo_is_on(settings, store) else None,
        H2("A folder of real HTML pages"),
        _form(
            "/connect/folder",
            Label(
                "Folder on this machine, such as a documentation tree",
                Input(
                    name="folder",
                    value=typed,
                    required=True,
                    placeholder="/usr/share/doc/python3/html",
                    aria_invalid="true" if error else None,
                ),
            ),
            P(error, role="alert", cls="error") if error else None,
            Button("Serve it as a site", type="submit"),
        ),
        (
            P("Served: ", *[(Code(str(folder)), " ") for folder in folders], "Draw its links:"),
            _links(own),
        )
        if own
        else None,
        cls="card open",
    )


def _links(names: list[str]) -> FT:
    return Ul(*[Li(A(f"{APP}/{DEMO_ORG}/{name}/", href=project_link(name))) for name in names])


def add_folder(store: Store, typed: str) -> None:
    """Serve a folder of HTML pages as a demo site; raises Invalid if there is none."""
    folder = Path(typed).expanduser()
    if not typed or not folder.is_dir():
        raise Invalid(f"There is no folder {typed!r} on this machine.")
    if not len(read_html_site(folder).pages):
        raise Invalid("There are no HTML pages in this folder.")
    known = [str(path) for path in demo_folders(store)]
    store["demo_folders"] = list(dict.fromkeys([*known, str(folder.resolve())]))
    store["demo"] = True


def routes(app: FastHTML) -> None:
    """Add the page."""
    store: Store = app.state.store
    settings = app.state.settings
    app.state.add_page("Connect to Botify", "/connect")

    async def show(
        request: Request, error: str = "", folder_error: str = "", typed: str = ""
    ) -> Any:
        cards = await asyncio.to_thread(
            lambda: Div(account(app, error), demo(app, folder_error, typed))
        )
        return page(request, "Connect to Botify", cards, about=ABOUT)

    @app.route("/connect", methods=["GET"])
    async def connect(request: Request) -> Any:
        return await show(request)

    @app.route("/connect/token", methods=["POST"])
    async def connect_token(request: Request) -> Any:
        form = await request.form()
        try:
            given = Token(str(form.get("token", "")))
            async with Botify(given, settings.botify) as api:
                profile = await api.profile()
            await asyncio.to_thread(token.save, settings.data, given)
            store["botify_name"] = profile.name
        except PipulateError as error:
            return await show(request, str(error))
        return RedirectResponse("/connect", 303)

    @app.route("/connect/forget", methods=["POST"])
    async def connect_forget() -> Any:
        await asyncio.to_thread(token.forget, settings.data)
        store["botify_name"] = ""
        return RedirectResponse("/connect", 303)

    @app.route("/connect/demo", methods=["POST"])
    async def connect_demo() -> Any:
        store["demo"] = True
        engine = Pipulate(store, "link_graph")
        await asyncio.to_thread(engine.initialize_if_missing, f"{APP}/{DEMO_ORG}/{DEMO_PROJECT}/")
        return RedirectResponse(project_link(DEMO_PROJECT), 303)

    @app.route("/connect/folder", methods=["POST"])
    async def connect_folder(request: Request) -> Any:
        typed = str((await request.form()).get("folder", "")).strip()
        try:
            await asyncio.to_thread(add_folder, store, typed)
        except (PipulateError, OSError, ValueError) as error:
            return await show(request, folder_error=str(error), typed=typed[:300])
        return RedirectResponse("/connect", 303)
