"""Questions in SQL about a link graph, for the chat: read-only, limited in time, rows and memory.

TABLES    pages   id, url and every measure and page column, by names that need no quotes (`Status Code` is status_code)
          links   source_id, target_id (page ids), source, target (addresses)
FILE      `query.db` in the graph's folder, an SQLite database made from it at the first question, in one piece; so it
          vanishes when the graph is built anew.  1M links: 2 s, 45 MB.  `links` is a view over numbers; SQLite leaves
          out the joins for columns nobody asked for.
SAFE      SQL comes from a model, and pages' texts may have told the model what to write.  So: opened read-only and
          immutable; an authorizer allows SELECT on our tables and functions, nothing else (no ATTACH, PRAGMA, schema,
          extensions; SQLite itself has no function that reads files); a progress handler stops it at the deadline;
          texts beyond a megabyte are an error.  SQLite streams, so an absurd join costs time, not memory.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import polars as pl

from pipulate.graph import analysis, edges, report
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphError
from pipulate.graph.sources import plain

FILE = "query.db"
SMALL = 200_000  # links
_READABLE = {"pages", "edges", "links"}
_LONGEST = 1_000_000


@dataclass(frozen=True)
class Answer:
    """Column names and rows; `more` says that there were more rows than the limit."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


def query(folder: Path, sql: str, limit: int = 200, seconds: float = 5) -> Answer:
    """Run one SELECT over `pages` and `links` of the graph in `folder`.  Blocking: call it in a thread.

    Raises GraphError when it is not a single SELECT, is wrong, or takes longer than `seconds`.
    """
    _ready(folder)
    deadline = time.monotonic() + seconds
    # Immutable: no locks and no journal; the file is only ever replaced as a whole.
    address = f"{(folder / FILE).absolute().as_uri()}?mode=ro&immutable=1"
    connection = apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.set_authorizer(_allow)
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 1000)
        return _run(connection, sql, limit)
    except apsw.InterruptError as error:
        raise GraphError(
            f"The query took longer than {seconds:g} seconds: ask for less, or filter more."
        ) from error
    except apsw.AuthError as error:
        raise GraphError("Only SELECT over the tables pages and links is allowed.") from error
    except apsw.Error as error:
        raise GraphError(f"The query cannot be run: {error}. {_names(folder)}") from error
    finally:
        connection.close()


def _run(connection: apsw.Connection, sql: str, limit: int) -> Answer:
    columns: list[str] = []

    def check(cursor: apsw.Cursor, statement: str, bindings: Any) -> bool:
        """Called before each statement: there may be one, and it must be one that returns columns."""
        if columns:
            raise GraphError("Only one SELECT at a time.")
        columns.extend(name for name, *_ in cursor.get_description())
        if not cursor.is_readonly or not columns:
            raise apsw.AuthError
        return True

    connection.exec_trace = check
    found: list[tuple[Any, ...]] = []
    for row in connection.execute(sql):
        found.append(row)
        if len(found) > limit:
            break
    if not columns:
        raise apsw.AuthError
    return Answer(columns, found[:limit], len(found) > limit)


def _allow(
    action: int, first: str | None, second: str | None, database: str | None, view: str | None
) -> int:
    match action:
        case apsw.SQLITE_SELECT | apsw.SQLITE_RECURSIVE:
            return apsw.SQLITE_OK
        case apsw.SQLITE_READ if first in _READABLE or first == "" or database is None:
            return apsw.SQLITE_OK
        case apsw.SQLITE_FUNCTION if second != "load_extension":
            return apsw.SQLITE_OK
    return apsw.SQLITE_DENY


def schema(folder: Path) -> str:
    """Describe the tables for a model: columns with their meaning."""
    connection = _open(folder)
    with contextlib.closing(connection):
        columns = [
            (name, kind) for _, name, kind, *_ in connection.execute("PRAGMA table_info(pages)")
        ]
    lines = [
        f"  {name} {kind}" + (f"  -- {_MEANING[name]}" if name in _MEANING else "")
        for name, kind in columns
    ]
    return (
        "pages: one row a page (booleans are 0 and 1)\n" + "\n".join(lines) + "\n"
        "links: one row a link\n  source_id INTEGER  -- pages.id of the linking page\n  target_id INTEGER\n"
        "  source TEXT  -- address of the linking page\n  target TEXT"
    )


