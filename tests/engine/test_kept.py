"""Files are kept by what is in them: whole, once, and found by every answer that names them."""

import asyncio
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Input
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.engine import files
from pipulate.engine import record as rec
from pipulate.engine.answers import answer, question
from pipulate.engine.collecting import collect
from pipulate.engine.doing import finish
from pipulate.engine.errors import CannotWrite, PipulateError
from pipulate.engine.job import Job
from pipulate.engine.kept import LARGE, Desk, beside, files_in, keep, of_before, plain_name, small
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.values import File, decode, encode, whole
from pipulate.engine.workflow import Run, Workflow
from tests.engine.work import KEY, make

TEXT = b"source,target\n" * 10_000


def test_a_file_is_kept_and_described(tmp_path: Path) -> None:
    """By name, size and content, in the data folder."""
    file = keep(io.BytesIO(TEXT), "links.csv", tmp_path)
    assert file.read_bytes() == TEXT and file.path.is_relative_to(tmp_path / "uploads")
    sha256 = hashlib.sha256(TEXT).hexdigest()
    assert file == File("links.csv", len(TEXT), sha256, file.path)


def test_the_same_file_twice_is_one_and_another_of_its_name_is_another(tmp_path: Path) -> None:
    """No file replaces an earlier answer's."""
    first, again, other = (keep(io.BytesIO(x), "a.csv", tmp_path) for x in (TEXT, TEXT, b"other"))
    assert first == again and first.path == again.path != other.path
    assert sorted(tmp_path.rglob("*.csv")) == sorted([first.path, other.path])


def test_what_is_kept_again_is_young_and_whole(tmp_path: Path) -> None:
    """So nothing collects it; a half one, of a power cut before 0.2.0, say, is written anew."""
    file = keep(io.BytesIO(TEXT), "a.csv", tmp_path)
    os.utime(file.path, (0, 0))
    keep(io.BytesIO(TEXT), "a.csv", tmp_path)
    assert file.path.stat().st_mtime > 0
    file.path.write_bytes(TEXT[:100])
    assert keep(io.BytesIO(TEXT), "a.csv", tmp_path).read_bytes() == TEXT


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("links.csv", "links.csv"),
        ("../../etc/passwd", "passwd"),
        ("a b-c.tar.gz", "a b-c.tar.gz"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("", "file"),
        ("Zürich?.csv", "Zürich_.csv"),
        ("x\x00<script>.csv", "x__script_.csv"),
        ("n" * 300 + ".csv", "n" * 96 + ".csv"),
        ("漢" * 300 + ".csv", "漢" * 65 + ".csv"),
        ("NUL", "_NUL"),
        ("con.csv", "_con.csv"),
        ("console.csv", "console.csv"),
        (" a.csv. ", "a.csv"),
    ],
)
def test_a_name_leads_nowhere_else(sent: str, kept: str) -> None:
    """Its folder, its odd characters and its leading dots go; its ending stays.  Any system
    takes it: Windows drops dots at the end and has devices, others count bytes.
    """
    assert plain_name(sent) == kept


def test_a_long_name_of_any_script_is_kept(tmp_path: Path) -> None:
    """A file system takes 255 bytes, also while the file is written."""
    for letter in ("n", "ж", "漢", "𠀀"):
        name = plain_name(letter * 300 + ".csv")
        assert keep(io.BytesIO(letter.encode()), name, tmp_path).path.name.endswith(".csv")


def test_a_path_of_before_is_found_wherever_it_led_from(tmp_path: Path) -> None:
    """Older records had paths of their time's working directory."""
    file = keep(io.BytesIO(TEXT), "links.csv", tmp_path)
    digits = file.sha256[:16]
    for start in ("data/", "/srv/old/data/", "", "C:\\data\\"):
        assert of_before(f"{start}uploads/{digits}/links.csv", tmp_path) == file
    for other in (f"uploads/{'0' * 16}/links.csv", f"uploads/{digits}/x/../links.csv", "links.csv"):
        assert of_before(other, tmp_path) is None
    file.path.write_text("other")
    assert of_before(f"uploads/{digits}/links.csv", tmp_path) is None


