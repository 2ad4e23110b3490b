"""Files of runs, kept by what is in them.

ROOMS  `uploads`, and `files` for what steps make, in the data folder.  A file
       lies whole at {16 digits of its sha256}/{name} and never changes, so
       it is there once, and an answer that comes back finds its own.
DESK   where a step writes: each try has a desk of its own.  What lies there
       when the answer is stored is kept; the rest is thrown away.
LARGE  A result of more text than that lies in a file, too; but the files that
       it names are named in the record, as others look for them there.
"""

import hashlib
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pipulate.engine import files, values
from pipulate.engine import record as rec
from pipulate.engine.errors import PipulateError
from pipulate.engine.values import File

UPLOADS, FILES = values.ROOMS
DESKS = "desks"
LARGE = 256 * 1024  #: characters of JSON
_NAME = r'[^.<>:"/\\|?*\0-\x1f][^<>:"/\\|?*\0-\x1f]{0,149}'  # in any file system


def plain_name(sent: str) -> str:
    """Return a name that leads to no other folder and hides from nobody."""
    plain = re.sub(r"[^\w.\- ]", "_", Path(sent).name)
    return plain[-100:].lstrip(".") or "file"


def keep(source: BinaryIO, name: str, folder: Path, room: str = UPLOADS) -> File:
    """Keep what is read from `source` in a data folder; raises CannotWrite."""
    file = _described(source, name, folder, room)
    if not _is_kept(file):
        source.seek(0)
        with files.whole(file.path) as out:
            shutil.copyfileobj(source, out)
    return file


def _described(source: BinaryIO, name: str, folder: Path, room: str) -> File:
    sha256 = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
    size = source.seek(0, os.SEEK_END)
    return File(name, size, sha256, values.place(folder, room, sha256, name))


def _is_kept(file: File) -> bool:
    with suppress(OSError):  # writing it anew says what is wrong
        if file.path.stat().st_size == file.size:
            os.utime(file.path)  # for `collecting`: it is wanted again
            return True
    return False


class Desk:
    """Where one try of a step writes its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder.absolute() / DESKS / secrets.token_hex(8)
        self.kept: dict[str, File] | None = None

    def file(self, name: str) -> Path:
        """Return where to write the file; raises PipulateError for its name."""
        if not re.fullmatch(_NAME, name):
            raise PipulateError(
                f"{name!r} cannot be a file's name: none of / \\ : * ? \" < > | may be in it, "
                "and no dot may begin it."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path / name

    def clear(self) -> dict[str, File]:
        """Keep all that was written; raises CannotWrite."""
        if self.kept is None:
            written = [path for path in sorted(self.path.glob("[!.]*")) if path.is_file()]
            self.kept = {path.name: self._keep(path) for path in written}
            shutil.rmtree(self.path, ignore_errors=True)
        return self.kept

    def _keep(self, path: Path) -> File:
        with path.open("rb") as source:
            file = _described(source, path.name, self.folder, FILES)
        if not _is_kept(file):
            with files.explained(file.path):
                os.utime(path)
                files.folder(file.path.parent)
                files.finish(path, file.path)
        return file

    def put(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with files in place of the paths that they had here.

        Raises PipulateError for a path that stands deep within.
        """
        kept = {str(self.path / name): file for name, file in self.clear().items()}

        def put(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [put(item) for item in value]
            return kept.get(str(value), value) if isinstance(value, str | Path) else value

        held = {key: put(value) for key, value in data.items()}
        for value in _within(held):
            if isinstance(value, str | Path) and str(value) in kept:
                raise PipulateError(
                    f"The path of {Path(value).name} stands deep in the result, but files move "
                    "when they are kept. Return run.file(...) as a value of its own, or a list."
                )
        return held


def beside(
    data: Mapping[str, Any], key: str, desk: Desk | None, folder: Path
) -> tuple[dict[str, Any], dict[str, str], list[dict[str, Any]]]:
    """Keep what a step's data has beside the record.

    Returns what the record holds, its kinds (see `values.encode`), and the
    files that the step wrote.
    """
    made: dict[str, File] = {}
    if desk:
        data = desk.put(data)
        made.update(desk.clear())
    for value in _within(dict(data)):
        if isinstance(value, File) and value.path.parent.parent.name == FILES:
            made.setdefault(value.name, value)  # of an act done once, earlier
    held, kinds = values.encode(data, folder)
    listed = [values.plain(file, folder) for _, file in sorted(made.items())]
    return small(held, key, folder), kinds, listed


def small(data: Mapping[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """Return a step's data as the record holds it: the large ones in a file."""
    named = {key: value for key, value in data.items() if any(files_in(value))}
    rest = {key: value for key, value in data.items() if key not in named}
    text = rec.dumps(rest)
    if len(text) <= LARGE:
        return dict(data)
    file = keep(io.BytesIO(text.encode()), plain_name(f"{name}.json"), folder, FILES)
    return {**named, values.LARGE: values.plain(file, folder)}


def files_in(data: Any) -> Iterator[dict[str, Any]]:
    """Yield what stands for a file anywhere in data of the record."""
    return filter(values.is_file, _within(data))


def _within(data: Any) -> Iterator[Any]:
    waiting = [data]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
