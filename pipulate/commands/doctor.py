"""`pipulate doctor`: what is installed, what is wrong, how to mend it."""

import platform
from collections.abc import Sequence
from importlib import metadata

from pipulate.commands import parser
from pipulate.engine.care import Health, examine
from pipulate.engine.settings import Settings

LIBRARIES = ("python-fasthtml", "starlette", "uvicorn", "apsw", "numpy", "polars", "xllamacpp")


def main(argv: Sequence[str], settings: Settings) -> int:
    """Print the findings; returns 1 if something is wrong."""
    parser(__doc__).parse_args(argv)
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in LIBRARIES:
        print(f"  {name} {version(name)}")
    found = examine(settings)
    print(f"Data: {data(found)}")
    for item in found.broken:
        print(f"Workflow {item.name}: broken\n{item.traceback}")
    if found.problems:
        print(f"{found.problems} problem(s) above.")
        return 1
    print("All is well.")
    return 0


def version(library: str) -> str:
    """Return which version of a library is here, or how to get it."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "is not installed: `make run` installs it"


def data(found: Health) -> str:
    """Say where the database is and how it does."""
    if not found.verdict:
        return f"none yet at {found.database} (made at the first start)"
    return f"{found.database}: {found.verdict}, {found.runs} runs, {found.backups} backups"
