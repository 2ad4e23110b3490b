"""gzip, zip or plain: told by a file's first bytes, never by its name.

LAYERS    Up to two are taken off: a host may pack again what is packed.
ZIP       Exactly one table may be in it; a workbook, a zip too, is told so.
DAMAGE    A file that is cut off anywhere is an error, at the latest at its
          end: also while the stream is read, in the `with` block.
LIMITS    One megabyte can unpack to gigabytes: the stream ends with TooLarge
          after MOST_BYTES, and sooner where a disk has less room (`room`).
"""

import contextlib
import io
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from isal import igzip, isal_zlib

from pipulate.graph.errors import BadFile, GraphError, TooLarge

MOST_BYTES = 16 << 30  #: about 90 million links
SPARE_DISK = 512 << 20  #: what always stays free
GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"

_PIECE = 1 << 20
_LAYERS = 2
_TABLES = (".csv", ".tsv", ".txt")
_DAMAGED = cast(
    tuple[type[Exception], ...],  # the stubs of isal say that its errors are variables
    (
        isal_zlib.error,
        zlib.error,
        zipfile.BadZipFile,
        igzip.BadGzipFile,
        EOFError,
    ),
)


def is_packed(path: Path) -> bool:
    """Is it gzip or zip?"""
    with path.open("rb") as file:
        return file.read(4).startswith((GZIP, ZIP))


def room(folder: Path) -> int:
    """How many bytes may be unpacked into a folder that exists."""
    return min(MOST_BYTES, shutil.disk_usage(folder).free - SPARE_DISK)


@contextlib.contextmanager
def unpacked(
    path: Path, name: str = "", most_bytes: int = MOST_BYTES
) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """Open gzip, zip or plain alike: (the stream, a getter of the share
    read).

    `name` is for messages.  Raises BadFile when the file is missing, cut off
    or damaged, and TooLarge, also while the stream is read.
    """
    name = name or path.name
    with contextlib.ExitStack() as stack, _explained(name):
        try:
            file = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise BadFile(f"{name} cannot be read: {error.strerror}.") from error
        size = max(path.stat().st_size, 1)
        stream: IO[bytes] = file
        for _ in range(_LAYERS):
            stream = stack.enter_context(_without_layer(stream, name))
        if stream is not file:
            capped = _Capped(stream, name, most_bytes)
            stream = stack.enter_context(io.BufferedReader(capped, _PIECE))
        yield stream, lambda: min(file.tell() / size, 1.0)


def unpack(path: Path, target: Path) -> None:
    """Write what is in a packed file to `target`.  Raises BadFile, TooLarge."""
    with (
        unpacked(path, most_bytes=room(target.parent)) as (stream, _),
        target.open("wb") as out,
    ):
        shutil.copyfileobj(stream, out, _PIECE)


def check(path: Path, name: str) -> None:
    """Unpack a file to nowhere.  Raises BadFile, TooLarge."""
    if is_packed(path):  # else there is nothing to check it against
        with unpacked(path, name) as (stream, _):
            while stream.read(_PIECE):
                pass


@contextlib.contextmanager
def _without_layer(stream: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(GZIP):
        with igzip.open(stream, "rb") as plain:
            yield cast(IO[bytes], plain)
    elif magic == ZIP:
        with zipfile.ZipFile(stream) as archive, _table(archive, name) as plain:
            yield plain
    else:
        yield stream


def _table(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    names = archive.namelist()
    files = [file for file in names if not file.endswith("/") and "__MACOSX" not in file]
    if any(file.startswith("xl/") for file in files):
        raise GraphError(f"{name} is an Excel workbook. Save it as CSV (UTF-8) and take that file.")
    tables = [file for file in files if len(files) == 1 or file.lower().endswith(_TABLES)]
    if len(tables) != 1:
        what = ", ".join((tables or files)[:5])
        raise BadFile(
            f"{name} must hold exactly one CSV file; it is a zip archive of "
            f"{len(files)} files: {what}. Unpack it first."
        )
    try:
        return archive.open(tables[0])
    except (
        NotImplementedError,
        RuntimeError,
    ) as error:  # an unknown method; encrypted
        raise BadFile(f"{name} is a zip archive that cannot be unpacked: {error}.") from error


class _Capped(io.RawIOBase):
    """Ends with TooLarge after so many bytes."""

    def __init__(self, stream: IO[bytes], name: str, most_bytes: int) -> None:
        self._stream = cast(io.BufferedIOBase, stream)
        self._name = name
        self._most = most_bytes
        self._left = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._stream.readinto(buffer)
        self._left -= got
        if self._left < 0:
            raise TooLarge(
                f"{self._name} unpacks to more than {max(self._most, 0) >> 20:,} "
                "MB: more than we take, or than the disk has room for."
            )
        return got


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        trouble = f"damaged ({error})"
        if isinstance(error, EOFError):
            trouble = "cut off: not all of it is there"
        raise BadFile(f"{name} is {trouble}. Download it again, or export it again.") from error
