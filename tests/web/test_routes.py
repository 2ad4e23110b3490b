"""The addresses of a workflow: what each answers, what it refuses; a refusal changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import httpx2
import pytest
from starlette.datastructures import UploadFile
from starlette.testclient import TestClient

from pipulate.app import create_app
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from tests.server import PATIENCE, Server, answer, begin, free_port, revision

BRIDGE = [("name", "Arthur"), ("quest", "The Grail"), ("color", "blue")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server, for all tests of this file."""
    started = Server(tmp_path_factory.mktemp("routes"), free_port(), "--dev").start()
    yield started
    started.stop()


def finished(client, id: str) -> str:
    """Cross the bridge; returns the last revision."""
    rev = begin(client, "bridge", id)
    for number, (key, value) in enumerate(BRIDGE, 1):
        reply = answer(client, "bridge", id, number, rev, **{key: value})
        assert reply.status_code == 200, reply.text
        rev = revision(reply.text)
    return rev


def record(server: Server, id: str, workflow: str = "bridge") -> dict:
    """Return what is on disk."""
    engine = Pipulate.open(server.folder / "data", workflow)
    try:
        return engine.get_state(id)
    finally:
        engine.store.close()


def test_one_answer_brings_the_done_card_and_the_next(server):
    """A step is one round trip: the done card, the next one, the new revision, the new address."""
    with server.client() as client:
        rev = begin(client, "bridge", "one")
        reply = answer(client, "bridge", "one", 1, rev, name="Arthur")
    assert (
        'id="card1"' in reply.text and 'id="card2"' in reply.text and 'id="card3"' not in reply.text
    )
    assert revision(reply.text) == str(int(rev) + 1)
    assert reply.headers["pipulate-address"] == "/bridge/card2?id=one"


def test_a_run_is_resumed_by_its_id_in_any_spelling(server):
    """Padded IDs are trimmed, and a GET never begins a run."""
    with server.client() as client:
        assert "There is no run" in client.get("/bridge", params={"id": "nobody"}).text
        assert record(server, "nobody") == {}
        begin(client, "bridge", "  padded  ")
        assert 'id="card1"' in client.get("/bridge", params={"id": "padded"}).text


@pytest.mark.parametrize("address", ["app.botify.com/a/b", "https://app.botify.com/a/b/2024/c?x=1"])
def test_any_address_of_a_project_finds_its_run(server, address):
    """Of every workflow, as version 0.1.0 kept it: begun under one, entered under another."""
    with server.client() as client:
        rev = begin(client, "bridge", "https://app.botify.com/a/b/")
        assert 'id="card1"' in client.get("/bridge", params={"id": address}).text
        assert answer(client, "bridge", address, 1, rev, name="Arthur").status_code == 200
        assert begin(client, "bridge", address) == str(int(rev) + 1)
        client.post("/bridge/revert1", params={"id": address})
        client.post("/bridge/delete", params={"id": address})
    assert record(server, "https://app.botify.com/a/b/") == {}


def test_the_same_id_in_two_workflows_is_two_runs(server):
    """Runs are scoped by their workflow."""
    with server.client() as client:
        finished(client, "twin")
        begin(client, "poet", "twin")
        assert 'id="result"' in client.get("/bridge", params={"id": "twin"}).text
        assert 'id="result"' not in client.get("/poet", params={"id": "twin"}).text


def test_a_stale_tab_is_refused_and_keeps_what_was_typed(server):
    """Another tab answered first: 409, the truth, a reason, and nothing merged."""
    with server.client() as client:
        rev = begin(client, "bridge", "stale")
        answer(client, "bridge", "stale", 1, rev, name="Arthur")
        late = answer(client, "bridge", "stale", 1, rev, name="Robin")
        assert (
            late.status_code == 409
            and "Arthur" in late.text
            and late.headers["HX-Retarget"] == "#chain"
        )
        other = answer(client, "bridge", "stale", 2, rev, quest="typed here")
        assert other.status_code == 409 and "typed here" in other.text
    assert "step_02" not in record(server, "stale") and record(server, "stale")["step_01"] == {
        "name": "Arthur"
    }


def test_a_double_submit_is_harmless(server):
    """The same answer twice shows the same next card and stores one answer."""
    with server.client() as client:
        rev = begin(client, "bridge", "double")
        first, second = (
            answer(client, "bridge", "double", 1, rev, name="Arthur") for _ in range(2)
        )
    assert first.status_code == second.status_code == 200
    assert first.text == second.text


