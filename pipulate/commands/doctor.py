"""`pipulate doctor`: what is installed, what is wrong, how to mend it."""

import platform
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine import private
from pipulate.engine.care import backups
from pipulate.engine.discovery import Folders
from pipulate.engine.exchange import lost
from pipulate.engine.found import Broken, Helper
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.graph.shelf import Shelf
from pipulate.pages.devices import EXTRA

LIBRARIES = (
    "python-fasthtml",
    "starlette",
    "uvicorn",
    "apsw",
    "numpy",
    "polars",
    "xllamacpp",
)
MANY = 10  #: lines on one thing


@dataclass(frozen=True)
class Health:
    """What was found."""

    database: Path
    verdict: str  #: SQLite's, "ok" if sound; "" if there is no database yet
    runs: int
    backups: int
    broken: list[Broken]
    notes: list[str]  #: on files that are in order
    missing: list[str]  #: files that a run names
    open: list[Path]  #: what others of this machine may read

    @property
    def problems(self) -> int:
        """How many there are."""
        unsound = self.verdict not in ("ok", "")
        return len(self.broken) + unsound + len(self.missing)


def main(argv: Sequence[str], settings: Settings) -> int:
    """Return 1 if something is wrong; what others may read is mended."""
    parser(__doc__).parse_args(argv)
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in LIBRARIES:
        print(f"  {name} {version(name)}")
    for name in EXTRA:
        way = "only --lan needs it: pip install 'pipulate[lan]'"
        print(f"  {name} {version(name, way)}")
    found = examine(settings)
    print(f"Data: {_data(found)}")
    for item in found.broken:
        print(f"Workflow {item.name} is broken. {item}\n{item.fault.traceback}".strip())
    for name in found.missing:
        print(f"A run names the file {name}, which is not there: copy `uploads` and `files`, too.")
    for line in found.notes:
        print(line)
    left = _close(found.open)
    if problems := found.problems + left:
        print(f"{problems} problem(s) above.")
        return 1
    print("All is well.")
    return 0


def version(library: str, way: str = "`make run` installs it") -> str:
    """Return which version of a library is here, or how to get it."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return f"is not installed: {way}"


def _close(found: list[Path]) -> int:
    """Take others' rights away, and say so; return how many keep them."""
    closed = private.close(found)
    for path in closed[:MANY]:
        print(f"Others of this machine could read {path}: it is yours alone now.")
    if more := closed[MANY:]:
        print(f"So could they {len(more)} more: all are yours alone now.")
    left = [path for path in found if private.is_open(path)]
    for path in left[:MANY]:
        print(f"Others may read {path}, and you or its disk cannot forbid it: move it.")
    return len(left)


def _data(found: Health) -> str:
    if not found.verdict:
        return f"none yet at {found.database} (made at the first start)"
    return f"{found.database}: {found.verdict}, {found.runs} runs, {found.backups} backups"


def examine(settings: Settings) -> Health:
    """Look, and change nothing."""
    verdict = ""
    runs = 0
    missing: list[str] = []
    if settings.database.exists():
        with closing(Store(settings.database)) as store:
            verdict = store.connection.pragma("integrity_check")
            runs = store.connection.execute("SELECT count(*) FROM pipeline").get
            for row in Pipulate(store).runs(limit=runs):
                missing += [f"{name} ({row['workflow']} {row['id']})" for name in lost(row, store)]
    folders = Folders(settings.workflows)
    folders.refresh()
    found = folders.found.values()
    broken = [item for item in found if isinstance(item, Broken)]
    notes = [str(item) for item in found if isinstance(item, Helper)]
    notes += [f"Served is {line}." for line in folders.replaced]
    kept = len(backups(settings.data))
    loose = private.opened(settings.data) + private.opened(Shelf(settings.downloads).home)
    whole = settings.database.resolve()
    return Health(whole, verdict, runs, kept, broken, notes, missing, loose)
