"""Files are kept by what is in them: whole, once, and found by every answer that names them."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import Input

from pipulate.engine import files
from pipulate.engine import record as rec
from pipulate.engine.answers import answer, finish, question
from pipulate.engine.errors import CannotWrite, PipulateError
from pipulate.engine.kept import LARGE, Desk, beside, files_in, keep, plain_name, small
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.values import File, decode, encode, whole
from pipulate.engine.workflow import Run, Workflow

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
    ],
)
def test_a_name_leads_nowhere_else(sent: str, kept: str) -> None:
    """Its folder, its odd characters and its leading dots go; its ending stays."""
    assert plain_name(sent) == kept


# --- a desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk in a data folder."""
    return Desk(tmp_path)


def test_what_lies_on_a_desk_is_kept_and_the_desk_is_gone(desk: Desk, tmp_path: Path) -> None:
    """With size and content; clearing twice is clearing once."""
    desk.file("broken.csv").write_bytes(TEXT)
    desk.file("note.txt").write_text("x")
    desk.file("never-written.txt")
    made = desk.clear()
    assert list(made) == ["broken.csv", "note.txt"]
    assert made["broken.csv"].read_bytes() == TEXT and made["broken.csv"].size == len(TEXT)
    assert made["broken.csv"].path.is_relative_to(tmp_path / "files")
    assert desk.clear() == made and not desk.path.exists()


def test_each_try_has_a_desk_of_its_own(desk: Desk, tmp_path: Path) -> None:
    """An answer that comes back finds the content it had."""
    desk.file("a.csv").write_text("old")
    old = desk.clear()["a.csv"]
    other = Desk(tmp_path)
    assert not other.file("a.csv").exists()
    other.file("a.csv").write_text("new")
    assert other.clear()["a.csv"].read_text() == "new" and old.read_text() == "old"


def test_the_data_name_kept_files(desk: Desk) -> None:
    """Where they named the paths on the desk."""
    path = desk.file("a.csv")
    path.write_text("a")
    data = desk.put({"n": 1, "file": path, "text": str(path), "files": [path, None]})
    file = desk.clear()["a.csv"]
    assert data == {"n": 1, "file": file, "text": file, "files": [file, None]}
    assert desk.put({"log": f"wrote {path}"}) == {"log": f"wrote {path}"}


@pytest.mark.parametrize("kind", [Path, str])
def test_a_path_that_would_be_dead_is_refused(desk: Desk, kind: Callable[[Path], Any]) -> None:
    """Rather now than when it is opened."""
    path = desk.file("a.csv")
    path.write_text("a")
    with pytest.raises(PipulateError, match=r"a\.csv stands deep in the result"):
        desk.put({"x": {"deep": [kind(path)]}})


def test_what_is_beside_a_record_is_listed(desk: Desk, tmp_path: Path) -> None:
    """What this try wrote, and what an act that is done once had written in an earlier one."""
    other = Desk(tmp_path)
    other.file("once.csv").write_text("once")
    once = other.clear()["once.csv"]
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
    assert list(desk.clear()) == ["a.csv"]


def test_files_are_on_the_disk_before_they_are_named(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names in their folders, and of these: a power cut then takes none."""
    synced = []
    monkeypatch.setattr(files, "sync", synced.append)
    desk.file("a.csv").write_text("a")
    made = [desk.clear()["a.csv"].path, keep(io.BytesIO(TEXT), "b.csv", tmp_path).path]
    assert (desk.path / "a.csv") in synced
    for path in made:
        assert {path.parent, path.parent.parent, tmp_path} <= set(synced)


# --- large data


def test_large_data_lie_in_a_file(tmp_path: Path) -> None:
    """And come back as they were; small ones stay in the record."""
    assert small({"a": 1}, "check", tmp_path) == {"a": 1}
    rows = {"rows": ["ä" * 100] * (LARGE // 100)}
    held = small(rows, "check", tmp_path)
    assert len(str(held)) < 500 and whole(held, tmp_path) == rows
    assert [path.name for path in tmp_path.rglob("*.json")] == ["check.json"]


def test_the_record_names_every_file_all_the_same(tmp_path: Path) -> None:
    """Who exports a run, or looks which files are needed, finds them there."""
    file = keep(io.BytesIO(TEXT), "links.csv", tmp_path)
    data, kinds = encode({"links": [file], "rows": ["x" * 100] * (LARGE // 100)}, tmp_path)
    held = small(data, "check", tmp_path)
    assert [item["file"] for item in files_in(held)] == ["check.json", "links.csv"]
    back = decode(whole(held, tmp_path), kinds, tmp_path)
    assert back == {"rows": data["rows"], "links": [file]}


def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    """And nothing half-written is left."""
    (tmp_path / "uploads").write_text("a file where a folder should be")
    (tmp_path / "files").write_text("a file where a folder should be")
    with pytest.raises(CannotWrite):
        keep(io.BytesIO(TEXT), "a", tmp_path)
    desk = Desk(tmp_path)
    desk.file("a").write_bytes(TEXT)
    with pytest.raises(CannotWrite):
        desk.clear()
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
    assert made["check"]["made"].read_text() == "ABC" and len(made["check"]["rows"]) > 2000
    assert made["check"]["rows"] is made["check"]["rows"]  # read once
    assert made.fields("check")["made"] == made.files("check")["upper.txt"]
    assert made.files("data")["data.txt"].read_text() == "abc" and made.files("none") == {}
    assert len(rec.dumps(made.record)) < 5000 and not list(tmp_path.glob("desks/*"))


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
