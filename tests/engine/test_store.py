"""The one SQLite file: durable, shared between threads and processes, migrated,
never half-written."""

import asyncio
import gc
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from pipulate.engine import store as stores
from pipulate.engine.classic import Table
from pipulate.engine.errors import Corrupt, NotSaved, PipulateError
from pipulate.engine.store import (
    Lock,
    OnLoop,
    Store,
    connect,
    plainly,
    saved,
    serving,
)
from tests.engine_child import Child, hold_database, hold_lock
from tests.faulty_disk import Disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database's path in a fresh data folder."""
    return tmp_path / "data" / "pipulate.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A fresh store."""
    store = Store(path)
    yield store
    store.close()


def integrity(path: Path) -> str:
    """Return what SQLite's integrity check says of the file."""
    db = connect(path)
    try:
        return str(db.pragma("integrity_check"))
    finally:
        db.close()


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what the function returns in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


# --- durability


def test_every_connection_is_durable(store: Store) -> None:
    """WAL, synchronous=FULL and a busy timeout hold for the connection of each thread: 10 s,
    in tests six times that.
    """

    def pragmas() -> tuple[Any, ...]:
        return tuple(
            store.connection.pragma(name)
            for name in ("journal_mode", "synchronous", "busy_timeout")
        )

    assert pragmas() == in_thread(pragmas) == ("wal", 2, 60_000)


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path, seed: int | None) -> None:
    """After a power cut, in which unsynced bytes are lost or torn, all that `write` returned
    from is there."""
    with Disk() as disk:
        store = Store(tmp_path / "data" / "pipulate.db")
        for number in range(40):
            store[f"key{number}"] = "x" * (number * 211 % 9000)
            if number % 13 == 7:
                store.connection.pragma("wal_checkpoint", "PASSIVE")
        disk.cut_power(tmp_path / "after", random.Random(seed) if seed is not None else None)
        store.close()
    after = Store(tmp_path / "after" / "pipulate.db")
    assert {f"key{number}" for number in range(40)} == {
        row["key"] for row in after.read("SELECT key FROM store")
    }
    assert after.connection.pragma("integrity_check") == "ok"
    after.close()


def test_the_power_cut_is_a_real_one(tmp_path: Path) -> None:
    """The same power cut does lose writes when SQLite is told to sync less: the test above can
    fail."""
    with Disk() as disk:
        store = Store(tmp_path / "data" / "pipulate.db")
        store.connection.pragma("synchronous", "NORMAL")
        store["lost"] = 1
        disk.cut_power(tmp_path / "after")
        store.close()
    after = Store(tmp_path / "after" / "pipulate.db")
    assert "lost" not in after
    after.close()


@pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
def test_a_checkpoint_that_fails(tmp_path: Path, at: int) -> None:
    """When the disk fails while the log is moved into the file, nothing is lost, neither by
    that nor by a power cut then."""
    with Disk() as disk:
        store = Store(tmp_path / "data" / "pipulate.db")
        for number in range(20):
            store[f"key{number}"] = "x" * 2000
        disk.fail(at, apsw.FullError, on=True)
        with pytest.raises(apsw.FullError):
            store.connection.pragma("wal_checkpoint", "TRUNCATE")
        disk.fail(None)
        disk.cut_power(tmp_path / "after", random.Random(at))
        assert all(store[f"key{number}"] == "x" * 2000 for number in range(20))
        store.close()
    after = Store(tmp_path / "after" / "pipulate.db")
    assert all(after[f"key{number}"] == "x" * 2000 for number in range(20))
    after.close()


def test_nothing_of_ours_opens_another_sqlite() -> None:
    """No module of Pipulate imports Python's sqlite3: two SQLite libraries on one file corrupt
    it."""
    package = Path(stores.__file__).parents[1]
    assert not [path for path in package.rglob("*.py") if "import sqlite3" in path.read_text()]