# --- a desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk in a data folder."""
    return Desk(tmp_path)


def test_what_lies_on_a_desk_is_kept(desk: Desk, tmp_path: Path) -> None:
    """With size and content; keeping twice is keeping once."""
    desk.file("broken.csv").write_bytes(TEXT)
    desk.file("note.txt").write_text("x")
    desk.file("never-written.txt")
    made = desk.keep()
    assert [Path(path) for path in made] == [desk.path / "broken.csv", desk.path / "note.txt"]
    file = made[str(desk.path / "broken.csv")]
    assert file.read_bytes() == TEXT and file.size == len(TEXT)
    assert file.path.is_relative_to(tmp_path / "files")
    assert desk.keep() == made
    desk.remove()
    assert not desk.path.exists() and file.read_bytes() == TEXT


def test_what_is_written_on_after_a_crash_changes_no_kept_file(desk: Desk, tmp_path: Path) -> None:
    """Between keeping and storing there may be a kill; the next try writes on."""
    desk.file("a.csv").write_text("a")
    desk.keep()
    with desk.file("a.csv").open("a") as file:
        file.write("b")
    other = keep(io.BytesIO(b"a"), "a.csv", tmp_path, "files")
    (made,) = desk.keep().values()
    desk.remove()
    assert other.read_text() == "a" and made.read_text() == "ab"


def test_a_disk_without_links_does_as_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By copies."""

    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    desk.file("a.csv").write_text("a")
    (made,) = desk.keep().values()
    assert made.read_text() == "a"


def test_each_desk_is_another(desk: Desk, tmp_path: Path) -> None:
    """An answer that comes back finds the content it had."""
    desk.file("a.csv").write_text("old")
    (old,) = desk.keep().values()
    other = Desk(tmp_path)
    assert not other.file("a.csv").exists()
    other.file("a.csv").write_text("new")
    (new,) = other.keep().values()
    assert new.read_text() == "new" and old.read_text() == "old"


def test_the_data_name_kept_files(desk: Desk, tmp_path: Path) -> None:
    """Where they named the paths on the desk."""
    path = desk.file("a.csv")
    path.write_text("a")
    (file,) = desk.keep().values()
    data = {"n": 1, "file": path, "text": str(path), "files": [path, None], "log": f"wrote {path}"}
    held, kinds, _ = beside(data, "check", desk, tmp_path)
    assert decode(held, kinds, tmp_path) == {
        "n": 1,
        "file": file,
        "text": file,
        "files": [file, None],
        "log": f"wrote {path}",
    }


@pytest.mark.parametrize("kind", [Path, str])
def test_a_path_that_would_be_dead_is_refused(
    desk: Desk, tmp_path: Path, kind: Callable[[Path], Any]
) -> None:
    """Rather now than when it is opened."""
    path = desk.file("a.csv")
    path.write_text("a")
    with pytest.raises(PipulateError, match=r"a\.csv stands deep in the result"):
        beside({"x": {"deep": [kind(path)]}}, "check", desk, tmp_path)


def test_what_is_beside_a_record_is_listed(desk: Desk, tmp_path: Path) -> None:
    """What this try wrote, and what an act that is done once had written in an earlier one."""
    other = Desk(tmp_path)
    other.file("once.csv").write_text("once")
    (once,) = other.keep().values()
    desk.file("a.csv").write_text("a")
    upload = keep(io.BytesIO(b"u"), "u.csv", tmp_path)
    data = {"n": 1, "once": once, "upload": upload, "day": date(2026, 11, 23)}
    held, kinds, files = beside(data, "check", desk, tmp_path)
    assert [item["file"] for item in files] == ["a.csv", "once.csv"]
    assert decode(held, kinds, tmp_path) == data
    assert beside({"n": 1}, "check", None, tmp_path) == ({"n": 1}, {}, [])


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "a\\b", "/a", "a\x00", "a\n", "C:a", 'a"b', "n" * 151],
)
def test_a_name_that_leads_elsewhere_is_refused(desk: Desk, name: str) -> None:
    """Or that not every disk can hold."""
    with pytest.raises(PipulateError, match="cannot be a file's name"):
        desk.file(name)
    assert desk.file("Größe (1) – b.csv").parent == desk.path


def test_only_files_are_kept(desk: Desk, tmp_path: Path) -> None:
    """Nothing hidden or half, no folder."""
    path = desk.file("a.csv")
    path.write_text("a")
    (desk.path / ".a.csv.1.part").write_text("half")
    (desk.path / "folder").mkdir()
    assert [file.name for file in desk.keep().values()] == ["a.csv"]


def test_files_are_on_the_disk_before_they_are_named(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names in their folders, and of these: a power cut then takes none."""
    synced = []
    monkeypatch.setattr(files, "sync", synced.append)
    desk.file("a.csv").write_text("a")
    (made,) = desk.keep().values()
    assert any(path.parent == made.path.parent and path.suffix == ".part" for path in synced)
    other = keep(io.BytesIO(TEXT), "b.csv", tmp_path)
    for file in (made, other):
        assert {file.path.parent, file.path.parent.parent, tmp_path} <= set(synced)
    synced.clear()
    desk.sync()
    assert synced == [desk.path / "a.csv", desk.path]
    desk.sync()
    assert len(synced) == 2  # nothing was written since
    desk.file("b.csv").write_text("b")
    desk.sync()
    assert synced[2:] == [desk.path / "b.csv", desk.path]


