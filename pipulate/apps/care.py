"""Care of the data in the terminal: `pipulate backup`, `pipulate restore`, `pipulate doctor`."""

import argparse
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

from pipulate import discovery, store
from pipulate.settings import Settings
from pipulate.store import Store

LIBRARIES = ("python-fasthtml", "starlette", "uvicorn", "apsw", "numpy", "polars", "xllamacpp")


def _file(argv: Sequence[str], name: str, what: str) -> Path | None:
    parser = argparse.ArgumentParser(prog=f"pipulate {name}", description=what)
    parser.add_argument("file", nargs="?", type=Path, help="the backup's file (default: in the data folder)")
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
    used, aside = store.restore(
        settings.data, _file(argv, "restore", "Put a backup (the newest by default) in place of the database.")
    )
    print(f"{used} is in place again." + (f" The database it replaced is kept as {aside}." if aside else ""))
    return 0


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
        print(f"Data: {settings.database.resolve()}: {check}, {count} runs, {len(opened.backups())} backups")
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