# --- transactions


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_all_or_nothing(store: Store, stop: type[BaseException]) -> None:
    """A transaction that is left by any exception has written nothing, and the next one works."""

    def begin() -> None:
        with store.transaction():
            store["one"] = 1
            store["two"] = 2
            raise stop

    with pytest.raises(stop):
        begin()
    assert "one" not in store and "two" not in store
    store["three"] = 3
    assert store["three"] == 3


def test_an_inner_transaction_joins_the_outer_one(store: Store) -> None:
    """A nested transaction commits and fails with the outermost."""
    with store.transaction():
        with store.transaction() as db:
            db.execute("INSERT INTO store VALUES ('inner', '1')")
        assert store.connection.in_transaction
    assert store["inner"] == 1


def test_the_tables_of_the_minidataapi_join_too(store: Store) -> None:
    """A row inserted through fastlite's tables inside a transaction goes with it."""

    def insert_and_fail() -> None:
        with store.transaction():
            store.db.t.task.insert(name="Seek", profile_id=1)
            raise ValueError

    with pytest.raises(ValueError):
        insert_and_fail()
    assert list(store.db.t.task()) == []
    assert store.db.t.task.insert(name="Find", profile_id=1)["id"] == 1


def test_profiles_by_their_older_name(store: Store) -> None:
    """`client` is the table of profiles, with all that the MiniDataAPI can do; in SQL it is a
    view."""
    clients = Table(store, "client")
    row = clients.insert(name="Camelot", menu_name="C")
    clients.update(id=row["id"], code="GB")
    assert (
        store.table("profile")[row["id"]]["code"] == clients[row["id"]]["code"] == "GB"
        and row["id"] in clients
    )
    with ThreadPoolExecutor(1) as pool:  # over a connection of its own
        assert [client["name"] for client in pool.submit(clients).result()] == [
            "Default profile",
            "Camelot",
        ]
    assert [row["name"] for row in store.read("SELECT name FROM client ORDER BY id")] == [
        "Default profile",
        "Camelot",
    ]
    clients.delete(row["id"])
    mine = store.table("task")
    mine.xtra(profile_id=2)
    mine.insert(name="Seek")
    assert len(mine()) == 1 and store.table("task")()[0]["profile_id"] == 2


def test_many_threads(store: Store) -> None:
    """Threads that read and write at once never share a connection, and lose no write."""
    together = threading.Barrier(12)

    def work(name: int) -> None:
        together.wait()
        for _ in range(10):
            with store.transaction():
                store["count"] = store.get("count", 0) + 1
            store[f"own{name}"] = store.get(f"own{name}", 0) + 1
            store.read("SELECT count(*) FROM store")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))
    assert store["count"] == 120
    assert all(store[f"own{name}"] == 10 for name in range(12))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_a_thread_takes_its_connection_with_it(store: Store) -> None:
    """A hundred threads, one after another, leave no file open behind them."""
    in_thread(lambda: store.get("x"))
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        in_thread(lambda: store.get("x"))
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3


def test_closed_and_used_again(store: Store) -> None:
    """Closing is for all threads, may be repeated, and the next use opens the file anew."""
    store["x"] = 1
    store.close()
    store.close()
    assert store["x"] == 1


# --- the dictionary


@pytest.mark.parametrize(
    "value", ["text", "", None, 0, True, [1, "two"], {"a": {"b": None}}, "Zoë 🏰"], ids=repr
)
def test_the_dictionary(store: Store, value: Any) -> None:
    """`db[key]` holds any JSON-able value, until deleted, over a restart."""
    store["key"] = "before"
    store["key"] = value
    store.close()
    assert store["key"] == store.get("key", "default") == value and "key" in store
    del store["key"]
    assert "key" not in store and store.get("key", "default") == "default"
    with pytest.raises(KeyError):
        store["key"]


# --- a disk and neighbours that misbehave


def test_a_writer_waits_for_another_process(path: Path) -> None:
    """While another process writes, a writer waits, and then writes."""
    store = Store(path)
    listen, tell = Child.context.Pipe(duplex=False)
    child = Child(hold_database, path, listen)
    assert child.heard() == "held"
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.__setitem__, "x", 1)
        assert "x" not in store and not writing.done()  # readers do not wait
        tell.send("let go")
        writing.result(timeout=60)
    assert store["x"] == 1
    child.rest()
    store.close()


