"""Files of runs, kept by what is in them.

ROOMS  `uploads`, and `files` for what steps make, in the data folder.  A file
       lies whole at {16 digits of its sha256}/{name} and never changes, so
       it is there once, and an answer that comes back finds its own.
DESK   where a step writes: each try has a desk of its own, but one whose loops
       (`each`) go on where an earlier one was has that one's.  What lies there
       when the answer is stored is kept.  What an act (`once`) wrote is kept
       with its result, and lies there again where it is not done again.
LARGE  A result of more text than that lies in a file, too; but the files that
       it names are named in the record, as others look for them there.
"""

import hashlib
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pipulate.engine import files, values
from pipulate.engine import record as rec
from pipulate.engine.errors import PipulateError
from pipulate.engine.values import File

UPLOADS, FILES = values.ROOMS
DESKS = "desks"
DESK = "desk"  #: among the finished items of a loop: on which desk they wrote
Stand = dict[str, tuple[int, int]]  #: when each file was written, its size
LARGE = 256 * 1024  #: characters of JSON
_NAME = r'[^.<>:"/\\|?*\0-\x1f][^<>:"/\\|?*\0-\x1f]{0,149}'  # in any file system
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", re.I)  # of Windows


def plain_name(sent: str) -> str:
    """Return a name that leads to no other folder and hides from nobody."""
    plain = re.sub(r"[^\w.\- ]", "_", Path(sent).name)
    plain = plain[-100:].encode()[-200:].decode(errors="ignore").strip(". ") or "file"
    return f"_{plain}" if _DEVICE.match(plain) else plain


def keep(source: BinaryIO, name: str, folder: Path, room: str = UPLOADS) -> File:
    """Keep what is read from `source` in a data folder; raises CannotWrite."""
    file = _described(source, name, folder, room)
    if not _is_kept(file):
        source.seek(0)
        with _coming(file) as part, files.new(part) as out:
            shutil.copyfileobj(source, out)
    return file


@contextmanager
def _coming(file: File) -> Iterator[Path]:
    """Give a path to write the file at, of this writer alone: others keep the same at once."""
    with files.explained(file.path):
        files.folder(file.path.parent)
        part = file.path.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
        try:
            yield part
            files.finish(part, file.path)
        finally:
            part.unlink(missing_ok=True)


def _described(source: BinaryIO, name: str, folder: Path, room: str) -> File:
    sha256 = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
    size = source.seek(0, os.SEEK_END)
    return File(name, size, sha256, values.place(folder, room, sha256, name))


def _is_kept(file: File) -> bool:
    with suppress(OSError):  # writing it anew says what is wrong
        stat = file.path.stat()
        if stat.st_size == file.size and stat.st_nlink == 1:  # else somebody may write to it
            os.utime(file.path)  # for `collecting`: it is wanted again
            return True
    return False


def of_before(path: str, folder: Path) -> File | None:
    """Return the upload that an older record names by a path from wherever."""
    named = re.search(r"(?:^|[/\\])uploads[/\\]([0-9a-f]{16})[/\\]([^/\\]+)$", path)
    if named is None:
        return None
    digits, name = named.groups()
    try:
        with (folder / UPLOADS / digits / name).open("rb") as source:
            file = _described(source, name, folder, UPLOADS)
    except OSError:
        return None
    return file if file.sha256.startswith(digits) else None


class Desk:
    """Where a try of a step writes its files."""

    def __init__(self, folder: Path, token: str = "") -> None:
        self.folder = folder
        self.token = token or secrets.token_hex(8)
        self.path = folder.absolute() / DESKS / self.token
        self._synced: Stand = {}

    def file(self, name: str) -> Path:
        """Return where to write the file; raises PipulateError for its name."""
        if not re.fullmatch(_NAME, name):
            raise PipulateError(
                f"{name!r} cannot be a file's name: none of / \\ : * ? \" < > | may be in it, "
                "and no dot may begin it."
            )
        files.folder(self.path)
        return self.path / name

    def stand(self) -> Stand:
        """Return what differs for each file that was written since."""
        found = {}
        for path in sorted(self.path.glob("[!.]*")):
            with suppress(FileNotFoundError):  # it had a name for a moment only
                stat = path.stat()
                if path.is_file():
                    found[path.name] = (stat.st_mtime_ns, stat.st_size)
        return found

    def sync(self) -> None:
        """Have the disk keep what was written so far."""
        stand = self.stand()
        with files.explained(self.path):
            for name, how in stand.items():
                if self._synced.get(name) != how:
                    with suppress(FileNotFoundError):
                        files.sync(self.path / name)
            if stand.keys() != self._synced.keys():
                files.sync(self.path)
        self._synced = stand

    def copies(self, names: Iterable[str]) -> dict[str, File]:
        """Keep files as they are now, by the paths that they have here."""
        kept = {}
        for name in names:
            with (self.path / name).open("rb") as source:
                kept[str(self.path / name)] = keep(source, name, self.folder, FILES)
        return kept

    def put_back(self, file: File) -> None:
        """Let a kept file lie here again, if there is none of its name."""
        here = self.file(file.name)
        if not here.exists():
            with file.open("rb") as source, files.whole(here) as out:
                shutil.copyfileobj(source, out)

    def keep(self) -> dict[str, File]:
        """Keep all files, by the paths that they have here; raises CannotWrite."""
        return {str(self.path / name): self._keep(self.path / name) for name in self.stand()}

    def _keep(self, path: Path) -> File:
        with path.open("rb") as source:
            file = _described(source, path.name, self.folder, FILES)
        if not _is_kept(file):
            with _coming(file) as part:
                _linked(path, part)
                os.utime(part)
        return file

    def remove(self) -> None:
        """Throw away what lies here, as the answer is stored."""
        shutil.rmtree(self.path, ignore_errors=True)


