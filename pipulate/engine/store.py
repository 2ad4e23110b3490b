"""One SQLite file holds everything; one library (apsw) opens it.

CONNECTIONS  One a thread.  WAL, synchronous=FULL: a power cut loses nothing
             that was acknowledged.
WRITING      `with store.transaction() as db:` is BEGIN IMMEDIATE ... COMMIT.
             Writers of this process queue at a lock, others at SQLite's;
             nobody reads, then writes, outside.
SERVING      The event loop waits for nobody: on it, a request reads single
             rows; all else is refused, so that no handler can forget it.
MIGRATIONS   Never fastlite's transform: it drops columns with their data.
LOCKS        BEGIN EXCLUSIVE is held on a file of its own: the system frees
             it however the process ends.

To paste into any SQLite shell:
    SELECT workflow, id, updated FROM pipeline ORDER BY updated DESC;
    SELECT at, act, data FROM history WHERE id = 'arthur' ORDER BY seq;
What `data` of history says, whole or [what changed], is told in `history`.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import apsw

from pipulate.engine.errors import Corrupt, NotSaved
from pipulate.engine.seldom import Seldom

if TYPE_CHECKING:
    from fastlite import Database

Row = dict[str, Any]
LATEST = 6  #: scripts in `schema`, which only a migration reads
MUCH = 2000  #: free pages in the file for which it is worth looking whether it can shrink
BUSY_TIMEOUT = 10_000  #: milliseconds for which a writer waits for another process

CHECKPOINT = 1000  #: pages in the log that are brought into the file, as SQLite's own care is

#: Where a request has saved something: it stays, whatever fails afterwards.
saved: ContextVar[set[str] | None] = ContextVar("saved", default=None)

#: Whether a request is served, by a loop that others need, too.
serving: ContextVar[bool] = ContextVar("serving", default=False)

_ADVICE = {
    apsw.BusyError: "Another program keeps the database locked. Close it",
    apsw.FullError: "The disk is full. Make room",
    apsw.IOError: "The disk did not do its part. Check it",
    apsw.ReadOnlyError: "The database may not be written. Check the rights of its folder",
    apsw.CantOpenError: "It cannot be opened. Check its rights, and how many files are open",
}


def now() -> str:
    """Return the present moment in UTC, to the second."""
    return _at(int(time.time()))


@lru_cache(1)
def _at(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def nothing(done: str) -> str:
    """Say that nothing was done, if that is so of this request."""
    if saved.get():
        return f"Not all of this was {done}."
    return f"Nothing was {done}."


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Raise SQLite's errors of the disk as NotSaved, of the file as Corrupt."""
    try:
        yield
    except tuple(_ADVICE) as error:
        raise NotSaved(
            f"{nothing('saved')} {_ADVICE[type(error)]}, then send this again. "
            f"All that was saved before is safe. ({path}: {error})"
        ) from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise Corrupt(
            f"{path} is damaged ({error}). {nothing('changed')} "
            "`pipulate restore` brings back the newest backup, "
            "`pipulate restore FILE` any other."
        ) from error


def _named(cursor: apsw.Cursor, row: Sequence[Any]) -> Row:
    return {name: value for (name, *_), value in zip(cursor.description, row, strict=True)}


def on_loop() -> bool:
    """Say whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def connect(
    path: Path, flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
) -> apsw.Connection:
    """Open a SQLite file without fastlite's hooks, which write statistics."""
    apsw.connection_hooks.clear()
    if flags & apsw.SQLITE_OPEN_CREATE and not path.exists():
        from pipulate.engine import private  # seldom: a new one

        private.database(path)
    return apsw.Connection(str(path), flags=flags)


def _committed(connection: apsw.Connection, name: str, pages: int) -> int:
    places = saved.get()
    if places is not None:
        places.add(connection.filename)
    if pages >= CHECKPOINT:
        with suppress(apsw.Error):  # the next commit tries again
            connection.wal_checkpoint(name)
    return apsw.SQLITE_OK


def _patiently(act: Callable[[], Any]) -> Any:
    """Do what others may be in the way of, and for which SQLite does not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT / 1000
    while True:
        try:
            return act()
        except (apsw.BusyError, apsw.ThreadingViolationError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


class Lock:
    """A lock between processes that ends with its holder, however that ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        self.path = path
        with plainly(path):
            self._db = connect(path)

    def acquire(self) -> bool:
        """Take the lock; False if another holder has it."""
        try:
            with plainly(self.path):
                self._db.execute("BEGIN EXCLUSIVE")
        except NotSaved as error:
            if isinstance(error.__cause__, apsw.BusyError):
                return False
            raise
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._db.close()


