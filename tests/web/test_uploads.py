"""Uploaded files: nobody sends one twice, and none is taken that the page did not show."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fasthtml.common import Div, Input, Label, to_xml
from starlette.datastructures import FormData, UploadFile

from pipulate.app import create_app
from pipulate.engine.answers import Question
from pipulate.engine.settings import Settings
from pipulate.engine.values import File
from pipulate.web import uploads

HERE = "http://127.0.0.1:5001"
SHOP = """
from fasthtml.common import Input, Label, P
from pipulate import Workflow

flow = Workflow("shop")


@flow.step("data", "Files")
def data(run):
    return (
        Label("Table", Input(name="table", type="file", required=True)),
        Label("More", Input(name="more", type="file")),
        Label("How many", Input(name="n", type="number", required=True)),
    )


@flow.step("note", "Note")
def note(run):
    return Input(name="note")


@flow.work("check", "Check")
def check(run, job):
    path = run.file("größe (1).csv")
    path.write_text(run["data"]["table"].read_text().upper())
    return {"rows": 1, "made": path}


@flow.result
def result(run):
    return P(run["check"]["made"].read_text())
"""


class Shop:
    """A browser of the workflow above, which sends what its page shows."""

    def __init__(self, client: httpx2.AsyncClient, store: Any) -> None:
        self.client = client
        self.store = store
        self.page = ""

    async def look(self) -> str:
        """Return the run's page."""
        self.page = (await self.client.get("/shop?id=x")).text
        return self.page

    async def send(self, n: str, keep: bool = True, **files: tuple[str, bytes]) -> Any:
        """Answer the first card, with the ticks as they are shown."""
        names = re.findall(r'name="pipulate-keep" value="(\w+)"', self.page) if keep else []
        rev = re.search(r'name="pipulate-rev" value="(\d+)"', self.page)
        data = {"n": n, "pipulate-keep": names, "pipulate-rev": rev[1] if rev else ""}
        sent = {"table": ("", b""), "more": ("", b""), **files}
        reply = await self.client.post(
            "/shop/card1/upload?id=x&step=data",
            data=data,
            files=sent,
            headers={"HX-Request": "true"},
        )
        if reply.status_code == 422:
            self.page = reply.text
        return reply

    def held(self) -> Any:
        """Return the first answer as the record has it."""
        return self.store.one("SELECT data -> 'step_01' AS d FROM pipeline")["d"]

    async def work(self) -> None:
        """Do the steps that follow, and wait for the machine's."""
        await self.client.post("/shop/card2?id=x", data={"note": "n"})
        await self.client.app.state.jobs.wait(("shop", "x", "check"))  # type: ignore[attr-defined]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A run that was begun."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    app = create_app(Settings(tmp_path / "data", workflows=(folder,)), ())
    transport = httpx2.ASGITransport(app)
    sent = {"Origin": HERE}
    async with httpx2.AsyncClient(transport=transport, base_url=HERE, headers=sent) as client:
        client.app = app  # type: ignore[attr-defined]
        await client.post("/shop/open", data={"id": "x"})
        yield Shop(client, app.state.store)
    await app.state.jobs.close()
    app.state.store.close()


# --- kept


async def test_a_file_is_sent_once_though_another_field_is_refused(shop: Shop) -> None:
    """The card says that it has the file; a reload says it, too."""
    await shop.look()
    reply = await shop.send("", table=("a.csv", b"a"))
    assert reply.status_code == 422 and "a.csv is kept" in reply.text
    assert "required" not in re.findall(r'<input[^>]*name="table"[^>]*>', reply.text)[0]
    assert "a.csv is kept" in await shop.look()
    assert (await shop.send("7")).status_code == 200
    assert '"file":"a.csv"' in shop.held() and '"more":null' in shop.held()
    assert not shop.store.read("SELECT * FROM store WHERE key LIKE 'uploads%'")


