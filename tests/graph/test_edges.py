"""The columnar form: what of the files is in it, what is counted, that it is whole or not there."""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import edges
from pipulate.graph.errors import GraphError, GraphMissing
from tests.graph.tables import ONE, SCREAMING_FROG, build, frog, named


def test_counts(tmp_path: Path) -> None:
    """What was merged or left out is counted."""
    rows = "source,target\n/a,/b\n/a,/b\n/a,/a\n/c\n" + "/a,/b\n" * 200 + "/a,/b,/c\n"
    meta = build(tmp_path, rows).meta
    counts = {
        "pages": 2,
        "links": 2,
        "rows": 203,
        "duplicates": 201,
        "self_links": 1,
        "incomplete_rows": 2,
        "listed": 0,
    }
    assert {key: meta[key] for key in counts} == counts


def test_types_of_links(tmp_path: Path) -> None:
    """Other types than hyperlinks are counted and make no pages; if none is one, all are links."""
    graph = build(
        tmp_path, SCREAMING_FROG + frog("Hyperlink", "/a", "/b") + frog("Image", "/a", "/i.png")
    )
    assert graph.urls.to_list() == ["/a", "/b"]
    assert graph.meta["other_types"] == 1
    assert named(build(tmp_path, "type,source,target\nmenu,/a,/b\n")) == ONE


def test_nofollow(tmp_path: Path) -> None:
    """A link is nofollow when each of its copies is; Follow, Nofollow and rel columns say so."""
    rows = (
        frog("Hyperlink", "/a", "/b", "false")
        + frog("Hyperlink", "/a", "/c", "false")
        + frog("Hyperlink", "/a", "/c")
    )
    graph = build(tmp_path, SCREAMING_FROG + rows)
    assert graph.follow is not None
    assert dict(zip(graph.urls.gather(pl.Series(graph.target)), graph.follow, strict=True)) == {
        "/b": False,
        "/c": True,
    }
    loaded = edges.load(tmp_path / "graph")
    assert loaded.follow is not None and loaded.follow.tolist() == graph.follow.tolist()
    for header, cell in [("nofollow", "true"), ("rel", "noopener NOFOLLOW")]:
        flags = build(tmp_path, f"source,target,{header}\n/a,/b,{cell}\n/a,/c,\n").follow
        assert flags is not None and flags.tolist() == [False, True]
    assert build(tmp_path, "source,target,rel\n/a,/b,noopener\n").follow is None


def test_pages(tmp_path: Path) -> None:
    """The page table's columns are typed, its names kept apart from ours, unlisted pages empty."""
    table = """id,depth,ctr,share,ok,url,title,status
/a,0,1.5,1.5%,true,x,,200
 /c ,2,,2%,no,,T,
/c,9,,,,,,
,1,,,,,,
"""
    graph = build(tmp_path, "source,target\n/a,/b\n", table)
    assert graph.pages.to_dict(as_series=False) == {
        "url": ["/a", "/b", "/c"],
        "listed": [True, False, True],
        "depth": [0, None, 2],
        "ctr": [1.5, None, None],
        "share": [1.5, None, 2.0],
        "ok": [True, None, False],
        "url (table)": ["x", None, None],
        "title": [None, None, "T"],
        "status": [200, None, None],
    }
    meta = graph.meta
    counts = (meta["page_rows"], meta["page_duplicates"], meta["pages_without_address"])
    assert counts == (4, 1, 1)


def test_load_equals_build(tmp_path: Path) -> None:
    """What is read back is what was built, in order and type."""
    built = build(tmp_path, "source,target\n/b,/a\n/a,/c\n/a,/b\n", "url,depth\n/a,0\n")
    loaded = edges.load(tmp_path / "graph")
    assert loaded.pages.equals(built.pages) and loaded.pages.schema == built.pages.schema
    assert loaded.meta == built.meta
    for a, b in [(loaded.source, built.source), (loaded.target, built.target)]:
        assert a.dtype == b.dtype == np.uint32 and a.tolist() == b.tolist()


