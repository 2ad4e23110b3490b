"""What Pipulate writes is its user's alone: folders 700, files 600, from their
first moment.

OURS     A process of ours (server, command, and so their children) writes
         nothing that others may read: its umask says so, whoever writes.
YOURS    A notebook's process keeps its umask.  There a data folder that is
         made, the database and what `files` writes say it themselves; SQLite
         gives its logs the database's mode.
BEFORE   A data folder of 0.1.0, or one that somebody opened, is closed as a
         process of ours begins: its own mode is looked at, for in a closed
         folder nobody reaches anything.  `pipulate doctor` looks at all.
WINDOWS  has other rights: there nothing of this is done.
"""

import os
import stat
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

OTHERS = 0o077  #: the bits of everyone else
FOLDER = 0o700
FILE = 0o600
OURS = "pipulate.db"  #: in a folder of data
POSIX = os.name == "posix"

_making = threading.Lock()
_befores: list[int] = []


@contextmanager
def process() -> Iterator[None]:
    """Let this process write what is its user's alone."""
    _befores.append(os.umask(OTHERS))
    try:
        yield
    finally:
        os.umask(_befores.pop())


def run(command: Sequence[str]) -> None:
    """Run a program that is none of ours: it writes as its user's umask says."""
    subprocess.run(command, umask=_befores[-1] if _befores else -1, check=False)


def database(path: Path) -> None:
    """Make an empty database, unless one is there."""
    # One at a time: closing a file ends the locks that SQLite holds on it.
    with _making, suppress(OSError):  # SQLite says it better
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))


def is_open(path: Path) -> bool:
    """May others of this machine read it, or write there?"""
    with suppress(OSError):  # it is gone, or not there yet
        mode = path.lstat().st_mode
        return POSIX and not stat.S_ISLNK(mode) and bool(mode & OTHERS)
    return False


def opened(folder: Path) -> list[Path]:
    """Return what of a folder is open to others, itself first."""
    found = [folder.resolve()]
    for place, folders, names in os.walk(folder):
        found += [Path(place, name) for name in (*folders, *names)]
    return [path for path in found if is_open(path)]


def close(paths: Iterable[Path]) -> list[Path]:
    """Take everyone else's rights away; return what is closed now."""
    closed = []
    for path in paths:
        with suppress(OSError):  # another's: it stays open
            mode = stat.S_IMODE(path.lstat().st_mode)
            if not mode & stat.S_ISVTX:  # as /tmp, which is for all
                path.chmod(mode & ~OTHERS)
            if not is_open(path):
                closed.append(path)
    return closed


def closed_if_open(folder: Path) -> str:
    """Close a folder that is open, and say so; "" if it was not, or cannot be.

    Where no data were yet, what is below keeps its rights: it is something else.
    """
    top = folder.resolve()
    if not is_open(top) or not close([top]):
        return ""
    below = close(opened(top)) if (top / OURS).exists() else []
    return (
        f"Others of this machine could read {folder}. "
        f"It is yours alone now ({len(below) + 1} files and folders)."
    )
