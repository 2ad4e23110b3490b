"""Profiles: the chosen one, and what menus may show of the others."""

from typing import Any

import httpx2
from fastcore.xml import to_xml

from pipulate.engine.store import Store
from pipulate.pages.profiles import PROFILES, switcher

SECRET = {"name": "Camelot Holdings plc", "menu_name": "C."}


def menu(app: Any) -> str:
    """Return the menu's choice of a profile."""
    return str(to_xml(switcher(app)))


async def test_the_menu_shows_menu_names_alone(app: Any, client: httpx2.AsyncClient) -> None:
    """No client reads another's name, on any page but the list itself."""
    assert switcher(app) is None  # there is nothing to choose
    assert (await client.post("/profiles", data=SECRET)).status_code == 303
    assert "C." in menu(app) and SECRET["name"] not in menu(app)
    assert SECRET["name"] not in (await client.get("/introduction")).text
    assert SECRET["name"] in (await client.get("/profiles")).text
    app.state.store.write("UPDATE profile SET menu_name = NULL")
    assert "Profile 2" in menu(app) and SECRET["name"] not in menu(app)


async def test_each_change_redraws_the_menu(htmx: httpx2.AsyncClient) -> None:
    """The switcher comes along, out of band."""
    added = await htmx.post("/profiles", data=SECRET)
    renamed = await htmx.post("/profiles/2", data={"menu_name": "D."})
    hidden = await htmx.post("/profiles/2?field=active")
    for reply, shown in ((added, "C."), (renamed, "D."), (hidden, "")):
        _, _, switch = reply.text.partition('id="switcher"')
        assert 'hx-swap-oob="true"' in reply.text and shown in switch
    assert "/profiles/2/choose" not in hidden.text


async def test_choosing_returns_to_the_page(app: Any, htmx: httpx2.AsyncClient) -> None:
    """The chosen one is marked, and cannot be deleted."""
    await htmx.post("/profiles", data=SECRET)
    came = {"Referer": "http://127.0.0.1:5001/bridge?id=a"}
    reply = await htmx.post("/profiles/2/choose", headers=came)
    there = "/bridge?id=a&pipulate-profile=2"  # a window that has another one turns to it
    assert (reply.status_code, reply.headers["location"]) == (303, there)
    assert app.state.store["profile_id"] == 2 and "<strong>C.</strong>" in menu(app)
    refused = await htmx.post("/profiles/2/delete")
    assert refused.status_code == 409 and "Choose another" in refused.text
    assert (await htmx.post("/profiles/1/delete")).status_code == 200
    assert (await htmx.post("/profiles/1/choose")).status_code == 404
    assert app.state.store["profile_id"] == 2


async def test_a_profile_that_a_window_shows_stays(app: Any, htmx: httpx2.AsyncClient) -> None:
    """Neither what this window shows can be deleted in it, nor what is chosen."""
    for name in ("B", "C"):
        PROFILES.add(app.state.store, {"name": name})
    app.state.store["profile_id"] = 3
    for id, status in ((2, 409), (3, 409), (1, 200)):
        window = {"pipulate-profile": "2"}
        reply = await htmx.post(f"/profiles/{id}/delete", headers=window)
        assert reply.status_code == status


def test_an_inactive_profile_is_in_the_list_but_not_in_the_menu(app: Any) -> None:
    """Unless it is the chosen one."""
    store: Store = app.state.store
    for name in ("B", "C"):
        PROFILES.add(store, {"name": name, "menu_name": name})
    PROFILES.change(store, 2, {"active": ""})
    assert "/profiles/2/" not in menu(app) and "/profiles/3/" in menu(app)
    store["profile_id"] = 2
    assert "/profiles/2/" in menu(app) and len(PROFILES.rows(store)) == 3
