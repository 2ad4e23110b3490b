"""What no answer needs goes; what any answer, at any time, needed stays."""

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.engine.collecting import DAY, MONTH, collect, tidy
from pipulate.engine.kept import Desk, keep
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Lock, Store
from pipulate.engine.values import File, encode


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Pipulate]:
    """An engine with one run."""
    engine = Pipulate.open(tmp_path, "bridge")
    engine.initialize_if_missing("arthur")
    yield engine
    engine.store.close()


def kept(engine: Pipulate, text: str, room: str = "uploads", age: float = 2 * DAY) -> File:
    """Return a file that was kept some time ago."""
    file = keep(io.BytesIO(text.encode()), "a.csv", engine.store.folder, room)
    aged(file.path, age)
    return file


def aged(path: Path, age: float = 2 * DAY) -> None:
    """Make a file or folder older."""
    os.utime(path, (0, time.time() - age))


def name(engine: Pipulate, file: File, id: str = "arthur") -> None:
    """Answer with the file."""
    data, _ = encode({"table": file}, engine.store.folder)
    engine.set_step_data(id, "step_01", data)


def test_what_a_killed_writer_left_is_thrown_away(engine: Pipulate) -> None:
    """Not what another writes now."""
    file = kept(engine, "a")
    name(engine, file)
    left, new = (file.path.with_name(f".a.csv.0123abc{number}.part") for number in (1, 2))
    for part in (left, new):
        part.write_text("half")
    aged(left)
    collect(engine.store)
    assert sorted(file.path.parent.iterdir()) == sorted([file.path, new])


