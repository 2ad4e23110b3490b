"""A file appears whole or not at all.

HOW       Write to `.{name}.{random}.part` in the same folder, fsync it, rename it over the final name, fsync the
          folder.  A kill at any moment leaves the old file, or none, and at worst a `.part` that nobody takes
          for a result.
LEFTOVERS Whoever begins to write a file removes its leftovers.  Should another process still be writing one of them,
          its rename fails and it reports that: the newer writer wins, and never do two write into one file.
"""

import contextlib
import glob
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipulate.engine.errors import CannotWrite


@contextlib.contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `target` when the block ends well, and vanishes when it does not.

    Raises CannotWrite for any OSError on the way.
    """
    with explained(target):
        part, file = begin(target)
        try:
            with file:
                yield file
                finish(part, file, target)
        finally:
            part.unlink(missing_ok=True)


def begin(target: Path) -> tuple[Path, BinaryIO]:
    """Make the folder, sweep leftovers, and open a new temporary file for `target`: (its path, the open file)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    return part, part.open("xb")


def finish(part: Path, file: BinaryIO, target: Path) -> None:
    """Bring what was written to the disk and give it its final name."""
    file.flush()
    os.fsync(file.fileno())
    part.replace(target)
    if os.name == "posix":  # elsewhere a folder cannot be opened, nor need it be
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sweep(target: Path) -> None:
    """Remove what killed writers of `target` left behind."""
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn an OSError into a CannotWrite that names the file and the reason."""
    try:
        yield
    except OSError as e:
        raise CannotWrite(
            f"{target.name} could not be written: {e.strerror or e}. Nothing half-written was kept. "
            f"Look for free space and rights in {target.parent}, then try again."
        ) from e
