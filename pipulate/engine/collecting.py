"""Files that no answer needs are put aside, and after a month thrown away.

NEEDED  A file is needed while the 16 digits of its folder stand anywhere in
        the database: in a record, in its history, in what is remembered of
        a form; whoever wrote them there, and however.
AGE     Only what nobody touched for a day is put aside: an upload comes
        before its answer.
TRASH   They go to `trash` of the data folder, and what is needed again, as
        another database was put back, comes back.  While a backup is kept
        that is older, it may need them, so they stay.
LOCKS   of killed servers go, and not those that are held.
PARTS   of killed writers go after a day; what one had put aside comes back.
DESKS   of tries that nothing goes on from are thrown away, and none while a
        job runs.
"""

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pipulate.engine import values
from pipulate.engine.care import backups
from pipulate.engine.kept import DESKS
from pipulate.engine.store import Lock, Store

DAY = 86_400  #: seconds
MONTH = 30 * DAY
TRASH = "trash"
_LEFT = re.compile(
    r"\.(.+)\.[0-9a-z_]{8}\.(part|old)(-journal|-wal|-shm)?"
)  #: as `files` names them
_MASK = bytes(chr(code) in "0123456789abcdef" for code in range(256))
_RUN = b"\1" * 16


def collect(store: Store) -> list[Path]:
    """Put aside the folders of files that nothing needs; return them."""
    tidy(store.folder)
    for path in (store.folder / "locks").glob("*.lock"):
        if _age(path) > DAY and _is_free(path):  # a younger one may be about to be taken
            for part in (path, path.with_name(f"{path.name}-journal")):
                part.unlink(missing_ok=True)
    here = [store.folder / room for room in values.ROOMS]
    old = [folder for folder in _folders(here) if _idle(folder) > DAY]
    gone = bring_back(store)
    desks = [desk for desk in _folders([store.folder / DESKS]) if _idle(desk) > DAY]
    unneeded = _unneeded(store, {folder.name for folder in (*old, *desks)})
    kept = max(map(_age, backups(store.folder)), default=0.0)
    for folder in gone:
        if _age(folder) > max(MONTH, kept):
            shutil.rmtree(folder, ignore_errors=True)
    moved = [folder for folder in old if folder.name in unneeded and _put_aside(store, folder)]
    if not store.one("SELECT 1 FROM job WHERE state = 'running'"):
        for desk in desks:
            if desk.name in unneeded:
                shutil.rmtree(desk, ignore_errors=True)
    return moved


def tidy(root: Path) -> None:
    """Remove what killed writers left anywhere below a folder, or put it back."""
    for place, folders, names in os.walk(root):
        for name in [*folders, *names]:
            if left := _LEFT.fullmatch(name):
                path = Path(place, name)
                target = path.with_name(left[1])
                if left[2] == "old" and not target.exists():
                    path.rename(target)
                elif _idle(path) > DAY:  # else somebody may be at it
                    _remove(path)
        folders[:] = [name for name in folders if not _LEFT.fullmatch(name)]


def _is_free(path: Path) -> bool:
    lock = Lock(path)
    try:
        return lock.acquire()
    finally:
        lock.release()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def bring_back(store: Store) -> list[Path]:
    """Put back what was put aside and is needed; return the folders that are not."""
    gone = list(_folders(store.folder / TRASH / room for room in values.ROOMS))
    unneeded = _unneeded(store, {folder.name for folder in gone})
    for folder in gone:
        if folder.name not in unneeded:
            _move(folder, store.folder / folder.parent.name / folder.name)
    return [folder for folder in gone if folder.name in unneeded]


def _folders(rooms: Iterable[Path]) -> Iterator[Path]:
    for room in rooms:
        for path in list(room.glob("*")):
            if re.fullmatch("[0-9a-f]{16}", path.name):
                yield path


def _idle(folder: Path) -> float:
    """Return for how many seconds no file in the folder was touched."""
    return min(map(_age, [path for path in folder.rglob("*") if path.is_file()] or [folder]))


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _unneeded(store: Store, names: set[str]) -> set[str]:
    for text in _texts(store):
        if not names:
            break
        names.difference_update(_digits(text))
    return names


def _digits(text: str) -> Iterator[str]:
    """Yield the first 16 of each 16 or more digits; ten times as fast as `re`."""
    content = text.encode(errors="replace")
    mask = content.translate(_MASK)
    at = mask.find(_RUN)
    while at >= 0:
        yield content[at : at + 16].decode()
        end = mask.find(0, at)
        at = mask.find(_RUN, end) if end > 0 else -1


def _texts(store: Store) -> Iterator[str]:
    """Yield every text in the database, one at a time."""
    for table in store.read("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        for row in store.connection.execute(f'SELECT * FROM "{table["name"]}"'):  # noqa: S608
            yield from (value for value in row if isinstance(value, str))


def _put_aside(store: Store, folder: Path) -> bool:
    aside = store.folder / TRASH / folder.parent.name / folder.name
    _move(folder, aside)
    if _idle(aside) > DAY:
        return True
    _move(aside, folder)  # somebody chose it again, just now
    return False


def _move(folder: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.replace(target / path.name)
    with suppress(OSError):  # something new came in
        folder.rmdir()