def test_a_file_that_has_its_name_for_a_moment_stops_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes whole files renames them while others look."""
    desk.file("a.csv").write_text("a")
    desk.file("b.tmp").write_text("b")
    stat = Path.stat
    gone = []

    def renamed(path: Path, **how: Any) -> os.stat_result:
        if path.name == "b.tmp" and not gone:
            gone.append(path.rename(path.with_name("b.csv")))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", renamed)
    desk.sync()
    assert gone and sorted(desk.stand()) == ["a.csv", "b.csv"]


def test_a_link_is_kept_as_what_it_leads_to(desk: Desk, tmp_path: Path) -> None:
    """Else the file would change with it."""
    (tmp_path / "elsewhere").write_text("a")
    desk.file("a.csv").symlink_to(tmp_path / "elsewhere")
    (made,) = desk.keep().values()
    desk.remove()
    (tmp_path / "elsewhere").write_text("b")
    assert made.read_text() == "a" and not made.path.is_symlink()


# --- large data


def test_large_data_lie_in_a_file(tmp_path: Path) -> None:
    """And come back as they were; small ones stay in the record."""
    assert small({"a": 1}, {}, "check", tmp_path) == {"a": 1}
    rows = {"rows": ["ä" * 100] * (LARGE // 100)}
    held = small(rows, {}, "check", tmp_path)
    assert len(str(held)) < 500 and whole(held, tmp_path) == rows
    assert [path.name for path in tmp_path.rglob("*.json")] == ["check.json"]


def test_the_record_names_every_file_all_the_same(tmp_path: Path) -> None:
    """Who exports a run, or looks which files are needed, finds them there."""
    file = keep(io.BytesIO(TEXT), "links.csv", tmp_path)
    data, kinds = encode({"links": [file], "rows": ["x" * 100] * (LARGE // 100)}, tmp_path)
    held = small(data, kinds, "check", tmp_path)
    assert [item["file"] for item in files_in(held)] == ["check.json", "links.csv"]
    back = decode(whole(held, tmp_path), kinds, tmp_path)
    assert list(back.items()) == [("links", [file]), ("rows", data["rows"])]


def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    """And nothing half-written is left."""
    (tmp_path / "uploads").write_text("a file where a folder should be")
    (tmp_path / "files").write_text("a file where a folder should be")
    with pytest.raises(CannotWrite):
        keep(io.BytesIO(TEXT), "a", tmp_path)
    desk = Desk(tmp_path)
    desk.file("a").write_bytes(TEXT)
    with pytest.raises(CannotWrite):
        desk.keep()
    assert desk.file("a").read_bytes() == TEXT


# --- of a run


def flow() -> Workflow:
    """A step whose `accept` writes a file, work that writes one and returns much."""
    made = Workflow("shop")

    @made.step("data", "Data")
    def data(run: Run) -> Any:
        return Input(name="data")

    @data.accept
    def check(run: Run, form: dict[str, Any]) -> dict[str, Any]:
        run.file("data.txt").write_text(form["data"])
        return {**form, "n": len(form["data"])}

    @made.work("check", "Check")
    def work(run: Run, job: Any) -> dict[str, Any]:
        path = run.file("upper.txt")
        path.write_text(run.files("data")["data.txt"].read_text().upper())
        return {"made": path, "rows": ["x" * 100] * (LARGE // 100)}

    return made


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[], Run]]:
    """Give a function that returns the run as it is stored."""
    store = Store(tmp_path / "pipulate.db")
    made = flow()
    made.begin(made.engine(store), "x")
    yield lambda: made.load(store, "x", Settings(tmp_path))
    store.close()


async def played(run: Run, data: str) -> None:
    """Answer the step, and do the work."""
    await answer(await question(run, run.flow.steps[0]), {"data": [data]})
    step = run.flow.steps[1]
    seen = run.before(step)
    finish(seen, step, step.function(seen, None))


async def test_steps_write_files_beside_their_run(run: Callable[[], Run], tmp_path: Path) -> None:
    """Whose path becomes a file; what is large lies in one, and comes back by itself."""
    await played(run(), "abc")
    made = run()
    assert len(made.summary()) < 500 and "upper.txt" in made.summary() and not made.large
    assert made["check"]["made"].read_text() == "ABC" and len(made["check"]["rows"]) > 2000
    assert made["check"]["rows"] is made["check"]["rows"]  # read once
    assert made.fields("check")["made"] == made.files("check")["upper.txt"]
    assert made.files("data")["data.txt"].read_text() == "abc" and made.files("none") == {}
    assert len(rec.dumps(made.record)) < 5000 and not list(tmp_path.glob("desks/*"))


async def test_all_threads_of_a_step_write_to_one_desk(run: Callable[[], Run]) -> None:
    """Whichever asks first."""
    seen = run().before(run().flow.steps[1])
    with ThreadPoolExecutor(16) as pool:
        paths = list(pool.map(seen.file, map(str, range(200))))
    assert len({path.parent for path in paths}) == 1


async def test_a_step_depends_on_the_files_it_read(run: Callable[[], Run]) -> None:
    """Another content, of the same length: the work is done again."""
    await played(run(), "abc")
    run().engine.clear_steps_from("x", "step_01", run().flow.tuples)
    here = run()
    await answer(await question(here, here.flow.steps[0]), {"data": ["abd"]})
    assert run().open_index == 1
    run().engine.clear_steps_from("x", "step_01", run().flow.tuples)
    here = run()
    await answer(await question(here, here.flow.steps[0]), {"data": ["abc"]})
    assert run().open_index == 2 and run()["check"]["made"].read_text() == "ABC"


async def test_undo_after_redo_finds_the_old_content(run: Callable[[], Run]) -> None:
    """Each answer has its own."""
    await played(run(), "old")
    engine = run().engine
    engine.clear_steps_from("x", "step_01", run().flow.tuples)
    await played(run(), "new")
    assert run()["check"]["made"].read_text() == "NEW"
    for _ in range(2):  # the answer, the revert
        engine.undo("x")
    assert run()["check"]["made"].read_text() == "OLD"
    assert run().files("data")["data.txt"].read_text() == "old"


async def test_files_go_with_a_moved_data_folder(
    run: Callable[[], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or one that is opened from another working directory."""
    await played(run(), "abc")
    run().engine.store.close()
    moved = tmp_path.rename(tmp_path.with_name("moved-folder"))
    monkeypatch.chdir(moved.parent)
    store = Store(Path("moved-folder") / "pipulate.db")
    made = flow().load(store, "x", Settings())
    assert made["check"]["made"].read_text() == "ABC" and len(made["check"]["rows"]) > 2000
    store.close()
    moved.rename(tmp_path)


