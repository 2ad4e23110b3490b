"""`pipulate graph` from the terminal: files in, words and tables out."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from pipulate.commands import graph as cli
from pipulate.engine.settings import Settings
from pipulate.graph import analysis, edges
from pipulate.graph.errors import GraphError
from pipulate.graph.shelf import spelled

LINKS = "source,target\n/,/a\n/,/b\n/a,/\n/c,/a\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose folders are the test's."""
    return Settings(data=tmp_path / "data", downloads=tmp_path / "downloads")


def files(folder: Path) -> set[str]:
    """Return the names in a folder."""
    return {path.name for path in folder.iterdir()}


def test_analyse(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what was found and where to see it; the second time the columnar form is used again."""
    links = tmp_path / "Shop X_links.csv"
    links.write_text(LINKS)
    (tmp_path / "Shop X_meta.csv").write_text("id,pagetype\n/,home\n/d,item\n")
    assert cli.main([str(links)], settings) == 0
    said = capsys.readouterr().out
    assert "5 pages, 4 links" in said and "Home: /\n" in said and "2  Orphans" in said
    place = cli.columnar(links, None, settings)
    project = spelled("Shop X")
    assert place.parent == settings.downloads / "link-graph" / "csv" / project
    assert place.name.startswith(f"{project}_2")
    assert f"/graph/csv/{project}/{place.stem.rpartition('_')[2]}" in said
    made = (place / "meta.json").stat().st_ino
    assert cli.main([str(links), "--json"], settings) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["pages"] == 5
    assert (place / "meta.json").stat().st_ino == made
    links.write_text(LINKS + "/b,/\n")
    assert edges.load(cli.columnar(links, None, settings)).m == 5


def test_files_of_one_name_do_not_replace_each_other(tmp_path: Path, settings: Settings) -> None:
    """Exports are often all called the same; each has a graph of its own, and HTML read again its old one."""
    made = []
    for shop in ("one", "two"):
        (tmp_path / shop / "docs").mkdir(parents=True)
        (tmp_path / shop / "docs" / "index.html").write_text(f'<a href="{shop}.html">x</a>')
        (tmp_path / shop / "links.csv").write_text(f"source,target\n/,/{shop}\n")
        made += [cli.columnar(tmp_path / shop / "links.csv", None, settings)]
        made += [cli.columnar(tmp_path / shop / "docs", None, settings)]
        assert made[-1] == cli.columnar(tmp_path / shop / "docs", None, settings)
    assert len(set(made)) == 4
    assert [edges.load(folder).urls[-1][-3:] for folder in (made[0], made[2])] == ["one", "two"]


def test_report(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """`report` writes all tables, to the place where the app shows them or where it is told."""
    links = tmp_path / "links.csv"
    links.write_text(LINKS)
    assert cli.main(["report", str(links)], settings) == 0
    place = cli.columnar(links, None, settings)
    assert {"report.json", "orphans.csv", "orphans.parquet", "communities.csv"} <= files(
        place / "report"
    )
    assert cli.main(["report", str(links), "--out", str(tmp_path / "here")], settings) == 0
    assert pl.read_csv(tmp_path / "here" / "orphans.csv")["url"].to_list() == ["/c"]
    assert str(tmp_path / "here") in capsys.readouterr().out


def test_compare(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """`compare` takes files and columnar folders alike."""
    earlier, later = tmp_path / "1.csv", tmp_path / "2.csv"
    earlier.write_text(LINKS)
    later.write_text(LINKS + "/b,/new\n")
    place = cli.columnar(earlier, None, settings)
    assert (
        cli.main(["compare", str(place), str(later), "--out", str(tmp_path / "out")], settings) == 0
    )
    said = capsys.readouterr().out
    assert "Pages 4 → 5, links 4 → 5." in said and "1  New pages" in said
    assert pl.read_csv(tmp_path / "out" / "new_links.csv").rows() == [("/b", "/new")]


def test_html_folder(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of HTML is read as a web server would serve it."""
    folder = tmp_path / "My Docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text(
        '<title>Home</title><a href="sub/">x</a><a href="missing.html#y">y</a>'
    )
    (folder / "sub" / "index.html").write_text('<a href="../index.html">up</a>')
    (folder / "alone.html").write_text("<p>no links</p>")
    assert cli.main([str(folder)], settings) == 0
    said = capsys.readouterr().out
    assert "4 pages, 3 links" in said and "1  Orphans" in said
    _, graph = cli.html_folder(folder)
    rows = {
        url.rpartition(".example")[2]: listed
        for url, listed in graph.pages.select("url", "listed").rows()
    }
    assert {path: listed for path, listed in rows.items() if not listed} == {"/missing.html": False}


def test_large_graphs_are_measured_on_disk(
    tmp_path: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond LARGE links the report comes from passes over the disk."""
    monkeypatch.setattr(analysis, "LARGE", 3)
    (tmp_path / "links.csv").write_text(LINKS)
    assert (
        cli.main(["report", str(tmp_path / "links.csv"), "--out", str(tmp_path / "out")], settings)
        == 0
    )
    assert "1  Orphans" in capsys.readouterr().out
    assert "report.json" in files(tmp_path / "out") and "near_orphans.csv" not in files(
        tmp_path / "out"
    )


def test_mistakes(tmp_path: Path, settings: Settings) -> None:
    """What cannot be read is said; nothing is left behind."""
    with pytest.raises(GraphError, match=r"none\.csv cannot be read"):
        cli.main([str(tmp_path / "none.csv")], settings)
    assert not settings.downloads.exists()
    (tmp_path / "links.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(GraphError, match=r"links\.csv lacks source and target columns"):
        cli.main([str(tmp_path / "links.csv")], settings)
    assert not list(settings.downloads.rglob("*.*"))
