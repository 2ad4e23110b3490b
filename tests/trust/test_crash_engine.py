"""Promise 1, with force: kill -9 at random points, and a disk that fails at every write,
lose no acknowledged answer.
"""

import itertools
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from pipulate.engine import record as rec
from pipulate.engine.care import backups
from pipulate.engine.errors import NotSaved
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.schema import SCHEMA
from pipulate.engine.store import Store
from tests.engine.test_migrations import acts_in, left_by_0_1_0, older
from tests.engine_child import Child, answer, loop, open_store, post
from tests.faulty_disk import Disk
from tests.trust.needs import no_root
from tests.trust.table import MEMORY, times, tried
from tests.trust.table import chance as by_chance

STEPS = [(f"key{number}", f"step_{number:02d}", f"Step {number}") for number in (1, 2, 3)]


def listened(child: Child, chance: random.Random, messages: int = 12) -> list[Any]:
    """Hear some messages of a child, and a moment of the next act; return what was heard."""
    heard = [child.heard() for _ in range(chance.randrange(messages))]
    if child.pipe.poll(chance.random() * 0.004):
        with suppress(EOFError):
            heard.append(child.pipe.recv())
    return heard


# --- kill -9


def kills(folder: Path, count: int) -> None:
    """Kill a process that answers steps, `count` times; after each,
    look for every answer it had acknowledged.
    """
    chance = by_chance(count)
    for number in range(count):
        id = f"run {number}"
        child = Child(answer, folder, id, 1_000_000)
        acknowledged = [*listened(child, chance), *child.kill()]
        engine = Pipulate.open(folder, "crash")
        state = engine.get_state(id)
        there = [int(step_id[5:]) for step_id in rec.step_ids(state)]
        assert [state[f"step_{n:04d}"]["answer"] for n in acknowledged] == acknowledged
        assert there == list(range(len(there))) and len(there) - len(acknowledged) in (
            0,
            1,
        )  # whole, and in order
        assert state == {} or engine.load(id)[1] == len(there) + 1
        if number % 10 == 0 or number == count - 1:
            assert engine.store.connection.pragma("integrity_check") == "ok"
        engine.store.close()


def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    """Short form: 25 kills."""
    kills(tmp_path, 25)


@pytest.mark.trust("Engine killed: no acknowledged answer is lost")
def test_kill_9_loses_nothing_at_length(tmp_path: Path) -> None:
    """Long form: 1,000 kills."""
    kills(tmp_path, times(1000))


def killed_jobs(folder: Path, count: int) -> None:
    """Kill a job in the middle of its outward acts, and start it again, `count` times;
    then let it end.
    """
    chance = by_chance(count)
    results: dict[int, Any] = {}
    for kill in range(count + 1):
        child = Child(post, folder, "arthur", 40 * count)
        heard = (
            [*listened(child, chance, 40 * (kill + 1)), *child.kill()]
            if kill < count
            else child.rest()
        )
        for number, result in heard:
            assert (
                results.setdefault(number, result) == result
            )  # a result never changes, an unsure one stays so
    lines = (folder / "arthur.posts").read_text().split()
    assert len(lines) == len(set(lines))
    assert set(results) == set(range(40 * count))
    assert {str(number) for number, result in results.items() if result == number} <= set(lines)
    assert list(results.values()).count("unsure") <= count


def test_kill_9_repeats_no_outward_act(tmp_path: Path) -> None:
    """A job that is killed 6 times and started again does each of its acts at most once,
    and says which it cannot know.
    """
    killed_jobs(tmp_path, 6)


@pytest.mark.trust("Job killed: no outward act is done twice")
def test_kill_9_repeats_no_outward_act_at_length(tmp_path: Path) -> None:
    """The same with 40 kills."""
    killed_jobs(tmp_path, 40)


