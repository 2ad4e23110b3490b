"""SQL from a model: it reads the user's tables, a little of them, for a short time, and
nothing else.
"""

from pathlib import Path

import pytest

from pipulate.chat.sql import CELL, query
from pipulate.engine.errors import Invalid
from pipulate.engine.store import Store
from tests.chat.fakes import dump

CANARY = "canary-9f3e"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store with two tasks, and secrets where secrets are."""
    store = Store(tmp_path / "pipulate.db")
    store["model_key"] = CANARY
    store.write("INSERT INTO trash (at, kind, data) VALUES ('', 'task', ?)", CANARY)
    store.write("INSERT INTO memory VALUES ('x', 'memory', NULL, ?, '', '', 0, 'off')", CANARY)
    for name in ("Tea | cake", "Coffee"):
        store.db.t.task.insert({"name": name})
    store.write(
        "INSERT INTO pipeline VALUES ('bridge', 'arthur', ?, 1, 1, '', '', NULL)",
        '{"step_01": {"name": "Arthur"}}',
    )
    return store


READS = {
    "SELECT name, done FROM task ORDER BY id": (
        "| name | done |\n| --- | --- |\n| Tea \\| cake | 0 |\n| Coffee | 0 |"
    ),
    "SELECT count(*) AS n, upper(max(name)) AS m FROM task": (
        "| n | m |\n| --- | --- |\n| 2 | TEA \\| CAKE |"
    ),
    "SELECT menu_name FROM client": "| menu_name |\n| --- |\n| Default |",
    "SELECT id, json_extract(data, '$.step_01.name') AS who FROM pipeline": (
        "| id | who |\n| --- | --- |\n| arthur | Arthur |"
    ),
    "SELECT key FROM pipeline, json_each(data)": "| key |\n| --- |\n| step_01 |",
    "WITH t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t WHERE x < 3)"
    " SELECT count(*) AS n FROM t": "| n |\n| --- |\n| 3 |",
    "SELECT NULL AS empty": "| empty |\n| --- |\n|  |",
    "SELECT * FROM task WHERE id = 9": "No rows.",
}


@pytest.mark.parametrize("statement", READS)
def test_it_reads(store: Store, statement: str) -> None:
    """Aggregates, joins, JSON and recursion work."""
    assert query(store.path, statement) == READS[statement]


REFUSED = [
    "DELETE FROM task",
    "UPDATE task SET done = 1",
    "INSERT INTO task (name) VALUES ('x')",
    "DROP TABLE task",
    "SELECT 1; DELETE FROM task",
    "WITH x AS (SELECT 1) DELETE FROM task",
    "CREATE TEMP TABLE t AS SELECT 1",
    "PRAGMA writable_schema = 1",
    "PRAGMA table_info(task)",
    "ATTACH 'x.db' AS x",
    "VACUUM INTO 'copy.db'",
    "BEGIN",
    "REINDEX",
    "SELECT * FROM store",
    "SELECT 1 FROM task JOIN store",
    "SELECT (SELECT value FROM store)",
    "SELECT count(*) FROM store",
    "SELECT * FROM task WHERE EXISTS (SELECT 1 FROM STORE)",
    "SELECT value FROM main.[store]",
    "WITH s AS (SELECT value FROM store) SELECT * FROM s",
    "SELECT * FROM trash",
    "SELECT * FROM memory",
    "SELECT * FROM proposal",
    "SELECT * FROM memory_text",
    "SELECT * FROM memory_text_content",
    "SELECT * FROM sqlite_schema",
    "SELECT sql FROM sqlite_master",
    "SELECT * FROM pragma_table_info('store')",
    "SELECT * FROM dbstat",
    "SELECT load_extension('x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('x', 'y')",
    "SELECT zeroblob(1000000000)",
    "SELECT randomblob(9)",
    "SELECT fts3_tokenizer('simple')",
    "SELECT printf('%1000000000d', 1)",
    "SELECT sqlite_version()",
    "SELEC",
    "SELECT nothing",
    "-- nothing",
    "SELECT * FROM nowhere",
    "SELECT '\x00'",
    "SELECT '\ud800'",
    "SELECT replace(hex(name), '0', name) FROM task",
    f"SELECT {'(' * 5000}1{')' * 5000}",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_it_refuses(store: Store, statement: str) -> None:
    """Everything else is refused in words, and changes and tells nothing."""
    before = dump(store)
    with pytest.raises(Invalid) as error:
        query(store.path, statement)
    assert CANARY not in str(error.value)
    assert dump(store) == before and sorted(
        p.name for p in store.folder.iterdir() if "db" in p.name
    ) == [
        "pipulate.db",
        "pipulate.db-shm",
        "pipulate.db-wal",
    ]


def test_it_stops(store: Store) -> None:
    """An endless query ends at its time, a huge result at its rows, a long text at its
    characters.
    """
    forever = "WITH t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT "
    with pytest.raises(Invalid, match=r"longer than 0\.05 seconds"):
        query(store.path, forever + "max(x) FROM t", seconds=0.05)
    shown = query(store.path, forever + "x FROM t", rows=3)
    assert shown.count("\n") == 6 and shown.endswith("the first 3 rows; there are more.")
    store.db.t.task.insert({"name": "y" * 5000})
    assert "y" * CELL + "… |" in query(store.path, "SELECT name FROM task WHERE id = 3")


def test_the_app_goes_on_meanwhile(store: Store) -> None:
    """Reading holds no lock that a writer would wait for."""
    query(store.path, "SELECT * FROM task")
    store.db.t.task.insert({"name": "Later"})
    assert "Later" in query(store.path, "SELECT name FROM task")
