"""One SELECT that nobody vouches for: a model wrote it, and a page it read
may have told it what to write.

CHILD   It runs in a process of its own, and what may go wrong goes wrong
        there.  SQLite looks at no deadline inside one call of `instr`, LIKE
        or `replace`; a process can be killed at any moment.
READS   The file is opened read-only.  The authorizer allows SELECT on the
        tables named and on FUNCTIONS, and nothing else: no PRAGMA, ATTACH,
        schema or extension; SQLite has no function that reads files.
LIMITS  Seconds, rows, characters of a cell and of the whole answer, memory,
        and SQLite's own: lengths, depth, arms of a compound.  The cells of a
        row share its room: one long text may stand in 2,000 columns.
WRITES  Nothing, and no temporary file either: what is sorted stays in memory.
"""

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from pipulate.engine import child
from pipulate.engine.errors import Invalid

FUNCTIONS = frozenset(Path(__file__).with_name("sql_functions.txt").read_text().split())
VIRTUAL = {"json_each", "json_tree"}
SCHEMA = {"sqlite_master", "sqlite_schema"}
CELL = 2_000  # characters
ANSWER = 1_000_000  # characters
MEMORY = 64 << 20  # bytes, of SQLite
LENGTH = 1_000_000  # bytes of a value
ROW = 16_000_000  # bytes of a row
PATIENCE = 1_000  # milliseconds for which a writer is waited for
START = 30.0  # seconds that the child may take to begin, and to answer
#: SQLite's own; https://sqlite.org/limits.html
LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: LENGTH,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 32,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}


@dataclass(frozen=True)
class Answer:
    """Column names and rows; `more`: there were more than the limit."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


def select(
    file: Path,
    statement: str,
    tables: Collection[str],
    *,
    rows: int,
    seconds: float,
    fixed: bool = False,
) -> Answer:
    """Answer one SELECT over `tables`; `fixed`: nobody writes to the file.

    Blocks: call it in a thread.  Raises Invalid, which says what may be asked.
    """
    mode = "mode=ro&immutable=1" if fixed else "mode=ro"
    order = {
        "address": f"{file.absolute().as_uri()}?{mode}",
        "statement": statement,
        "tables": sorted(tables),
        "rows": rows,
        "seconds": seconds,
    }
    columns, found = asyncio.run(_killed(order, seconds))
    return Answer(columns, [tuple(row) for row in found[:rows]], len(found) > rows)


async def _killed(order: dict[str, Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds + START):
            return await child.work(f"{__name__}:answer", order)
    except TimeoutError:
        raise _slow(seconds) from None
    except child.Died as error:
        raise Invalid(f"The query was ended. {error}") from None


def _slow(seconds: float) -> Invalid:
    words = f"The query took longer than {seconds:g} seconds and was stopped. Ask for less."
    return Invalid(words)


# --- in the child


def answer(
    _tell: child.Tell,
    address: str,
    statement: str,
    tables: list[str],
    rows: int,
    seconds: float,
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return names of columns, and one row more than wanted if there are."""
    # The process ends with its answer, and this thread with it.
    thread = ThreadPoolExecutor(1)
    running = thread.submit(_fenced, address, statement, tables, rows)
    try:
        return running.result(seconds)
    except TimeoutError:
        raise _slow(seconds) from None
    except apsw.AuthError as error:
        allowed = ", ".join(tables)
        raise Invalid(f"Not allowed: {error}. One SELECT over {allowed} is.") from None
    except MemoryError:
        raise Invalid("The query needs too much memory. Ask for less.") from None
    except (apsw.Error, ValueError) as error:
        raise Invalid(f"SQLite cannot run this: {error}.") from None


def _fenced(
    address: str,
    statement: str,
    tables: list[str],
    rows: int,
) -> tuple[list[str], list[tuple[Any, ...]]]:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with closing(apsw.Connection(address, flags=flags)) as connection:
        _fence(connection, set(tables))
        columns: list[str] = []
        found: list[tuple[Any, ...]] = []
        connection.exec_trace = partial(_alone, columns)
        room = ANSWER
        for row in connection.execute(statement):
            found.append(tuple(map(_told, row)))
            room -= sum(len(str(value)) for value in found[-1])
            if room < 0:
                words = "The answer is longer than a million characters."
                raise Invalid(f"{words} Ask for less.")
            if len(found) > rows:
                break
        if not columns:
            raise apsw.AuthError("there is no SELECT")
        return columns, found


def _fence(connection: apsw.Connection, tables: set[str]) -> None:
    apsw.hard_heap_limit(MEMORY)
    connection.set_busy_timeout(PATIENCE)
    connection.pragma("temp_store", "memory")
    names = connection.execute("SELECT lower(name) FROM sqlite_schema")
    there = {name for (name,) in names}
    for limit, most in LIMITS.items():
        connection.limit(limit, most)
    connection.set_authorizer(partial(_allow, tables, there - tables | SCHEMA))


def _alone(
    columns: list[str],
    cursor: apsw.Cursor,
    _statement: str,
    _bindings: object,
) -> bool:
    if columns:
        raise apsw.AuthError("a second statement")
    columns += [name for name, *_ in cursor.get_description()]
    if not cursor.is_readonly:
        raise apsw.AuthError("it writes")
    if columns:
        room = min(LENGTH, ROW // len(columns))
        cursor.connection.limit(apsw.SQLITE_LIMIT_LENGTH, room)
    return True


def _allow(
    tables: set[str],
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
        case apsw.SQLITE_READ if name in tables | VIRTUAL:
            return apsw.SQLITE_OK
        # count(*) of a WITH table
        case apsw.SQLITE_READ if not second and name not in others:
            return apsw.SQLITE_OK
        case apsw.SQLITE_FUNCTION if str(second).lower() in FUNCTIONS:
            return apsw.SQLITE_OK
    return apsw.SQLITE_DENY


def _told(value: Any) -> Any:
    if isinstance(value, bytes):
        value = f"x'{value[:CELL].hex()}'"
    if isinstance(value, str) and len(value) > CELL:
        return value[:CELL] + "…"
    return value
