"""How an older file gets to the tables of today; `schema` says which.

STEPS    Each script is a transaction of its own, and with the one that gave
         history its checksums goes what rewrites its rows: of whole records
         most become changes.  A kill leaves the file before or after a step,
         and the next opening goes on from there.
SPACE    that became free is given back at the end, or at another opening.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import apsw

from pipulate.engine import history
from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, Invalid
from pipulate.engine.record import Record
from pipulate.engine.schema import SCHEMA

Transaction = Callable[[], AbstractContextManager[apsw.Connection]]

CHECKSUMS = 4  #: the script that gave history its checksums
WHOLE = ("begin", "import", "repair", "delete", "undelete")
RUNS = "SELECT DISTINCT workflow, id FROM history"
ACTS = """
    SELECT seq, kind FROM history
    WHERE workflow = ? AND id = ? ORDER BY seq"""
TEXT = "SELECT data FROM history WHERE seq = ?"
REWRITE = """
    UPDATE history SET tail = ?, data = ?, crc = ?
    WHERE seq = ?"""


def migrate(db: apsw.Connection, path: Path, transaction: Transaction) -> None:
    """Bring the file to the tables of today; raises Corrupt for a foreign one."""
    for number, script in enumerate(SCHEMA, 1):
        with transaction():
            if db.pragma("user_version") >= number:
                continue  # this one is newer, or another process was first
            if number == 1 and db.execute("SELECT count(*) FROM sqlite_schema").get:
                raise Corrupt(f"{path} is another program's database. Choose another data folder.")
            db.execute(script)
            if number == CHECKSUMS:
                rewrite(db)
            db.pragma("user_version", number)


def rewrite(db: apsw.Connection) -> None:
    """Tell each act by what it changed, where that is shorter."""
    for run in db.execute(RUNS).fetchall():
        _rewrite_run(db, run)


def _rewrite_run(db: apsw.Connection, run: tuple[Any, ...]) -> None:
    old: Record | None = None
    tail = 0
    for seq, kind in db.execute(ACTS, run).fetchall():
        text = db.execute(TEXT, (seq,)).get
        new = _read(text)
        told = (0, text)
        if old and new and kind not in WHOLE and len(text) > history.SHORT:
            told = history.shorter(old, new, text, tail)
        crc = None if new is None else history.checksum(text)
        db.execute(REWRITE, (*told, crc, seq))
        old = new
        tail = told[0]


def _read(text: str) -> Record | None:
    # A text that is not exactly ours would not be rebuilt.
    with suppress(Corrupt, Invalid):
        record = rec.loads(text)
        if rec.dumps(record) == text:
            return record
    return None


def give_back(db: apsw.Connection) -> None:
    """Shrink a file of which most is free, if that is possible now."""
    if 2 * db.pragma("freelist_count") > db.pragma("page_count"):
        with suppress(apsw.Error):  # the next opening tries again
            db.execute("VACUUM")