@pytest.mark.parametrize(
    ("number", "values", "says"),
    [
        (1, {"name": "   "}, "An answer is needed"),
        (1, {}, "An answer is needed"),
        (3, {"color": "purple"}, "not one of the choices"),
    ],
)
def test_an_invalid_answer_is_refused_in_its_card(server, number, values, says):
    """422, the message at the field, and nothing stored."""
    id = f"invalid {number} {len(values)}"
    with server.client() as client:
        rev = begin(client, "bridge", id)
        for step, (key, value) in enumerate(BRIDGE[: number - 1], 1):
            rev = revision(answer(client, "bridge", id, step, rev, **{key: value}).text)
        reply = answer(client, "bridge", id, number, rev, **values)
    assert reply.status_code == 422 and says in reply.text and 'aria-invalid="true"' in reply.text
    assert f"step_{number:02d}" not in record(server, id)


def test_revert_then_undo_brings_everything_back(server):
    """Going back keeps later answers as prefilled values; Undo restores the record."""
    with server.client() as client:
        rev = finished(client, "undo")
        before = record(server, "undo")
        reverted = client.post("/bridge/revert1", params={"id": "undo"}, data={"pipulate-rev": rev})
        assert (
            'value="Arthur"' in reverted.text
            and 'id="card2"' not in reverted.text
            and "Undo" in reverted.text
        )
        back = client.post(
            "/bridge/undo", params={"id": "undo"}, data={"pipulate-rev": revision(reverted.text)}
        )
        assert 'id="result"' in back.text
    after = record(server, "undo")
    assert {k: v for k, v in after.items() if k != "updated"} == {
        k: v for k, v in before.items() if k != "updated"
    }


def test_a_finalized_run_refuses_every_change_on_the_server(server):
    """Locked means locked, whatever a page or program sends; unlocking opens it again."""
    with server.client() as client:
        rev = finished(client, "locked")
        reply = client.post("/bridge/finalize", params={"id": "locked"}, data={"pipulate-rev": rev})
        assert "Unlock" in reply.text
        rev, before = revision(reply.text), record(server, "locked")
        for act in ("card1", "revert1", "revert3", "undo", "card3"):
            refused = client.post(
                f"/bridge/{act}",
                params={"id": "locked"},
                data={"pipulate-rev": rev, "name": "X", "color": "red"},
            )
            assert refused.status_code == 409, act
        assert record(server, "locked") == before
        reopened = client.post(
            "/bridge/unfinalize", params={"id": "locked"}, data={"pipulate-rev": rev}
        )
        assert "Finalize" in reopened.text and "finalized" not in record(server, "locked")


def test_an_incomplete_run_cannot_be_finalized(server):
    """Only what is complete can be locked."""
    with server.client() as client:
        rev = begin(client, "bridge", "early")
        assert (
            client.post(
                "/bridge/finalize", params={"id": "early"}, data={"pipulate-rev": rev}
            ).status_code
            == 409
        )


def test_delete_and_undelete(server):
    """A deleted run comes back with all its answers."""
    with server.client() as client:
        finished(client, "gone")
        before = record(server, "gone")
        assert "Undo" in client.post("/bridge/delete", params={"id": "gone"}).text
        assert record(server, "gone") == {}
        client.post("/bridge/undelete", params={"id": "gone"})
    assert record(server, "gone") == before


def test_a_saved_file_judges_the_very_next_answer(server):
    """With --dev a check that was saved after its card was opened is asked already."""
    file = server.folder / "workflows" / "late.py"
    file.parent.mkdir(exist_ok=True)
    code = (
        Path("pipulate/workflows/bridge.py")
        .read_text()
        .replace('Workflow("bridge"', 'Workflow("late"')
    )
    file.write_text(code)
    with server.client() as client:
        rev = begin(client, "late", "x")
        file.write_text(
            code
            + '\n\n@name.accept\ndef check(run, form):\n    raise ValueError("Nobody passes.")\n'
        )
        assert answer(client, "late", "x", 1, rev, name="Arthur").status_code != 200
        file.write_text(code)
        assert answer(client, "late", "x", 1, rev, name="Arthur").status_code == 200
    file.unlink()