def test_leftovers_anywhere_below_a_folder_are_removed(tmp_path: Path) -> None:
    """Files and folders, with SQLite's own; what another writes now stays, as all else does."""
    graph = tmp_path / "link-graph" / "csv" / "shop"
    gone = [
        graph / ".shop.graph.0123abcd.part" / "links.parquet",
        graph / ".scratch.a_3xyz12.part" / "plain",
        graph / ".query.db.0123abcd.part",
        graph / ".query.db.0123abcd.part-journal",
        graph / ".shop.graph.0123abcd.old" / "meta.json",
    ]
    kept = [
        graph / "shop.graph" / "meta.json",
        graph / "toy.gguf.part",
        graph / ".new.0123abcd.part",
    ]
    for path in (*gone, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        aged(path)
        aged(path.parent)
    os.utime(kept[-1])
    tidy(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*kept}


def test_locks_of_killed_servers_go(engine: Pipulate) -> None:
    """Not one that is held, however old, nor one that somebody is about to take."""
    locks = engine.store.folder / "locks"
    held, dead, young = (Lock(locks / f"{name}.lock") for name in ("held", "dead", "young"))
    held.acquire()
    dead.release()
    young.release()
    for lock in (held, dead):
        aged(lock.path)
    (locks / "dead.lock-journal").touch()
    collect(engine.store)
    left = {path.name for path in locks.iterdir()} - {"held.lock-journal"}
    assert left == {"held.lock", "young.lock"}
    held.release()


def test_a_folder_that_was_put_aside_comes_back(tmp_path: Path) -> None:
    """A kill between two renamings leaves none of its name, where a disk cannot exchange them."""
    (tmp_path / ".shop.graph.0123abcd.old").mkdir()
    (tmp_path / ".shop.graph.0123abcd.old" / "meta.json").touch()
    tidy(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["shop.graph", "meta.json"]


def test_what_nothing_needs_is_put_aside_and_after_a_month_gone(engine: Pipulate) -> None:
    """Uploads of forms that were never sent, results of work that was cancelled."""
    files = [kept(engine, "a"), kept(engine, "b", "files")]
    assert collect(engine.store) == [file.path.parent for file in files]
    aside = [engine.store.folder / "trash" / path for path in ("uploads", "files")]
    assert [len(list(room.glob("*/a.csv"))) for room in aside] == [1, 1]
    assert not any(file.path.parent.exists() for file in files) and collect(engine.store) == []
    for room in aside:
        for folder in room.iterdir():
            aged(folder, MONTH + DAY)
    collect(engine.store)
    assert not any(list(room.iterdir()) for room in aside)


def test_what_is_young_waits_for_its_answer(engine: Pipulate) -> None:
    """It may come any moment."""
    file = kept(engine, "a", age=DAY / 2)
    assert collect(engine.store) == [] and file.path.exists()


def test_history_needs_its_files(engine: Pipulate) -> None:
    """What was answered, taken back, undone and deleted can all come back."""
    files = [
        kept(engine, str(number), room) for number in range(4) for room in ("uploads", "files")
    ]
    for file in files:
        name(engine, file)
    engine.clear_steps_from("arthur", "step_01", [("a", "step_01", "A")])
    engine.delete("arthur")
    assert collect(engine.store) == [] and all(file.path.exists() for file in files)


@pytest.mark.parametrize("path", ["data/uploads/{}/a.csv", "/srv/data/uploads/{}/a.csv"])
def test_so_do_records_of_before_and_of_others(engine: Pipulate, path: str) -> None:
    """However they name them: a class written by hand may keep a path as it likes."""
    file = kept(engine, "a")
    engine.set_step_data("arthur", "step_01", {"x": [{"deep": path.format(file.sha256[:16])}]})
    other = kept(engine, "b")
    engine.store["uploads mine"] = {"sha256": other.sha256}
    assert collect(engine.store) == []


def test_what_is_needed_again_comes_back(engine: Pipulate) -> None:
    """As when a database is put back that was replaced."""
    file = kept(engine, "a")
    assert collect(engine.store)
    name(engine, file)
    assert collect(engine.store) == [] and file.read_text() == "a"


def test_what_is_chosen_while_it_is_put_aside_stays(
    engine: Pipulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same content, uploaded again in that moment."""
    file = kept(engine, "a")
    replace = Path.replace

    def chosen(path: Path, target: Path) -> Path:
        os.utime(path)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", chosen)
    assert collect(engine.store) == [] and file.read_text() == "a"


def test_desks_are_cleared_unless_somebody_works(engine: Pipulate) -> None:
    """Of tries that stored nothing."""
    old, new, waiting = (Desk(engine.store.folder) for _ in range(3))
    for desk in (old, new, waiting):
        desk.file("a.csv").write_text("a")
    aged(old.path / "a.csv")
    aged(waiting.path / "a.csv")
    items = json.dumps({"desk": [waiting.token]})
    loop = "INSERT INTO checkpoint VALUES ('w', 'x', 'check', '', '{}', ?)"
    engine.store.write(loop, items)  # of a job that was cancelled, and may go on
    job = "INSERT INTO job (workflow, id, step_id, state) VALUES ('w', 'x', 'step_01', ?)"
    engine.store.write(job, "running")
    collect(engine.store)
    assert old.path.exists()
    engine.store.write("UPDATE job SET state = 'done'")
    collect(engine.store)
    assert [desk.path.exists() for desk in (old, new, waiting)] == [False, True, True]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["keep", "name", "delete"]))))
def test_no_file_that_was_ever_named_is_put_aside(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[int, str]]
) -> None:
    """Whatever happened, in whatever order; and no other stays."""
    store = Store(tmp_path_factory.mktemp("data") / "pipulate.db")
    engine = Pipulate(store, "bridge")
    named = set()
    every = set()
    for number, act in acts:
        file = kept(engine, str(number))
        every.add(file.path)
        if act == "name":
            engine.initialize_if_missing(f"run{number % 2}")
            name(engine, file, f"run{number % 2}")
            named.add(file.path)
        elif act == "delete" and engine.row(f"run{number % 2}"):
            engine.delete(f"run{number % 2}")
    collect(store)
    assert {path for path in every if path.exists()} == named
    store.close()


def test_looking_stops_when_all_is_needed(engine: Pipulate) -> None:
    """The newest records come first; a long history is read only if it must be."""
    name(engine, kept(engine, "a"))
    looked = []
    engine.store.connection.exec_trace = lambda _, sql, __: not looked.append(sql)
    assert collect(engine.store) == []
    engine.store.connection.exec_trace = None
    assert looked and not any("history" in sql for sql in looked)
