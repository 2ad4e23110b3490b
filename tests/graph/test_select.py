"""One SELECT of a stranger: it answers, or is refused in words, and ends in time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from pipulate.engine.errors import Invalid
from pipulate.graph.select import ANSWER, CELL, Answer, select

CANARY = "canary-9f3e"
TABLES = ("task", "done")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Give a database with two tasks, a view, and a table that is nobody's business."""
    file = tmp_path / "some.db"
    connection = apsw.Connection(str(file))
    script = f"""PRAGMA journal_mode = wal;
        CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT, data TEXT);
        CREATE VIEW done AS SELECT name FROM task WHERE id = 1;
        CREATE TABLE secret (value);
        INSERT INTO secret VALUES ('{CANARY}');
        INSERT INTO task VALUES (1, 'Tea', '{{"a": [1, 2]}}'), (2, 'Coffee', '{{}}')"""
    assert list(connection.execute(script)) == [("wal",)]
    yield file
    connection.close()


def ask(file: Path, statement: str, rows: int = 50, seconds: float = 20) -> Answer:
    """Ask; the deadline is far away."""
    return select(file, statement, TABLES, rows=rows, seconds=seconds)


READS = {
    "SELECT name FROM task ORDER BY id": (["name"], [("Tea",), ("Coffee",)]),
    "SELECT * FROM done": (["name"], [("Tea",)]),
    "SELECT value FROM task a, json_each(data, '$.a') WHERE a.id = 1": (["value"], [(1,), (2,)]),
    "WITH t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t WHERE x < 3)"
    " SELECT count(*) AS n FROM t": (["n"], [(3,)]),
    "SELECT 1.5 AS a, NULL AS b, x'00ff' AS c": (["a", "b", "c"], [(1.5, None, "x'00ff'")]),
    "SELECT * FROM task WHERE id = 9": (["id", "name", "data"], []),
}


@pytest.mark.parametrize("statement", READS)
def test_it_reads(file: Path, statement: str) -> None:
    """Joins, views, JSON and recursion work; numbers stay numbers."""
    found = ask(file, statement)
    assert (found.columns, found.rows) == READS[statement]


