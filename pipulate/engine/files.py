"""A file, or a folder of files, appears whole or not at all.

HOW        Write to `.{name}.{random}.part` beside it, fsync that, rename it
           over the final name, fsync the folder.  A kill leaves the old one,
           or none, at worst a `.part` that nobody takes for a result.
FOLDERS    change places with the old one in one act, where system and disk
           know how.  Elsewhere a kill between two renamings leaves the old
           one as `.old`, which `collecting.tidy` puts back.
PRIVATE    It is its user's alone from the first byte on (see `private`).
LEFTOVERS  Who begins to write removes them.  If another still writes one,
           its rename fails and it says so: the newer writer wins, and never
           do two write into one file.
"""

import contextlib
import ctypes
import glob
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipulate.engine.errors import CannotWrite
from pipulate.engine.private import FILE, FOLDER


@contextlib.contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """Give a file that becomes `target` if the block ends well, else
    vanishes.

    Raises CannotWrite for any OSError on the way.
    """
    with explained(target):
        part, file = begin(target)
        try:
            with file:
                yield file
            finish(part, target)
        finally:
            part.unlink(missing_ok=True)


def write(target: Path, content: bytes | str) -> None:
    """Write a small file whole; raises CannotWrite."""
    if isinstance(content, str):
        content = content.encode()
    with whole(target) as file:
        file.write(content)


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder to fill, for `target`'s place; raises CannotWrite."""
    with explained(target):
        sweep(target)
        part = _part(target)
        folder(part)
        try:
            yield part
            for path in part.rglob("*"):
                sync(path)
            _swap(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, target: Path) -> None:
    sync(part)
    if not _exchange(part, target):
        with contextlib.suppress(FileNotFoundError):
            target.rename(part.with_suffix(".old"))  # it has to step aside first
        part.rename(target)
    sync(target.parent)
    for old in _beside(target, "old"):
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places at once; False where that cannot be."""
    try:
        system = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return not system.renamex_np(bytes(one), bytes(other), _SWAP)
        return not system.renameat2(_HERE, bytes(one), _HERE, bytes(other), _SWAP)
    except (AttributeError, OSError, TypeError):  # an older system, or another
        return False


def begin(target: Path) -> tuple[Path, BinaryIO]:
    """Sweep leftovers and open a new temporary file: (its path, the file)."""
    folder(target.parent)
    sweep(target)
    part = _part(target)
    return part, new(part)


def new(path: Path) -> BinaryIO:
    """Open a file that is not there, to write."""
    return open(path, "xb", opener=lambda name, how: os.open(name, how, FILE))


def folder(path: Path) -> None:
    """Make a folder that is not there, and those above it, for good."""
    missing = [above for above in (path, *path.parents) if not above.exists()]
    for made in reversed(missing):
        made.mkdir(FOLDER, exist_ok=True)
    for made in missing:
        sync(made.parent)


def finish(part: Path, target: Path) -> None:
    """Bring a flushed file to the disk and give it its final name."""
    sync(part)
    part.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Have the disk keep a file's content, or the names in a folder."""
    flags = os.O_RDWR | _BINARY
    if path.is_dir():
        if os.name != "posix":
            return  # elsewhere a folder cannot be opened, nor need it be
        flags = os.O_RDONLY
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(target: Path) -> None:
    """Remove what killed writers of `target`, a file or a folder, left behind."""
    for leftover in _beside(target, "part*"):  # SQLite adds -journal
        with contextlib.suppress(FileNotFoundError):  # its writer has just ended
            if leftover.is_dir():
                # Renamed first: who still fills it must fail, not keep half.
                gone = leftover.rename(_part(target).with_suffix(".old"))
                shutil.rmtree(gone, ignore_errors=True)
            else:
                leftover.unlink()


@contextlib.contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn an OSError into a CannotWrite that names file and reason."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            f"{target.name} could not be written: {error.strerror or error}. "
            "Nothing half-written was kept. "
            f"Look for free space and rights in {target.parent}, then try again."
        ) from error


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change line ends
_HERE = -100  # AT_FDCWD
_SWAP = 2  # RENAME_EXCHANGE, RENAME_SWAP


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def _beside(target: Path, ending: str) -> list[Path]:
    return list(target.parent.glob(f".{glob.escape(target.name)}.*.{ending}"))
