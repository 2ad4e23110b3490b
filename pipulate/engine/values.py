"""What answers are in code, and how the record, which is JSON, holds them.

TIMES  date, datetime and time are ISO texts in the record.
FILES  A `File` is {"file": name, "path": …, "size": …, "sha256": …}; its path
       is relative to the data folder, so that the folder may be moved.
KINDS  say which values of a step, or items of its lists, to turn back.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import IO, Any

from pipulate.engine.errors import Invalid, Unknown

ROOMS = ("uploads", "files")  #: folders of the data folder where files lie
_PARTS = {"file", "path", "size", "sha256"}
#: The most special first: a datetime is a date.
_TIMES: dict[str, type[datetime] | type[date] | type[time]] = {
    "datetime": datetime,
    "date": date,
    "time": time,
}


@dataclass(frozen=True)
class File:
    """A file of a run; takes the place of a path: `open(file)`, `Path(file)`."""

    name: str
    size: int  #: bytes
    sha256: str
    path: Path = field(compare=False)  #: absolute

    def __fspath__(self) -> str:
        return str(self.path)

    def open(self, mode: str = "r", encoding: str | None = None, **options: Any) -> IO[Any]:
        """Open it as `Path.open` does, a text as UTF-8; raises Unknown."""
        if "b" not in mode:
            encoding = encoding or "utf-8-sig"
        try:
            return self.path.open(mode, encoding=encoding, **options)
        except FileNotFoundError as error:
            raise Unknown(
                f"The file {self.name} is not in the data folder any more. Choose it again."
            ) from error

    def read_text(self, encoding: str | None = None) -> str:
        """Return its text; raises Unknown, and Invalid if it is none."""
        try:
            with self.open(encoding=encoding) as file:
                return str(file.read())
        except UnicodeError as error:
            raise Invalid(
                f"{self.name} is not text in UTF-8 ({error}). Save it as UTF-8, then choose it."
            ) from error

    def read_bytes(self) -> bytes:
        """Return its content; raises Unknown."""
        with self.open("rb") as file:
            return bytes(file.read())


def encode(values: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (what the record of this data folder holds, the kinds in it).

    Raises Invalid for a file that is not in the data folder.
    """
    held = {}
    kinds = {}
    for key, value in values.items():
        kind = _kind(value)
        held[key] = value
        if kind:
            kinds[key] = kind
            held[key] = _each(value, partial(_plain, folder=folder))
    return held, kinds


def decode(data: Mapping[str, Any], kinds: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return the values as `encode` took them.

    What another program wrote and does not read as its kind stays as it is;
    what looks like a file is one, as older records have no kinds.
    """
    back = {}
    for key, value in data.items():
        typed = partial(_typed, kinds.get(key), folder=folder)
        back[key] = _each(value, typed)
    return back


def _typed(kind: str | None, item: Any, folder: Path) -> Any:
    if kind in _TIMES:
        with suppress(TypeError, ValueError):
            return _TIMES[kind].fromisoformat(item)
    return _file(item, folder) if _is_file(item) else item


def _each(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [function(item) for item in value]
    return function(value)


def _kind(value: Any) -> str:
    items = value if isinstance(value, (list, tuple)) else [value]
    kinds = {_kind_of(item) for item in items if item is not None}
    return kinds.pop() if len(kinds) == 1 else ""  # of a mixture, JSON will complain


def _kind_of(item: Any) -> str:
    if isinstance(item, File):
        return "file"
    return next((kind for kind, made in _TIMES.items() if isinstance(item, made)), "")


def _plain(item: Any, folder: Path) -> Any:
    if item is None:
        return None
    if not isinstance(item, File):
        return item.isoformat()
    return {
        "file": item.name,
        "path": inside(item.path, folder),
        "size": item.size,
        "sha256": item.sha256,
    }


def inside(path: Path, folder: Path) -> str:
    """Return a file's path as the record has it; raises Invalid for others."""
    here = folder.absolute()
    if path.is_relative_to(here):
        within = path.relative_to(here).as_posix()
        if _ours(within):
            return within
    raise Invalid(
        f"{path} does not lie with the files of runs, where nobody else changes it. "
        "Write it to run.file(name), or keep its path as text."
    )


def _ours(path: str) -> bool:
    room, *rest = path.split("/")
    return room in ROOMS and bool(rest) and ".." not in rest and "\\" not in path


def _is_file(item: Any) -> bool:
    if not isinstance(item, dict) or item.keys() != _PARTS or not isinstance(item["path"], str):
        return False
    named = re.fullmatch(r"[^./\\\0][^/\\\0]*", str(item["file"]))
    return bool(named and re.fullmatch("[0-9a-f]{64}", str(item["sha256"])))


def _file(item: Mapping[str, Any], folder: Path) -> File:
    path = item["path"]
    if not _ours(path):  # of a record of before, or from elsewhere
        path = f"uploads/{item['sha256'][:16]}/{item['file']}"
    return File(item["file"], item["size"], item["sha256"], folder.absolute() / path)
