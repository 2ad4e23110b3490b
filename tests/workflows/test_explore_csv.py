"""Any CSV becomes a graph, end to end: no run ever touches another's, nor the next day's."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipulate import Invalid, Settings
from pipulate.app import create_app
from pipulate.cli import main
from pipulate.engine import discovery
from pipulate.engine.calls import call
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow
from pipulate.graph.shelf import CSV, Shelf

TODAY = f"{datetime.now(UTC):%Y%m%d}"


def links(folder: Path, count: int) -> Path:
    """A CSV of so many links from a home page."""
    file = folder / f"{count}.csv"
    rows = [f"https://example.com/,https://example.com/{number}\n" for number in range(count)]
    file.write_text("source,target\n" + "".join(rows))
    return file


def headless(folder: Path, id: str, file: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the workflow on the command line; return the result of its last step."""
    where = ["--data", str(folder / "data"), "--downloads", str(folder / "downloads")]
    assert main([*where, "run", "explore_csv", "--id", id, f"links_path={file}"]) == 0
    return json.loads(capsys.readouterr().out)["answers"]["draw"]


@pytest.mark.parametrize(("one", "other"), [("日本", "한국"), ("My Site", "my-site!")])
def test_runs_whose_ids_look_alike_keep_their_own_graphs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one: str, other: str
) -> None:
    """They shared a folder once, and the later replaced the earlier's graph."""
    first = headless(tmp_path, one, links(tmp_path, 3), capsys)
    second = headless(tmp_path, other, links(tmp_path, 5), capsys)
    assert first["address"] != second["address"]
    graphs = Shelf(tmp_path / "downloads").places()
    assert sorted(graph.size() for graph in graphs) == [(4, 3), (6, 5)]
    addresses = {f"/graph/{place.org}/{place.project}/{place.analysis}" for place in graphs}
    assert addresses == {first["address"], second["address"]}


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Return how large the graph of each name is."""
    return {place.name: place.size() for place in Shelf(folder / "downloads").places()}


async def test_no_graph_ever_takes_the_place_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever makes it: a run, another run of that name, a changed answer, the command line."""
    session = Session(tmp_path)
    files = (links(tmp_path, count) for count in range(3, 20))
    made: dict[str, tuple[int, int]] = {}

    def check(count: int) -> None:
        now = sizes(tmp_path)
        assert made.items() <= now.items() and len(now) == count
        made.update(now)

    async def explore(id: str) -> None:
        await session.answer(id, next(files))
        await session.draw(id)

    def command(name: str) -> None:
        named = next(files).rename(tmp_path / f"{name}_links.csv")
        where = ["--data", str(tmp_path / "data"), "--downloads", str(tmp_path / "downloads")]
        assert main([*where, "graph", str(named)]) == 0
        capsys.readouterr()

    command("shop")
    check(1)
    await explore("shop")
    check(2)
    session.engine.clear_steps_from("shop", "step_01", session.flow.tuples)
    await explore("shop")
    check(3)
    session.engine.delete("shop")
    await explore("shop")
    check(4)
    await explore("blog")
    check(5)
    command("blog")
    check(6)
    await session.close()


async def test_the_same_files_have_the_same_place(tmp_path: Path) -> None:
    """A card that was opened and sent again makes no second graph."""
    session = Session(tmp_path)
    file = links(tmp_path, 3)
    for _ in range(2):
        await session.answer("site", file)
        await session.draw("site")
        session.engine.clear_steps_from("site", "step_01", session.flow.tuples)
    assert session.graphs == [TODAY]
    await session.close()