async def test_what_only_shows_writes_no_file(run: Callable[[], Run]) -> None:
    """It is called whenever somebody looks, and no answer would name the file."""
    with pytest.raises(PipulateError, match="Only a step's form, accept and work can write 'a'"):
        run().file("a")


def test_keys_of_the_engine_are_refused_at_load() -> None:
    """With a sentence, as names of fields are."""
    with pytest.raises(PipulateError, match="'pipulate-x'; keys that begin with"):
        Workflow("shop").step("pipulate-x", "X")(lambda run: None)


# --- of jobs that are stopped


class Stopped(Exception):
    """The work ends here, as it would by a kill."""


class Crawl:
    """Work that fetches something once, then writes a file and a line for each item."""

    def __init__(self) -> None:
        self.stops: list[int] = []
        self.fetched = 0

    async def __call__(self, run: Run, job: Job) -> dict[str, Any]:
        """Stop at each of `stops`, the first try at the first one."""
        run.get("go")
        stop = self.stops.pop(0) if self.stops else -1
        path = run.file("fetched.txt")

        async def fetch() -> None:
            self.fetched += 1
            path.write_text("fetched")

        await job.once("fetch", fetch)
        seed = await job.once("seed", partial(self.seed, run))
        assert path.read_text() == "fetched" and seed.read_text() == "seed"
        async for item in job.each(list(range(5))):
            if item == stop:
                raise Stopped
            run.file(f"{item}.txt").write_text(str(item))
            with run.file("rows.txt").open("a") as rows:
                rows.write(f"{item}\n")
        return {"fetched": path, "seed": seed}

    async def seed(self, run: Run) -> Path:
        """Return a file that this writes."""
        self.fetched += 1
        path = run.file("seed.txt")
        path.write_text("seed")
        return path


