"""What fails is told in words: a page for a browser, a line for HTMX, never a traceback."""

import errno
import html
import re
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import apsw
import httpx2
import pytest
from loguru import logger

from pipulate.app import create_app
from pipulate.engine.errors import Invalid, PipulateError, Refused, Unknown
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import saved
from tests.visits import HERE


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
        (OSError(errno.ENOSPC, "No space left", "big.csv"), 507, "The disk is full. Make room"),
        (OSError(errno.EMFILE, "Too many open files"), 507, "Close other programs"),
        (PermissionError(errno.EACCES, "Permission denied", "key"), 507, "Look at the rights"),
        (FileNotFoundError(errno.ENOENT, "secret"), 500, "Something in Pipulate failed"),
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


# --- what was saved is never said not to be

FLOW = """
from fasthtml.common import Input, P
from pipulate import Workflow
flow = Workflow("mine")
@flow.step("name", "Name?")
def name(run): return Input(name="name", required=True)
@flow.work("count", "Count")
def count(run, job): return {"n": 1}
@flow.step("end", "The end?", explain=False)
def end(run): return Input(name="end")
@flow.result
def result(run): return P(run["name"])
"""


class Breaker:
    """Raises in the n-th function of ours that is entered, or resumed, after something was saved.

    Of the event loop's thread: what is drawn, started and said after a commit.
    """

    def __init__(self, at: int, error: type[Exception]) -> None:
        self.left = at
        self.error = error
        self.seen: set[Any] = set()
        self.broke = ""

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        file = code.co_filename
        mine = file.startswith(str(PACKAGE)) and not file.endswith(("failures.py", "faults.py"))
        if event == "call" and mine and code not in self.seen and saved.get():
            self.seen.add(code)
            self.left -= 1
            if self.left == 0:
                self.broke = f"{code.co_filename}: {code.co_qualname}"
                raise self.error("bad")


Case = Callable[[httpx2.AsyncClient, str], Awaitable[tuple[str, dict[str, str]]]]


async def _opened(client: httpx2.AsyncClient, id: str) -> None:
    reply = await client.post("/mine/open", data={"id": id})
    assert reply.status_code < 400, reply.text


async def _answered(client: httpx2.AsyncClient, id: str) -> None:
    await _opened(client, id)
    reply = await client.post(f"/mine/card1?id={id}", data={"name": "Ada"})
    assert reply.status_code == 200, reply.text
    await client.app.state.jobs.wait(("mine", id, "count"))


async def answering(client: httpx2.AsyncClient, id: str) -> tuple[str, dict[str, str]]:
    """The first card, whose next one is work."""
    await _opened(client, id)
    return f"/mine/card1?id={id}", {"name": "Ada"}


def acting(*acts: str) -> Case:
    """The last of these acts on a run that was answered."""

    async def case(client: httpx2.AsyncClient, id: str) -> tuple[str, dict[str, str]]:
        await _answered(client, id)
        for act in acts[:-1]:
            assert (await client.post(f"/mine/{act}?id={id}", data={"end": "x"})).status_code == 200
        return f"/mine/{acts[-1]}?id={id}", {"end": "x"}

    return case


async def adding(client: httpx2.AsyncClient, id: str) -> tuple[str, dict[str, str]]:
    """A task, by a page that is no workflow's."""
    return "/tasks", {"name": id}


CASES: dict[str, Case] = {
    "answer": answering,
    "last answer": acting("card3"),
    "revert": acting("revert1"),
    "undo": acting("revert1", "undo"),
    "finalize": acting("card3", "finalize"),
    "unlock": acting("card3", "finalize", "unfinalize"),
    "delete": acting("delete"),
    "undelete": acting("delete", "undelete"),
    "task": adding,
}
LIES = re.compile(r"nothing was (stored|saved|changed|done)|not (stored|saved)\b", re.I)


@pytest.mark.parametrize("error", [RuntimeError, apsw.FullError])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_whatever_fails_after_it_was_saved_no_answer_denies_it(tmp_path, case, error):
    """Each function after the commit fails once; what is answered says that it stays."""
    (tmp_path / "mine.py").write_text(FLOW)
    app = create_app(Settings(tmp_path / "data", workflows=(tmp_path,)))
    app.state.explain = lambda run: None
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    sent = {"Origin": HERE, "HX-Request": "true"}
    broken = []
    logger.disable("pipulate")  # to tell all these tracebacks would take minutes
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=sent) as client:
        client.app = app
        for number in range(1, 500):
            where, data = await case(client, f"run{number}")
            breaker = Breaker(number, error)
            saved.set(None)  # what the requests before have saved
            sys.settrace(breaker)
            try:
                reply = await client.post(where, data=data)
            finally:
                sys.settrace(None)
            if not breaker.broke:
                break
            broken.append(breaker.broke)
            assert not LIES.search(reply.text), (breaker.broke, reply.text)
            if reply.status_code >= 400:
                assert "stays: reload" in reply.text, (breaker.broke, reply.text)
    logger.enable("pipulate")
    assert len(broken) > 5
    await app.state.jobs.close()
    app.state.store.close()


async def test_what_follows_a_stored_answer_costs_nobody_the_next_card(tmp_path):
    """Work that cannot start, a remark that fails: both cards come, and what failed is told."""
    (tmp_path / "mine.py").write_text(FLOW)
    app = create_app(Settings(tmp_path / "data", workflows=(tmp_path,)), ())
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    sent = {"Origin": HERE, "HX-Request": "true"}
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=sent) as client:

        def explain(run):
            raise Refused("No model is awake.")

        app.state.explain = explain
        await client.post("/mine/open", data={"id": "x"})
        reply = await client.post("/mine/card1?id=x", data={"name": "Ada"})
    assert reply.status_code == 200
    assert 'id="card1"' in reply.text and 'id="card2"' in reply.text
    assert "Your answer is stored. What follows it failed: No model is awake." in reply.text
    await app.state.jobs.close()
    app.state.store.close()


@pytest.mark.parametrize("where", ["form", "accept"])
async def test_an_authors_code_that_fails_at_an_answer_is_told_by_its_line(tmp_path, where):
    """In its form or its check; nothing is stored, and what was typed is still there."""
    code = FLOW.replace("def name(run):", "def name(run):\n    len(BAD)\n   ")
    if where == "accept":
        code = FLOW + "\n@name.accept\ndef check(run, form):\n    len(BAD)\n"
    (tmp_path / "mine.py").write_text(code.replace("len(BAD)", "BAD and 1 / 0", 1))
    app = create_app(Settings(tmp_path / "data", workflows=(tmp_path,)), ())
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    sent = {"Origin": HERE, "HX-Request": "true"}
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=sent) as client:
        await client.post("/mine/open", data={"id": "x"})
        reply = await client.post("/mine/card1?id=x", data={"name": "Ada"})
    line = code.splitlines().index("    len(BAD)") + 1
    text = html.unescape(reply.text)
    assert f"NameError: name 'BAD' is not defined (mine.py, line {line}: “BAD and 1 / 0”)" in text
    assert "othing was" in text and "--dev" in text
    assert reply.status_code == (422 if where == "accept" else 500)
    await app.state.jobs.close()
    app.state.store.close()
