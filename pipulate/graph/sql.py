"""Questions in SQL about a link graph, for the chat: read-only and limited.

TABLES  pages  id, url and every measure and page column, by names that need
               no quotes (`Status Code` is status_code)
        links  source_id, target_id (page ids), source, target (addresses)
FILE    `query.db` in the graph's folder, made in one piece at the first
        question, gone when the graph is built anew.  1M links: 2 s, 45 MB.
        `links` is a view over numbers; SQLite leaves out the joins for
        columns nobody asked for.
SAFE    SQL comes from a model: `graph.select` runs it.
"""

import asyncio
import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import polars as pl

from pipulate.engine import child, files
from pipulate.engine.errors import Invalid
from pipulate.graph import analysis, edges, report
from pipulate.graph.edges import Graph
from pipulate.graph.errors import GraphError
from pipulate.graph.select import Answer, select
from pipulate.graph.sources import plain

FILE = "query.db"
SMALL = 200_000  # links
KINDS = 12  # most values of a column that are told
_TABLES = {"pages", "edges", "links"}
_SCHEMA = """
CREATE TABLE edges (source_id INT, target_id INT, PRIMARY KEY (source_id, target_id)) WITHOUT ROWID;
CREATE VIEW links AS SELECT source_id, target_id, a.url AS source, b.url AS target
    FROM edges LEFT JOIN pages a ON a.id = source_id LEFT JOIN pages b ON b.id = target_id;
"""
_INDEXES = """
CREATE INDEX linked ON edges (target_id);
CREATE UNIQUE INDEX address ON pages (url);
"""
_LINKS = """
links: one row a link
  source_id INTEGER  -- pages.id of the linking page
  target_id INTEGER
  source TEXT  -- address of the linking page
  target TEXT"""


def query(folder: Path, sql: str, limit: int = 200, seconds: float = 5) -> Answer:
    """Run one SELECT over `pages` and `links`.  Blocking: call it in a
    thread.

    Raises GraphError when it is not a single SELECT, is wrong, or takes
    longer than `seconds`.
    """
    _ready(folder)
    try:
        return select(folder / FILE, sql, _TABLES, rows=limit, seconds=seconds, fixed=True)
    except Invalid as error:
        with _opened(folder) as connection:
            known = ", ".join(_columns(connection))
        raise GraphError(
            f"{error} Columns of pages: {known}; of links: source_id, target_id, source, target."
        ) from None


def schema(folder: Path) -> str:
    """Describe the tables for a model: columns with their meaning, and their
    values where these are few.
    """
    meanings = {"id": "number of the page"} | report.COLUMNS
    lines = ["pages: one row a page (booleans are 0 and 1)"]
    with _opened(folder) as connection:
        for name, kind in _columns(connection).items():
            meaning = f"  -- {meanings[name]}" if name in meanings else ""
            lines.append(f"  {name} {kind}{meaning}{_values(connection, name, kind)}")
    return "\n".join(lines) + _LINKS


def _values(connection: apsw.Connection, name: str, kind: str) -> str:
    if kind == "REAL":
        return ""
    statement = f"SELECT DISTINCT {name} FROM pages LIMIT {KINDS + 1}"  # noqa: S608 - our columns
    found = [value for (value,) in connection.execute(statement)]
    values = sorted(str(value) for value in found if value is not None)
    if not values or len(found) > KINDS:
        return ""
    return f"  -- one of: {', '.join(values)}"


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[apsw.Connection]:
    _ready(folder)
    # Immutable: no locks, no journal; the file is only replaced as a whole.
    address = f"{(folder / FILE).absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(_connect(address, apsw.SQLITE_OPEN_READONLY)) as connection:
        yield connection


def _connect(address: str, flags: int) -> apsw.Connection:
    """Open without the hooks other libraries set for all: they begin a WAL."""
    apsw.connection_hooks.clear()
    return apsw.Connection(address, flags=flags | apsw.SQLITE_OPEN_URI)


def _columns(connection: apsw.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, type FROM pragma_table_info('pages')")
    return {str(name): str(kind) for name, kind in rows}


# --- making the tables ---


def _ready(folder: Path) -> None:
    """Make `query.db` if need be; in a child where there are many links."""
    if (folder / FILE).exists():
        return
    links = edges.about(folder)["links"]
    if links > analysis.LARGE:
        raise GraphError(
            f"With {links:,} links this graph is too large for questions here; its "
            "report has Parquet files."
        )
    if links <= SMALL:
        prepare(folder)
    else:
        asyncio.run(child.work(f"{__name__}:prepare_aside", {"folder": str(folder)}))


def prepare_aside(tell: child.Tell, folder: str) -> None:
    """Do in a child process what `prepare` does."""
    prepare(Path(folder))


def prepare(folder: Path) -> None:
    """Write `query.db` of the graph in `folder`.  Raises GraphMissing."""
    graph = edges.load(folder)
    pages = analysis.of_folder(folder).pages
    target = folder / FILE
    with files.explained(target):
        part, file = files.begin(target)
        file.close()
        try:
            connection = _connect(str(part), apsw.SQLITE_OPEN_READWRITE)
            with contextlib.closing(connection), connection:
                _fill(connection, graph, pages)
            files.finish(part, target)
        except (apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
            raise OSError(errno.EIO, str(error)) from error
        finally:
            part.unlink(missing_ok=True)


def _fill(connection: apsw.Connection, graph: Graph, pages: pl.DataFrame) -> None:
    names = _plain_names(["id", *pages.columns])
    kinds = ["INTEGER PRIMARY KEY", *map(_kind, pages.dtypes)]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    connection.execute(f"CREATE TABLE pages ({columns})")
    connection.execute(_SCHEMA)
    marks = ", ".join("?" * len(names))
    rows = ((i, *row) for i, row in enumerate(pages.iter_rows()))
    connection.executemany(f"INSERT INTO pages VALUES ({marks})", rows)  # noqa: S608  # only marks
    links = pl.DataFrame({"source": graph.source, "target": graph.target})
    connection.executemany("INSERT INTO edges VALUES (?, ?)", links.iter_rows())
    connection.execute(_INDEXES)


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.String:
        return "TEXT"
    return "REAL" if dtype.is_float() else "INTEGER"


def _plain_names(columns: list[str]) -> list[str]:
    """Return names that need no quotes, each different, a letter first."""
    names: list[str] = []
    for column in columns:
        name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_") or plain(column) or "column"
        if not name[0].isalpha() or name.upper() in apsw.keywords:
            name = f"c_{name}"
        while name in names:
            name += "_2"
        names.append(name)
    return names