def _linked(path: Path, other: Path) -> None:
    with suppress(OSError):  # some disks know no links
        if not path.is_symlink():
            other.hardlink_to(path)
            return
    shutil.copyfile(path, other)


def _with_files(data: Mapping[str, Any], kept: Mapping[str, File]) -> dict[str, Any]:
    """Return data with files in place of the paths that they had on a desk."""

    def put(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [put(item) for item in value]
        return kept.get(str(value), value) if isinstance(value, str | Path) else value

    held = {key: put(value) for key, value in data.items()}
    deep = [item for item in _items(held) if isinstance(item, (dict, list))]
    for value in _within(deep):
        if isinstance(value, str | Path) and str(value) in kept:
            raise PipulateError(
                f"The path of {Path(value).name} stands deep in the result, but files move "
                "when they are kept. Return run.file(...) as a value of its own, or a list."
            )
    return held


def acted(result: Any, desk: Desk | None, before: Stand, folder: Path) -> dict[str, Any]:
    """Return what is noted of an act: its result, and the files it wrote."""
    data = {"result": result}
    noted: dict[str, Any] = {}
    if desk:
        kept = desk.copies(_acted_on(desk, before, data))
        data = _with_files(data, kept)
        if kept:
            noted["files"] = [values.plain(file, folder) for file in kept.values()]
    held, kinds = values.encode(data, folder)
    if kinds:
        noted["kinds"] = kinds
    return held | noted


def _acted_on(desk: Desk, before: Stand, data: Mapping[str, Any]) -> list[str]:
    """Return the names of files that were written since, or are returned."""
    stand = desk.stand()
    texts = {str(value) for value in _items(data) if isinstance(value, str | Path)}
    returned = {name for name in stand if str(desk.path / name) in texts}
    written = {name for name, how in stand.items() if before.get(name) != how}
    return sorted(returned | written)


def again(act: Mapping[str, Any], desk: Desk | None, folder: Path) -> Any:
    """Return the result of an act that was done; its files lie on the desk."""
    for item in act.get("files", []):
        if desk:
            desk.put_back(values.file_of(item, folder))
    data = {"result": act["result"]}
    return values.decode(data, act.get("kinds", {}), folder)["result"]


def beside(
    data: Mapping[str, Any], key: str, desk: Desk | None, folder: Path
) -> tuple[dict[str, Any], dict[str, str], list[dict[str, Any]]]:
    """Keep what a step's data has beside the record.

    Returns what the record holds, its kinds (see `values.encode`), and the
    files that the step wrote.
    """
    made: dict[str, File] = {}
    if desk:
        kept = desk.keep()
        data = _with_files(data, kept)
        made |= {file.name: file for file in kept.values()}
    for value in _items(data):
        if isinstance(value, File) and value.path.parent.parent.name == FILES:
            made.setdefault(value.name, value)  # of an act done once, earlier
    held, kinds = values.encode(data, folder)
    listed = [values.plain(file, folder) for _, file in sorted(made.items())]
    return small(held, kinds, key, folder), kinds, listed


def small(
    data: Mapping[str, Any], kinds: Mapping[str, str], name: str, folder: Path
) -> dict[str, Any]:
    """Return encoded data as the record holds them: large ones in a file."""
    named = {key: value for key, value in data.items() if kinds.get(key) == "file"}
    rest = {**data, **dict.fromkeys(named)}  # so that all come back in their order
    text = rec.dumps(rest)
    if len(text) <= LARGE:
        return dict(data)
    file = keep(io.BytesIO(text.encode()), plain_name(f"{name}.json"), folder, FILES)
    return {**named, values.LARGE: values.plain(file, folder)}


def files_in(data: Any) -> Iterator[dict[str, Any]]:
    """Yield what stands for a file anywhere in data of the record."""
    return filter(values.is_file, _within(data))


def _items(data: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the values, of lists their items."""
    for value in data.values():
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _within(data: Any) -> Iterator[Any]:
    waiting = [data]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
