"""What fails is told in words: a page for a browser, a line for HTMX, never a traceback."""

import html

import apsw
import pytest

from pipulate.engine.errors import Invalid, PipulateError, Refused, Unknown
from pipulate.engine.settings import PACKAGE


class Elsewhere(PipulateError):
    """Another service failed."""

    status = 502


OURS = """
def part(app):
    @app.route("/broken", methods=["GET"])
    def broken():
        raise error
"""


def raising(error, where=PACKAGE / "pages" / "tasks.py"):
    """Return a part whose page raises, as if it stood in a file of ours."""
    names = {"error": error}
    exec(compile(OURS, str(where), "exec"), names)
    return names["part"]


async def test_an_authors_page_is_told_by_its_line(visit, tmp_path):
    """On the page and in HTMX's line, with the way on."""
    path = tmp_path / "mine.py"
    path.write_text(OURS)
    async with visit(raising(NameError("name 'Card' is not defined"), path)) as client:
        for headers in ({}, {"HX-Request": "true"}):
            reply = await client.get("/broken", headers=headers)
            text = html.unescape(reply.text)
            assert reply.status_code == 500 and "Traceback" not in text
            assert "NameError: name 'Card' is not defined (mine.py, line 5: “raise error”)" in text
            assert "--dev" in text


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (Invalid("That is no date."), 422, "That is no date."),
        (Refused("It is <locked>."), 409, "It is &lt;locked&gt;."),
        (Unknown("There is no run."), 404, "There is no run."),
        (Elsewhere("Botify is down."), 424, "Botify is down."),
        (OverflowError("int too big"), 404, "There is nothing at this address"),
        (ZeroDivisionError("secret"), 500, "Something in Pipulate failed"),
        (apsw.BusyError("sqlite says"), 424, "locked"),
        (apsw.CorruptError("sqlite says"), 409, "damaged"),
    ],
)
async def test_what_a_handler_raises_is_told(visit, error, status, says):
    """With the error's own status; a service elsewhere is no failure of this server."""
    async with visit(raising(error)) as client:
        page = await client.get("/broken")
        assert page.status_code == status and says in page.text and "<nav" in page.text
        assert "Traceback" not in page.text and "secret" not in page.text
        line = await client.get("/broken", headers={"HX-Request": "true"})
        assert line.status_code == status and says in line.text and "<nav" not in line.text
        assert line.headers["hx-retarget"] == "#alert"


async def test_what_is_not_there_or_not_that_way_is_told(visit):
    """The page has the menu, which leads to everything there is."""
    async with visit(raising(Unknown("x"))) as client:
        reply = await client.get("/nowhere")
        assert reply.status_code == 404 and "The menu leads to everything" in reply.text
        reply = await client.post("/broken")
        assert reply.status_code == 405 and "use the page's own buttons" in reply.text
        assert not client.app.state.about  # an address that somebody typed is not kept
