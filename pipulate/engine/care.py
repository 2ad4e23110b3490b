"""Care of a data folder: one server at a time; a backup a day while the server runs; `pipulate backup`, `pipulate restore`, `pipulate doctor`."""

import argparse
import asyncio
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
from fasthtml.common import FastHTML

from pipulate.engine import discovery
from pipulate.engine.errors import Corrupt, InUse, Unknown
from pipulate.engine.settings import Settings
from pipulate.engine.store import Lock, Store, connect, copy_database, now, plainly

LIBRARIES = ("python-fasthtml", "starlette", "uvicorn", "apsw", "numpy", "polars", "xllamacpp")


def backup_daily(store: Store) -> Path | None:
    """Make a backup unless one was made in the last 24 hours."""
    last = datetime.fromisoformat(store.get("backed_up", "1970-01-01T00:00:00+00:00"))
    if timedelta(0) <= datetime.now(UTC) - last < timedelta(days=1):
        return None
    made = store.backup("daily")
    store["backed_up"] = now()
    return made


def routes(app: FastHTML) -> None:
    """Add no page, but the backups: one at the start, before anything changes, then one a day."""
    store: Store = app.state.store
    tasks: list[asyncio.Task[None]] = []

    async def daily() -> None:
        while True:
            await asyncio.sleep(3600)
            await asyncio.to_thread(backup_daily, store)

    async def begin() -> None:
        await asyncio.to_thread(backup_daily, store)
        tasks.append(asyncio.create_task(daily()))

    async def end() -> None:
        tasks.pop().cancel()

    app.state.begin.append(begin)
    app.state.end.append(end)


def _file(argv: Sequence[str], name: str, what: str) -> Path | None:
    parser = argparse.ArgumentParser(prog=f"pipulate {name}", description=what)
    parser.add_argument(
        "file", nargs="?", type=Path, help="the backup's file (default: in the data folder)"
    )
    file: Path | None = parser.parse_args(argv).file
    return file


def backup(argv: Sequence[str], settings: Settings) -> int:
    """Write a consistent copy of the database, also while a server runs, and say where."""
    opened = Store(settings.database)
    print(opened.backup(to=_file(argv, "backup", "Write a consistent copy of the database.")))
    opened.close()
    return 0


def restore(argv: Sequence[str], settings: Settings) -> int:
    """Put a backup (the newest by default) in place of the database; the server must be stopped."""
    file = _file(argv, "restore", "Put a backup (the newest by default) in place of the database.")
    used, aside = put_back(settings.data, file)
    print(
        f"{used} is in place again."
        + (f" The database it replaced is kept as {aside}." if aside else "")
    )
    return 0


def put_back(folder: Path, backup: Path | None = None) -> tuple[Path, Path | None]:
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
        part = database.with_name("pipulate.db.part")
        with plainly(chosen), closing(connect(chosen, apsw.SQLITE_OPEN_READONLY)) as source:
            if not source.pragma("user_version") or source.pragma("integrity_check") != "ok":
                raise Corrupt(f"{chosen} is damaged, or no backup of Pipulate; choose another one.")
            copy_database(source, part)
        moved = None
        aside = f"pipulate.db.replaced-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}"
        for tail in (
            "-shm",
            "-wal",
            "",
        ):  # the log first: one left behind would be taken for the backup's
            if (old := folder / f"pipulate.db{tail}").exists():
                moved = old.replace(folder / f"{aside}{tail}")
        part.replace(database)
        return chosen, moved
    finally:
        lock.release()


def serving(folder: Path, url: str = "") -> Lock:
    """Take the data folder for one server; raises InUse, saying where the first one is."""
    lock, where = Lock(folder / "server.lock"), folder / "server.json"
    if not lock.acquire():
        lock.release()
        first = json.loads(where.read_text()).get("url") if where.exists() else None
        at = f" at {first}" if first else ""
        raise InUse(
            f"Another Pipulate serves {folder.resolve()}{at}. Use that one, or stop it first."
        )
    part = where.with_suffix(".part")
    part.write_text(json.dumps({"url": url}))
    part.replace(where)
    return lock


def doctor(argv: Sequence[str], settings: Settings) -> int:
    """Say what is installed, what is wrong and how to mend it."""
    argparse.ArgumentParser(
        prog="pipulate doctor", description="What is installed, what is wrong, how to mend it."
    ).parse_args(argv)
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in LIBRARIES:
        try:
            print(f"  {name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"  {name} is not installed: `make run` installs it")
    wrong = 0
    if settings.database.exists():
        opened = Store(settings.database)
        check = opened.connection.pragma("integrity_check")
        count = (opened.one("SELECT count(*) AS n FROM pipeline") or {})["n"]
        print(
            f"Data: {settings.database.resolve()}: {check}, {count} runs, {len(opened.backups())} backups"
        )
        wrong += check != "ok"
        opened.close()
    else:
        print(f"Data: none yet at {settings.database.resolve()} (made at the first start)")
    for stem, path in discovery.files(settings.workflows).items():
        for item in discovery.load(path):
            if isinstance(item, discovery.Broken):
                wrong += 1
                print(f"Workflow {stem}: broken\n{item.traceback}")
    print("All is well." if not wrong else f"{wrong} problem(s) above.")
    return 1 if wrong else 0