async def test_a_file_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is kept as it was meant; what was drawn of it before is not shown in its stead."""
    session = Session(tmp_path)
    file = links(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    await session.answer("site", Path(file.name))
    monkeypatch.chdir("/")
    await session.draw("site")
    assert session.engine.get_step_data("site", "step_02")["links"] == 3
    file.unlink()
    session.engine.clear_steps_from("site", "step_02", session.flow.tuples)
    await session.draw("site")
    row = session.jobs.row(("explore_csv", "site", "draw"))
    assert row and row["state"] == "failed" and "no such file" in row["error"]
    assert not session.engine.get_step_data("site", "step_02")
    await session.close()


class Clock(datetime):
    """A clock that the test moves."""

    today = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls.today


class Session:
    """One life of the app on a data folder."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data=folder / "data", downloads=folder / "downloads")
        self.store = Store(self.settings.database)
        (found,) = discovery.load(PACKAGE / "workflows" / "explore_csv.py")
        assert isinstance(found, Workflow)
        self.flow = found
        self.engine = Pipulate(self.store, "explore_csv")
        self.jobs = Jobs(self.store, self.settings)

    async def answer(self, id: str, file: Path) -> None:
        """Name the file of links."""
        self.engine.initialize_if_missing(id)
        run = self.flow.load(self.store, id, self.settings)
        form = {"links": None, "pages": None, "links_path": str(file), "pages_path": ""}
        assert self.flow.steps[0].accept_function
        answers = await call(self.flow.steps[0].accept_function, run, form)
        self.engine.set_step_data(id, "step_01", answers)

    async def draw(self, id: str) -> None:
        """Start or resume the machine's work, and wait for its end."""
        await self.jobs.start(self.flow, id, self.flow.steps[1])
        await self.jobs.wait(("explore_csv", id, "draw"))

    async def close(self) -> None:
        await self.jobs.close()
        self.store.close()

    @property
    def graphs(self) -> list[str]:
        return [place.analysis for place in Shelf(self.settings.downloads).places()]


def patched(session: Session, monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """Replace a name of the workflow's own file."""
    monkeypatch.setitem(session.flow.steps[1].function.__globals__, name, value)


async def test_a_job_resumed_after_midnight_makes_no_second_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends when the graph is drawn and the record does not know it yet; the next day goes on."""
    first = Session(tmp_path)
    patched(first, monkeypatch, "datetime", Clock)
    await first.answer("site", links(tmp_path, 3))
    real = first.flow.steps[1].function.__globals__["make"]

    async def crashing(*arguments: Any, **named: Any) -> None:
        await real(*arguments, **named)
        raise asyncio.CancelledError

    patched(first, monkeypatch, "make", crashing)
    await first.draw("site")
    assert first.graphs == ["20261127"] and not first.engine.get_step_data("site", "step_02")
    await first.close()
    second = Session(tmp_path)
    monkeypatch.setattr(Clock, "today", Clock.today + timedelta(days=1))
    patched(second, monkeypatch, "datetime", Clock)
    await second.draw("site")
    assert second.engine.get_step_data("site", "step_02")["links"] == 3
    assert second.graphs == ["20261127"]
    await second.close()


async def test_a_run_of_0_1_0_finds_its_graph_and_goes_on(tmp_path: Path) -> None:
    """Its graph has a squashed name, and its answers do not tell the day."""
    session = Session(tmp_path)
    id = "My Site!"
    old = Shelf(session.settings.downloads).place(CSV, "my-site", "20250301")
    old.graph.mkdir(parents=True)
    (old.graph / "meta.json").write_text("{}")
    session.engine.initialize_if_missing(id)
    given = {"links": str(links(tmp_path, 3)), "pages": None}
    session.engine.set_step_data(id, "step_01", given)
    drawn = {"address": "/graph/csv/my-site/20250301", "pages": 4, "links": 3}
    session.engine.set_step_data(id, "step_02", drawn)
    with TestClient(create_app(session.settings), base_url="http://127.0.0.1:5001") as client:
        assert drawn["address"] in client.get("/explore_csv", params={"id": id}).text
        assert "20250301" in client.get("/graph").text
    session.engine.clear_steps_from(id, "step_02", session.flow.tuples)
    await session.draw(id)
    assert session.engine.get_step_data(id, "step_02")["links"] == 3
    assert sorted(session.graphs) == ["20250301", TODAY]
    await session.close()


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """By name, before anything is begun."""
    session = Session(tmp_path)
    with pytest.raises(Invalid, match=r"There is no file .*nothing"):
        await session.answer("site", tmp_path / "nothing")
    await session.close()
