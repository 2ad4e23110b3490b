"""The flagship against the simulator: whole files, paid for once, whatever crashes or fails."""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipulate.botify import client, export, token
from pipulate.botify.errors import AnswerLost
from pipulate.botify.export import Wanted
from pipulate.botify.token import Token
from pipulate.botify.urls import parse
from pipulate.engine import discovery
from pipulate.engine.calls import call
from pipulate.engine.errors import NotSaved
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run
from pipulate.graph import edges, measures
from pipulate.graph.htmlsite import read_html_site
from pipulate.graph.shelf import Shelf
from pipulate.simulator.demo import demo_projects
from pipulate.simulator.options import DEMO_TOKEN, Options, Pace
from pipulate.simulator.server import create_simulator, running

ID = "https://app.botify.com/demo/tiny/"
KEY = ("link_graph", ID, "export")


class Crash(BaseException):
    """The process ends here: what an act would do next is not done."""


class Dead(NotSaved):
    """Nor does anything that was at work save anything more."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pace to keep with a simulator, and no back-off."""
    monkeypatch.setattr(client, "RATE", 10_000)
    monkeypatch.setattr(client, "LONGEST_WAIT", 0.01)


def flow() -> Any:
    """Load the workflow as the app does."""
    (found,) = discovery.load(PACKAGE / "workflows" / "link_graph.py")
    return found


class Session:
    """One life of the app on a data folder: it can end at any moment and begin again."""

    def __init__(self, folder: Path, base: str, id: str = ID) -> None:
        self.id = id
        self.settings = Settings(
            data=folder / "data", downloads=folder / "downloads", botify=base, fast_jobs=True
        )
        self.store = Store(self.settings.database)
        token.save(self.settings.data, Token(DEMO_TOKEN))
        self.engine = Pipulate(self.store, "link_graph")
        self.flow = flow()
        self.jobs = Jobs(self.store, self.settings)

    async def answer(self, key: str, **values: Any) -> None:
        """Answer a card as the page does."""
        step = next(step for step in self.flow.steps if step.key == key)
        run = self.run()
        await call(step.function, run)
        if step.accept_function:
            values = await call(step.accept_function, run, values)
        self.engine.set_step_data(self.id, step.id, values)

    def run(self) -> Run:
        """Return the run as it is stored now."""
        return self.flow.load(self.store, self.id, self.settings)

    async def prepare(self, fields: list[str] | None = None) -> None:
        """Answer everything before the export."""
        self.engine.initialize_if_missing(self.id)
        await self.answer("project", project=self.id)
        await self.answer("analysis", analysis="latest")
        if fields is None:
            fields = self.run().fields("analysis")["columns"]
        await self.answer("fields", fields=fields, depth="6")

    async def export(self) -> dict[str, Any]:
        """Start or resume the export and wait for its end; returns the job's row."""
        await self.jobs.start(self.flow, self.id, self.flow.steps[3])
        return await self.ended()

    async def ended(self) -> dict[str, Any]:
        """Wait for the export's end; returns the job's row."""
        key = ("link_graph", self.id, "export")
        await self.jobs.wait(key)
        row = self.jobs.row(key)
        assert row
        return row

    def crash(self) -> NoReturn:
        """End at this point, in the midst of work."""

        def transaction() -> Any:
            raise Dead

        self.store.transaction = transaction
        raise Crash

    async def end(self) -> None:
        """End the process: nobody owns its jobs any more."""
        await self.jobs.close()
        self.store.close()

    def files(self) -> dict[str, bytes]:
        """Return what stands in the downloads under final names."""
        folder = self.settings.downloads
        return {path.name: path.read_bytes() for path in folder.rglob("*.csv")}


@contextlib.contextmanager
def simulator(faults: str = "", folder: Path | None = None, **options: Any):
    """Serve the simulator on a real port; gives (base, app)."""
    app = create_simulator(
        demo_projects(),
        faults=faults,
        folder=folder,
        options=Options(**{"pace": Pace(polls=1), **options}),
    )
    with running(app) as url:
        yield (url if url.endswith("/v1") else f"{url}/v1"), app


async def undisturbed(folder: Path) -> dict[str, bytes]:
    """Return the files of an export in which nothing goes wrong."""
    with simulator() as (base, _):
        session = Session(folder, base)
        await session.prepare()
        row = await session.export()
        assert row["state"] == "done", row
        await session.end()
        return session.files()


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, bytes]:
    """The files of an undisturbed run."""
    return asyncio.run(undisturbed(tmp_path_factory.mktemp("expected")))