REFUSED = [
    "DELETE FROM task",
    "SELECT 1; DELETE FROM task",
    "SELECT 1; SELECT 2",
    "WITH x AS (SELECT 1) DELETE FROM task",
    "CREATE TEMP TABLE t AS SELECT 1",
    "PRAGMA writable_schema = 1",
    "ATTACH ':memory:' AS x",
    "VACUUM INTO 'copy.db'",
    "BEGIN",
    "SELECT * FROM secret",
    "SELECT 1 FROM task JOIN secret",
    "SELECT count(*) FROM main.[SECRET]",
    "WITH s AS (SELECT value FROM secret) SELECT * FROM s",
    "WITH task AS (SELECT * FROM secret) SELECT * FROM task",
    "SELECT sql FROM sqlite_master",
    "SELECT * FROM pragma_table_info('secret')",
    "SELECT load_extension('x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT randomblob(9)",
    "SELECT zeroblob(1000000000)",
    "SELECT printf('%1000000000d', 1)",
    "",
    "-- nothing",
    "SELEC",
    "SELECT '\x00'",
    "SELECT '\ud800'",
    f"SELECT {'(' * 5000}1{')' * 5000}",
    f"SELECT {'1 + ' * 5000} 1",
    f"SELECT 1 {'UNION SELECT 1 ' * 500}",
    f"SELECT '{'x' * 30000}'",
    f"SELECT name LIKE '{'%a' * 99}' FROM task",
    f"SELECT name GLOB '{'*a' * 99}' FROM task",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_it_refuses(file: Path, statement: str) -> None:
    """All else is refused with a sentence that tells nothing, and makes nothing."""
    with pytest.raises(Invalid) as error:
        ask(file, statement)
    assert str(error.value).endswith(".") and CANARY not in str(error.value)
    assert len(list(file.parent.iterdir())) == 3  # the database, and SQLite's two beside it


#: A text of half a million letters, and one that is not in it, though nearly.
LONG = (
    "WITH RECURSIVE t(s) AS (SELECT 'a' UNION ALL SELECT s || s FROM t LIMIT 20),"
    " w(s) AS (SELECT max(s) FROM t) "
)
ENDLESS = [
    LONG + "SELECT instr(s, substr(s, 1, 250000) || 'b') FROM w",
    LONG + "SELECT length(replace(s, substr(s, 1, 250000) || 'b', 'c')) FROM w",
    "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT max(n) FROM x",
    "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x LIMIT 9999)"
    " SELECT count(*) FROM x a, x b, x c",
]


@pytest.mark.parametrize("statement", ENDLESS)
def test_it_ends_in_time(file: Path, statement: str) -> None:
    """Also in one call of a function, in which SQLite looks at nothing else."""
    before = _children()  # of tests in this process
    with pytest.raises(Invalid, match=r"longer than 0\.05 seconds"):
        ask(file, statement, seconds=0.05)
    assert set(_children()) <= set(before)


def _children() -> list[str]:
    file = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return file.read_text().split() if file.exists() else []


HUNGRY = [
    LONG + "SELECT group_concat(a.s || b.rowid) FROM w a, json_each('[1,2,3,4,5]') b",
    LONG + "SELECT a.s, b.s, c.s FROM w a, w b, w c",
    LONG + ", n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9999)"
    " SELECT DISTINCT substr(s, i) FROM w, n ORDER BY 1",
    LONG + f", m AS MATERIALIZED (SELECT s FROM w) SELECT {', '.join(['s'] * 1900)} FROM m",
]
#: 200 MB to be sorted: on disk SQLite would do it.
SORTED = (
    "WITH t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t LIMIT 22000)"
    f" SELECT x || '{'z' * 9000}' AS y FROM t ORDER BY y"
)


@pytest.mark.parametrize("statement", HUNGRY)
def test_it_stays_small(file: Path, statement: str) -> None:
    """Memory and what is told are bounded: what is too much is refused, or cut."""
    try:
        told = ask(file, statement)
    except Invalid as error:
        assert "too big" in str(error) or "memory" in str(error)
    else:
        assert all(len(value) <= CELL + 1 for row in told.rows for value in row)


def test_no_disk_is_filled(file: Path) -> None:
    """Not by a temporary file either: what the memory does not hold is refused."""
    with pytest.raises(Invalid, match="memory"):
        ask(file, SORTED)


MEASURED = """
import resource, sys
from pathlib import Path
from pipulate.engine.errors import Invalid
from pipulate.graph.select import select
for statement in sys.argv[2:]:
    try:
        select(Path(sys.argv[1]), statement, ["task"], rows=50, seconds=20)
    except Invalid:
        pass
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of memory is Linux's")
def test_the_process_stays_small(file: Path) -> None:
    """The whole child, with what Python holds of a row, and not SQLite alone."""
    command = [sys.executable, "-c", MEASURED, str(file), *HUNGRY, SORTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 250  # MB


def test_rows_and_characters_have_an_end(file: Path) -> None:
    """Of too many rows the first come; too long an answer is refused."""
    many = "WITH t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"
    told = ask(file, many, rows=3)
    assert told.rows == [(1,), (2,), (3,)] and told.more
    assert not ask(file, "SELECT name FROM task", rows=2).more
    with pytest.raises(Invalid, match="longer than a million characters"):
        ask(file, f"WITH t(x) AS ({many}) SELECT x FROM t", rows=ANSWER)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Nothing is made where nothing is."""
    with pytest.raises(Invalid, match="unable to open"):
        ask(tmp_path / "none.db", "SELECT 1")
    assert list(tmp_path.iterdir()) == []