def days_later(store: Store) -> None:
    """Put aside what nothing needs."""
    for path in store.folder.glob("*/*/*"):
        os.utime(path, (0, 0))
    collect(store)


WHOLE = {
    "fetched.txt": "fetched",
    "seed.txt": "seed",
    "rows.txt": "0\n1\n2\n3\n4\n",
    **{f"{item}.txt": str(item) for item in range(5)},
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=4), st.booleans())
def test_the_files_of_a_stopped_job_are_those_of_one_that_was_not(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int], cold: bool
) -> None:
    """Wherever it is stopped, however often; and so after a redo, that repeats no act."""

    async def played() -> None:
        folder = tmp_path_factory.mktemp("job")
        crawl = Crawl()
        crawl.stops = list(stops)
        flow, step, engine, jobs = make(folder, crawl.__call__)
        for again in range(2):
            for _ in range(len(stops) + 1):
                await jobs.start(flow, "r", step)
                await jobs.wait(KEY)
                if cold:
                    days_later(engine.store)
            run = flow.load(engine.store, "r", jobs.settings)
            made = {name: file.read_text() for name, file in run.files("act").items()}
            assert made == WHOLE and crawl.fetched == 2
            assert run.fields("act")["seed"].read_text() == "seed"
            if not again:
                engine.clear_steps_from("r", "step_02", flow.tuples)
        days_later(engine.store)
        assert not list(folder.glob("desks/*"))
        await jobs.close()
        engine.store.close()

    asyncio.run(played())