class Transaction:
    """What is written within is durable at its end, or none of it is."""

    _db: apsw.Connection  #: of the thread whose turn it is

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._depth = 0
        self.turn = threading.RLock()

    def __enter__(self) -> apsw.Connection:
        db = self._store.connection
        self.turn.acquire()
        self._depth += 1
        if self._depth == 1:
            self._db = db
            try:
                db.execute("BEGIN IMMEDIATE")
            except BaseException as error:
                self.__exit__(None, error, None)
        return db

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if self._depth == 1:
                self._end(error)
        finally:
            self._depth -= 1
            self.turn.release()

    def _end(self, error: BaseException | None) -> None:
        try:
            if error:
                raise error
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            with plainly(self._store.path):
                raise


class OnLoop(RuntimeError):
    """What may wait was asked on the event loop."""


class Store:
    """The database of one data folder."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()  # wherever a workflow may change to
        self.folder = self.path.parent
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        self._transaction = Transaction(self)
        self._local = threading.local()
        # weak: a connection ends with its thread
        self._connections: WeakSet[apsw.Connection] = WeakSet()
        with plainly(self.path):
            self._migrate()

    @property
    def db(self) -> "Database":
        """This thread's fastlite database: `db.t.task.insert(...)`."""
        from fastlite import Database  # it brings NumPy, and few requests need it

        if not hasattr(self._local, "db"):
            self._local.db = Database(self.connection)
        return self._local.db

    def _connect(self) -> apsw.Connection:
        connection = connect(self.path)
        connection.set_busy_timeout(BUSY_TIMEOUT)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # no plan is made anew
        # a lock, once in a file's life
        mode = _patiently(lambda: connection.pragma("journal_mode", "wal"))
        connection.pragma("synchronous", "FULL")
        connection.pragma("fullfsync", True)  # on macOS only this reaches the disk
        if mode != "wal" or connection.pragma("synchronous") != 2:
            raise Corrupt(
                f"{self.path} does not accept WAL with synchronous=FULL; is it on a network drive?"
            )
        self._connections.add(connection)
        return connection

    def table(self, name: str) -> Any:
        """Return a table of the MiniDataAPI; `client` is profile's older name."""
        return self.db.table({"client": "profile"}.get(name, name))

    @property
    def connection(self) -> apsw.Connection:
        """This thread's raw connection; raises OnLoop."""
        if serving.get() and on_loop():
            raise OnLoop(
                "Every page would wait here for the database. Make the "
                "handler a plain function, or use asyncio.to_thread."
            )
        return self._own

    @property
    def _own(self) -> apsw.Connection:
        try:
            connection = self._local.connection
        except AttributeError:
            with plainly(self.path):
                connection = self._local.connection = self._connect()
        if saved.get() is not None:  # a request asks
            connection.set_wal_hook(_committed)
        return connection

    def transaction(self) -> "Transaction":
        """One durable write, all of the block or nothing; nested ones join it."""
        return self._transaction

    def read(self, sql: str, *values: Any) -> list[Row]:
        """Return the rows of a query as dictionaries."""
        with plainly(self.path):
            cursor = self.connection.execute(sql, values)
            return [_named(cursor, row) for row in cursor]

    def one(self, sql: str, *values: Any) -> Row | None:
        """Return the first row of a query, or None."""
        with plainly(self.path):
            cursor = self._own.execute(sql, values)
            row = next(cursor, None)
            found = None if row is None else _named(cursor, row)
            cursor.close(True)  # whatever more there is
            return found

    def write(self, sql: str, *values: Any) -> int:
        """Run one durable statement; return the last inserted row id."""
        with self.transaction() as db:
            db.execute(sql, values)
            return db.last_insert_rowid()

    def close(self) -> None:
        """Close the connections of all threads, each when its statement has ended."""
        with self._transaction.turn:
            for connection in list(self._connections):
                _patiently(connection.close)  # another thread may be in the midst of a statement
        self._connections.clear()
        self._local = threading.local()

    def __getitem__(self, key: str) -> Any:
        if (row := self.one("SELECT value FROM store WHERE key = ?", key)) is None:
            raise KeyError(key)
        return json.loads(row["value"])

    def __setitem__(self, key: str, value: Any) -> None:
        self.write("INSERT OR REPLACE INTO store VALUES (?, ?)", key, json.dumps(value))

    def __delitem__(self, key: str) -> None:
        self.write("DELETE FROM store WHERE key = ?", key)

    def __contains__(self, key: str) -> bool:
        return self.one("SELECT 1 FROM store WHERE key = ?", key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default`."""
        with suppress(KeyError):
            return self[key]
        return default

    backup = Seldom("care.Copied")

    def _migrate(self) -> None:
        db = self.connection
        version = db.pragma("user_version")
        if version > LATEST:
            raise Corrupt(
                f"{self.path} was written by a newer Pipulate (schema {version}). "
                "Upgrade, or restore a backup."
            )
        if version == LATEST and db.pragma("freelist_count") < MUCH:
            return
        from pipulate.engine import migrations  # seldom needed

        if 0 < version < LATEST:
            self.backup("before-migration")
        migrations.migrate(db, self.path, self.transaction)
        migrations.give_back(db)
