"""A window acts for the profile that it shows, whatever another one chose.

CARRIED  HTMX says it in a header (static/app.js), a form in its action: see
         `carrying`, which has every form of a page, whoever wrote it.
READ     at the door (`door`), once; who acts or lists asks `profiles.shown`.
TOLD     If another profile is chosen by now, by a header, on a page above
         its content; a redirect keeps the window's.
KEPT     while the tab is open (static/app.js); without JavaScript, a page
         that no form led to shows the chosen one.
"""

import re
from urllib.parse import (
    parse_qsl,
    urlencode,
    urlsplit,
    urlunsplit,
)

from pipulate.engine import profiles
from pipulate.engine.store import Row, Store

CARRIER = "pipulate-profile"  #: the header, and the key in a query
_ACTION = re.compile(r'(<form\b[^<>]*?\saction="/(?!/)[^"#]*)')


def carried(address: str, profile: int | None = None) -> str:
    """Return an address, on this server, that names this profile or none."""
    parts = urlsplit(address)
    path = "/" + parts.path.lstrip("/")  # two slashes lead to another server
    query = parse_qsl(parts.query, keep_blank_values=True)
    query = [pair for pair in query if pair[0] != CARRIER]
    if profile:
        query.append((CARRIER, str(profile)))
    return urlunsplit(("", "", path, urlencode(query), parts.fragment))


def carrying(html: str, profile: int) -> str:
    """Return HTML whose forms name a profile in their actions."""

    def carry(found: re.Match[str]) -> str:
        joint = "&amp;" if "?" in found[1] else "?"
        return f"{found[1]}{joint}{CARRIER}={profile}"

    return _ACTION.sub(carry, html)


def note(store: Store) -> str:
    """Say whose window this is, if another profile is chosen."""
    shown, chosen = profiles.shown(store), profiles.chosen(store)
    if shown == chosen:
        return ""
    here = name(store, shown) or "a deleted profile"
    there = name(store, chosen) or "another profile"
    return (
        f"This window is for “{here}”, and what you do in it, too. Elsewhere “{there}” is chosen."
    )


def name(store: Store, id: int | str) -> str:
    """What menus show of a profile; "" without one."""
    row = store.one("SELECT id, menu_name FROM profile WHERE id = ?", id)
    return menu_name(row) if row else ""


def menu_name(row: Row) -> str:
    """The same, by its row."""
    return str(row["menu_name"] or f"Profile {row['id']}")
