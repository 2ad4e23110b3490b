"""What a row of `history` tells: the whole record after an act, or its change.

WHOLE    {"step_01": {"name": "Arthur"}, "created": …}
CHANGE   [{"step_02": [{"quest": "Grail"}], "was": {"step_02": []}}] by the
         run's row before: a key's new value in a list, [] of a key that is
         gone, {…} what changed within it.
WHEN     A record is whole where a run begins or comes back, while it is
         short, where it was not what the row before had left, and when the
         changes since the last whole one are longer than two of it.  So
         history grows with what is answered, not with its square, and what
         is read to know a state does not grow with history.
CHAIN    `prior` is the run's row before, `pipeline.last` the latest: an
         index of runs would be one more page for every answer.
CERTAIN  `crc` is the checksum (CRC-32) of the whole record's text; older
         rows have none.  What `past` reads back has it.
"""

import marshal
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, NamedTuple

import apsw

from pipulate.engine import record as rec
from pipulate.engine.record import Record

SHORT = 1024  #: characters of a record that is always told whole
DEEP = 6  #: levels of objects that are told apart
RunKey = tuple[str, str]  #: workflow, id

_ADD = "INSERT INTO history VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LAST = "SELECT crc, tail FROM history WHERE workflow = ? AND id = ? AND seq = ?"
_BACK = """
    WITH RECURSIVE past (seq, kind, act, undoes, tail, prior) AS (
        SELECT seq, kind, act, undoes, tail, prior FROM history
        WHERE workflow = ?1 AND id = ?2 AND seq = ?3
        UNION ALL
        SELECT h.seq, h.kind, h.act, h.undoes, h.tail, h.prior
        FROM past JOIN history h ON h.seq = past.prior
        WHERE h.workflow = ?1 AND h.id = ?2 AND h.seq < past.seq)
    SELECT seq, kind, act, undoes, tail FROM past"""
_DELETED = """
    SELECT seq, rev, profile_id FROM history
    WHERE workflow = ? AND id = ? AND kind = 'delete'
    ORDER BY seq DESC LIMIT 1"""


class Act(NamedTuple):
    """An act, without the record after it."""

    seq: int  #: its number in history
    kind: str
    words: str  #: "revert step_02"
    undoes: int | None
    tail: int


def add(
    db: apsw.Connection,
    run: RunKey,
    prior: int | None,
    rev: int,
    at: str,
    kind: str,
    text: str,
    *,
    act: str = "",
    undoes: int | None = None,
    profile: int | None = None,
    told: tuple[int, str] | None = None,
) -> None:
    """Append an act after which the record is `text`, told so or whole."""
    tail, data = told or (0, text)
    values = (prior, *run, rev, at, kind, act or kind, undoes, profile, checksum(text), tail, data)
    db.execute(_ADD, values)


def checksum(text: str) -> int:
    """Return the CRC-32 of a record's text."""
    return zlib.crc32(text.encode())


def seal(record: Record, text: str) -> bytes:
    """Return what differs once a record, unless it is short, was changed in place."""
    return marshal.dumps(record, 0) if len(text) > SHORT else b""


def told(
    db: apsw.Connection,
    run: RunKey,
    last: int | None,
    before: str,
    old: Record,
    new: Record,
    text: str,
) -> tuple[int, str]:
    """Return `tail` and `data` of a row that tells `new` by what is stored."""
    crc, tail = db.execute(_LAST, (*run, last)).fetchone() or (None, 0)
    if crc == checksum(before):
        return shorter(old, new, text, tail)
    return 0, text


def shorter(old: Record, new: Record, text: str, tail: int) -> tuple[int, str]:
    """Return the new `tail`, and the change or the whole text."""
    with suppress(ValueError, RecursionError):  # of what is told whole, then
        change = difference(old, new)
        if change is not None:
            data = rec.encode([change])
            tail += len(data)
            if len(data) < len(text) and tail <= 2 * len(text):
                return tail, data
    return 0, text


def difference(old: Record, new: Record, deep: int = DEEP) -> Record | None:
    """Return what `apply` needs to make `new`; None if keys changed places."""
    change: Record = {key: [] for key in old if key not in new}
    kept = [key for key in old if key in new]
    if list(new)[: len(kept)] != kept:
        return None
    for key, value in new.items():
        if key in old:
            within = _within(old[key], value, deep)
            if within != {}:
                change[key] = within
        elif isinstance(key, str):
            change[key] = [value]
        else:
            return None  # JSON would make it one
    return change


def _within(old: Any, new: Any, deep: int) -> Record | list[Any]:
    if old is new or (type(old) is type(new) is str and old == new):
        return {}
    if deep and isinstance(old, dict) and isinstance(new, dict):
        within = difference(old, new, deep - 1)
        return [new] if within is None else within
    if old == new and rec.encode([old]) == rec.encode([new]):  # 1 == True == 1.0
        return {}
    return [new]


def back(db: apsw.Connection, run: RunKey, seq: int | None) -> Iterator[Act]:
    """Yield the acts of a run from one of them back to its first."""
    with closing(db.execute(_BACK, (*run, seq))) as acts:
        for act in acts:
            yield Act(*act)


def deleted(db: apsw.Connection, run: RunKey) -> tuple[int, int, int | None] | None:
    """Return seq, revision and profile of a run's latest deletion, if any."""
    return db.execute(_DELETED, run).fetchone()