def test_same_input_same_bytes(tmp_path: Path) -> None:
    """Page numbers do not depend on threads or on the order of rows."""
    rows = [f"/p{i % 701},/p{i * 31 % 977}\n" for i in range(20_000)]
    written = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        build(tmp_path, "source,target\n" + "".join(rows))
        written.append(
            [(tmp_path / "graph" / f).read_bytes() for f in ("links.parquet", "pages.parquet")]
        )
    assert written[0] == written[1]


def test_csr_and_reverse() -> None:
    """csr gives each page's targets, reverse its sources, both ascending."""
    graph = edges.of(
        np.array([2, 0, 0, 2]), np.array([1, 2, 1, 0]), pl.DataFrame({"url": list("abcd")})
    )
    starts, targets = graph.csr()
    assert [targets[starts[i] : starts[i + 1]].tolist() for i in range(4)] == [
        [1, 2],
        [],
        [0, 1],
        [],
    ]
    starts, origins = graph.reverse()
    assert [origins[starts[i] : starts[i + 1]].tolist() for i in range(4)] == [[2], [0, 2], [0], []]


def test_of_refuses_unknown_pages() -> None:
    """A link to a page that has no row is a mistake of the caller, said so."""
    with pytest.raises(GraphError, match="names page 5; there are 2"):
        edges.of(np.array([0]), np.array([5]), pl.DataFrame({"url": ["a", "b"]}))


def test_fresh(tmp_path: Path) -> None:
    """A copy is fresh while the same files have the same bytes, whatever their time."""
    links = tmp_path / "l.csv"
    pages = tmp_path / "p.csv"
    folder = tmp_path / "graph"
    links.write_text("source,target\n/a,/b\n")
    pages.write_text("url,x\n/a,1\n")
    assert not edges.fresh(folder, links, pages)
    edges.build(links, pages, folder)
    assert edges.fresh(folder, links, pages)
    assert not edges.fresh(folder, links, None)
    links.touch()
    assert edges.fresh(folder, links, pages)
    links.write_text("source,target\n/a,/c\n")
    assert not edges.fresh(folder, links, pages)
    links.unlink()
    assert not edges.fresh(folder, links, pages)


def test_failure_leaves_the_old_copy(tmp_path: Path) -> None:
    """When a new file cannot be used, the graph that was there stays."""
    build(tmp_path, "source,target\n/a,/b\n")
    with pytest.raises(GraphError):
        build(tmp_path, "nonsense\n")
    assert named(edges.load(tmp_path / "graph")) == ONE


@pytest.mark.parametrize("damage", ["gone", "cut", "meta", "version", "counts"])
def test_damaged_copies(tmp_path: Path, damage: str) -> None:
    """A copy that is not whole is never taken for a graph."""
    build(tmp_path, "source,target\n/a,/b\n")
    folder = tmp_path / "graph"
    meta = json.loads((folder / "meta.json").read_text())
    match damage:
        case "gone":
            (folder / "meta.json").unlink()
        case "cut":
            (folder / "links.parquet").write_bytes((folder / "links.parquet").read_bytes()[:50])
        case "meta":
            (folder / "meta.json").write_text("{")
        case "version":
            (folder / "meta.json").write_text(json.dumps(meta | {"format": 99}))
        case "counts":
            (folder / "meta.json").write_text(json.dumps(meta | {"links": 7}))
    with pytest.raises(GraphMissing):
        edges.load(folder)


addresses = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda t: t.strip() == t and t.strip()
)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(addresses, addresses), min_size=1, max_size=30))
def test_any_addresses_come_back(links: list[tuple[str, str]]) -> None:
    """Whatever characters addresses have, the links read are the links written."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([("source", "target"), *links])
    with tempfile.TemporaryDirectory() as folder:
        assert named(build(Path(folder), text.getvalue())) == set(links)
