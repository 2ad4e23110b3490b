"""Profiles: the clients or sites the user works for, with tasks and runs.

Menus show `menu_name` only: no client is to read another's name.
"""

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

from pipulate.engine import profiles
from pipulate.engine.errors import Refused
from pipulate.engine.store import Store
from pipulate.pages.lists import ListPage, Row, Table
from pipulate.web.components import form
from pipulate.web.windows import carried, menu_name

ABOUT = (
    "Profiles are the clients or sites you work for; the menu shows their menu "
    "names only, so that no client reads another's name. Tasks and runs belong to "
    "the profile that the menu shows. Each window keeps its own, whatever is chosen "
    "in another one."
)


def _check_delete(store: Store, row: Row) -> None:
    if row["id"] in (profiles.shown(store), profiles.chosen(store)):
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


def names(store: Store) -> dict[int, str]:
    """What menus may show of each profile, by id."""
    rows = store.read("SELECT id, menu_name FROM profile ORDER BY priority, id")
    return {row["id"]: menu_name(row) for row in rows}


def switcher(app: FastHTML) -> FT | None:
    """The menu's choice of a profile; None if there is no other."""
    store = app.state.store
    here = profiles.shown(store)
    known = names(store)
    active = {row["id"] for row in PROFILES.rows(store) if row["active"]}
    offered = [id for id in known if id in active or id == here]  # what another window adds waits
    if offered == [here]:
        return None
    return Details(
        Summary(Small("Profile"), Strong(known.get(here, "Choose one"))),
        Ul(*[_choice(id, known[id], id == here) for id in offered]),
        cls="profile",
    )


def _choice(id: int, name: str, is_current: bool) -> FT:
    current = "true" if is_current else None
    act = Button(name, type="submit", cls="quiet", aria_current=current)
    return Li(form(f"/profiles/{id}/choose", act))


def _menu(app: FastHTML) -> FT:
    return Div(switcher(app), id="switcher", hx_swap_oob="true")


def routes(app: FastHTML) -> None:
    """Add the page and the menu's choice."""
    ListPage(app, PROFILES, "/profiles", "Profiles", ABOUT, _menu).add_routes()
    app.state.profile_switcher = switcher

    @app.post("/profiles/{id:int}/choose")
    def choose(request: Request, id: int) -> Response:
        if id not in names(app.state.store):
            raise HTTPException(404)
        profiles.choose(app.state.store, id)
        came = request.headers.get("referer", "")
        return RedirectResponse(carried(came, id), 303)
