"""SQL over a graph: the right answers, and nothing but answers."""

from __future__ import annotations

from pathlib import Path

import apsw
import numpy as np
import polars as pl
import pytest

from pipulate.graph import analysis, edges, measures, sql
from pipulate.graph.errors import GraphError, GraphMissing
from tests.graph.shop import PAGES, SITE, shop


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop of the report's tests, on disk."""
    folder = tmp_path_factory.mktemp("sql") / "graph"
    edges.save(shop(), folder)
    return folder


def test_questions(place: Path) -> None:
    """Product pages with impressions and no inlinks; links by address; links joined with pages."""
    found = sql.query(
        place,
        "SELECT url, impressions FROM pages"
        " WHERE pagetype = 'product' AND inlinks = 0 AND impressions > 0",
    )
    assert (found.columns, found.rows, found.more) == (
        ["url", "impressions"],
        [(f"{SITE}/p/4", 800)],
        False,
    )
    found = sql.query(place, f"SELECT source FROM links WHERE target = '{SITE}/old' ORDER BY 1")
    assert found.rows == [(f"{SITE}/c/2",), (f"{SITE}/p/3",)]
    found = sql.query(
        place,
        "WITH t AS (SELECT p.pagetype AS type, count(*) AS n"
        " FROM links JOIN pages p ON p.id = target_id GROUP BY 1) SELECT * FROM t ORDER BY n DESC",
    )
    assert found.rows == [("product", 10), ("category", 6), ("home", 4)]


def test_everything_is_there(place: Path) -> None:
    """Pages have the measures' values, links are all there."""
    graph = edges.load(place)
    rows = sql.query(
        place, "SELECT id, url, inlinks, pagerank, depth, orphan FROM pages ORDER BY id"
    ).rows
    assert [row[0] for row in rows] == list(range(len(PAGES)))
    assert [row[1] for row in rows] == graph.urls.to_list()
    assert [row[2] for row in rows] == measures.inlinks(graph).tolist()
    assert np.allclose([row[3] for row in rows], measures.pagerank(graph))
    assert [(row[4] is None) for row in rows] == (measures.depths(graph, 0) < 0).tolist()
    links = sql.query(place, "SELECT source_id, target_id FROM links ORDER BY 1, 2").rows
    assert links == list(zip(graph.source.tolist(), graph.target.tolist(), strict=True))


def test_limit(place: Path) -> None:
    """At most `limit` rows come back, and it is said that there are more."""
    found = sql.query(place, "SELECT url FROM pages", limit=3)
    assert len(found.rows) == 3 and found.more
    found = sql.query(place, "SELECT url FROM pages", limit=len(PAGES))
    assert len(found.rows) == len(PAGES) and not found.more
    nothing = sql.query(place, "SELECT url, depth FROM pages WHERE id < 0")
    assert (nothing.columns, nothing.rows, nothing.more) == (["url", "depth"], [], False)


FORBIDDEN = [
    "DROP TABLE pages",
    "DELETE FROM pages",
    "UPDATE pages SET url = 'x'",
    "INSERT INTO pages (url) VALUES ('x')",
    "CREATE TABLE x (y)",
    "CREATE TEMP TABLE x (y)",
    "CREATE VIEW x AS SELECT 1",
    "ALTER TABLE pages ADD x",
    "PRAGMA table_info(pages)",
    "PRAGMA writable_schema = 1",
    "SELECT * FROM pragma_table_info('pages')",
    "SELECT * FROM sqlite_master",
    "SELECT sql FROM sqlite_schema",
    "ATTACH ':memory:' AS x",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO 'copy.db'",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT x",
    "REINDEX",
    "ANALYZE",
    "SELECT load_extension('x')",
    "SELECT readfile('/etc/hosts')",
    "SELECT writefile('x', 'y')",
    "SELECT fts3_tokenizer('x')",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE pages",
    "",
    "   ",
    "-- nothing",
    "nonsense",
    "SELECT nothing FROM pages",
    "SELECT zeroblob(100000000)",
    "SELECT printf('%.*c', 100000000, 'x')",
    "SELECT * FROM nowhere",
    "SELECT * FROM dbstat",
    "SELECT * FROM sqlite_dbpage",
]