_MEANING = {"id": "number of the page"} | report.COLUMNS


def prepare(folder: Path) -> None:
    """Write `query.db` from the graph in `folder` and its measures.  Raises GraphMissing when there is no graph."""
    graph = edges.load(folder)
    pages = analysis.of_folder(folder).pages
    part = folder / f".{secrets.token_hex(4)}.part"
    try:
        connection = apsw.Connection(str(part))
        with contextlib.closing(connection), connection:
            _fill(connection, graph, pages)
        part.replace(folder / FILE)
    finally:
        part.unlink(missing_ok=True)


def _fill(connection: apsw.Connection, graph: Graph, pages: pl.DataFrame) -> None:
    names = _plain_names(["id", *pages.columns])
    kinds = ["INTEGER PRIMARY KEY", *(_kind(dtype) for dtype in pages.dtypes)]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    connection.execute(f"CREATE TABLE pages ({columns})")
    marks = ", ".join("?" * len(names))
    rows = ((i, *row) for i, row in enumerate(pages.iter_rows()))
    connection.executemany(f"INSERT INTO pages VALUES ({marks})", rows)  # noqa: S608  # names are letters, digits, _
    connection.execute(
        "CREATE TABLE edges (source_id INT, target_id INT, PRIMARY KEY (source_id, target_id)) WITHOUT ROWID"
    )
    connection.executemany("INSERT INTO edges VALUES (?, ?)", _pairs(graph))
    connection.execute("CREATE INDEX linked ON edges (target_id)")
    connection.execute("CREATE UNIQUE INDEX address ON pages (url)")
    connection.execute(
        "CREATE VIEW links AS SELECT source_id, target_id, a.url AS source, b.url AS target FROM edges"
        " LEFT JOIN pages a ON a.id = source_id LEFT JOIN pages b ON b.id = target_id"
    )


def _pairs(graph: Graph, block: int = 1 << 16) -> Iterator[tuple[int, int]]:
    for at in range(0, graph.m, block):
        part = slice(at, at + block)
        yield from zip(graph.source[part].tolist(), graph.target[part].tolist(), strict=True)


def _plain_names(columns: list[str]) -> list[str]:
    """Make column names that need no quotes, each different, a letter first."""
    names: list[str] = []
    for column in columns:
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in column.lower()).split()
        name = "_".join(words) or plain(column) or "column"
        name = f"c_{name}" if not name[0].isalpha() or f" {name} " in _KEYWORDS else name
        while name in names:
            name += "_2"
        names.append(name)
    return names


#: Words that SQLite would not take as a bare column name.
_KEYWORDS = (
    " add all alter and as autoincrement between case check collate commit constraint create default deferrable delete "
    "distinct drop else escape except exists foreign from group having in index insert intersect into is isnull join "
    "limit not nothing notnull null on or order primary references select set table then to transaction union unique "
    "update using values when where returning "
)


def _kind(dtype: pl.DataType) -> str:
    return "TEXT" if dtype == pl.String else "REAL" if dtype.is_float() else "INTEGER"


def _ready(folder: Path) -> None:
    """See to it that `query.db` is there.  For a large graph a child makes it, so that a server stays responsive."""
    if (folder / FILE).exists():
        return
    links = edges.about(folder)["links"]
    if links > analysis.LARGE:
        raise GraphError(
            f"With {links:,} links this graph is too large for questions here; its report has Parquet files."
        )
    if links <= SMALL:
        prepare(folder)
        return
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise GraphError(
            f"The tables cannot be made: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
        )


def _open(folder: Path) -> apsw.Connection:
    _ready(folder)
    return apsw.Connection(str(folder / FILE), flags=apsw.SQLITE_OPEN_READONLY)


def _names(folder: Path) -> str:
    with contextlib.closing(_open(folder)) as connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(pages)")]
    return (
        f"Columns of pages: {', '.join(columns)}; of links: source_id, target_id, source, target."
    )


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
