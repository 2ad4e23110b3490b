"""Profiles: the clients or sites the user works for.  Tasks and runs belong to the one chosen in the menu.

Menus show `menu_name` only, so that a client list is never shown to another client.
"""

from typing import Any

from fasthtml.common import FT, Button, Details, FastHTML, Form, Li, Small, Strong, Summary, Ul
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from pipulate.engine.errors import Refused
from pipulate.engine.store import Store
from pipulate.pages.lists import ListApp, Row


def _check_delete(store: Store, row: Row) -> None:
    if row["id"] == store.get("profile_id", 1):
        raise Refused(
            "This profile is the chosen one. Choose another in the menu first, then delete it."
        )


PROFILES = ListApp(
    table="profile",
    path="/profiles",
    title="Profiles",
    noun="profile",
    fields={"name": "Name", "menu_name": "Menu name", "address": "Site", "code": "Country"},
    toggle=("active", "Shown in the menu"),
    about="Profiles are the clients or sites you work for; the menu shows their menu names only, so that no client reads another's name. Tasks and runs belong to the profile chosen in the menu.",
    check_delete=_check_delete,
)


def label(row: Row) -> str:
    """Return what menus may show of a profile."""
    return str(row["menu_name"] or f"Profile {row['id']}")


def switcher(app: FastHTML) -> FT | None:
    """Return the menu's profile switcher, once there is more than one profile to choose from."""
    store = app.state.store
    rows = [
        row
        for row in PROFILES.rows(store)
        if row["active"] or row["id"] == store.get("profile_id", 1)
    ]
    current = next((row for row in rows if row["id"] == store.get("profile_id", 1)), None)
    if len(rows) < 2 and current:
        return None
    return Details(
        Summary(Small("Profile"), Strong(label(current) if current else "Choose one")),
        Ul(
            *[
                Li(
                    Form(
                        Button(
                            label(row),
                            type="submit",
                            cls="quiet",
                            aria_current="true" if row is current else None,
                        ),
                        method="post",
                        action=f"/profiles/{row['id']}/choose",
                        enctype="application/x-www-form-urlencoded",
                    )
                )
                for row in rows
            ]
        ),
        cls="profile",
    )


def routes(app: FastHTML) -> None:
    """Add the page and the switcher."""
    PROFILES.routes(app)
    app.state.profile_switcher = switcher

    @app.route("/profiles/{id:int}/choose", methods=["POST"])
    def choose(request: Request, id: int) -> Any:
        store: Store = app.state.store
        if not store.one("SELECT 1 FROM profile WHERE id = ?", id):
            raise HTTPException(404)
        store["profile_id"] = id
        back = request.headers.get("referer", "")
        path = "/" + back.split("/", 3)[3] if back.count("/") >= 3 else "/"
        return RedirectResponse(path if not path.startswith("//") else "/", 303)
