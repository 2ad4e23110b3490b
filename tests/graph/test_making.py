"""What `making` makes of CSVs, in this process, and when that is stale."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipulate.graph import edges, making, measures
from pipulate.graph import shelf as folders
from pipulate.graph.errors import GraphError
from tests.graph.sites import export, site


def quiet(share: float, text: str) -> None:
    assert 0 <= share <= 1


def test_picture_force_and_report_are_made_from_csvs(tmp_path: Path) -> None:
    """From the two CSVs come columnar form, picture, Force layout and report, figures and all."""
    graph = site("1k")
    order = export(graph, tmp_path, "20261101")
    folder, links, pages = (Path(order[key]) for key in ("folder", "links", "pages"))
    assert not folders.picture_is_fresh(links, pages, folder)
    making.make_picture(quiet, **order)
    assert folders.picture_is_fresh(links, pages, folder)
    about = json.loads((folder / "picture" / "meta.json").read_text())
    assert (about["pages"], about["links"], about["title"]) == (graph.n, graph.m, "shop 20261101")
    assert about["home"] == edges.load(folder).urls.to_list().index("https://www.example.com/")
    assert {"depth", "inlinks", "pagerank", "orphan", "pagetype"} <= {
        column["name"] for column in about["columns"]
    }

    making.make_force(quiet, str(folder))
    places = np.fromfile(folder / "picture" / "force.f32", "<f4")
    assert places.size == 2 * graph.n
    assert len(set(places.tolist())) > graph.n / 2

    making.make_report(quiet, str(folder))
    counts = json.loads((folder / "report" / "report.json").read_text())["summary"]["counts"]
    assert counts["orphans"] == int(measures.orphans(graph, measures.home(graph)).sum())


def test_changed_csvs_make_everything_stale(tmp_path: Path) -> None:
    """When a CSV changes, the picture is not fresh; making it anew takes the old report away."""
    order = export(site("1k"), tmp_path, "20261101")
    folder, links, pages = (Path(order[key]) for key in ("folder", "links", "pages"))
    making.make_picture(quiet, **order)
    (folder / "report").mkdir()
    with links.open("a") as file:
        file.write("https://www.example.com/,https://www.example.com/new.html\n")
    assert not folders.picture_is_fresh(links, pages, folder)
    making.make_picture(quiet, **order)
    assert folders.picture_is_fresh(links, pages, folder)
    assert not (folder / "report").exists()


def test_of_a_file_that_is_gone_no_picture_is_made(tmp_path: Path) -> None:
    """Not even the one of what was there before; only who names no file gets that."""
    order = export(site("1k"), tmp_path, "20261101")
    making.make_picture(quiet, **order)
    for kind in ("pages", "links"):
        Path(order[kind]).unlink()
        with pytest.raises(GraphError, match=f"{Path(order[kind]).name} cannot be read"):
            making.make_picture(quiet, **order)
    making.make_picture(quiet, **{**order, "links": None, "pages": None})


def test_a_comparison_has_new_gone_and_changed_pages(tmp_path: Path) -> None:
    """The comparison's picture holds the pages of both analyses, each with what became of it."""
    now = site("1k")
    lost = pl.DataFrame({"url": ["https://www.example.com/lost.html"], "pagetype": ["static"]})
    pages = pl.concat([now.pages.filter(pl.col("url") != now.urls[7]), lost], how="diagonal")
    number = {url: row for row, url in enumerate(pages["url"])}
    keep = (now.target != 7) & (now.source != 7)
    ends = [[number[now.urls[int(i)]] for i in end[keep]] for end in (now.source, now.target)]
    then = edges.of(
        np.array([*ends[0], 0], np.uint32), np.array([*ends[1], pages.height - 1], np.uint32), pages
    )
    orders = [export(then, tmp_path, "20261001"), export(now, tmp_path, "20261101")]
    for order in orders:
        making.make_picture(quiet, **order)
    earlier, later = (Path(order["folder"]) for order in orders)
    assert not folders.comparison_is_fresh(later, earlier)
    making.make_comparison(quiet, str(later), str(earlier), "both")
    assert folders.comparison_is_fresh(later, earlier)

    folder = later / "with_20261001" / "picture"
    about = json.loads((folder / "meta.json").read_text())
    urls = (folder / "urls.txt").read_text().split("\n")
    change = next(column for column in about["columns"] if column["name"] == "change")
    codes = (folder / change["file"]).read_bytes()
    became = {url: change["categories"][code] for url, code in zip(urls, codes, strict=True)}
    assert became["https://www.example.com/lost.html"] == "gone"
    assert became[now.urls[7]] == "new"
    assert set(became.values()) == {"new", "gone", "changed", "same"}
    assert about["colour"] == "change"
    assert about["links"] == now.m + 1, "the gone link is drawn, too"

    making.make_picture(quiet, **orders[0])
    (earlier / "meta.json").touch()
    assert not folders.comparison_is_fresh(later, earlier), "the earlier graph was built anew since"


def test_a_bad_file_is_explained_and_leaves_nothing(tmp_path: Path) -> None:
    """A CSV without the two columns fails with the library's own message and leaves nothing."""
    links = tmp_path / "shop_20261101_links.csv"
    links.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(GraphError, match="lacks source and target columns"):
        making.make_picture(quiet, str(links), None, str(tmp_path / "shop_20261101.graph"), "")
    assert [path.name for path in tmp_path.iterdir()] == [links.name]