async def test_a_file_of_a_deleted_run_is_not_in_the_next_of_that_id(shop: Shop) -> None:
    """What was sent to one run is no other's; brought back, the run has it again."""
    begun = "UPDATE pipeline SET data = json_replace(data, '$.created', ?)"
    created = shop.store.one("SELECT data ->> 'created' AS at FROM pipeline")["at"]
    await shop.look()
    await shop.send("", table=("a.csv", b"a"))
    shop.store.write(begun, "2001-01-01T00:00:00+00:00")  # another one, of another time
    assert "a.csv" not in await shop.look()
    assert (await shop.send("7")).status_code == 422
    shop.store.write(begun, created)
    assert "a.csv is kept" in await shop.look()


async def test_a_change_keeps_the_files(shop: Shop) -> None:
    """Those that are not chosen anew."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"a"), more=("b.csv", b"b"))
    await shop.client.post("/shop/revert1?id=x")
    page = await shop.look()
    assert "a.csv is kept" in page and "Keep b.csv" in page
    await shop.send("8", more=("c.csv", b"c"))
    held = shop.held()
    assert '"a.csv"' in held and '"c.csv"' in held and '"n":8' in held


async def test_what_is_not_ticked_is_not_kept(shop: Shop) -> None:
    """Only what the page showed with a tick is; a field that needs a file then asks for one."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"a"), more=("b.csv", b"b"))
    await shop.client.post("/shop/revert1?id=x")
    await shop.look()
    reply = await shop.send("8", keep=False, table=("d.csv", b"d"))
    assert reply.status_code == 200 and '"more":null' in shop.held()
    await shop.client.post("/shop/revert1?id=x")
    await shop.look()
    assert (await shop.send("8", keep=False)).status_code == 422
    assert "Choose a file" in shop.page and "is kept" not in shop.page


async def test_a_refused_card_shows_the_ticks_as_they_were_sent(shop: Shop) -> None:
    """What was given up does not come back because something else was wrong."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"a"), more=("b.csv", b"b"))
    await shop.client.post("/shop/revert1?id=x")
    await shop.look()
    shop.page = shop.page.replace('name="pipulate-keep" value="more"', "")
    reply = await shop.send("")
    assert "a.csv is kept" in reply.text and "b.csv" not in reply.text


async def test_a_page_that_is_too_old_keeps_what_it_sent(shop: Shop) -> None:
    """Another tab was first; the file was received all the same."""
    await shop.look()
    shop.page = shop.page.replace('name="pipulate-rev" value="1"', 'name="pipulate-rev" value="0"')
    reply = await shop.send("7", table=("a.csv", b"a"))
    assert reply.status_code == 409 and "a.csv is kept" in reply.text


async def test_nobody_names_a_file_by_its_path(shop: Shop) -> None:
    """A text is no file, whatever it says."""
    await shop.look()
    path = shop.store.folder / "pipulate.db"
    data = {"n": "7", "pipulate-keep": [str(path), "table"], "table": str(path)}
    reply = await shop.client.post("/shop/card1?id=x", data=data, headers={"HX-Request": "true"})
    assert reply.status_code == 422 and shop.held() is None


async def test_two_clicks_at_once_are_one_answer(shop: Shop) -> None:
    """The second is sent before the first is answered, as without a script."""
    await shop.look()
    sent = [shop.send("7", table=("a.csv", b"a")) for _ in range(8)]
    assert {reply.status_code for reply in await asyncio.gather(*sent)} == {200}
    others = [shop.client.post("/shop/card2?id=x", data={"note": str(n)}) for n in range(8)]
    told = sorted(reply.status_code for reply in await asyncio.gather(*others))
    assert told == [303] + 7 * [409]


async def test_a_double_click_is_one_answer(shop: Shop) -> None:
    """Though the second one finds no file remembered."""
    await shop.look()
    for _ in range(2):
        assert (await shop.send("7", table=("a.csv", b"a"))).status_code == 200
    assert (await shop.send("7", table=("a.csv", b"other"))).status_code == 409


def asked(*inside: Any, **known: Any) -> Question:
    """Return a question that knows files."""
    return Question(None, None, None, inside, known)  # type: ignore[arg-type]


A = File("a.csv", 1, "0" * 64, Path("a.csv"))


@pytest.mark.parametrize(
    "inside",
    [
        (Input(name="x", type="file"),),
        (Label("X", Input(name="x", type="file")), Input(name="y")),
        (Div(Div(Label("X", Input(name="x", type="file")))),),
        (Div(Input(name="x", type="file"), "text"), [Input(name="x2", type="file")]),
    ],
)
def test_a_known_file_stands_behind_its_field(inside: Any) -> None:
    """Not in its label, where two controls would stand."""
    question = asked(*inside, x=A)
    html = to_xml(uploads.shown(question, tuple(inside)), indent=False)
    assert html.count("Keep a.csv") == 1
    before = html.split("Keep a.csv")[0].rpartition("<label")[0]
    assert before.count("<label") == before.count("</label>") and 'name="x"' in before


def test_a_form_without_known_files_stays_as_it_is() -> None:
    """Whatever it is made of."""
    form = Div(Input(name="x", type="file"))
    assert uploads.shown(asked(form), form) is form


# --- received


async def test_a_form_is_values_and_files(shop: Shop) -> None:
    """A field without a file is None; the revision is the page's own; a name may repeat."""
    flow = shop.client.app.state.found["shop"]  # type: ignore[attr-defined]
    run = flow.load(shop.store, "x", None)
    sent = [UploadFile(io.BytesIO(b"a"), filename=name) for name in ("../../a?.csv", "")]
    form = FormData(
        [
            ("pipulate-rev", "3"),
            ("rev", "9"),
            ("goal", "a"),
            ("goal", "b"),
            ("file", sent[0]),
            ("none", sent[1]),
        ]
    )
    values = await uploads.received(form, run, run.flow.steps[0])
    assert values["goal"] == ["a", "b"] and values["none"] == [None] and values["rev"] == ["9"]
    (file,) = values["file"]
    assert file.name == "a_.csv" and file.read_text() == "a" and "pipulate-rev" not in values