def test_the_list_of_all_runs_says_whose_they_are(server):
    """Of two profiles each run tells its own; a deleted one can come back; an import is counted."""
    with server.client() as client:
        finished(client, "whose")
        assert " · Default" not in client.get("/runs").text
        client.post("/profiles", data={"name": "Camelot"})
        assert (
            " · Default" in client.get("/runs").text and "Camelot" not in client.get("/runs").text
        )
        whole = client.get("/runs/export", params={"workflow": "bridge", "id": "whose"}).content
        gone = client.post("/bridge/delete", params={"id": "whose"}).text
        assert (
            'hx-post="/bridge/undelete?id=whose"' in gone and "hx-include" not in gone
        )  # that page has no revision
        reply = client.post(
            "/runs/import/upload", files={"file": ("runs.jsonl", whole)}, follow_redirects=True
        )
        assert "Imported: 1 run." in reply.text


def test_answers_are_escaped_wherever_they_are_shown(server):
    """An answer, an ID and a search are text, never markup."""
    evil = '"><script>alert(1)</script>'
    with server.client() as client:
        rev = begin(client, "bridge", evil)
        reply = answer(client, "bridge", evil, 1, rev, name=evil)
        pages = [
            reply.text,
            *(
                client.get(path, params={"id": evil, "q": evil}).text
                for path in ("/bridge", "/runs", "/find", "/bridge/runs")
            ),
        ]
    assert not any("<script>alert" in page for page in pages)


def test_a_damaged_record_is_set_aside_and_mended(server):
    """Broken JSON neither blocks the page nor the list, and the last good state can be restored."""
    with server.client() as client:
        finished(client, "damaged")
        engine = Pipulate.open(server.folder / "data", "bridge")
        engine.store.write("UPDATE pipeline SET data = '{oops' WHERE id = 'damaged'")
        page = client.get("/bridge", params={"id": "damaged"})
        assert (
            page.status_code == 200
            and "damaged" in page.text
            and "Restore the last good state" in page.text
        )
        assert "damaged" in client.get("/bridge").text
        assert 'id="result"' in client.post("/bridge/repair", params={"id": "damaged"}).text
        assert engine.store.one("SELECT data FROM quarantine")["data"] == "{oops"
        engine.store.close()


def test_workflow_files_come_and_go_without_a_restart(server):
    """With --dev a new file appears, a broken one shows why, a mended one works; others stay."""
    folder: Path = server.folder / "workflows"
    folder.mkdir(exist_ok=True)
    file = folder / "mine.py"
    good = (Path("pipulate") / "workflows" / "bridge.py").read_text().replace('"bridge"', '"mine"')
    with server.client() as client:
        assert client.get("/mine").status_code == 404
        file.write_text(good)
        assert client.get("/mine").status_code == 200
        file.write_text(good + "\nthis is no Python\n")
        broken = client.get("/mine")
        assert (
            broken.status_code == 200 and "SyntaxError" in broken.text and "mine.py" in broken.text
        )
        assert "SyntaxError" in client.get("/mine/card2?id=x").text  # as a page is reloaded
        assert client.get("/mine/x").status_code == 404
        assert client.get("/bridge").status_code == 200
        file.write_text(good)
        assert "Run ID" in client.get("/mine").text
        file.unlink()
        assert client.get("/mine").status_code == 404


HAND = '''
"""A class by hand."""
from fasthtml.common import P

class Knock:
    """Knock, knock."""
    STEPS = [("who", "step_01", "Who is there?"), ("finalize", "step_02", "Finalize")]

    def __init__(self, app, pipulate, pipeline, db):
        self.pipulate, self.db = pipulate, db
        app.route("/knock", methods=["GET"])(self.landing)
        app.route("/knock/step_01", methods=["GET", "POST"])(self.step_01)

    def landing(self):
        return P("Knock")

    async def step_01(self, who: str = ""):
        self.pipulate.initialize_if_missing("door")
        self.db["pipeline_id"] = "door"
        if who:
            self.pipulate.set_step_data(self.db["pipeline_id"], "step_01", {"who": who})
        return P(str(self.pipulate.get_step_summary("door", "step_01", self.STEPS)))
'''


def test_a_hand_written_class_runs_unchanged(server):
    """A plain class dropped into the folder registers its own routes and uses the engine."""
    folder: Path = server.folder / "workflows"
    folder.mkdir(exist_ok=True)
    (folder / "knock.py").write_text(HAND)
    with server.client() as client:
        assert "Knock" in client.get("/knock").text
        assert "Boo" in client.post("/knock/step_01", data={"who": "Boo"}).text
        del client.headers["HX-Request"]
        page = client.get("/knock").text
        assert "Knock" in page and 'href="/knock"' in page and 'href="/bridge"' in page
    assert record(server, "door", "knock")["step_01"] == {"who": "Boo"}
    (folder / "knock.py").unlink()


