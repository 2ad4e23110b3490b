"""A request acts for the profile that its window shows, and its answer says whose it was."""

from typing import Any
from urllib.parse import unquote

import pytest

from pipulate.door import NOTE
from pipulate.engine import profiles
from pipulate.pages import parts
from pipulate.web.windows import CARRIER


def act(app: Any) -> None:
    """Add an act that says for whom it is done."""

    @app.route("/mine", methods=["GET", "POST"])
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


@pytest.mark.parametrize("named", ["9", "-1", "x", "9" * 40, "1.0", " 2", "1e0"])
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
