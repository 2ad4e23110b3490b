"""One SQLite file holds everything: records, history, tables, memory.  One library (apsw) opens it.

CONNECTIONS  One per thread, so that no two threads ever share one.  WAL, synchronous=FULL (a power
             cut loses nothing that was acknowledged), busy timeout 10 s; all three asserted on opening.
WRITING      `with store.transaction() as db:` is BEGIN IMMEDIATE ... COMMIT.  Writers of this process
             queue at a lock, those of other processes at SQLite's; nobody reads, then writes, outside.
MIGRATIONS   SCHEMA is a list of SQL scripts, applied in order, their number kept in user_version; a
             backup is made first.  Never fastlite's transform: it drops columns with their data.
LOCKS        A lock is a SQLite file on which BEGIN EXCLUSIVE is held: portable, and the operating
             system frees it however the process ends.
BACKUP       SQLite's online backup: at start, before a migration, then daily; the last seven are kept.

Three queries to paste into any SQLite shell:
    SELECT workflow, id, updated FROM pipeline ORDER BY updated DESC;
    SELECT at, act, data FROM history WHERE id = 'arthur' ORDER BY seq;
    SELECT name, done FROM task WHERE profile_id = 1 ORDER BY priority;
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
from fastlite import Database

from pipulate.errors import Corrupt, InUse, Unknown

KEEP_BACKUPS = 7

SCHEMA = [
    """
    CREATE TABLE pipeline (workflow TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, rev INTEGER NOT NULL,
        profile_id INTEGER, created TEXT NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (workflow, id));
    CREATE INDEX pipeline_updated ON pipeline (updated);
    CREATE TABLE history (seq INTEGER PRIMARY KEY AUTOINCREMENT, workflow TEXT NOT NULL, id TEXT NOT NULL,
        rev INTEGER NOT NULL, at TEXT NOT NULL, act TEXT NOT NULL, undoes INTEGER, data TEXT NOT NULL);
    CREATE INDEX history_run ON history (workflow, id, seq);
    CREATE TABLE quarantine (workflow TEXT, id TEXT, at TEXT, data TEXT);
    CREATE TABLE store (key TEXT PRIMARY KEY, value TEXT);
    CREATE TABLE job (workflow TEXT NOT NULL, id TEXT NOT NULL, step_id TEXT NOT NULL, state TEXT NOT NULL,
        owner TEXT, fraction REAL, message TEXT, error TEXT, started TEXT, updated TEXT,
        PRIMARY KEY (workflow, id, step_id));
    CREATE TABLE profile (id INTEGER PRIMARY KEY, name TEXT NOT NULL, menu_name TEXT, address TEXT, code TEXT,
        active INTEGER NOT NULL DEFAULT 1, priority INTEGER NOT NULL DEFAULT 0);
    INSERT INTO profile (id, name, menu_name) VALUES (1, 'Default profile', 'Default');
    CREATE VIEW client AS SELECT * FROM profile;
    CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0,
        priority INTEGER NOT NULL DEFAULT 0, profile_id INTEGER NOT NULL DEFAULT 1);
    CREATE TABLE trash (seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, kind TEXT, data TEXT);
    """,
    """
    CREATE TABLE conversation (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT '', created TEXT NOT NULL,
        summary TEXT NOT NULL DEFAULT '', summarised INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id INTEGER NOT NULL, role TEXT NOT NULL,
        content TEXT NOT NULL, at TEXT NOT NULL, about TEXT NOT NULL DEFAULT '');
    CREATE INDEX message_conversation ON message (conversation_id, id);
    CREATE TABLE memory (id TEXT PRIMARY KEY, kind TEXT NOT NULL, key TEXT, content TEXT NOT NULL,
        source TEXT NOT NULL DEFAULT '', at TEXT NOT NULL, pinned INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'active');
    CREATE VIRTUAL TABLE memory_text USING fts5 (content, id UNINDEXED, tokenize = 'porter unicode61');
    INSERT INTO memory_text (memory_text, rank) VALUES ('secure-delete', 1);
    CREATE TRIGGER memory_added AFTER INSERT ON memory BEGIN
        INSERT INTO memory_text (id, content) VALUES (new.id, coalesce(new.key || ': ', '') || new.content); END;
    CREATE TRIGGER memory_gone AFTER DELETE ON memory BEGIN
        DELETE FROM memory_text WHERE id = old.id; DELETE FROM memory_vector WHERE id = old.id; END;
    CREATE TRIGGER memory_changed AFTER UPDATE OF id, key, content ON memory BEGIN
        DELETE FROM memory_text WHERE id = old.id; DELETE FROM memory_vector WHERE id = old.id;
        INSERT INTO memory_text (id, content) VALUES (new.id, coalesce(new.key || ': ', '') || new.content); END;
    CREATE TABLE proposal (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, tool TEXT NOT NULL,
        arguments TEXT NOT NULL, profile_id INTEGER NOT NULL, words TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'open', undo TEXT NOT NULL DEFAULT '');
    CREATE TABLE memory_vector (id TEXT NOT NULL, embedder TEXT NOT NULL, vector BLOB NOT NULL,
        PRIMARY KEY (id, embedder));
    CREATE TABLE prompt (version INTEGER PRIMARY KEY, text TEXT NOT NULL, at TEXT NOT NULL, author TEXT NOT NULL);
    """,
]


def now() -> str:
    """Return the present moment in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Lock:
    """An exclusive lock between processes that ends with its holder, however that ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._db = path, apsw.Connection(str(path))

    def acquire(self) -> bool:
        """Take the lock; False if another holder has it."""
        try:
            self._db.execute("BEGIN EXCLUSIVE")
        except apsw.BusyError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._db.close()


class Store:
    """The database of one data folder."""

    def __init__(self, path: Path | str) -> None:
        """Open the file, making or migrating it as needed; raises Corrupt if it is not ours or damaged."""
        self.path = Path(path)
        self.folder = self.path.parent
        self.folder.mkdir(parents=True, exist_ok=True)
        self._local, self._write = threading.local(), threading.RLock()
        self._connections: list[apsw.Connection] = []
        try:
            self._migrate()
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise Corrupt(
                f"{self.path} is damaged ({error}). Nothing was changed. "
                f"`pipulate restore` brings back the latest backup of {self.folder / 'backups'}."
            ) from error

    # ---------------------------------------------------------------- connections

    @property
    def db(self) -> Database:
        """This thread's fastlite database (MiniDataAPI: `db.t.task.insert(...)`)."""
        if (found := getattr(self._local, "db", None)) is None:
            connection = apsw.Connection(str(self.path))
            connection.set_busy_timeout(10_000)
            mode = connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "FULL")
            if mode != "wal" or connection.pragma("synchronous") != 2:
                raise Corrupt(f"{self.path} does not accept WAL with synchronous=FULL; is it on a network drive?")
            self._connections.append(connection)
            found = self._local.db = Database(connection)
        return found

    @property
    def connection(self) -> apsw.Connection:
        """This thread's raw connection."""
        return self.db.conn

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """One durable write: all of the block or nothing; nested blocks join the outer one."""
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        with self._write:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def read(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query as dictionaries."""
        cursor = self.connection.execute(sql, values)
        return [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in cursor]

    def one(self, sql: str, *values: Any) -> dict[str, Any] | None:
        """Return the first row of a query, or None."""
        return next(iter(self.read(sql, *values)), None)

    def write(self, sql: str, *values: Any) -> int:
        """Run one durable statement; returns the last inserted row id."""
        with self.transaction() as db:
            db.execute(sql, values)
            return db.last_insert_rowid()

    def close(self) -> None:
        """Close all connections of this store, of all threads."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._local = threading.local()

    # ---------------------------------------------------------------- the dictionary, db["key"]

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
        try:
            return self[key]
        except KeyError:
            return default

    # ---------------------------------------------------------------- migrations and backups

    def _migrate(self) -> None:
        version = self.connection.pragma("user_version")
        if version > len(SCHEMA):
            raise Corrupt(
                f"{self.path} was written by a newer Pipulate (schema {version}). Upgrade, or restore a backup."
            )
        if 0 < version < len(SCHEMA):
            self.backup("before-migration")
        for number, script in enumerate(SCHEMA[version:], version + 1):
            with self.transaction() as db:
                if db.pragma("user_version") < number:  # another process may have been first
                    db.execute(script)
                    db.pragma("user_version", number)

    def backup(self, why: str = "manual", to: Path | None = None) -> Path:
        """Write a consistent copy while others go on working; returns its path."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        target = to or self.folder / "backups" / f"pipulate-{stamp}-{why}.db"
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        copy_database(self.connection, part)
        part.replace(target)
        if to is None:
            for old in self.backups()[KEEP_BACKUPS:]:
                old.unlink(missing_ok=True)
        return target

    def backups(self) -> list[Path]:
        """Return the backups of this data folder, newest first."""
        return sorted((self.folder / "backups").glob("pipulate-*.db"), reverse=True)

    def backup_daily(self) -> Path | None:
        """Make a backup unless one was made in the last 24 hours."""
        last = self.get("backed_up")
        if last and (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds() < 86_400:
            return None
        made = self.backup("daily")
        self["backed_up"] = now()
        return made


def copy_database(source: apsw.Connection, target: Path) -> None:
    """Copy `source`'s main database over `target` by SQLite's online backup."""
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(1000)
        copy.pragma("journal_mode", "delete")
    finally:
        copy.close()


def restore(folder: Path, backup: Path | None = None) -> tuple[Path, Path | None]:
    """Put a backup (the newest by default) in place of the database; returns it and where the old one went.

    Refused while a server runs (InUse) and when the backup fails SQLite's integrity check (Corrupt).
    """
    database = folder / "pipulate.db"
    found = sorted((folder / "backups").glob("pipulate-*.db"), reverse=True)
    chosen = backup or (found[0] if found else None)
    if chosen is None or not chosen.is_file():
        raise Unknown(f"There is no backup at {chosen or folder / 'backups'}.")
    lock = serving(folder)
    try:
        source = apsw.Connection(str(chosen), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            if source.pragma("integrity_check") != "ok":
                raise Corrupt(f"{chosen} fails SQLite's integrity check; choose another backup.")
            aside = database.with_name(f"pipulate.db.replaced-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}")
            part = database.with_name("pipulate.db.part")
            part.unlink(missing_ok=True)
            copy_database(source, part)
        finally:
            source.close()
        moved = None
        if database.exists():
            moved = database.replace(aside)
            for tail in ("-wal", "-shm"):
                tail_file = database.with_name(database.name + tail)
                if tail_file.exists():
                    tail_file.replace(aside.with_name(aside.name + tail))
        part.replace(database)
        return chosen, moved
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise Corrupt(f"{chosen} is not a readable SQLite file; choose another backup.") from error
    finally:
        lock.release()


def serving(folder: Path, url: str = "") -> Lock:
    """Take the data folder for one server; raises InUse, saying where the first one is."""
    lock, where = Lock(folder / "server.lock"), folder / "server.json"
    if not lock.acquire():
        lock.release()
        first = json.loads(where.read_text()).get("url", "") if where.exists() else ""
        at = f" at {first}" if first else ""
        raise InUse(f"Another Pipulate serves {folder.resolve()}{at}. Use that one, or stop it first.")
    where.write_text(json.dumps({"url": url}))
    return lock
