"""Read-only SQL over the user's own tables, safe to hand to a model.

The connection is read-only; SQLite's authorizer allows SELECT on TABLES
with FUNCTIONS and nothing else (no PRAGMA, ATTACH, schema, `store`); time,
rows, cells and values have limits.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import apsw

from pipulate.engine.errors import Invalid

TABLES = {
    "pipeline",
    "history",
    "job",
    "profile",
    "client",
    "task",
    "conversation",
    "message",
}
VIRTUAL = {"json_each", "json_tree"}
SCHEMA = {"sqlite_master", "sqlite_schema"}
FUNCTIONS = set(Path(__file__).with_name("sql_functions.txt").read_text().split())
ROWS = 50
SECONDS = 2.0
CELL = 300  # characters
BYTES = 10_000_000  # of a value
PATIENCE = 1000  # milliseconds for which a writer is waited for
MORE = "\n\nThese are the first {} rows; there are more."


def query(database: Path, statement: str, rows: int = ROWS, seconds: float = SECONDS) -> str:
    """A Markdown table, which says if it is cut.  Raises Invalid."""
    readable = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    with closing(readable) as connection, _explained(seconds):
        _fence(connection, seconds)
        cursor = connection.execute(statement)
        try:
            names = [column[0] for column in cursor.get_description()]
        except apsw.ExecutionCompleteError:
            return table([], [])
        found = list(islice(cursor, rows + 1))
    more = MORE.format(rows) if len(found) > rows else ""
    return table(names, found[:rows]) + more


def _fence(connection: apsw.Connection, seconds: float) -> None:
    connection.set_busy_timeout(PATIENCE)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, BYTES)
    there = connection.execute("SELECT lower(name) FROM sqlite_schema")
    others = {name for (name,) in there} - TABLES | SCHEMA
    connection.set_authorizer(partial(_allow, others))
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)


@contextmanager
def _explained(seconds: float) -> Iterator[None]:
    try:
        yield
    except apsw.InterruptError:
        raise Invalid(
            f"The query took longer than {seconds:g} seconds and was stopped. Ask for less."
        ) from None
    except apsw.AuthError as error:
        allowed = ", ".join(sorted(TABLES))
        raise Invalid(f"Not allowed: {error}. One SELECT over {allowed} is.") from None
    except (apsw.Error, ValueError) as error:
        raise Invalid(f"SQLite cannot run this: {error}") from None


def _allow(
    others: set[str],
    action: int,
    first: str | None,
    second: str | None,
    *_: str | None,
) -> int:
    name = str(first).lower()
    match action:
        case apsw.SQLITE_SELECT | apsw.SQLITE_RECURSIVE:
            return apsw.SQLITE_OK
        case apsw.SQLITE_READ if name in TABLES | VIRTUAL:
            return apsw.SQLITE_OK
        case apsw.SQLITE_READ if not second and name not in others:  # count(*) of a WITH table
            return apsw.SQLITE_OK
        case apsw.SQLITE_FUNCTION if str(second).lower() in FUNCTIONS:
            return apsw.SQLITE_OK
    return apsw.SQLITE_DENY


def table(names: list[str], rows: list[tuple[object, ...]]) -> str:
    """Return rows as a Markdown table; long cells end in an ellipsis."""
    if not rows:
        return "No rows."
    lines = [
        names,
        ["---"] * len(names),
        *([_cell(value) for value in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    shown = " ".join(str(value).split()).replace("|", "\\|")
    return shown if len(shown) <= CELL else shown[:CELL] + "…"
