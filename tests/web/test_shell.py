"""What stands around every page: the menu with the page one is on, the head, the title."""

import re


def part(app):
    """Add two pages to the menu, one below the other."""
    app.state.add_page("Tasks & more", "/tasks")

    @app.route("/tasks", methods=["GET"])
    @app.route("/tasks/deep", methods=["GET"])
    def tasks():
        from fasthtml.common import Titled

        return Titled("<Mine>")


def marked(html: str) -> list[str]:
    """Return the entries of the menu that are marked as the page one is on."""
    return re.findall(r'<a href="([^"]*)" aria-current="page"', html)


async def test_the_menu_marks_where_one_is(visit):
    """Also below an entry; and nowhere on a page that is in no menu."""
    async with visit(part) as client:
        for path in ("/tasks", "/tasks/deep"):
            assert marked((await client.get(path)).text) == ["/tasks"]
        assert marked((await client.get("/bridge?id=x")).text) == ["/bridge"]
        assert marked((await client.get("/nowhere")).text) == []


async def test_the_menu_has_workflows_in_their_order_and_pages_as_text(visit):
    """Our own first, as `web.state` orders them."""
    async with visit(part) as client:
        shown = (await client.get("/tasks")).text
    menu = shown.partition('<nav id="menu"')[2].partition("</nav>")[0]
    assert "Tasks &amp; more" in menu and menu.index("/bridge") < menu.index("/petite")


async def test_a_handler_of_somebodys_own_gets_the_shell_too(visit):
    """FastHTML's Titled brings a <main> of its own, of which a page has one."""
    async with visit(part) as client:
        shown = (await client.get("/tasks")).text
    assert shown.count("<main") == 1 and "<h1>&lt;Mine&gt;</h1>" in shown
    assert "No model yet." in shown and 'id="finder"' in shown


async def test_a_changed_menu_is_shown(visit):
    """It is kept as text for each state of it, not for ever."""
    async with visit(part) as client:
        assert "/late" not in (await client.get("/tasks")).text
        client.app.state.add_page("Late", "/late")
        assert 'href="/late"' in (await client.get("/tasks")).text


async def test_our_files_are_asked_after_at_each_use(visit):
    """They change with an upgrade, and then at once."""
    async with visit() as client:
        reply = await client.get("/static/app.css")
        assert reply.headers["cache-control"] == "no-cache" and "etag" in reply.headers
        again = await client.get(
            "/static/app.css", headers={"if-none-match": reply.headers["etag"]}
        )
        assert again.status_code == 304
