"""What answers are in code, and how the record, which is JSON, holds them.

TIMES  date, datetime and time are ISO texts in the record.
FILES  A `File` is {"file": name, "path": …, "size": …, "sha256": …}; its path
       is relative to the data folder, so that the folder may be moved.
KINDS  say which values of a step, or items of its lists, to turn back.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import IO, Any

from pipulate.engine.errors import Corrupt, Invalid, Unknown
from pipulate.engine.record import without

ROOMS = ("uploads", "files")  #: of the data folder, where files lie
LARGE = "pipulate-large"  #: the key of a JSON file with the rest of the data
_PARTS = {"file", "path", "size", "sha256"}
#: Of name, sha256 and path.
_FORMS = (r"[^./\\\0][^/\\\0]*", "[0-9a-f]{64}", "(?s:.*)")
#: The most special first: a datetime is a date.
TIMES: dict[str, type[datetime] | type[date] | type[time]] = {
    "datetime": datetime,
    "date": date,
    "time": time,
}


@dataclass(frozen=True, repr=False)
class File:
    """A file of a run; takes the place of a path: `open(file)`, `Path(file)`."""

    name: str
    size: int  #: bytes
    sha256: str
    path: Path = field(compare=False)  #: absolute

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"File({self.name!r}, {self.size}, {self.sha256[:16]!r})"

    def open(self, mode: str = "r", encoding: str | None = None, **options: Any) -> IO[Any]:
        """Open it as `Path.open` does, a text as UTF-8; raises Unknown."""
        if "b" not in mode:
            encoding = encoding or "utf-8-sig"
        try:
            return self.path.open(mode, encoding=encoding, **options)
        except FileNotFoundError as error:
            raise Unknown(
                f"The file {self.name} is not in the data folder any more. Give that answer again."
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
        if kind:
            kinds[key] = kind
            value = _each(value, partial(as_json, folder=folder))
        held[key] = value
    return held, kinds


def decode(data: Mapping[str, Any], kinds: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return the values as `encode` took them, without what is LARGE.

    What another program wrote and does not read as its kind stays as it is;
    what looks like a file is one, as older records have no kinds.
    """
    back = {}
    for key, value in data.items():
        kind = kinds.get(key)
        several = value[:1] if isinstance(value, list) else [value]
        if kind or any(map(is_file, several)):
            value = _each(value, partial(_typed, kind, folder=folder))
        back[key] = value
    return back


def whole(data: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return data as they would be had they all stood in the record."""
    if not is_file(data.get(LARGE)):
        return data
    file = file_of(data[LARGE], folder)
    try:
        inside = dict(json.loads(file.read_text()))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"{file.name} holds no answers ({error}).") from error
    return {**inside, **without(data, LARGE)}


def _typed(kind: str | None, item: Any, folder: Path) -> Any:
    if kind in TIMES:
        with suppress(TypeError, ValueError):
            return TIMES[kind].fromisoformat(item)
    return file_of(item, folder) if is_file(item) else item


def _each(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [function(item) for item in value]
    return function(value)


def _kind(value: Any) -> str:
    types = set(map(type, value)) if isinstance(value, (list, tuple)) else {type(value)}
    kinds = {_kind_of(made) for made in types - {type(None)}}
    return kinds.pop() if len(kinds) == 1 else ""  # of a mixture, JSON will complain


def _kind_of(made: type) -> str:
    if made is File:
        return "file"
    return next((kind for kind, base in TIMES.items() if issubclass(made, base)), "")


def as_json(item: Any, folder: Path) -> Any:
    """Return a date, a time or a file as the record holds it."""
    if isinstance(item, File):
        return plain(item, folder)
    return None if item is None else item.isoformat()


def plain(file: File, folder: Path) -> dict[str, Any]:
    """Return what the record holds of a file; raises Invalid."""
    room = file.path.parent.parent.name
    if room not in ROOMS or file.path != place(folder, room, file.sha256, file.name):
        raise Invalid(
            f"{file.name} is not of this data folder. Return what run.file() "
            "gave you to write to, or a path as text."
        )
    path = f"{room}/{file.sha256[:16]}/{file.name}"
    return {"file": file.name, "path": path, "size": file.size, "sha256": file.sha256}


def place(folder: Path, room: str, sha256: str, name: str) -> Path:
    """Return where a file of this content lies."""
    return folder.absolute() / room / sha256[:16] / name


def is_file(item: Any) -> bool:
    """Say whether this is what a record holds of a file."""
    if not isinstance(item, dict) or item.keys() != _PARTS or not isinstance(item["size"], int):
        return False
    texts = (item["file"], item["sha256"], item["path"])
    return all(
        isinstance(text, str) and re.fullmatch(form, text)
        for text, form in zip(texts, _FORMS, strict=True)
    )


def file_of(item: Mapping[str, Any], folder: Path) -> File:
    """Return the file; of its path only the room counts."""
    room = item["path"].partition("/")[0]
    if room not in ROOMS:  # as in older records
        room = ROOMS[0]
    path = place(folder, room, item["sha256"], item["file"])
    return File(item["file"], item["size"], item["sha256"], path)
