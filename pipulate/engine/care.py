"""Care of a data folder: one server at a time, and a backup put back."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from pipulate.engine import files
from pipulate.engine.errors import Corrupt, InUse, Unknown
from pipulate.engine.store import (
    Lock,
    backups,
    connect,
    copy_database,
    plainly,
    stamp,
)


def put_back(folder: Path, backup: Path | None = None) -> tuple[Path, Path | None]:
    """Put a backup (the newest) in the database's place; both, where it went.

    Raises Unknown, InUse while a server runs, Corrupt if the backup is.
    """
    chosen = backup or next(iter(backups(folder)), None)
    if chosen is None or not chosen.is_file():
        raise Unknown(f"There is no backup at {chosen or folder / 'backups'}.")
    lock = serving(folder)
    try:
        with (
            _sound(chosen) as source,
            files.whole(folder / "pipulate.db") as file,
        ):
            copy_database(source, Path(file.name))
            replaced = _step_aside(folder)
        return chosen, replaced
    finally:
        lock.release()


@contextmanager
def _sound(backup: Path) -> Iterator[apsw.Connection]:
    with (
        plainly(backup),
        closing(connect(backup, apsw.SQLITE_OPEN_READONLY)) as source,
    ):
        if not source.pragma("user_version") or source.pragma("integrity_check") != "ok":
            raise Corrupt(f"{backup} is damaged, or no backup of Pipulate; choose another one.")
        yield source


def _step_aside(folder: Path) -> Path | None:
    # The log first: left behind, it would be taken for the backup's.
    replaced = None
    aside = f"pipulate.db.replaced-{stamp()}"
    for tail in ("-shm", "-wal", ""):
        part = folder / f"pipulate.db{tail}"
        if part.exists():
            replaced = part.replace(folder / f"{aside}{tail}")
    return replaced


def serving(folder: Path, url: str = "") -> Lock:
    """Take the folder for one server; raises InUse, which says where one is."""
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
