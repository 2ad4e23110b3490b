"""Runs as lines of JSON, to carry from one data folder to another.

FORMAT   {"pipulate": 1, "workflow": "bridge", "id": "arthur", "rev": 7,
          "record": {…}}, or "damaged": its text, which import passes over
IDS      are read by nobody: here and there they are what they are.
FILES    go along in a zip: the lines in `runs.jsonl`, beside them each file
         under the path that it has in the record.
IMPORT   never overwrites a different run; the same one changes nothing.  Of a
         zip nothing is taken but what its records name, with size and sha256.
         It holds one run at a time: the lines are read twice.
PAGES    need the interpreter that thousands of runs keep busy: after each one
         it is theirs.
"""

import hashlib
import json
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, TypeVar

from pipulate.engine import files, foreign, values
from pipulate.engine import record as rec
from pipulate.engine.errors import CannotWrite, Corrupt, Invalid, Unknown
from pipulate.engine.kept import files_in
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Row, Store
from pipulate.engine.values import File

Item = TypeVar("Item")

LINES = "runs.jsonl"
ALL = -1  #: rows: SQLite's LIMIT of none
#: What zipfile raises over one that is damaged.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    KeyError,
    ValueError,
)
MOST = 512 * 1024 * 1024  #: bytes of lines in a zip
LONGEST = 32 * 1024 * 1024  #: bytes of one run
CHUNK = 1024 * 1024
TURN = 0.0002  #: seconds in which pages may begin to work
EXPECTED = 'expected {"workflow": ..., "id": ..., "record": {...}}.'


def exact(engine: Pipulate, workflow: str = "") -> Pipulate:
    """Return an engine that takes IDs as they are stored."""
    return Pipulate(engine.store, workflow or engine.workflow, str)


def stored(engine: Pipulate, id: str) -> Row:
    """Return the row of the run `id`, or else of the one that it names."""
    row = exact(engine).row(id) or engine.row(id)
    if row is None:
        raise Unknown(f"There is no run {id!r} in {engine.workflow!r}.")
    return row


class Exported(NamedTuple):
    """What an export is, and what it does not hold."""

    damaged: list[Row]  #: runs
    missing: list[str]  #: files that were not there any more
    zipped: bool


class Imported(NamedTuple):
    """What an import brought."""

    ids: list[str]
    missing: list[str]  #: files that neither came along nor were here


def export(row: Row) -> dict[str, Any]:
    """Return the run as one JSON object for `import_run`; raises Corrupt."""
    return {**_name(row), "record": _portable(rec.loads(row["data"]))}


def _portable(record: rec.Record) -> rec.Record:
    # Older records have paths of their time's working directory.
    for item in files_in(record):
        item["path"] = "/".join(values.file_of(item, Path()).path.parts[-3:])
    return record


def lost(row: Row, store: Store) -> list[str]:
    """Return the names of files that a run names and that are not there."""
    with suppress(Corrupt):
        found = files_in(rec.loads(row["data"]))
        named = [values.file_of(item, store.folder) for item in found]
        return [file.name for file in named if not file.path.is_file()]
    return []


def readable(record: rec.Record, folder: Path) -> rec.Record:
    """Return a record with all large results in it."""
    return {
        key: values.whole(value, folder) if isinstance(value, dict) else value
        for key, value in record.items()
    }


def _name(row: Row) -> dict[str, Any]:
    return {"pipulate": 1, **{key: row[key] for key in ("workflow", "id", "rev")}}


def export_lines(rows: Iterable[Row]) -> tuple[str, list[Row]]:
    """Return runs of any workflow for `import_file`, and the damaged ones."""
    runs, damaged = _exported(rows)
    return _joined(runs), damaged


def _exported(rows: Iterable[Row]) -> tuple[list[dict[str, Any]], list[Row]]:
    runs = []
    damaged = []
    for row in _yielding(rows):
        try:
            runs.append(export(row))
        except Corrupt:
            runs.append({**_name(row), "damaged": row["data"]})
            damaged.append(row)
    return runs, damaged