def killed_loops(folder: Path, count: int, plain: bool) -> None:
    """Kill a job in the midst of its loop, `count` times, then let it end: nothing is left out,
    no act is done twice, and what was kept is all there.
    """
    chance = by_chance(count)
    items = 20 * count
    for _ in range(count):
        child = Child(loop, folder, items, plain)
        listened(child, chance, items // count * 2)
        child.kill()
    *_, result = Child(loop, folder, items, plain).rest()
    assert result == {"kept": [[item, item] for item in range(items)]}
    assert sorted(map(int, (folder / "acts").read_text().split())) == list(range(items))
    done = (folder / "items").read_text().split()
    assert set(map(int, done)) == set(range(items))
    assert len(done) < items + count * items  # it never began all anew
    store = Store(folder / "pipulate.db")
    assert store.read("SELECT * FROM checkpoint") == []
    store.close()


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
def test_kill_9_in_a_loop(tmp_path: Path, plain: bool) -> None:
    """Short form: 6 kills."""
    killed_loops(tmp_path, 6, plain)


@pytest.mark.trust("Job killed: no outward act is done twice")
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
def test_kill_9_in_a_loop_at_length(tmp_path: Path, plain: bool) -> None:
    """Long form: 60 kills."""
    killed_loops(tmp_path, 60, plain)


def killed_migrations(folder: Path, count: int) -> None:
    """Kill a process that makes or migrates a database; the next one must find it old or new,
    and whole.
    """
    chance = by_chance(count)
    for number in range(count):
        path = folder / f"data {number}" / "pipulate.db"
        path.parent.mkdir()
        if number % 2:
            older(path, 1)
        child = Child(open_store, path, Child.context.Barrier(1))
        child.pipe.poll(chance.random() * 0.03)
        child.kill()
        store = Store(path)
        assert store.connection.pragma("user_version") == len(SCHEMA)
        assert store.connection.pragma("integrity_check") == "ok"
        assert len(store.read("SELECT * FROM pipeline")) == number % 2
        assert all(path.suffix == ".db" for path in backups(store.folder))
        store.close()


def test_kill_9_in_a_migration(tmp_path: Path) -> None:
    """Short form: 8 kills."""
    killed_migrations(tmp_path, 8)


@pytest.mark.trust("Migration killed: the database is the old or the new, whole")
def test_kill_9_in_a_migration_at_length(tmp_path: Path) -> None:
    """Long form: 200 kills."""
    killed_migrations(tmp_path, times(200))


def killed_rewriting(folder: Path, count: int) -> None:
    """Kill processes that tell a long history of 0.1.0 anew; it says the same afterwards."""
    chance = by_chance(count)
    for number in range(count):
        path = folder / f"data {number}" / "pipulate.db"
        acts = left_by_0_1_0(path, 60, 2000)
        for _ in range(3):
            child = Child(open_store, path, Child.context.Barrier(1))
            child.pipe.poll(chance.random() * 0.2)
            child.kill()
        store = Store(path)
        assert store.connection.pragma("integrity_check") == "ok"
        assert acts_in(store) == acts
        store.close()


@pytest.mark.trust("Migration killed: the database is the old or the new, whole")
def test_kill_9_while_history_is_told_anew(tmp_path: Path) -> None:
    """Before, amidst and after: 60 kills, in the rewriting and in giving back space."""
    killed_rewriting(tmp_path, 20)


# --- a failing disk

ACTS: list[Callable[[Pipulate], Any]] = [
    lambda e: e.initialize_if_missing("arthur"),
    lambda e: e.set_step_data("arthur", "step_01", {"name": "Arthur"}),
    lambda e: e.set_step_data("arthur", "step_02", {"text": "x" * 30_000}),
    lambda e: e.checkpoint(
        "arthur", lambda r: {**r, "once": {"export:job:1": {"begun": "?", "result": 1}}}
    ),
    lambda e: e.set_step_data("arthur", "step_03", {"color": "blue"}),
    lambda e: e.clear_steps_from("arthur", "step_02", STEPS),
    lambda e: e.undo("arthur"),
    lambda e: e.finalize("arthur"),
    lambda e: e.unfinalize("arthur"),
    lambda e: e.delete("arthur"),
    lambda e: e.undelete("arthur"),
    lambda e: e.store.__setitem__("pipeline_id", "arthur"),
    lambda e: e.store.backup(),
]


def content(store: Store) -> list[Any]:
    """Return all that the database holds, times left out."""
    acts = Pipulate(store, "bridge").history("arthur")
    rows = [{key: act[key] for key in ("act", "rev", "undoes", "data")} for act in acts]
    rows += store.read("SELECT id, rev, data FROM pipeline")
    for row in rows:
        record = rec.loads(row["data"])
        row["data"] = record | {
            key: "some time" for key in ("created", "updated", "finalized") if key in record
        }
    return rows + store.read("SELECT * FROM store")


def go(disk: Disk, folder: Path, *, lasting: bool) -> tuple[list[Any], int]:
    """Go through all acts, trying each again after a failure; return what is stored at the end,
    and the failures.
    """
    failures = 0

    def tried(act: Callable[[], Any], unchanged: Callable[[], bool]) -> Any:
        nonlocal failures
        for _ in range(3):
            try:
                return act()
            except NotSaved as error:
                failures += 1
                assert "Nothing was saved" in str(error) and "safe" in str(error)
                assert unchanged(), "it said that nothing was saved"
                if lasting and failures > 1:
                    disk.fail(None)  # somebody made room
        raise AssertionError("it never worked")

    store = tried(lambda: Store(folder / "pipulate.db"), lambda: True)
    # No checkpoint within a commit: SQLite goes on when one fails, but apsw would hand us the
    # test disk's exception.
    store.connection.pragma("wal_autocheckpoint", 0)
    engine = Pipulate(store, "bridge")
    for act in ACTS:
        before = content(store)
        tried(lambda act=act: act(engine), lambda before=before: content(store) == before)
    end = content(store)
    disk.fail(None)
    store.close()
    again = Store(folder / "pipulate.db")
    assert content(again) == end and again.connection.pragma("integrity_check") == "ok"
    assert all(not path.name.endswith(".part") for path in folder.rglob("*"))
    again.close()
    return end, failures


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that can fail."""
    with Disk() as disk:
        yield disk


def every_write_fails(disk: Disk, folder: Path, apart: int) -> None:
    """Fail the n-th write or sync of a whole run, for each n until there is none, once or until
    mended, as an error or as a full disk.
    """
    disk.fail(None)
    expected, _ = go(disk, folder / "sound", lasting=False)
    for at in itertools.count(1, apart):
        for error, lasting in ((apsw.IOError, at % 2 == 0), (apsw.FullError, at % 2 == 1)):
            disk.failed = 0
            disk.fail(at, error, on=lasting)
            with tempfile.TemporaryDirectory(dir=MEMORY) as home:
                end, failures = go(disk, Path(home), lasting=lasting)
            assert end == expected, f"write {at}, {error.__name__}"
            assert (failures > 0) == (disk.failed > 0)  # each of them reached the user, in words
            tried()
        if not disk.failed:  # how many there are depends on the time, which records hold
            break
    assert at > 150


# What SQLite itself can pass over, apsw reports here: the test's disk fails by exceptions.
quiet = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@quiet
def test_every_write_fails(disk: Disk, tmp_path: Path) -> None:
    """Short form: every 23rd write."""
    every_write_fails(disk, tmp_path, 23)


@quiet
@pytest.mark.trust("Any write fails: what was saved stays, the next try works")
def test_every_write_fails_at_length(disk: Disk, tmp_path: Path) -> None:
    """Long form: every write."""
    every_write_fails(disk, tmp_path, 1)


@pytest.mark.skipif(bool(no_root()), reason=no_root())
@pytest.mark.trust("Disk full, at 20 levels: refused in words, taken again with room")
def test_a_small_disk_at_twenty_fill_levels(tmp_path: Path) -> None:
    """On a real file system of 4 MB, filled to twenty levels, answers are refused in words,
    and taken again with room.
    """
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=True)
    try:
        for level in range(20):
            tried()
            ballast = small / "ballast"
            folder = small / f"data {level}"
            engine = Pipulate.open(folder, "bridge")
            engine.initialize_if_missing("arthur")
            free = shutil.disk_usage(small).free
            ballast.write_bytes(bytes(max(0, free - level * 40_000)))
            acknowledged = 0
            with pytest.raises(NotSaved, match="full"):
                for number in range(10_000):
                    engine.set_step_data("arthur", f"step_{number:04d}", {"text": "x" * 2000})
                    acknowledged = number + 1
            assert len(rec.step_ids(engine.get_state("arthur"))) == acknowledged
            with pytest.raises(NotSaved, match="full"):
                engine.set_step_data("arthur", "step_9999", {"text": "x" * 20_000})
            ballast.unlink()
            engine.set_step_data("arthur", "step_9999", {"text": "x" * 2000})
            engine.store.close()
            again = Pipulate.open(folder, "bridge")
            assert len(rec.step_ids(again.get_state("arthur"))) == acknowledged + 1
            assert again.store.connection.pragma("integrity_check") == "ok"
            again.store.close()
            shutil.rmtree(folder)
    finally:
        subprocess.run(["umount", str(small)], check=True)
