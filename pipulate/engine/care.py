"""Care of a data folder: one server at a time; backups, made and put back.

BACKUP   A copy of one moment while others work.  Their numbers tell which is
         newer: a clock may be wrong.
RESTORE  Who else has the database open is found and named.  The database is
         then overwritten in ONE transaction, by SQLite's own backup: a kill
         leaves the one or the other.  A damaged one takes no transaction: it
         is copied aside with its log, then the log goes, then a new file
         takes its name.  A kill in between leaves it damaged, as it was.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import apsw

from pipulate.engine import files
from pipulate.engine.errors import Corrupt, InUse, Unknown
from pipulate.engine.store import Lock, Store, connect, plainly

KEEP_BACKUPS = 7
LOGS = ("-wal", "-shm")
OPEN_FILES = Path("/proc")  #: where the system tells who has what open, if it does


def stamp() -> str:
    """Return the present moment, to the microsecond, for a file's name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


class Copied(Store):
    """The store, with all its methods: it takes this one from here."""

    def backup(self, why: str = "manual", to: Path | None = None) -> Path:
        """Write a consistent copy while others work; return its path."""
        others = backups(self.folder)
        number = _number(others[0]) if others else 0
        name = f"pipulate-{number + 1:06}-{stamp()}-{why}.db"
        target = to or self.folder / "backups" / name
        with files.whole(target) as file, plainly(target):
            _copy(self.connection, Path(file.name))
        if to is None:
            for old in others[KEEP_BACKUPS - 1 :]:
                old.unlink(missing_ok=True)
        return target


def backups(folder: Path) -> list[Path]:
    """Return the backups, newest first by their numbers."""
    made = sorted(folder.glob("backups/pipulate-*.db"), reverse=True)
    return sorted(made, key=_number, reverse=True)


def _number(backup: Path) -> int:
    number = backup.name.split("-")[1]
    if not number.isdecimal() or len(number) > 20:
        return 0  # of 0.1.0
    return int(number)


def _copy(source: apsw.Connection, target: Path) -> None:
    # To a new or empty file.
    with closing(connect(target)) as copy:
        copy.pragma("journal_mode", "off")  # a copy that fails is thrown away
        with closing(copy.backup("main", source, "main")) as backup:
            backup.step()  # in one go: in pieces, every write would start it anew
        copy.pragma("journal_mode", "delete")


def put_back(folder: Path, backup: Path | None = None) -> tuple[Path, Path | None]:
    """Put a backup (the newest) in the database's place; both, where it went.

    Raises Unknown, Corrupt if the backup is, InUse while another process has
    the database open.
    """
    chosen = backup or next(iter(backups(folder)), None)
    if chosen is None or not chosen.is_file():
        with suppress(FileNotFoundError):
            next((folder / "backups").iterdir(), None)  # what may not be read says so
        raise Unknown(f"There is no backup at {chosen or folder / 'backups'}.")
    lock = serving(folder)
    try:
        with _sound(chosen) as source:
            return chosen, _replace(folder / "pipulate.db", source)
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


def _replace(path: Path, source: apsw.Connection) -> Path | None:
    aside = path.with_name(f"{path.name}.replaced-{stamp()}")
    if not path.exists():
        _exchange(path, source)
        return None
    try:
        with _alone(path) as present:
            with files.whole(aside) as file:
                _copy(present, Path(file.name))
            with closing(present.backup("main", source, "main")) as copying:
                copying.step()
    except Corrupt:
        _copy_aside(path, aside)
        _exchange(path, source)
    return aside


@contextmanager
def _alone(path: Path) -> Iterator[apsw.Connection]:
    with plainly(path), closing(connect(path, apsw.SQLITE_OPEN_READWRITE)) as present:
        present.pragma("synchronous", "FULL")
        present.pragma("fullfsync", True)
        present.pragma("locking_mode", "exclusive")  # from now on, until it is closed
        try:
            present.execute("BEGIN EXCLUSIVE")
            present.execute("COMMIT")
        except apsw.BusyError:
            words = f"{_holder(path)} has {path} open."
            raise InUse(f"{words} End it, then try again.") from None
        if present.pragma("integrity_check") != "ok":
            raise Corrupt(f"{path} is damaged.")
        yield present


def _holder(path: Path) -> str:
    real = str(path.resolve())
    own = str(os.getpid())
    for link in OPEN_FILES.glob("[0-9]*/fd/*"):
        with suppress(OSError):
            process = link.parent.parent
            if str(link.readlink()) != real or process.name == own:
                continue
            command = (process / "cmdline").read_bytes()
            words = command.replace(b"\0", b" ").strip().decode(errors="replace")
            return f"Process {process.name} ({words})"
    return "Another program"


def _copy_aside(path: Path, aside: Path) -> None:
    for tail in (*LOGS, ""):
        part = path.with_name(f"{path.name}{tail}")
        copy = aside.with_name(f"{aside.name}{tail}")
        if part.exists():
            with (
                part.open("rb") as source,
                files.whole(copy) as file,
            ):
                shutil.copyfileobj(source, file)


def _exchange(path: Path, source: apsw.Connection) -> None:
    with files.whole(path) as file:
        _copy(source, Path(file.name))
        for tail in LOGS:  # it would be taken for the new file's
            path.with_name(f"{path.name}{tail}").unlink(missing_ok=True)
        files.sync(path.parent)


def serving(folder: Path, url: str = "") -> Lock:
    """Take the folder for one server; raises InUse, which says where one is."""
    lock = Lock(folder / "server.lock")
    where = folder / "server.json"
    if lock.acquire():
        files.write(where, json.dumps({"url": url}))
        return lock
    lock.release()
    place = str(folder.resolve())
    # It is missing or damaged.
    with suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
        place += f" at {json.loads(where.read_text())['url']}"
    raise InUse(f"Another Pipulate serves {place}. Use that one, or stop it first.")