@pytest.mark.parametrize("question", FORBIDDEN)
def test_refuses(place: Path, question: str) -> None:
    """Anything but one SELECT is refused with a sentence, and the data stays as it was."""
    before = (place / sql.FILE).read_bytes() if (place / sql.FILE).exists() else None
    with pytest.raises(GraphError) as caught:
        sql.query(place, question)
    assert str(caught.value).endswith(".")
    assert before is None or (place / sql.FILE).read_bytes() == before
    files = {path.name for path in place.iterdir()}
    assert files <= {"links.parquet", "pages.parquet", "meta.json", sql.FILE}


def test_unknown_columns_are_answered_with_the_known_ones(place: Path) -> None:
    """A model that guessed a name reads which names there are."""
    with pytest.raises(
        GraphError,
        match=r"no such column: rank.*Columns of pages: id, url, pagetype, depth, inlinks",
    ):
        sql.query(place, "SELECT rank FROM pages")


@pytest.mark.parametrize(
    "endless",
    [
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT max(n) FROM x",
        "SELECT count(*) FROM links a, links b, links c, links d, links e, links f",
    ],
)
def test_deadline(place: Path, endless: str) -> None:
    """A query without end is stopped at the deadline."""
    with pytest.raises(GraphError, match=r"longer than 0\.05 seconds"):
        sql.query(place, endless, seconds=0.05)


def test_column_names_need_no_quotes(tmp_path: Path) -> None:
    """Whatever the page table calls its columns, a plain name is made of it."""
    names = ["Status Code", "Größe", "1st", "order", "url (old)", "a-b", "a b", "日本"]
    table = pl.DataFrame({"url": ["/"], **{name: [1] for name in names}})
    edges.save(edges.of(np.zeros(1, int), np.zeros(1, int), table), tmp_path / "graph")
    found = sql.query(
        tmp_path / "graph",
        "SELECT status_code, gr_e, c_1st, c_order, url_old, a_b, a_b_2 FROM pages",
    )
    assert found.rows == [(1,) * 7]


def test_schema(place: Path) -> None:
    """The description names every column and says what the measures mean."""
    said = sql.schema(place)
    columns = sql.query(place, "SELECT * FROM pages").columns
    assert all(f"  {column} " in said for column in columns)
    assert "inlinks INTEGER  -- pages that link here" in said and "source_id" in said


def test_other_libraries_hooks_do_not_count(tmp_path: Path) -> None:
    """One that puts each new database into WAL leaves the tables in one file all the same."""
    edges.save(shop(), tmp_path / "graph")
    apsw.connection_hooks.append(lambda connection: connection.pragma("journal_mode", "wal"))
    assert sql.query(tmp_path / "graph", "SELECT count(*) FROM links").rows == [(20,)]
    assert [path.name for path in (tmp_path / "graph").glob("query*")] == [sql.FILE]


def test_no_graph(tmp_path: Path) -> None:
    """Without a graph there is nothing to ask."""
    with pytest.raises(GraphMissing):
        sql.query(tmp_path / "none", "SELECT 1")


def test_large_graphs_are_prepared_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process makes the tables of a large graph; when it fails, its reason is told."""
    monkeypatch.setattr(sql, "SMALL", 0)
    edges.save(shop(), tmp_path / "graph")
    assert sql.query(tmp_path / "graph", "SELECT count(*) FROM links").rows == [(20,)]
    edges.save(shop(), tmp_path / "graph")
    (tmp_path / "graph" / "links.parquet").write_bytes(b"")
    with pytest.raises(GraphError, match="damaged: build it again"):
        sql.query(tmp_path / "graph", "SELECT 1")


def test_too_large_graphs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that only passes over the disk can measure is not put into tables."""
    monkeypatch.setattr(analysis, "LARGE", 3)
    edges.save(shop(), tmp_path / "graph")
    with pytest.raises(GraphError, match="With 20 links this graph is too large"):
        sql.query(tmp_path / "graph", "SELECT 1")
