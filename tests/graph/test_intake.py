"""Links from anywhere get their place on the shelf, and keep it."""

from pathlib import Path

from pipulate.graph import edges
from pipulate.graph.intake import columnar, html_folder
from pipulate.graph.shelf import Shelf, spelled

LINKS = "source,target\n/,/a\n/,/b\n/a,/\n/c,/a\n"
TODAY = "20240301"


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """A graph is made again only when its file has changed; the table beside it is taken."""
    graphs = Shelf(tmp_path / "downloads")
    links = tmp_path / "Shop X_links.csv"
    links.write_text(LINKS)
    (tmp_path / "Shop X_meta.csv").write_text("id,pagetype\n/,home\n/d,item\n")
    folder = columnar(links, None, graphs, TODAY)
    assert folder == graphs.place("csv", spelled("Shop X"), TODAY).graph
    assert edges.load(folder).urls.to_list() == ["/", "/a", "/b", "/c", "/d"]
    made = (folder / "meta.json").stat().st_ino
    assert columnar(links, None, graphs, "20240302") == folder
    assert (folder / "meta.json").stat().st_ino == made
    links.write_text(LINKS + "/b,/\n")
    assert edges.load(columnar(links, None, graphs, TODAY)).m == 5


def test_a_graph_is_taken_as_it_is(tmp_path: Path) -> None:
    """A columnar form that is there already, wherever it is, stays where it is."""
    (tmp_path / "links.csv").write_text(LINKS)
    folder = tmp_path / "elsewhere"
    edges.build(tmp_path / "links.csv", None, folder)
    assert columnar(folder, None, Shelf(tmp_path / "downloads"), TODAY) == folder
    assert not (tmp_path / "downloads").exists()


def test_files_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    """Exports are often all called the same; each has a graph of its own, HTML its old one."""
    graphs = Shelf(tmp_path / "downloads")
    made = []
    for shop in ("one", "two"):
        (tmp_path / shop / "docs").mkdir(parents=True)
        (tmp_path / shop / "docs" / "index.html").write_text(f'<a href="{shop}.html">x</a>')
        (tmp_path / shop / "links.csv").write_text(f"source,target\n/,/{shop}\n")
        made += [columnar(tmp_path / shop / "links.csv", None, graphs, TODAY)]
        made += [columnar(tmp_path / shop / "docs", None, graphs, TODAY)]
        assert made[-1] == columnar(tmp_path / shop / "docs", None, graphs, TODAY)
    assert len(set(made)) == 4
    assert [edges.load(folder).urls[-1][-3:] for folder in (made[0], made[2])] == ["one", "two"]


def test_a_folder_of_html(tmp_path: Path) -> None:
    """Pages that are there are listed; those that only a link names are not."""
    (tmp_path / "index.html").write_text('<a href="a.html">x</a><a href="missing.html#y">y</a>')
    (tmp_path / "a.html").write_text("<title>A</title>")
    _, graph = html_folder(tmp_path)
    assert graph.meta["folder"] == str(tmp_path)
    listed = dict(graph.pages.select("url", "listed").rows())
    paths = {url.rpartition(".example")[2]: there for url, there in listed.items()}
    assert paths == {"/index.html": True, "/a.html": True, "/missing.html": False}
