"""Profiles: the clients or sites the user works for, with tasks and runs.

Menus show `menu_name` only: no client is to read another's name.
"""

from urllib.parse import urlsplit, urlunsplit

from fasthtml.common import (
    FT,
    Button,
    Details,
    Div,
    FastHTML,
    HTTPException,
    Li,
    RedirectResponse,
    Request,
    Response,
    Small,
    Strong,
    Summary,
    Ul,
)

from pipulate.engine.errors import Refused
from pipulate.engine.store import Store
from pipulate.pages.lists import ListPage, Row, Table
from pipulate.web.components import form

ABOUT = (
    "Profiles are the clients or sites you work for; the menu shows their menu "
    "names only, so that no client reads another's name. Tasks and runs belong to "
    "the profile chosen in the menu."
)


def chosen(store: Store) -> int:
    """The profile that is chosen in the menu."""
    return int(store.get("profile_id", 1))


def _check_delete(store: Store, row: Row) -> None:
    if row["id"] == chosen(store):
        raise Refused(
            "This profile is the chosen one. Choose another in the menu first, then delete it."
        )


PROFILES = Table(
    name="profile",
    noun="profile",
    fields={
        "name": "Name",
        "menu_name": "Menu name",
        "address": "Site",
        "code": "Country",
    },
    toggle=("active", "Shown in the menu"),
    check_delete=_check_delete,
)


def label(row: Row) -> str:
    """What menus may show of a profile."""
    return str(row["menu_name"] or f"Profile {row['id']}")


def switcher(app: FastHTML) -> FT | None:
    """The menu's choice of a profile; None if there is no other."""
    here = chosen(app.state.store)
    rows = PROFILES.rows(app.state.store)
    shown = [row for row in rows if row["active"] or row["id"] == here]
    current = [label(row) for row in shown if row["id"] == here]
    if current and len(shown) == 1:
        return None
    return Details(
        Summary(Small("Profile"), Strong(*current or ["Choose one"])),
        Ul(*[_choice(row, row["id"] == here) for row in shown]),
        cls="profile",
    )


def _choice(row: Row, is_current: bool) -> FT:
    current = "true" if is_current else None
    act = Button(label(row), type="submit", cls="quiet", aria_current=current)
    return Li(form(f"/profiles/{row['id']}/choose", act))


def _menu(app: FastHTML) -> FT:
    return Div(switcher(app), id="switcher", hx_swap_oob="true")


def routes(app: FastHTML) -> None:
    """Add the page and the menu's choice."""
    ListPage(app, PROFILES, "/profiles", "Profiles", ABOUT, _menu).add_routes()
    app.state.profile_switcher = switcher

    @app.post("/profiles/{id:int}/choose")
    def choose(request: Request, id: int) -> Response:
        store = app.state.store
        if not store.one("SELECT 1 FROM profile WHERE id = ?", id):
            raise HTTPException(404)
        store["profile_id"] = id
        return RedirectResponse(where(request.headers.get("referer", "")), 303)


def where(referer: str) -> str:
    """Return, on this server, the address that a request came from."""
    came = urlsplit(referer)
    path = "/" + came.path.lstrip("/")  # two slashes lead to another server
    return urlunsplit(("", "", path, came.query, ""))
