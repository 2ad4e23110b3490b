"""gzip, zip or plain: told by the first bytes of a file, never by its name or by what was asked for.

Botify packs exports with gzip unless told otherwise, was seen to send something else than it was asked for, and a host
may pack once more what is packed already: so up to two layers are taken off.
"""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from isal import igzip, isal_zlib

from pipulate.botify.errors import BadFile, TooLarge

MOST_BYTES = 4 << 30  #: no export of a million rows comes near
_PIECE = 1 << 20
_DAMAGED = cast(
    tuple[type[Exception], ...],
    (isal_zlib.error, zlib.error, zipfile.BadZipFile, igzip.BadGzipFile),
)


@contextlib.contextmanager
def unpacked(path: Path, name: str = "") -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """Open gzip, zip or plain alike: (the unpacked stream, a function that tells the share of the file read so far).

    `name` is what the file is called in messages, its own name if left out.  Damage that is found while the stream is
    read raises BadFile as well.
    """
    name = name or path.name
    with contextlib.ExitStack() as stack, _damage(name):
        try:
            packed = stack.enter_context(path.open("rb"))
        except OSError as e:
            raise BadFile(f"{name} cannot be read: {e.strerror}. Download it again.") from e
        size = max(path.stat().st_size, 1)

        def share() -> float:
            return min(packed.tell() / size, 1.0)

        stream: IO[bytes] = packed
        for _ in range(3):  # a gzip file that the host packed once more still is one
            magic = stream.read(4)
            stream.seek(0)
            if magic[:2] == b"\x1f\x8b":
                stream = stack.enter_context(cast(IO[bytes], igzip.open(stream, "rb")))
            elif magic == b"PK\x03\x04":
                stream = stack.enter_context(
                    _single_member(stack.enter_context(zipfile.ZipFile(stream)), name)
                )
            else:
                break
        yield stream, share


def _single_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    members = [m for m in archive.infolist() if not m.is_dir()]
    if len(members) != 1:
        raise BadFile(f"{name} is a zip archive of {len(members)} files; one CSV was expected.")
    try:
        return archive.open(members[0])
    except (NotImplementedError, RuntimeError) as e:  # an unknown method; encrypted
        raise BadFile(f"{name} is a zip archive that cannot be read: {e}.") from e


@contextlib.contextmanager
def _damage(name: str) -> Iterator[None]:
    """Say in our words that a packed file is cut off or damaged."""
    try:
        yield
    except EOFError as e:
        raise BadFile(
            f"{name} is cut off: the download did not get all of it. Download it again."
        ) from e
    except _DAMAGED as e:
        raise BadFile(f"{name} is damaged ({e}). Download it again.") from e


def check(path: Path, name: str) -> None:
    """Unpack a file to nowhere.  Raises BadFile if it is cut off or damaged, TooLarge if it is a bomb."""
    total = 0
    with unpacked(path, name) as (stream, _):
        if isinstance(stream, io.BufferedReader):
            return  # plain: there is nothing to check it against
        while piece := stream.read(_PIECE):
            total += len(piece)
            if total > MOST_BYTES:
                raise TooLarge(
                    f"{name} unpacks to more than {MOST_BYTES >> 20:,} MB, more than any export."
                )