def test_a_lock_that_is_never_given_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the busy timeout the writer is told who is in the way, and can write once that is
    gone."""
    monkeypatch.setattr(stores, "BUSY_TIMEOUT", 50)
    store, other = Store(path), connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        NotSaved, match=r"Another program keeps the database locked.*send this again"
    ):
        store["x"] = 1
    other.execute("ROLLBACK")
    store["x"] = 2
    assert store["x"] == 2
    other.close()
    store.close()


def test_a_full_disk(store: Store) -> None:
    """On a full disk the answer is refused in words, earlier ones are intact, and with room
    again it is taken."""
    store["before"] = 1
    pages = store.connection.pragma("page_count")
    store.connection.pragma("max_page_count", pages)
    with pytest.raises(NotSaved, match=r"disk is full.*before is safe"):
        store["big"] = "x" * 100_000
    assert store["before"] == 1 and "big" not in store
    store.connection.pragma("max_page_count", pages + 100)
    store["big"] = "x" * 100_000
    assert len(store["big"]) == 100_000


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (apsw.BusyError, NotSaved, "locked"),
        (apsw.FullError, NotSaved, "full"),
        (apsw.IOError, NotSaved, "disk"),
        (apsw.ReadOnlyError, NotSaved, "rights"),
        (apsw.CantOpenError, NotSaved, "rights"),
        (apsw.CorruptError, Corrupt, "restore"),
        (apsw.NotADBError, Corrupt, "restore"),
        (
            apsw.ConstraintError,
            apsw.ConstraintError,
            "sqlite says",
        ),  # a bug of ours is not the disk's
    ],
)
def test_what_sqlite_reports_in_words(
    error: type[Exception], kind: type[Exception], words: str
) -> None:
    """Each failure of disk or file becomes one of our errors, with advice and with what SQLite
    said."""
    with pytest.raises(kind, match=words) as caught, stores.plainly(Path("p.db")):
        raise error("sqlite says")
    assert "sqlite says" in str(caught.value)


def test_where_there_is_no_wal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, as on some network drives, the durable mode is not to be had: refused."""
    memory = apsw.Connection(":memory:")
    monkeypatch.setattr("pipulate.engine.store.connect", lambda _: memory)
    with pytest.raises(Corrupt, match=r"WAL.*network drive"):
        Store(path)


def test_the_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow's code may go elsewhere; new threads find the same database."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path("data") / "pipulate.db")
    store["x"] = 1
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(store.get, "x").result() == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []
    store.close()


def test_a_folder_in_the_place_of_the_file(path: Path) -> None:
    """A database that cannot be opened says so instead of showing a traceback."""
    path.mkdir(parents=True)
    with pytest.raises(PipulateError, match="cannot be opened"):
        Store(path)


# --- locks


def test_kill_frees_the_lock(tmp_path: Path) -> None:
    """A lock held by a process is free the moment that process is killed."""
    path = tmp_path / "locks" / "a.lock"
    child = Child(hold_lock, path)
    assert child.heard() is True
    lock = Lock(path)
    assert lock.acquire() is False
    child.kill()
    assert lock.acquire() is True
    lock.release()


def test_closing_waits_for_what_other_threads_are_doing(store: Store) -> None:
    """A statement, and a transaction, that are under way when the server ends."""
    begun = threading.Event()
    go_on = threading.Event()

    def pause() -> int:
        begun.set()
        return int(go_on.wait(60))

    def ask() -> list[dict[str, Any]]:
        store.connection.create_scalar_function("pause", pause)
        return store.read("SELECT pause() AS waited")

    def write() -> None:
        with store.transaction() as db:
            begun.set()
            go_on.wait(60)
            db.execute("INSERT INTO store VALUES ('late', '1')")

    for job in (ask, write):
        begun.clear()
        go_on.clear()
        with ThreadPoolExecutor(2) as threads:
            doing = threads.submit(job)
            assert begun.wait(60)
            closing = threads.submit(store.close)
            threading.Timer(0.1, go_on.set).start()
            closing.result(10)
            assert doing.result(10) in ([{"waited": 1}], None)
    assert store["late"] == 1


