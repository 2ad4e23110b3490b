"""Care of a data folder: one server at a time, a backup a day, putting one back, what is wrong."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

from pipulate.engine import discovery, files
from pipulate.engine.errors import Corrupt, InUse, Unknown
from pipulate.engine.settings import Settings
from pipulate.engine.store import Lock, Store, backups, connect, copy_database, now, plainly, stamp

DAY = timedelta(days=1)
NEVER = "1970-01-01T00:00:00+00:00"


def backup_daily(store: Store) -> Path | None:
    """Make a backup unless one was made in the last 24 hours."""
    last = datetime.fromisoformat(store.get("backed_up", NEVER))
    if timedelta(0) <= datetime.now(UTC) - last < DAY:
        return None
    made = store.backup("daily")
    store["backed_up"] = now()
    return made


def put_back(folder: Path, backup: Path | None = None) -> tuple[Path, Path | None]:
    """Put a backup (the newest by default) in the database's place; returns it and where that went.

    Raises InUse while a server runs, Corrupt when the backup is not sound, Unknown.
    """
    newest = next(iter(backups(folder)), None)
    chosen = backup or newest
    if chosen is None or not chosen.is_file():
        raise Unknown(f"There is no backup at {chosen or folder / 'backups'}.")
    lock = serving(folder)
    try:
        with _sound(chosen) as source, files.whole(folder / "pipulate.db") as file:
            copy_database(source, Path(file.name))
            replaced = _step_aside(folder)
        return chosen, replaced
    finally:
        lock.release()


@contextmanager
def _sound(backup: Path) -> Iterator[apsw.Connection]:
    """Open a backup for reading; Corrupt if it is damaged, or another program's."""
    with plainly(backup), closing(connect(backup, apsw.SQLITE_OPEN_READONLY)) as source:
        if not source.pragma("user_version") or source.pragma("integrity_check") != "ok":
            raise Corrupt(f"{backup} is damaged, or no backup of Pipulate; choose another one.")
        yield source


def _step_aside(folder: Path) -> Path | None:
    """Rename the database; its log first, as one left behind would be taken for the backup's."""
    replaced = None
    aside = f"pipulate.db.replaced-{stamp()}"
    for tail in ("-shm", "-wal", ""):
        part = folder / f"pipulate.db{tail}"
        if part.exists():
            replaced = part.replace(folder / f"{aside}{tail}")
    return replaced


def serving(folder: Path, url: str = "") -> Lock:
    """Take the data folder for one server; raises InUse, saying where the first one is."""
    lock = Lock(folder / "server.lock")
    where = folder / "server.json"
    if lock.acquire():
        files.write(where, json.dumps({"url": url}))
        return lock
    lock.release()
    place = str(folder.resolve())
    if where.exists():
        place += f" at {json.loads(where.read_text())['url']}"
    raise InUse(f"Another Pipulate serves {place}. Use that one, or stop it first.")


@dataclass(frozen=True)
class Health:
    """What was found in a data folder and in the workflow files."""

    database: Path
    verdict: str  #: SQLite's, "ok" if it is sound; "" if there is no database yet
    runs: int
    backups: int
    broken: list[discovery.Broken]

    @property
    def problems(self) -> int:
        """How many things need mending."""
        return len(self.broken) + (self.verdict not in ("ok", ""))


def examine(settings: Settings) -> Health:
    """Look at the database and load every workflow file; nothing is changed."""
    verdict = ""
    runs = 0
    if settings.database.exists():
        with closing(Store(settings.database)) as store:
            verdict = store.connection.pragma("integrity_check")
            runs = store.connection.execute("SELECT count(*) FROM pipeline").get
    found = [
        item
        for path in discovery.files(settings.workflows).values()
        for item in discovery.load(path)
    ]
    broken = [item for item in found if isinstance(item, discovery.Broken)]
    kept = len(backups(settings.data))
    return Health(settings.database.resolve(), verdict, runs, kept, broken)