def test_every_page_of_the_menu_answers(server):
    """No menu entry leads nowhere."""
    import re

    with server.client() as client:
        del client.headers["HX-Request"]
        menu = set(re.findall(r'href="(/[a-z_]*)"', client.get("/introduction").text))
        assert len(menu) > 6
        assert {
            path: client.get(path, follow_redirects=True).status_code for path in menu
        } == dict.fromkeys(menu, 200)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [(apsw.BusyError, 424, "locked"), (apsw.CorruptError, 409, "damaged")],
)
async def test_what_sqlite_reports_anywhere_is_told(tmp_path, error, status, says):
    """A locked, full or damaged database is no failure of ours, wherever in a request it shows."""

    def part(app):
        @app.route("/broken", methods=["GET"])
        def broken():
            raise error("sqlite says")

    app = create_app(Settings(data=tmp_path, workflows=()), (part,))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        reply = await client.get("/broken")
    assert reply.status_code == status and says in reply.text
    await app.state.jobs.close()
    app.state.store.close()


@pytest.fixture
def client(tmp_path):
    """Give a function that serves the workflow `mine` of this code; it returns a client."""

    def serve(code: str) -> TestClient:
        (tmp_path / "mine.py").write_text(code)
        app = create_app(Settings(data=tmp_path / "data", workflows=(tmp_path,)))
        home = "http://127.0.0.1:5001"
        page = TestClient(app, base_url=home, client=("127.0.0.1", 5000), follow_redirects=False)
        page.headers.update({"Origin": home, "HX-Request": "true"})
        return page

    return serve


WHEN = """
from pipulate import Workflow
from fasthtml.common import Input
flow = Workflow("mine")

@flow.step("n", "How many?")
def n(run):
    return Input(name="n", type="number")

@flow.work("send", "Send", when=lambda run: run["n"] > 1)
def send(run, job):
    return {}
"""


def test_a_condition_that_fails_begins_no_work(client):
    """The answer before it is stored, and what failed is told."""
    with client(WHEN) as page:
        rev = begin(page, "mine", "x")
        told = answer(page, "mine", "x", 1, rev, n="").text
        assert "Your answer is stored. What follows it failed: TypeError" in told
        assert page.app.state.jobs.row(("mine", "x", "send")) is None
        assert answer(page, "mine", "x", 1, rev, n="").status_code == 200


ASKS = """
from pipulate import Invalid, Workflow
from fasthtml.common import Input
flow = Workflow("mine")
asked = []

@flow.step("name", "Who?")
def name(run):
    asked.append(1)
    return Input(name="name", pattern="[a-z]+")

@name.accept
def check(run, form):
    raise Invalid(f"Asked {len(asked)} times.", "name")
"""


def test_a_refused_answer_asks_the_author_once(client):
    """The form that judged the answer is shown again: to make it may take a service's time."""
    with client(ASKS) as page:
        rev = begin(page, "mine", "x")
        for number, value in enumerate(("a", "B"), 2):
            reply = answer(page, "mine", "x", 1, rev, name=value)
            assert reply.status_code == 422 and f'value="{value}"' in reply.text
            assert value == "B" or f"Asked {number} times." in reply.text
        page.app.state.found["mine"].steps[0].accept_function = None
        assert page.app.state.found["mine"].steps[0].function.__globals__["asked"] == [1] * 3


TAKES = """
from pipulate import Workflow
from fasthtml.common import Input
flow = Workflow("mine")

@flow.step("file", "Which?")
def file(run):
    return Input(name="file", type="file")
"""


def test_an_act_closes_what_was_uploaded(client, monkeypatch):
    """Each upload is a temporary file; none stays open until somebody collects it."""
    closed = []
    close = UploadFile.close

    async def closing(upload: UploadFile) -> None:
        closed.append(upload.filename)
        await close(upload)

    monkeypatch.setattr(UploadFile, "close", closing)
    with client(TAKES) as page:
        rev = begin(page, "mine", "x")
        form = {"params": {"id": "x"}, "data": {"pipulate-rev": rev}}
        for status, content in ((200, b"1,2"), (409, b"3,4")):
            files = {"file": ("a.csv", content)}
            reply = page.post("/mine/card1/upload", files=files, **form)
            assert reply.status_code == status and closed == ["a.csv"]
            closed.clear()


