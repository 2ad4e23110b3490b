"""`pipulate graph` from the terminal: files in, words and tables out."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest

from pipulate.commands import graph
from pipulate.engine.collecting import DAY
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
    """It says what was found and where to see it; the second time the graph is used again."""
    links = tmp_path / "Shop X_links.csv"
    links.write_text(LINKS)
    (tmp_path / "Shop X_meta.csv").write_text("id,pagetype\n/,home\n/d,item\n")
    graph.main([str(links)], settings)
    said = capsys.readouterr().out
    assert "5 pages, 4 links" in said
    assert "Home: /\n" in said
    assert "2  Orphans" in said
    place = graph.columnar(links, None, settings)
    project = spelled("Shop X")
    assert place.parent == settings.downloads / "link-graph" / "csv" / project
    assert place.name.startswith(f"{project}_2")
    assert f"/graph/csv/{project}/{place.stem.rpartition('_')[2]}" in said
    made = (place / "meta.json").stat().st_ino
    graph.main([str(links), "--json"], settings)
    assert json.loads(capsys.readouterr().out)["summary"]["pages"] == 5
    assert (place / "meta.json").stat().st_ino == made
    links.write_text(LINKS + "/b,/\n")
    assert edges.load(graph.columnar(links, None, settings)).m == 5


def test_what_a_killed_command_unpacked_is_collected(tmp_path: Path, settings: Settings) -> None:
    """After a day, by the next one: a server may never run here."""
    place = settings.downloads / "link-graph" / "csv" / "links"
    for name, age in (("abcd1234", DAY + 60), ("efgh5678", 0)):
        left = place / f".scratch.{name}.part"
        left.mkdir(parents=True)
        (left / "links.csv").touch()
        then = time.time() - age
        os.utime(left / "links.csv", (then, then))
    links = tmp_path / "links.csv"
    links.write_text(LINKS)
    graph.main([str(links)], settings)
    assert files(place) >= {".scratch.efgh5678.part"}
    assert not (place / ".scratch.abcd1234.part").exists()


def test_report(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """`report` writes all tables, to the place where the app shows them or where it is told."""
    links = tmp_path / "links.csv"
    links.write_text(LINKS)
    graph.main(["report", str(links)], settings)
    place = graph.columnar(links, None, settings)
    expected = {"report.json", "orphans.csv", "orphans.parquet", "communities.csv"}
    assert expected <= files(place / "report")
    graph.main(["report", str(links), "--out", str(tmp_path / "here")], settings)
    assert pl.read_csv(tmp_path / "here" / "orphans.csv")["url"].to_list() == ["/c"]
    assert str(tmp_path / "here") in capsys.readouterr().out


def test_compare(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """`compare` takes files and columnar folders alike."""
    earlier = tmp_path / "1.csv"
    later = tmp_path / "2.csv"
    earlier.write_text(LINKS)
    later.write_text(LINKS + "/b,/new\n")
    place = graph.columnar(earlier, None, settings)
    graph.main(["compare", str(place), str(later), "--out", str(tmp_path / "out")], settings)
    said = capsys.readouterr().out
    assert "Pages 4 → 5, links 4 → 5." in said
    assert "1  New pages" in said
    assert pl.read_csv(tmp_path / "out" / "new_links.csv").rows() == [("/b", "/new")]
    graph.main(["compare", str(place), str(later), "--json"], settings)
    assert json.loads(capsys.readouterr().out)["summary"]["counts"]["new_links"] == 1


def test_a_graph_elsewhere_has_no_page(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """No address is told of a graph that does not stand where the app looks for graphs."""
    (tmp_path / "links.csv").write_text(LINKS)
    edges.build(tmp_path / "links.csv", None, tmp_path / "my.graph")
    graph.main([str(tmp_path / "my.graph")], settings)
    said = capsys.readouterr().out
    assert "4 pages, 4 links" in said
    assert "/graph/" not in said


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
    graph.main([str(folder)], settings)
    said = capsys.readouterr().out
    assert "4 pages, 3 links" in said
    assert "1  Orphans" in said


def test_large_graphs_are_measured_on_disk(
    tmp_path: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond LARGE links the report comes from passes over the disk."""
    monkeypatch.setattr(analysis, "LARGE", 3)
    links = tmp_path / "links.csv"
    links.write_text(LINKS)
    graph.main(["report", str(links), "--out", str(tmp_path / "out")], settings)
    assert "1  Orphans" in capsys.readouterr().out
    assert "report.json" in files(tmp_path / "out")
    assert "near_orphans.csv" not in files(tmp_path / "out")


def test_mistakes(tmp_path: Path, settings: Settings) -> None:
    """What cannot be read is said; nothing is left behind."""
    with pytest.raises(GraphError, match=r"none\.csv cannot be read"):
        graph.main([str(tmp_path / "none.csv")], settings)
    assert not settings.downloads.exists()
    (tmp_path / "links.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(GraphError, match=r"links\.csv lacks source and target columns"):
        graph.main([str(tmp_path / "links.csv")], settings)
    assert not list(settings.downloads.rglob("*.*"))
