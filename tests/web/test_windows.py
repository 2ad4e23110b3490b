"""A window carries the profile that it shows: in every form, and in an address."""

import re
from typing import Any

import pytest
from fasthtml.common import Button, Form, Input, Titled

from pipulate.pages import parts
from pipulate.web.windows import CARRIER, carried, carrying, name

FORM = re.compile(r"<form\b[^>]*>")


def act(app: Any) -> None:
    """Add a page of an author who knows of no profiles."""

    @app.get("/mine")
    def mine() -> Any:
        return Titled("Mine", Form(Input(name="x"), Button("Go"), action="/mine", method="post"))


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
        shown = [name(client.app.state.store, id) for id in (1, 2, "2", 3, "x")]
        assert shown == ["Default", "Profile 2", "Profile 2", "", ""]


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