@pytest.fixture
def noted() -> Iterator[set[str]]:
    """What is noted of a request's saving."""
    token = saved.set(set())
    yield saved.get() or set()
    saved.reset(token)


def test_only_what_was_really_saved_is_noted(store: Store, noted: set[str]) -> None:
    """Reading is not, nor what was taken back, nor a transaction that changed nothing."""
    store.get("nothing")
    with suppress(ZeroDivisionError), store.transaction() as db:
        db.execute("INSERT INTO store VALUES ('a', '1')")
        raise ZeroDivisionError
    with store.transaction() as db:
        db.execute("DELETE FROM store WHERE key = 'nothing'")
    assert not saved.get()
    store["a"] = 1
    assert saved.get() == {str(store.path.resolve())}


async def test_it_is_noted_of_any_way_to_save_and_any_thread(store: Store) -> None:
    """A table's own insert, in a thread of the request; another task's is its own."""

    async def other() -> None:
        saved.set(set())
        store["a"] = 1

    saved.set(set())
    await asyncio.create_task(other())
    assert saved.get() == set()
    await asyncio.to_thread(lambda: store.table("task").insert({"name": "Ask", "priority": 1}))
    assert saved.get()
    saved.set(None)


def test_an_error_after_it_does_not_say_that_nothing_was_saved(store: Store, noted: set[str]):
    """The disk is full at the second write of a request."""
    with pytest.raises(NotSaved, match="Nothing was saved"), plainly(store.path):
        raise apsw.FullError
    store["a"] = 1
    with pytest.raises(NotSaved, match="Not all of this was saved"), plainly(store.path):
        raise apsw.FullError


def test_the_log_is_brought_into_the_file_as_it_grows(store: Store) -> None:
    """SQLite's own care for it is ours."""
    for number in range(40):
        store["much"] = f"{number}" + 500_000 * "x"
    log = store.path.with_name(f"{store.path.name}-wal")
    assert log.stat().st_size < 4096 * stores.CHECKPOINT * 2


# --- where others would wait, too

WAITS: dict[str, Callable[[Store], Any]] = {
    "write": lambda store: store.write("DELETE FROM task"),
    "item": lambda store: store.__setitem__("theme", "dark"),
    "delete": lambda store: store.__delitem__("theme"),
    "transaction": lambda store: store.transaction().__enter__(),
    "read": lambda store: store.read("SELECT * FROM task"),
    "connection": lambda store: store.connection,
    "table": lambda store: store.table("task"),
    "backup": lambda store: store.backup("daily"),
}


@pytest.mark.parametrize("kind", WAITS)
async def test_a_request_waits_for_the_database_in_a_thread_alone(store: Store, kind: str) -> None:
    """On the event loop it is refused, with the way to do it, and nothing is changed."""
    act = WAITS[kind]
    token = serving.set(True)
    try:
        with pytest.raises(OnLoop, match=r"plain function.*asyncio\.to_thread"):
            act(store)
        assert store.get("theme") is None
        if kind != "transaction":
            await asyncio.to_thread(act, store)
    finally:
        serving.reset(token)


async def test_one_row_is_read_anywhere(store: Store) -> None:
    """Of several rows that are found the first, and no statement stays open."""
    store["theme"] = "dark"
    token = serving.set(True)
    assert store["theme"] == "dark" and "theme" in store and store.get("other", 3) == 3
    assert store.one("SELECT 1 AS a UNION SELECT 2") == {"a": 1}
    serving.reset(token)
    await asyncio.to_thread(store.__setitem__, "theme", "light")  # no reader is in the way
    store.connection.pragma("wal_checkpoint", "truncate")


async def test_elsewhere_a_loop_may_wait(store: Store) -> None:
    """In a notebook there is always one."""
    store["theme"] = "dark"
    assert store.read("SELECT value FROM store") == [{"value": '"dark"'}]
