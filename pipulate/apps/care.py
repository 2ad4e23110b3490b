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


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one of the three commands; `argv` begins with its name."""
    name, *rest = argv
    parser = argparse.ArgumentParser(prog=f"pipulate {name}", description=(COMMANDS[name].__doc__ or "").splitlines()[0])
    if name != "doctor":
        parser.add_argument("file", nargs="?", type=Path, help="the backup's file (default: in the data folder)")
    return COMMANDS[name](parser.parse_args(rest), settings)


def backup(args: argparse.Namespace, settings: Settings) -> int:
    """Write a consistent copy of the database, also while a server runs, and say where."""
    opened = Store(settings.database)
    print(opened.backup(to=args.file))
    opened.close()
    return 0


def restore(args: argparse.Namespace, settings: Settings) -> int:
    """Put a backup (the newest by default) in place of the database; the server must be stopped."""
    used, aside = store.restore(settings.data, args.file)
    print(f"{used} is in place again." + (f" The database it replaced is kept as {aside}." if aside else ""))
    return 0


def doctor(args: argparse.Namespace, settings: Settings) -> int:
    """Say what is installed, what is wrong and how to mend it."""
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


COMMANDS = {"backup": backup, "restore": restore, "doctor": doctor}
