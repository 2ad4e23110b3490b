"""A window acts for the profile that it shows: at the door, for every form, said by the answer."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from fasthtml.common import Button, Form, Input, Titled

from pipulate.engine import profiles
from pipulate.pages import parts
from pipulate.web.windows import CARRIER, NOTE, carried, carrying, names

FORM = re.compile(r"<form\b[^>]*>")


def act(app: Any) -> None:
    """Add a page of an author who knows of no profiles, and an act."""

    @app.get("/mine")
    def mine() -> Any:
        return Titled("Mine", Form(Input(name="x"), Button("Go"), action="/mine", method="post"))

    @app.post("/mine")
    def whose() -> str:
        return f"for {profiles.shown(app.state.store)}"


async def two(client: Any) -> None:
    """Let there be two profiles, of which the second is chosen."""
    await client.post("/profiles", data={"name": "Camelot plc", "menu_name": "C."})
    await client.post("/profiles/2/choose")


@pytest.mark.parametrize("window", [{"headers": {CARRIER: "1"}}, {"params": {CARRIER: "1"}}])
async def test_a_window_acts_for_what_it_shows(visit: Any, window: Any) -> None:
    """By a header or by the address; and is told that another one is chosen."""
    async with visit(act, *parts()) as client:
        await two(client)
        new = await client.post("/mine")
        old = await client.post("/mine", **window)
        assert "for 2" in new.text and NOTE not in new.headers
        assert "for 1" in old.text
        assert "“Default”" in unquote(old.headers[NOTE]) and "“C.”" in unquote(old.headers[NOTE])
        await client.post("/tasks", data={"name": "Ask"}, **window)
        await client.post("/bridge/open", data={"id": "arthur"}, **window)
        rows = client.app.state.store.read
        assert rows("SELECT profile_id FROM task") == [{"profile_id": 1}]
        assert rows("SELECT profile_id FROM pipeline") == [{"profile_id": 1}]


async def test_a_list_shows_what_the_window_shows(visit: Any) -> None:
    """The page, a search, and the chat's tools."""
    async with visit(*parts()) as client:
        await client.post("/tasks", data={"name": "For the first"})
        await two(client)
        for path in ("/tasks", "/find?q=first"):
            assert "For the first" not in (await client.get(path)).text
            seen = await client.get(path, headers={CARRIER: "1", "HX-Request": "true"})
            assert "For the first" in seen.text, path
        from pipulate.chat.talk import Talk

        talk = client.app.state.part(Talk)
        for window, told in (("1", "For the first"), ("2", "There are no tasks.")):
            await client.post("/chat/send", data={"text": "/tasks"}, headers={CARRIER: window})
            await talk.settled()
            assert told in talk.messages()[-1]["content"]


async def test_a_redirect_keeps_the_windows_profile_and_its_page_says_so(visit: Any) -> None:
    """Else the page after a form would be another profile's, without a word."""
    async with visit(*parts()) as client:
        await two(client)
        sent = await client.post("/bridge/open", data={"id": "arthur"}, params={CARRIER: "1"})
        assert sent.headers["location"] == f"/bridge?id=arthur&{CARRIER}=1"
        shown = (await client.get(sent.headers["location"])).text
        assert "This window is for “Default”" in shown and 'data-profile="1"' in shown
        assert '<p id="whose" role="status"></p>' in (await client.get("/bridge?id=arthur")).text


@pytest.mark.parametrize("named", ["9", "-1", "x", "9" * 40])
async def test_a_profile_that_is_gone_is_refused(visit: Any, named: str) -> None:
    """With a sentence, on a page from which one goes on; nothing is done."""
    async with visit(act, *parts()) as client:
        for method, more in (("POST", {}), ("GET", {}), ("POST", {"HX-Request": "true"})):
            reply = await client.request(method, "/mine", headers={CARRIER: named, **more})
            assert reply.status_code == 409 and "deleted meanwhile" in reply.text
        assert f"{CARRIER}=1" in (await client.post("/mine", params={CARRIER: named})).text
        # the chosen one needs no row: else nothing could be done in an app without any
        client.app.state.store.write("DELETE FROM profile")
        assert "for 1" in (await client.post("/mine", params={CARRIER: "1"})).text


def silent(html: str) -> list[str]:
    """Return the forms that post without a word whose window it is."""
    forms = FORM.findall(html)
    return [form for form in forms if 'method="post"' in form and f"{CARRIER}=" not in form]


async def test_every_form_of_every_page_carries_the_profile(visit: Any) -> None:
    """Whoever wrote it."""
    async with visit(act, *parts()) as client:
        await client.post("/profiles", data={"name": "Camelot plc"})
        await client.post("/tasks", data={"name": "Ask"})
        await client.post("/bridge/open", data={"id": "arthur"})
        menu = [path for group in client.app.state.menu.values() for _, path in group]
        flows = [f"/{name}" for name in client.app.state.found]
        for path in ("/mine", "/bridge?id=arthur", "/nowhere", *menu, *flows):
            shown = (await client.get(path)).text
            assert 'data-profile="1"' in shown, path
            assert silent(shown) == [], path
        refused = await client.post("/bridge/open", data={"id": " "})
        assert refused.text.startswith("<!doctype") and silent(refused.text) == []
    assert len(silent('<form method="post" action="/x"><form method="get" action="/x">')) == 1


def test_only_forms_to_this_server_carry_it() -> None:
    """And text that looks like one is text."""
    html = (
        '<form id="a" action="/x?y=1"><form action="https://e.example/"><form action="//e.example">'
    )
    said = '<form id="a" action="/x?y=1&amp;pipulate-profile=3">'
    assert carrying(html, 3) == html.replace('<form id="a" action="/x?y=1">', said)
    text = "<p>&lt;form action=&quot;/x&quot;&gt;</p><a title='action=\"/x\"'>"
    assert carrying(text, 3) == text


async def test_menus_name_no_client(visit: Any) -> None:
    """Only by its menu name, or its number."""
    async with visit(*parts()) as client:
        await client.post("/profiles", data={"name": "Camelot plc"})
        assert names(client.app.state.store) == {1: "Default", 2: "Profile 2"}


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("", "/?"),
        ("/bridge?id=a+b&id=c#d", "/bridge?id=a+b&id=c&"),
        ("http://127.0.0.1:5001", "/?"),
        ("http://127.0.0.1:5001/runs?q=a&pipulate-profile=3", "/runs?q=a&"),
        ("http://127.0.0.1:5001//evil.example/x", "/evil.example/x?"),
        ("//evil.example", "/?"),
        ("javascript:alert(1)", "/alert(1)?"),
    ],
)
def test_an_address_is_on_this_server_and_names_one_profile(address: str, path: str) -> None:
    """Whatever a request says where it came from; whose window it was is said anew."""
    plain, _, fragment = carried(address, 2).partition("#")
    assert plain == f"{path}{CARRIER}=2" and fragment in ("", "d")
