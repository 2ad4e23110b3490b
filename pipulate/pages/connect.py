"""Connect to Botify: the token is checked, kept privately, shown to nobody.

Or try it with demo data.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

from fasthtml.common import (
    FT,
    H2,
    A,
    Button,
    Code,
    Div,
    FastHTML,
    Input,
    Label,
    Li,
    P,
    RedirectResponse,
    Request,
    Response,
    Ul,
)

from pipulate.botify import token
from pipulate.botify.connection import (
    DEMO_ORG,
    demo_folders,
    demo_is_on,
    simulator,
)
from pipulate.botify.token import Token
from pipulate.botify.urls import Address
from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.pages.settings import card
from pipulate.web.components import button, failure, form, page
from pipulate.web.state import State

ABOUT = (
    "Here the user connects to Botify with an API token, which no model is told, "
    "or switches on demo data: made-up sites, or a folder of real HTML pages "
    "served as if Botify had crawled them."
)
DEMO_PROJECT = "shop"
MADE_UP = (
    DEMO_PROJECT,
    "tiny",
    "portal",
)  #: the demo projects that are no folders


def demo_url(project: str) -> str:
    """The address of a demo project, as if it were in Botify."""
    return Address(DEMO_ORG, project).url


def project_link(project: str) -> str:
    """The address of its link graph."""
    return f"/link_graph?{urlencode({'id': demo_url(project)})}"


def _account(settings: Settings, store: Store, error: str = "") -> FT:
    if not token.path(settings.data).exists():
        return card("Your account", _token_form(error))
    return card(
        "Your account",
        P(f"Welcome, {store.get('botify_name', 'you are connected')}."),
        P(
            "Open ",
            A("Link graph", href="/link_graph"),
            " and paste a project's address.",
        ),
        button("/connect/forget", "Disconnect", "quiet danger"),
    )


def _token_form(error: str) -> FT:
    secret = Input(
        type="password",
        name="token",
        required=True,
        autocomplete="off",
        spellcheck="false",
        aria_invalid="true" if error else None,
    )
    name = token.WHERE.removeprefix("https://")
    where = A(name, href=token.WHERE, target="_blank", rel="noopener noreferrer")
    return form(
        "/connect/token",
        Label("API token", secret),
        failure(error),
        P(
            "You find it at ",
            where,
            ". It is kept in a file that only you can read, and goes to Botify's API alone.",
            cls="hint",
        ),
        Button("Connect", type="submit"),
    )


def _demo(settings: Settings, store: Store, error: str = "", typed: str = "") -> FT:
    is_on = demo_is_on(settings, store)
    folders = demo_folders(store)
    served = None
    if is_on and folders:
        paths = [(Code(str(folder)), " ") for folder in folders]
        projects = [project.slug for project in simulator(settings, store).state.projects]
        own = [name for name in projects if name not in MADE_UP]
        served = P("Served: ", *paths, "Draw its links:"), _links(own)
    return card(
        "Demo data",
        P(
            "Made-up sites, served by a simulator of Botify's API inside this app. "
            "Nothing leaves this machine, nothing costs anything."
        ),
        button("/connect/demo", "Try it without an account", ""),
        _links(MADE_UP) if is_on else None,
        H2("A folder of real HTML pages"),
        _folder_form(error, typed),
        served,
    )


def _folder_form(error: str, typed: str) -> FT:
    folder = Input(
        name="folder",
        value=typed,
        required=True,
        placeholder="/usr/share/doc/python3/html",
        aria_invalid="true" if error else None,
    )
    return form(
        "/connect/folder",
        Label("Folder on this machine, such as a documentation tree", folder),
        failure(error),
        Button("Serve it as a site", type="submit"),
    )


def _links(projects: Iterable[str]) -> FT:
    return Ul(*[Li(A(demo_url(name), href=project_link(name))) for name in projects])


def _add_folder(store: Store, typed: str) -> None:
    from pipulate.graph.htmlsite import read_html_site  # it brings Polars

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
    state: State = app.state
    state.add_page("Connect to Botify", "/connect")
    state.names["username"] = lambda: _connected(state, state.store.get("botify_name", ""))
    state.names["api_key"] = lambda: _connected(state, "Token(hidden)")
    _account_routes(app.state.settings, app.state.store, app)
    _demo_routes(app.state.store, app)

    @app.get("/connect")
    async def show(request: Request) -> Response:
        return await _page(request)


def _connected(state: State, value: str) -> str:
    """Return the value if an account is connected, else ""."""
    return value if token.path(state.settings.data).exists() else ""


async def _page(
    request: Request, error: str = "", folder_error: str = "", typed: str = ""
) -> Response:
    here = (request.app.state.settings, request.app.state.store)
    own = await asyncio.to_thread(_account, *here, error)
    made_up = await asyncio.to_thread(_demo, *here, folder_error, typed)
    return page(request, "Connect to Botify", Div(own, made_up), about=ABOUT)


def _back() -> Response:
    return RedirectResponse("/connect", 303)


def _account_routes(settings: Settings, store: Store, app: FastHTML) -> None:
    @app.post("/connect/token")
    async def connect(request: Request) -> Response:
        from pipulate.botify.client import Botify  # it brings httpx2

        try:
            given = Token(str((await request.form()).get("token", "")))
            async with Botify(given, settings.botify) as api:
                name = (await api.profile()).name
            await asyncio.to_thread(token.save, settings.data, given)
        except PipulateError as error:
            return await _page(request, str(error))
        await asyncio.to_thread(store.__setitem__, "botify_name", name)
        return _back()

    @app.post("/connect/forget")
    def forget() -> Response:
        token.forget(settings.data)
        store["botify_name"] = ""
        return _back()


def _demo_routes(store: Store, app: FastHTML) -> None:
    @app.post("/connect/demo")
    def switch_on() -> Response:
        store["demo"] = True
        engine = Pipulate(store, "link_graph")
        engine.initialize_if_missing(demo_url(DEMO_PROJECT))
        return RedirectResponse(project_link(DEMO_PROJECT), 303)

    @app.post("/connect/folder")
    async def serve_folder(request: Request) -> Response:
        typed = str((await request.form()).get("folder", "")).strip()
        try:
            await asyncio.to_thread(_add_folder, store, typed)
        except (PipulateError, OSError, ValueError) as error:
            return await _page(request, folder_error=str(error), typed=typed[:300])
        return _back()