WORKS = """
from pipulate import Workflow
flow = Workflow("mine")
done = []

@flow.step("go", "Go?")
def go(run):
    return None

@flow.work("one", "One")
async def one(run, job):
    done.append("one")

@flow.work("two", "Two")
async def two(run, job):
    done.append("two")
"""


def test_work_leads_to_work_though_nobody_looks(client):
    """One answer, two pieces of work; the model has a word on each, however many pages look."""
    with client(WORKS) as page:
        explained = []
        page.app.state.explain = lambda run: explained.append(run.open_index)
        answer(page, "mine", "x", 1, begin(page, "mine", "x"))
        for _ in range(2_000):
            shown = page.get("/mine", params={"id": "x"}).text
            if "Result" in shown and len(explained) == 3:  # said when it is stored
                break
        replies = [page.get("/mine/card3/progress", params={"id": "x"}) for _ in range(2)]
        assert all('id="result"' in reply.text for reply in replies)
        assert explained == [1, 2, 3]


HELD = """
import threading
from pipulate import Workflow
flow = Workflow("mine")
begun, go_on = threading.Semaphore(0), threading.Semaphore(0)
acts = []

@flow.step("go", "Go?")
def go(run):
    return None

@flow.work("plain", "A plain function")
def plain(run, job):
    for number in range(2):
        job.progress(number / 2, f"act {number}")
        begun.release()
        go_on.acquire(timeout=60)
        acts.append(number)
    return {}
"""


def until(page: TestClient, words: str) -> str:
    """Look at the working card until it says so; return it."""
    for _ in range(2_000):
        shown = page.get("/mine/card2/progress", params={"id": "x"}).text
        if words in shown:
            return shown
    raise AssertionError(shown)


def post(page: TestClient, act: str, rev: str = "") -> httpx2.Response:
    """Press a button."""
    return page.post(f"/mine/{act}", params={"id": "x"}, data={"pipulate-rev": rev})


def test_a_cancel_is_shown_as_what_it_is(client):
    """In the midst of an act its card says so, and offers to go on, which waits for its end. A
    result that is empty is one."""
    with client(HELD) as page:
        flow = page.app.state.found["mine"]
        held = flow.steps[1].function.__globals__
        page.app.state.jobs.grace = 0
        answer(page, "mine", "x", 1, begin(page, "mine", "x"))
        assert held["begun"].acquire(timeout=PATIENCE)
        assert ">Cancel<" in page.get("/mine", params={"id": "x"}).text
        card = post(page, "cancel2").text
        assert "it ends when its present act is through" in card and ">Go on<" in card
        card = post(page, "start2").text
        assert "Waiting for the earlier try to end…" in card and ">Cancel<" in card
        held["go_on"].release()
        until(page, "act 0")
        assert held["acts"] == [0]
        post(page, "cancel2")
        held["go_on"].release()
        assert ">Go on<" in until(page, "Cancelled. What was done so far is kept")
        post(page, "start2")
        for _ in range(2):
            held["go_on"].release()
        until(page, 'id="result"')
        assert held["acts"] == [0, 0, 0, 1]


@pytest.mark.parametrize("act", ["revert1", "undo", "delete"])
def test_what_changes_a_run_cancels_its_work_and_a_refusal_does_not(client, act):
    """A window that is older than the run stops nothing."""
    with client(HELD) as page:
        held = page.app.state.found["mine"].steps[1].function.__globals__
        rev = begin(page, "mine", "x")
        answer(page, "mine", "x", 1, rev)
        assert held["begun"].acquire(timeout=PATIENCE)
        if act != "delete":
            assert post(page, act, rev).status_code == 409
            assert "act 0" in until(page, "act 0")
        assert post(page, act).status_code == 200
        held["go_on"].release()
        page.app.state.jobs.running(("mine", "x", "plain"))
        for _ in range(2_000):
            if not page.app.state.jobs.running(("mine", "x", "plain")):
                break
            page.get("/mine")
        assert held["acts"] == [0]


def test_no_lead_repeats_the_title_above_it(server):
    """Of "Link graph: export ..." the first words are the title's."""
    with server.client() as client:
        for name, lead in {
            "link_graph": "Export a site",
            "bridge": "The smallest complete workflow.",
            "poet": "The full tour.",
            "petite": "A client briefing",
        }.items():
            assert f'<p class="lead">{lead}' in client.get(f"/{name}").text