# --- written by steps


async def test_a_file_that_a_step_wrote_is_on_its_card(shop: Shop) -> None:
    """With a link that saves it; its content is what the step wrote."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"abc"))
    await shop.work()
    page = await shop.look()
    assert "ABC" in page
    (link,) = re.findall(r'href="(/shop/file/[^"]+)"', page)
    reply = await shop.client.get(link.replace("&amp;", "&"))
    assert reply.text == "ABC" and reply.headers["content-disposition"].startswith("attachment")
    assert not list(shop.store.folder.glob("desks/*"))


@pytest.mark.parametrize(
    "path",
    [
        "file/other.csv?id=x&step=check",
        "file/gr%C3%B6%C3%9Fe%20(1).csv?id=x&step=data",
        "file/gr%C3%B6%C3%9Fe%20(1).csv?id=x",
        "file/gr%C3%B6%C3%9Fe%20(1).csv?id=y&step=check",
        "file/..%2Fpipulate.db?id=x&step=check",
        "file/pipulate.db?id=x&step=check",
        "file/a.csv?id=x&step=data",
    ],
)
async def test_nothing_else_is_given_away(shop: Shop, path: str) -> None:
    """Only what the record names as written by that step."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"abc"))
    await shop.work()
    assert (await shop.client.get(f"/shop/{path}")).status_code == 404


async def test_a_redo_leaves_the_old_file_to_undo(shop: Shop) -> None:
    """Each answer has the content that it had."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"first"))
    await shop.work()
    await shop.client.post("/shop/revert1?id=x")
    await shop.look()
    await shop.send("7", table=("a.csv", b"second"))
    await shop.work()
    assert "SECOND" in await shop.look()
    contents = [path.read_text() for path in shop.store.folder.glob("files/*/*")]
    assert sorted(contents) == ["FIRST", "SECOND"]


async def test_a_large_result_is_told_by_its_size(shop: Shop) -> None:
    """It is not read for a line on a card, and the page stays small."""
    await shop.look()
    await shop.send("7", table=("a.csv", b"x" * 100))
    flow = shop.client.app.state.found["shop"]  # type: ignore[attr-defined]
    flow.steps[2].function = lambda run, job: {"rows": ["x" * 100] * 20_000}
    flow.result_function = None
    await shop.work()
    page = await shop.look()
    assert "A result of 2.1 MB" in page and len(page) < 50_000
