"""What a run was: the record after each act, read back from what `history` tells.

CERTAIN  A record is given if its text has the checksum of its row, or the row,
         an older one, has none.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import apsw

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, Invalid
from pipulate.engine.history import RunKey, back, checksum
from pipulate.engine.record import Record

Rows = Iterable[tuple[str, int | None]]  #: data, crc; oldest first

_ROWS = """
    SELECT data, crc FROM history
    WHERE workflow = ? AND id = ? ORDER BY seq"""
_ROW = "SELECT data, crc FROM history WHERE seq = ?"


def texts(rows: Rows) -> Iterator[str | None]:
    """Yield the record's text after each row; None if it is not certain."""
    return (_text(*row) for row in _followed(rows))


def before(db: apsw.Connection, run: RunKey, seq: int) -> str | None:
    """Return the record's text before an act; None if it is not certain."""
    earlier: list[int] = []
    for act in islice(back(db, run, seq), 1, None):
        earlier.append(act.seq)
        if not act.tail:
            break
    *_, last = [(None, "", None), *_followed(db.execute(_ROW, (seq,)).get for seq in earlier[::-1])]
    return _text(*last)


def apply(record: Record, change: Record) -> None:
    """Make of the record what it was after the change; raises Corrupt."""
    for key, value in change.items():
        match value:
            case dict() if isinstance(record.get(key), dict):
                apply(record[key], value)
            case [only]:
                record[key] = only
            case [] if key in record:
                del record[key]
            case _:
                raise Corrupt(f"There was no {key!r} that changed so.")


def rows(db: apsw.Connection, run: RunKey) -> list[Any]:
    """Return the data and crc of each row of a run, oldest first."""
    return db.execute(_ROWS, run).fetchall()


def last_good(rows: list[Any]) -> Record:
    """Return the newest record that is certain; {} if none is."""
    for text in reversed([*texts(rows)]):
        with suppress(Corrupt):
            return rec.loads(text or "")
    return {}


def _followed(rows: Rows) -> Iterator[tuple[Record | None, str, int | None]]:
    record = None
    for data, crc in rows:
        before = record
        record = None
        with suppress(Corrupt, ValueError, RecursionError):
            record = _next(before, data)
        yield record, data, crc


def _next(record: Record | None, data: str) -> Record | None:
    if not data.startswith("["):
        return rec.loads(data)
    match json.loads(data):
        case [dict(change)] if record is not None:
            apply(record, change)
            return record
    return None


def _text(record: Record | None, data: str, crc: int | None) -> str | None:
    if record is None:
        return None
    with suppress(Invalid):
        text = rec.dumps(record) if data.startswith("[") else data
        if crc in (None, checksum(text)):
            return text
    return None