def patched(
    monkeypatch, crash: Callable[[], NoReturn], target: Any, name: str, before: bool, nth: int
) -> None:
    """Make the nth call of an async function crash before or after it did its work, once."""
    real = getattr(target, name)
    count = 0

    async def crashing(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and before:
            crash()
        result = await real(*arguments, **named)
        if count == nth:
            crash()
        return result

    monkeypatch.setattr(target, name, crashing)


#: Each transition of the export: (where, function, before or after it, which call).
TRANSITIONS = {
    "intention not saved": (Pipulate, "job checkpoint", True, 1),
    "intention saved, nothing sent": (client.Botify, "create_export", True, 1),
    "sent, answer not saved": (client.Botify, "create_export", False, 1),
    "links job saved": (client.Botify, "wait", True, 1),
    "links job done": (client.Botify, "wait", False, 1),
    "links downloaded": (client.Botify, "download", False, 1),
    "pages sent, answer not saved": (client.Botify, "create_export", False, 2),
    "pages job saved": (client.Botify, "wait", True, 2),
    "pages downloaded": (client.Botify, "download", False, 2),
    "files made, result not saved": (Pipulate, "job step_04", True, 1),
}
FAULTS = {
    "none": "",
    "500 on reading": "500 times=2 on=/jobs/",
    "429 on reading": "429 times=2 on=/jobs/",
    "dropped connections": "drop times=2 on=/jobs/; cut times=1",
    "truncated file": "truncated times=1 on=/cdn",
    "expired link": "expired times=1 on=/cdn",
    "lost answer": "lost times=1 method=POST on=/jobs",
}


def plant(monkeypatch, where: str, crash: Callable[[], NoReturn]) -> None:
    """Arrange the crash of a transition."""
    target, name, before, nth = TRANSITIONS[where]
    if target is Pipulate:  # the act that is not saved
        real = Pipulate.change
        calls = []

        def change(self: Pipulate, id: str, act: str, *arguments: Any, **named: Any) -> Any:
            if act == name and not calls:
                calls.append(act)
                crash()
            return real(self, id, act, *arguments, **named)

        monkeypatch.setattr(Pipulate, "change", change)
    else:
        patched(monkeypatch, crash, target, name, before, nth)


async def crash_and_resume(
    tmp_path: Path, where: str, fault: str, expected: dict[str, bytes], monkeypatch
) -> None:
    """Crash at a transition under a fault, resume, and compare with the undisturbed run."""
    with simulator(FAULTS[fault], tmp_path / "botify") as (base, app):
        first = Session(tmp_path, base)
        await first.prepare()
        plant(monkeypatch, where, first.crash)
        crashed = (await first.export())["state"] == "running"
        assert crashed or fault == "lost answer"  # after an answer that never comes, nothing can
        partly = first.files()
        assert all(partly[name] == expected[name] for name in partly)
        await first.end()
        second = Session(tmp_path, base)
        for _ in range(4):  # each further start is what "Try again" does
            row = await second.export()
            if row["state"] == "done":
                break
        if row["state"] == "unsure":  # it cannot be known: only the user may have it done again
            assert where in ("intention saved, nothing sent",)
            assert not app.state.jobs.created
            await second.jobs.repeat(second.flow, ID, second.flow.steps[3])
            row = await second.ended()
        assert row["state"] == "done", row
        assert second.files() == expected
        created = app.state.jobs.created
        assert len(created) == 2 and set(created.values()) == {1}, created
        assert set(app.state.jobs.posts.values()) == {1}, app.state.jobs.posts
        assert not app.state.calls.tokens_at_file_host
        for leftover in ("*.part", "*.download"):
            assert not list(second.settings.downloads.rglob(leftover))
        await second.end()


@pytest.mark.parametrize(
    ("where", "fault"),
    [(where, list(FAULTS)[number % len(FAULTS)]) for number, where in enumerate(TRANSITIONS)],
)
async def test_a_crash_at_any_transition_costs_nothing_twice(
    tmp_path, where, fault, expected, monkeypatch
):
    """POST /jobs at most once for each file; the files are those of the undisturbed run."""
    await crash_and_resume(tmp_path, where, fault, expected, monkeypatch)


@pytest.mark.trust("Export crashes at any point, under any fault: paid for once, files equal")
@pytest.mark.parametrize("where", TRANSITIONS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_crash_under_every_fault(tmp_path, where, fault, expected, monkeypatch):
    """The whole table."""
    await crash_and_resume(tmp_path, where, fault, expected, monkeypatch)


@pytest.mark.trust("Planted bug found: a POST sent again when its answer was lost")
async def test_a_post_that_is_sent_again_is_found(tmp_path, expected, monkeypatch):
    """As a client that takes every request for one that may be repeated would."""
    create = client.Botify.create_export

    async def again(self: client.Botify, body: Any) -> Any:
        try:
            return await create(self, body)
        except AnswerLost:
            return await create(self, body)

    monkeypatch.setattr(client.Botify, "create_export", again)
    with pytest.raises(AssertionError, match=r": 2[,}]"):
        await crash_and_resume(tmp_path, "links job done", "lost answer", expected, monkeypatch)


async def test_what_is_on_disk_is_not_downloaded_again(tmp_path):
    """A second run of the same analysis asks for nothing and spends nothing."""
    with simulator(folder=tmp_path / "botify") as (base, app):
        session = Session(tmp_path, base)
        await session.prepare()
        assert (await session.export())["state"] == "done"
        posts = app.state.calls.count("POST", "/v1/jobs")
        session.engine.clear_steps_from(ID, "step_01", session.flow.tuples)
        await session.prepare()
        assert (await session.export())["state"] == "done"
        assert app.state.calls.count("POST", "/v1/jobs") == posts == 2
        await session.end()


def depths(session: Session) -> dict[str, int]:
    """Return how deep the pages lie that have links, in each of the files of links."""
    found = {}
    for place in Shelf(session.settings.downloads).places():
        graph = edges.load(place.graph)
        clicks = measures.depths(graph, measures.home(graph))
        found[place.analysis] = int(clicks[graph.source].max())
    return found


async def chosen(session: Session, depth: int, fields: list[str]) -> dict[str, Any]:
    """Choose anew and export; return the result."""
    session.engine.clear_steps_from(ID, "step_03", session.flow.tuples)
    await session.answer("fields", fields=fields, depth=str(depth))
    row = await session.export()
    assert row["state"] == "done", row
    return session.engine.get_step_data(ID, "step_04")


async def test_each_choice_has_files_of_its_own_and_is_paid_once(tmp_path):
    """What the result says is what is on disk; going back to a choice finds its files."""
    with simulator(folder=tmp_path / "botify") as (base, app):
        session = Session(tmp_path, base)
        await session.prepare(fields=[])
        slug = session.run().fields("analysis")["analysis"]
        posts = []
        made = {}
        for name, depth, fields in (
            ("", 1, []),
            (".2", 3, []),
            (".3", 3, ["pagetype"]),
            (".4", 3, ["pagetype", "sitemap"]),
            ("", 1, []),
            (".3", 3, ["pagetype"]),
        ):
            result = await chosen(session, depth, fields)
            assert (result["analysis"], result["depth"]) == (f"{slug}{name}", depth)
            place = export.place(session.settings, parse(ID), result["analysis"])
            assert place.choice() == Wanted(depth, fields).choice()
            header = place.pages.read_text().partition("\n")[0] if place.pages else "id"
            assert set(header.split(",")[1:]) == set(fields)
            now = session.files()
            assert made.items() <= now.items()
            made = now
            posts.append(app.state.calls.count("POST", "/v1/jobs"))
        assert posts == [1, 2, 3, 4, 4, 4]
        assert {name: depths(session)[f"{slug}{name}"] for name in ("", ".2", ".3")} == {
            "": 1,
            ".2": 3,
            ".3": 3,
        }
        await session.end()


async def test_what_an_earlier_version_exported_is_what_its_record_says(tmp_path):
    """It did not note the choice beside the files; nothing of it is paid again."""
    with simulator(folder=tmp_path / "botify") as (base, app):
        session = Session(tmp_path, base)
        await session.prepare(fields=["pagetype"])
        slug = session.run().fields("analysis")["analysis"]
        await chosen(session, 1, ["pagetype"])
        place = export.place(session.settings, parse(ID), slug)
        place.asked.unlink()
        for deep, name, posts in ((3, ".2", 4), (1, "", 4)):
            result = await chosen(session, deep, ["pagetype"])
            assert result["analysis"] == f"{slug}{name}"
            assert place.choice() == {"depth": 1, "columns": ["pagetype"]}
            assert app.state.calls.count("POST", "/v1/jobs") == posts
        await session.end()


async def test_a_failed_export_tells_the_reason_and_is_paid_again_only_by_the_user(tmp_path):
    """FAILED: the API's own words in the card; a new export needs the user's word."""
    with simulator("job-fails times=1", tmp_path / "botify") as (base, app):
        session = Session(tmp_path, base)
        await session.prepare()
        for _ in range(2):
            row = await session.export()
            assert row["state"] == "unsure" and "failed at Botify" in row["error"]
        assert app.state.calls.count("POST", "/v1/jobs") == 1
        await session.jobs.repeat(session.flow, ID, session.flow.steps[3])
        row = await session.ended()
        assert row["state"] == "done", row
        await session.end()


async def test_rows_at_the_limit_are_told_as_possibly_truncated(tmp_path):
    """As many rows as may be exported means that some may be missing."""
    with simulator(export_limit=500) as (base, _):
        session = Session(tmp_path, base)
        await session.prepare(fields=[])
        session.engine.set_step_data(ID, "step_03", {"fields": [], "depth": "6"})
        assert (await session.export())["state"] == "done"
        made = session.engine.get_step_data(ID, "step_04")
        assert made["tables"]["links"]["possibly_truncated"] is True
        assert "Possibly truncated" in str(session.flow.result_function(session.run()))
        await session.end()


@pytest.mark.parametrize("faults", ["v1-header", "sep", "plain", "zip", "empty"])
async def test_no_form_of_the_file_loses_a_row(tmp_path, faults, expected):
    """Header, `sep=` line, zip, plain: the same CSVs; a file without rows is told, not a crash."""
    with simulator(faults) as (base, _):
        session = Session(tmp_path, base)
        await session.prepare()
        row = await session.export()
        if faults == "empty":
            assert row["state"] in ("done", "failed"), row
        else:
            assert row["state"] == "done" and session.files() == expected
        await session.end()


async def test_the_token_is_nowhere_but_in_its_file(tmp_path):
    """A canary: nothing on disk but the token file holds it, after a whole run."""
    with simulator(folder=tmp_path / "botify") as (base, _):
        session = Session(tmp_path / "app", base)
        await session.prepare()
        await session.export()
        await session.end()
    holding = [
        path
        for path in (tmp_path / "app").rglob("*")
        if path.is_file() and DEMO_TOKEN.encode() in path.read_bytes()
    ]
    (file,) = holding
    assert file.name == "botify_token" and file.stat().st_mode & 0o777 == 0o600


async def test_a_folder_of_real_html_is_exported_with_exactly_its_links(tmp_path):
    """The edges on disk are the links that really stand in the pages."""
    pages = tmp_path / "html"
    pages.mkdir()
    (pages / "index.html").write_text(
        '<title>Home</title><a href="a.html">A</a> <a href="sub/b.html#y">B</a> '
        '<a href="missing.html">no</a>'
    )
    (pages / "a.html").write_text(
        '<title>A</title><a href="index.html">home</a><!-- <a href="ghost.html">ghost</a> -->'
    )
    (pages / "sub").mkdir()
    (pages / "sub" / "b.html").write_text(
        '<title>B, "quoted"</title><a href="../a.html">A</a><a href="../a.html">again</a>'
        '<a href="https://elsewhere.example/">out</a>'
    )
    site = read_html_site(pages)
    projects = demo_projects(folders=[pages])
    app = create_simulator(projects, options=Options(pace=Pace(polls=1)))
    with running(app) as url:
        id = next(p.url for p in projects if p.slug not in ("shop", "tiny", "portal"))
        session = Session(tmp_path, f"{url.removesuffix('/v1')}/v1", id)
        await session.prepare(fields=[])
        assert (await session.export())["state"] == "done"
        (file,) = session.settings.downloads.rglob("*_links.csv")
        lines = file.read_text().splitlines()
        tails = sorted(re.sub(r"https?://[^/]+", "", line) for line in lines[1:])
        await session.end()
    assert lines[0] == "source,target"
    assert len(site.pages) >= 4
    paths = [
        tuple(re.sub(r"https?://[^/,]+", "", cell) for cell in line.split(","))
        for line in lines[1:]
    ]
    assert len(paths) == len(set(paths)) == 5, tails
    assert not any("ghost" in target or "elsewhere" in target for _, target in paths)


async def test_ingest_leaves_no_file_when_killed(tmp_path, monkeypatch):
    """Cancelled in the midst of checking: no CSV has its final name; the next try makes it."""
    with simulator(folder=tmp_path / "botify") as (base, _):
        session = Session(tmp_path, base)
        await session.prepare()
        reached = asyncio.Event()
        real = export.ingest

        async def slow(order: Any, progress: Any) -> Any:
            reached.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(export, "ingest", slow)
        await session.jobs.start(session.flow, ID, session.flow.steps[3])
        await reached.wait()
        await session.jobs.cancel(KEY)
        assert session.jobs.row(KEY)["state"] == "cancelled" and not session.files()
        monkeypatch.setattr(export, "ingest", real)
        assert (await session.export())["state"] == "done" and len(session.files()) == 2
        await session.end()


def test_the_headless_command_does_the_same(tmp_path, capsys):
    """`pipulate run link_graph --id URL analysis=latest`, in demo mode."""
    from pipulate.cli import main

    arguments = [
        "--data",
        str(tmp_path / "data"),
        "--downloads",
        str(tmp_path / "downloads"),
        "--demo",
        "run",
        "link_graph",
        "--id",
        ID,
        "analysis=latest",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    made = json.loads(out)["answers"]["export"]
    assert made["graph_links"] > 900 and "Export, download and check" in err
    assert len(list((tmp_path / "downloads").rglob("*.csv"))) == 2
