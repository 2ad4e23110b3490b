"""The picture's files: what the viewer reads out of them is what the graph says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.engine.errors import CannotWrite
from pipulate.graph import edges, layout, measures, picture
from pipulate.graph import shelf as folders
from tests.graph.sites import picture_files, site


def small(pages: dict[str, Any], links: list[tuple[int, int]] | None = None) -> edges.Graph:
    frame = pl.DataFrame(pages)
    pairs = np.array(
        links if links is not None else [(0, i) for i in range(1, frame.height)], np.uint32
    ).reshape(-1, 2)
    return edges.of(pairs[:, 0], pairs[:, 1], frame)


def urls(*paths: str) -> list[str]:
    return ["https://a.example" + path for path in paths]


def meta(files: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(files["meta.json"])


def column(files: dict[str, bytes], name: str) -> dict[str, Any]:
    return next(c for c in meta(files)["columns"] if c["name"] == name)


def values(files: dict[str, bytes], name: str) -> list[Any]:
    """Read a column as the viewer does."""
    about = column(files, name)
    content = files[about["file"]]
    if about["kind"] == "text":
        return content.decode().split("\n")
    if about["kind"] == "category":
        return [None if code == picture.UNKNOWN else about["categories"][code] for code in content]
    return np.frombuffer(content, "<f8" if about["file"].endswith("f64") else "<f4").tolist()


def test_links_come_back_as_they_went_in() -> None:
    """Out-degrees and targets, as little-endian u32, give the graph's links again."""
    graph = site("1k")
    content = np.frombuffer(picture_files(graph)["links.u32"], "<u4")
    degrees, targets = content[: graph.n], content[graph.n :]
    assert np.repeat(np.arange(graph.n), degrees).tolist() == graph.source.tolist()
    assert targets.tolist() == graph.target.tolist()


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
@settings(max_examples=40, deadline=None)
def test_any_url_is_one_line(addresses: list[str]) -> None:
    """Whatever URLs hold, line i of urls.txt is page i's, with line breaks made spaces."""
    graph = small({"url": addresses}, [])
    lines = picture.files(graph, {})["urls.txt"].decode().split("\n")
    assert len(lines) == graph.n
    plain = [line for line in addresses if not set(line) & set("\r\n\u2028\u2029")]
    assert all(line in lines for line in plain)


def test_columns_keep_their_kind() -> None:
    """Few texts, booleans and codes are categories, other texts are text; unknown stays unknown."""
    n = 300
    graph = small(
        {
            "url": urls(*(f"/{i:03}" for i in range(n))),
            "pagetype": ["product", "list", None] * 100,
            "compliant": [True, None, False] * 100,
            "http_code": [200, 301, None] * 100,
            "clicks": [None, 5.0, 2.5] * 100,
            "impressions": [2**24 + 1, 7, None] * 100,
            "title": [f"Page {i}" for i in range(n)],
            "empty": pl.Series([None] * n, dtype=pl.String),
        }
    )
    files = picture.files(graph, {"inlinks": measures.inlinks(graph)})
    assert values(files, "pagetype")[:3] == ["product", "list", None]
    assert values(files, "compliant")[:3] == ["yes", None, "no"]
    assert values(files, "http_code")[:3] == ["200", "301", None]
    assert np.isnan(values(files, "clicks")[0])
    assert values(files, "clicks")[1:3] == [5, 2.5]
    assert values(files, "impressions")[0] == 2**24 + 1, "float32 would round it"
    assert values(files, "title")[17] == "Page 17"
    assert values(files, "inlinks")[:2] == [0, 1]
    names = [
        "inlinks",
        "section",
        "pagetype",
        "compliant",
        "http_code",
        "clicks",
        "impressions",
        "title",
    ]
    assert [c["name"] for c in meta(files)["columns"]] == names, (
        "measures first; an empty column is left out"
    )
    assert (column(files, "clicks")["whole"], column(files, "impressions")["whole"]) == (
        False,
        True,
    )
    assert meta(files)["colour"] == "pagetype"


def test_a_measure_replaces_the_table_s_column_of_that_name() -> None:
    """Computed depth is shown, not the crawler's, when both are there."""
    graph = small({"url": urls("/", "/a"), "depth": [7, 7]})
    files = picture.files(graph, {"depth": np.array([0, 1])})
    assert values(files, "depth") == [0, 1]


def test_positions_are_those_of_the_layout() -> None:
    """sections.f32 holds x and y of each page; the discs name and count the sections."""
    graph = site("1k")
    files = picture_files(graph)
    place = np.frombuffer(files["sections.f32"], "<f4").reshape(graph.n, 2)
    discs = meta(files)["discs"]
    assert place.min() >= 0
    assert place.max() <= layout.SIDE == meta(files)["side"]
    assert sum(disc["pages"] for disc in discs) == graph.n
    found = values(files, "section")
    for disc in discs:
        inside = [name == disc["label"] for name in found]
        assert sum(inside) == disc["pages"]
        assert (
            np.linalg.norm(place[inside] - [disc["x"], disc["y"]], axis=1).max() <= disc["r"] + 0.02
        )


def test_the_smallest_graphs_have_a_picture() -> None:
    """One page without a link, and two with one, are drawn like any other."""
    for pages, links in ((1, []), (2, [(0, 1)])):
        graph = small({"url": urls(*(f"/{i}" for i in range(pages)))}, links)
        assert len(picture.files(graph, {})["sections.f32"]) == 8 * pages


def test_a_picture_is_saved_whole_and_read_as_fresh(tmp_path: Path) -> None:
    """The folder appears with all its files; an older picture is replaced; no scraps stay."""
    files, folder = picture_files(site("1k")), tmp_path / "picture"
    assert not folders.picture_is_readable(folder.parent)
    picture.save(files, folder)
    assert folders.picture_is_readable(folder.parent)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    picture.save({"meta.json": b'{"format": 0}'}, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["picture"]
    assert not folders.picture_is_readable(folder.parent), "another version's picture is made anew"


def test_a_failed_save_leaves_the_old_picture(tmp_path: Path) -> None:
    """When the new files cannot be written, the old picture is there as before."""
    folder = tmp_path / "picture"
    picture.save(picture_files(site("1k")), folder)
    with pytest.raises(CannotWrite, match="No such file"):
        picture.save({"meta.json": b"{}", "no/such/folder": b""}, folder)
    assert folders.picture_is_readable(folder.parent)
    assert [path.name for path in tmp_path.iterdir()] == ["picture"]


def test_force_is_added_to_a_picture(tmp_path: Path) -> None:
    """The Force layout joins the files that are there."""
    graph = site("1k")
    picture.save(picture_files(graph), tmp_path / "picture")
    picture.save_force(
        layout.force(graph.n, graph.source, graph.target), tmp_path / "picture" / "force.f32"
    )
    assert (tmp_path / "picture" / "force.f32").stat().st_size == 8 * graph.n
    assert folders.picture_is_readable(tmp_path)
