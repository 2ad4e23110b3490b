"""Read-only SQL over the user's own tables, safe to hand to a model: whatever it writes, it can only read a little.

Four fences, each sufficient alone against writing: a connection of its own opened read-only; SQLite's authorizer, which
allows SELECT on TABLES and on the tables of json_each, with FUNCTIONS, and nothing else (no PRAGMA, ATTACH, schema,
`store`); a time limit; limits on rows, characters of a cell and bytes of a value.
"""

import time
from functools import partial
from pathlib import Path

import apsw

from pipulate.engine.errors import Invalid

TABLES = frozenset(
    {"pipeline", "history", "job", "profile", "client", "task", "conversation", "message"}
)
VIRTUAL = frozenset({"json_each", "json_tree"})
FUNCTIONS = frozenset(
    """abs avg cast ceil ceiling coalesce count cume_dist date datetime dense_rank first_value floor glob group_concat
    ifnull iif instr json json_array_length json_each json_extract json_tree json_type -> ->> julianday lag last_value
    lead length like ln log lower ltrim max min nth_value ntile nullif percent_rank pow power rank replace round
    row_number rtrim sign sqrt strftime string_agg substr substring sum time total trim typeof unixepoch upper""".split()  # noqa: SIM905
)
ROWS, SECONDS, CELL, BYTES = 50, 2.0, 300, 10_000_000


def query(database: Path, statement: str, rows: int = ROWS, seconds: float = SECONDS) -> str:
    """Return the result as a Markdown table, cut at `rows` (it says so); raises Invalid with SQLite's reason."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(1000)
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, BYTES)
        others = {
            name.lower() for (name,) in connection.execute("SELECT name FROM sqlite_schema")
        } - TABLES
        connection.set_authorizer(partial(_allow, others | {"sqlite_master", "sqlite_schema"}))
        end = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        cursor = connection.execute(statement)
        names = [column[0] for column in cursor.get_description()]
        found = [row for row, _ in zip(cursor, range(rows + 1), strict=False)]
    except apsw.ExecutionCompleteError:
        return "No rows."
    except apsw.InterruptError:
        raise Invalid(
            f"The query took longer than {seconds:g} seconds and was stopped. Ask for less."
        ) from None
    except apsw.AuthError as error:
        raise Invalid(
            f"Not allowed: {error}. One SELECT over {', '.join(sorted(TABLES))} is."
        ) from None
    except (apsw.Error, ValueError) as error:
        raise Invalid(f"SQLite cannot run this: {error}") from None
    finally:
        connection.close(True)
    more = f"\n\nThese are the first {rows} rows; there are more." if len(found) > rows else ""
    return table(names, found[:rows]) + more


def _allow(
    others: set[str], action: int, first: str | None, second: str | None, *_: str | None
) -> int:
    name = str(first).lower()
    fine = (
        action in (apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE)
        or (action == apsw.SQLITE_READ and name in TABLES | VIRTUAL)
        or (
            action == apsw.SQLITE_READ and not second and name not in others
        )  # count(*) of a WITH table
        or (action == apsw.SQLITE_FUNCTION and str(second).lower() in FUNCTIONS)
    )
    return apsw.SQLITE_OK if fine else apsw.SQLITE_DENY


def table(names: list[str], rows: list[tuple[object, ...]]) -> str:
    """Return rows as a Markdown table; long cells are cut, and say so by an ellipsis."""
    if not rows:
        return "No rows."
    lines = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    shown = "" if value is None else " ".join(str(value).split()).replace("|", "\\|")
    return shown if len(shown) <= CELL else shown[:CELL] + "…"