def _yielding(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        time.sleep(TURN)


def _joined(runs: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(run, ensure_ascii=False) + "\n" for run in runs)


def export_file(rows: Iterable[Row], folder: Path, out: BinaryIO) -> Exported:
    """Write runs to `out`: lines, or a zip if any has a file."""
    runs, damaged = _exported(rows)
    named = _files(runs, folder)
    if not named:
        out.write(_joined(runs).encode(errors="replace"))
        return Exported(damaged, [], zipped=False)
    missing = []
    how = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", how, strict_timestamps=False) as packed:
        packed.writestr(LINES, _joined(runs).encode(errors="replace"))
        for path, file in named.items():
            try:
                packed.write(file, path)
            except FileNotFoundError:
                missing.append(file.name)
    return Exported(damaged, missing, zipped=True)


def _files(runs: Iterable[Any], folder: Path) -> dict[str, File]:
    """Return the files of exported runs by their paths in a zip."""
    found = {}
    for run in runs:
        for item in files_in([run.get("record") if isinstance(run, dict) else None]):
            file = values.file_of(item, folder)
            found["/".join(file.path.parts[-3:])] = file
    return found


def import_run(engine: Pipulate, data: Any) -> str:
    """Store an exported run and return its ID; raises Invalid, Corrupt."""
    match data:
        case {"id": str(id), "record": dict(record)} if data.get("pipulate", 1) == 1:
            workflow = str(data.get("workflow") or engine.workflow)
        case _:
            raise Invalid(f"This is not an exported run: {EXPECTED}")
    if not workflow:
        raise Invalid(f"This run does not say of which workflow it is: {EXPECTED}")
    rec.normalise_id(id)  # raises for what is none
    engine = exact(engine, workflow)
    record = _portable(rec.loads(rec.dumps(record)))
    with engine.store.transaction():
        row = engine.row(id)
        if row is None:
            engine.add(id, record)
        elif _portable(rec.loads(row["data"])) != record:
            raise Invalid(
                f"A different run {id!r} exists already. "
                "Delete it first, or change the ID in the file."
            )
    return id


def _import(engine: Pipulate, found: Iterable[Any]) -> list[str]:
    runs = (run for run in found if not (isinstance(run, dict) and "damaged" in run))
    with engine.store.transaction():
        ids = [import_run(engine, run) for run in _yielding(runs)]
    if not ids:
        raise Invalid("The file is empty. Choose a file that was exported here.")
    return ids


def import_file(engine: Pipulate, source: BinaryIO) -> Imported:
    """Import what `export_file` wrote; raises Invalid, Corrupt, CannotWrite."""
    folder = engine.store.folder
    if not zipfile.is_zipfile(source):
        source.seek(0)
        if source.read(2) == b"PK":
            raise Invalid("The zip is damaged: its end is missing. Nothing was imported.")
        named = _files(_runs(source), folder)
        ids = _import(engine, _runs(source))
    else:
        with _explained(), zipfile.ZipFile(source) as packed, _lines(packed) as lines:
            named = _files(_runs(lines), folder)
            _unpack(packed, named, folder)
        with zipfile.ZipFile(source) as packed, packed.open(LINES) as lines:
            ids = _import(engine, _runs(lines))
    return Imported(ids, [file.name for file in named.values() if not file.path.is_file()])


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise Invalid(
            f"The zip is damaged, or was not exported here ({error}). Nothing was imported."
        ) from error


def _lines(packed: zipfile.ZipFile) -> IO[bytes]:
    names = packed.namelist()
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise Invalid(f"{name!r} in the zip leads elsewhere. Nothing was imported.")
    if packed.getinfo(LINES).file_size > MOST:
        raise Invalid(f"{LINES} in the zip is too large. Nothing was imported.")
    return packed.open(LINES)


def _unpack(packed: zipfile.ZipFile, named: dict[str, File], folder: Path) -> None:
    there = set(packed.namelist())
    coming = {path: file for path, file in named.items() if path in there}
    room = shutil.disk_usage(folder).free
    if sum(file.size for file in coming.values()) > room / 2:
        raise CannotWrite("The files would fill the disk, so nothing was imported. Make room.")
    for path, file in coming.items():
        if packed.getinfo(path).file_size != file.size:
            raise Invalid(f"{file.name} in the zip is not what its run names.")
        with packed.open(path) as source, files.whole(file.path) as out:
            _copy(source, out, file)


def _copy(source: IO[bytes], out: BinaryIO, file: File) -> None:
    digest = hashlib.sha256()
    for piece in _pieces(source):
        digest.update(piece)
        out.write(piece)
    if digest.hexdigest() != file.sha256:
        raise Invalid(f"{file.name} in the zip is not what its run names.")


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    # Read whole, a lying zip would be unpacked into memory whole.
    while piece := source.read(CHUNK):
        yield piece


def _runs(source: IO[bytes]) -> Iterator[Any]:
    """Yield the runs of a file, one a line, or the only one over several."""
    try:
        for number, line in enumerate(_texts(source), 1):
            if line.strip():
                yield _run(number, line)
    except ValueError as error:
        raise Invalid(f"This is not an export of runs: it is not JSON ({error}).") from error


def _run(number: int, line: bytes) -> Any:
    try:
        return foreign.loads(line.decode("utf-8", "replace"), LONGEST)
    except ValueError as error:
        raise ValueError(f"line {number:,}: {error}") from error


def _texts(source: IO[bytes]) -> Iterator[bytes]:
    source.seek(0)
    lines = foreign.lines(source, LONGEST)
    first = next(lines, b"")
    with suppress(ValueError):
        foreign.loads(first.strip() or b"0", LONGEST)
        return chain([first], lines)
    source.seek(0)
    return iter([source.read(LONGEST + 1)])
