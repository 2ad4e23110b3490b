"""What any page shows: forms said in one way, fragments, pages that leave nothing behind."""

from types import SimpleNamespace

from fastcore.xml import Input, P, to_xml

from pipulate.engine.workflow import Workflow
from pipulate.web.components import (
    address,
    button,
    download,
    failure,
    form,
    fragment,
    markdown,
    page,
    search_field,
    table,
)


def test_an_address_names_workflow_act_and_run():
    """The ID travels in the query, whatever it is made of."""
    flow = Workflow("bridge")
    assert address(flow, "arthur") == "/bridge?id=arthur"
    assert address(flow, "a b/&", "card3") == "/bridge/card3?id=a+b%2F%26"


def test_a_form_posts_and_only_one_with_files_is_multipart():
    """Else an answer would be sent in a form that only uploads need."""
    usual = to_xml(form("/tasks", Input(name="name"), cls="joined"))
    assert 'method="post"' in usual and 'action="/tasks"' in usual and 'class="joined"' in usual
    assert "enctype" not in usual
    assert 'enctype="multipart/form-data"' in to_xml(form("/runs/import/upload", files=True))


def test_a_button_is_a_whole_form_with_a_name():
    """Two buttons of one text are told apart by their labels."""
    shown = to_xml(button("/devices/3/remove", "Remove", label="Remove Phone", hx_swap="none"))
    assert shown.startswith("<form") and 'hx-swap="none"' in shown
    assert '<button type="submit" class="quiet" aria-label="Remove Phone">Remove</button>' in shown
    assert "class" not in to_xml(button("/save", "Save", cls=""))


def test_a_failure_is_read_out_and_an_empty_one_is_nothing():
    """Nobody hears of an error that is none."""
    assert failure("") is None and failure(None) is None
    assert 'role="alert"' in to_xml(failure("<b>No</b>"))
    assert "&lt;b&gt;No" in to_xml(failure("<b>No</b>"))


def test_a_fragment_says_where_it_goes():
    """Names become HTMX's headers; what is None is not shown."""
    reply = fragment(P("one"), None, P("two"), status=422, hx_retarget="#chain")
    assert reply.status_code == 422 and reply.headers["hx-retarget"] == "#chain"
    assert reply.body == b"<p>one</p><p>two</p>"


async def test_who_has_no_htmx_gets_a_page_or_the_way_back(visit):
    """A piece of a page would stand there alone, without the menu and without a style."""

    def part(app):
        def piece(status: int):
            return lambda: fragment(P("a piece", hx_swap_oob="true"), status=status)

        for status, path in ((200, "/done"), (204, "/silent"), (422, "/refused")):
            app.route(path, methods=["GET", "POST"])(piece(status))

    async with visit(part) as client:
        for path in ("/done", "/silent"):
            came = {"Referer": "http://127.0.0.1:5001/tasks?q=1&pipulate-profile=1"}
            reply = await client.post(path, headers=came)
            assert (reply.status_code, reply.headers["location"]) == (303, "/tasks?q=1")
        for reply in (await client.post("/refused"), await client.get("/done")):
            assert reply.text.startswith("<!doctype html>") and "a piece</p>" in reply.text
            assert 'id="menu"' in reply.text
        assert reply.status_code == 200 and (await client.get("/refused")).status_code == 422
        asked = {"HX-Request": "true"}
        assert (await client.post("/done", headers=asked)).text.startswith("<p hx-swap-oob")


def test_a_page_is_remembered_only_if_it_has_something_to_tell():
    """Any address can be typed; what is not found must not be kept."""
    told = []
    state = SimpleNamespace(remember=lambda *page: told.append(page))
    request = SimpleNamespace(
        app=SimpleNamespace(state=state),
        url=SimpleNamespace(path="/made/up"),
        headers={"hx-request": "true"},
    )
    reply = page(request, "Not found", P("Nothing here."), status=404)
    assert reply.status_code == 404 and not told
    assert reply.body.startswith("<title>Not found · Pipulate</title>".encode())
    page(request, "Tasks", about="Tasks of a profile.")
    assert told == [("/made/up", "Tasks", "Tasks of a profile.")]


def test_texts_of_strangers_are_tamed():
    """Markdown without its HTML; a download that is a link and nothing more."""
    assert "<script>" not in str(markdown("<script>alert(1)</script>"))
    link = to_xml(download("Save", "poem.txt", 'a "b" <c>\n'))
    assert "a%20%22b%22%20%3Cc%3E%0A" in link and 'download="poem.txt"' in link


def test_a_search_fetches_what_is_found_as_one_types():
    """The answer takes the list's place; what was typed stays in the field."""
    shown = to_xml(search_field("/runs/list", "#run-list", "Search runs", "arth"))
    for part in ('hx-get="/runs/list"', 'hx-target="#run-list"', 'value="arth"', 'name="q"'):
        assert part in shown
    assert 'aria-label="Search runs"' in shown and "input changed" in shown


def test_a_table_is_cells_as_text():
    """Whatever stands in them."""
    shown = to_xml(table(("A", "B"), [(1, "<b>"), (2, None)]))
    assert "<th>A</th>" in shown and "<td>&lt;b&gt;</td>" in shown and shown.count("<tr>") == 3
