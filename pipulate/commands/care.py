"""Care of a data folder in the terminal: `pipulate backup`, `pipulate restore`, `pipulate doctor`."""

import argparse
import importlib.metadata
import platform
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pipulate.engine import care
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

LIBRARIES = ("python-fasthtml", "starlette", "uvicorn", "apsw", "numpy", "polars", "xllamacpp")


def backup(argv: Sequence[str], settings: Settings) -> int:
    """Write a consistent copy of the database, also while a server runs, and say where."""
    file = _file(argv, "backup", "Write a consistent copy of the database.")
    with closing(Store(settings.database)) as store:
        print(store.backup(to=file))
    return 0


def restore(argv: Sequence[str], settings: Settings) -> int:
    """Put a backup (the newest by default) in place of the database; the server must be stopped."""
    what = "Put a backup (the newest by default) in place of the database."
    used, aside = care.put_back(settings.data, _file(argv, "restore", what))
    kept = f" The database it replaced is kept as {aside}." if aside else ""
    print(f"{used} is in place again.{kept}")
    return 0


def _file(argv: Sequence[str], name: str, what: str) -> Path | None:
    parser = argparse.ArgumentParser(prog=f"pipulate {name}", description=what)
    parser.add_argument(
        "file", nargs="?", type=Path, help="the backup's file (default: in the data folder)"
    )
    file: Path | None = parser.parse_args(argv).file
    return file


def doctor(argv: Sequence[str], settings: Settings) -> int:
    """Say what is installed, what is wrong and how to mend it."""
    what = "What is installed, what is wrong, how to mend it."
    argparse.ArgumentParser(prog="pipulate doctor", description=what).parse_args(argv)
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in LIBRARIES:
        print(f"  {name} {_version(name)}")
    found = care.examine(settings)
    if found.verdict:
        kept = f"{found.runs} runs, {found.backups} backups"
        print(f"Data: {found.database}: {found.verdict}, {kept}")
    else:
        print(f"Data: none yet at {found.database} (made at the first start)")
    for item in found.broken:
        print(f"Workflow {item.name}: broken\n{item.traceback}")
    if found.problems:
        print(f"{found.problems} problem(s) above.")
        return 1
    print("All is well.")
    return 0


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed: `make run` installs it"
