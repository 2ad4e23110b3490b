"""Questions: answered from the tables, from a link graph, from the manual."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipulate.chat.desk import Desk
from pipulate.chat.proposals import call
from pipulate.chat.questions import describe_data
from pipulate.engine.errors import PipulateError, Unknown
from pipulate.engine.settings import Settings
from pipulate.graph import edges
from tests.chat.fakes import make_desk

HOME, SHOE, BOOT = (f"https://a.example/{page}" for page in ("", "x", "y"))
GUIDE = "# Guide\nHello.\n## Backups\nMade daily, see runs.\n## Runs\nAn ID.\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk with two tasks, where graphs lie in `downloads`."""
    settings = Settings(data=tmp_path, downloads=tmp_path / "downloads")
    return replace(make_desk(tmp_path, ("Buy tea", "Buy coffee")), settings=settings)


@pytest.fixture
def graph(tmp_path: Path) -> None:
    """Make the link graph acme/shop: home leads to a shoe, that to a boot."""
    links = tmp_path / "links.csv"
    links.write_text(f"source,target\n{HOME},{SHOE}\n{SHOE},{BOOT}\n", "utf-8")
    pages = tmp_path / "pages.csv"
    pages.write_text(f"url,kind\n{SHOE},shoe\n{BOOT},boot\n", "utf-8")
    edges.build(links, pages, tmp_path / "downloads/link-graph/acme/shop/shop_20260101.graph")


def test_the_manual_is_searched(desk: Desk) -> None:
    """The section whose title fits comes first; a query of signs finds and breaks nothing."""
    desk.docs.mkdir()
    (desk.docs / "guide.md").write_text(GUIDE, "utf-8")

    def search(query: str) -> str:
        return str(call(desk, "search_docs", {"query": query}))

    assert search("how do backups work").startswith("guide, Backups:\nMade daily")
    assert search("runs").startswith("guide, Runs:\nAn ID.")
    assert search('"*^') == "The manual has nothing on that."


def test_tables_are_asked(desk: Desk) -> None:
    """The answer shows the statement that it answers."""
    count = "SELECT count(*) AS n FROM task"
    assert call(desk, "query_data", {"statement": count}) == f"`{count}`\n\n| n |\n| --- |\n| 2 |"
    assert "task (id, name, done" in describe_data(desk, "query_data")


def test_without_a_graph_there_is_a_way_to_one(desk: Desk) -> None:
    """The error says where one is made."""
    with pytest.raises(Unknown, match="none yet; make one in Link graph"):
        call(desk, "query_links", {"statement": "SELECT 1"})


@pytest.mark.parametrize("named", ["", "acme/Shop", "shop"])
def test_links_are_asked(desk: Desk, graph: None, named: str) -> None:
    """Of the graph that is named, in any spelling, or of the latest."""
    statement = "SELECT url FROM pages WHERE inlinks = 0"
    told = call(desk, "query_links", {"statement": statement, "graph": named})
    assert told == f"`{statement}`\n\n| url |\n| --- |\n| {HOME} |"


def test_a_graph_that_is_not_there_is_told_with_those_that_are(desk: Desk, graph: None) -> None:
    """So that the model can try again."""
    with pytest.raises(Unknown, match="There are: acme/shop"):
        call(desk, "query_links", {"statement": "SELECT 1", "graph": "other"})
    with pytest.raises(PipulateError, match="Columns of pages"):
        call(desk, "query_links", {"statement": "SELECT clicks FROM pages"})


def test_a_model_is_told_what_stands_in_a_column_of_few_values(desk: Desk, graph: None) -> None:
    """And what a column means where its name does not say it."""
    told = describe_data(desk, "query_links")
    assert "  kind TEXT  -- one of: boot, shoe" in told
    assert "inlinks INTEGER" in told
    assert "url TEXT  -- " in told
