"""The columnar form: what is read from files of every kind, what is written, what is refused and how it is said."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import edges
from pipulate.graph.errors import GraphError, GraphMissing

SCREAMING_FROG = (
    '"Type","Source","Destination","Size (Bytes)","Alt Text","Anchor","Status Code","Status","Follow","Target","Rel",'
    '"Path Type","Link Path","Link Position","Link Origin"\n'
)


def frog(kind: str, source: str, target: str, follow: str = "true", anchor: str = "x") -> str:
    """Return one row of Screaming Frog's "all inlinks" export."""
    rel = "" if follow == "true" else "nofollow"
    cells = [
        kind,
        source,
        target,
        "10",
        "",
        anchor,
        "200",
        "OK",
        follow,
        "_blank",
        rel,
        "Absolute",
        "//a",
        "Content",
        "HTML",
    ]
    return ",".join(f'"{cell}"' for cell in cells) + "\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def named(graph: edges.Graph) -> set[tuple[str, str]]:
    """Return the links as pairs of addresses."""
    urls = graph.urls
    return set(
        zip(urls.gather(pl.Series(graph.source)), urls.gather(pl.Series(graph.target)), strict=True)
    )


def build(
    folder: Path, content: str | bytes, pages: str | bytes | None = None, name: str = "links.csv"
) -> edges.Graph:
    """Build a graph from the contents of its files."""
    table = None if pages is None else write(folder, "pages.csv", pages)
    return edges.build(write(folder, name, content), table, folder / "graph")


ONE = {("/a", "/b")}
READABLE = [
    ("our own form", "source,target\n/a,/b\n", ONE),
    ("repeated and self links", "source,target\n/a,/b\n/a,/b\n/b,/b\n", ONE | {("/b", "/b")}),
    ("a sep= line", "sep=;\r\nsource;target\r\n/a;/b\r\n", ONE),
    ("a sep= line for tabs, below a blank one", "\nsep=\t\r\nfrom\tto\r\n/a\t/b\r\n", ONE),
    ("a sep= line and no header", "sep=;\n/a;/b\n", ONE),
    ("neither", "/a,/b\nhttps://x/,/b\n", ONE | {("https://x/", "/b")}),
    ("tabs", "Source\tDestination\n/a\t/b\n", ONE),
    (
        "UTF-16, as Excel saves Unicode text",
        "Source\tTarget\n/ä\t/b\n".encode("utf-16"),
        {("/ä", "/b")},
    ),
    ("a byte order mark", b"\xef\xbb\xbfsource,target\n/a,/b\n", ONE),
    (
        "mixed encodings",
        "source,target\n/ä,/b\n".encode() + "/é,/b\n".encode("cp1252"),
        {("/ä", "/b"), ("/é", "/b")},
    ),
    ("bare carriage returns", "source,target\r/a,/b\r", ONE),
    ("separators at the end", "source;target;\n/a;/b;\n", ONE),
    ("separators at the end of rows only", "source;target\n/a;/b;\n", ONE),
    ("columns in another order", "anchor,to,from\nx,/b,/a\n", ONE),
    (
        "quotes, commas, line breaks in cells",
        'source,target\n"/a,1","/b""2\n3"\n',
        {("/a,1", '/b"2\n3')},
    ),
    ("white space", "source,target\n /a , /b\n", ONE),
    ("rows without an end", 'source,target\n/a,/b\n/c\n,/d\n"",/e\n  ,/f\n\n', ONE),
    ("one column named", "source,goes to\n/a,/b\n", ONE),
    ("gzip", gzip.compress(b"source,target\n/a,/b\n"), ONE),
    ("a quote that ends too early", 'source,target\n"/c"x/é,/b\n'.encode(), {("/cx/é", "/b")}),
    (
        "Screaming Frog's all inlinks: hyperlinks, by Destination, not Target",
        SCREAMING_FROG
        + frog("Hyperlink", "/a", "/b", anchor='An ""odd""\nanchor, with all')
        + frog("Image", "/a", "/i.png"),
        ONE,
    ),
    ("Sitebulb's link export", "Source URL,Target URL,Anchor Text,Nofollow\n/a,/b,x,No\n", ONE),
]


@pytest.mark.parametrize(
    ("content", "expected"), [r[1:] for r in READABLE], ids=[r[0] for r in READABLE]
)
def test_reads(tmp_path: Path, content: str | bytes, expected: set[tuple[str, str]]) -> None:
    """Each kind of file gives the links a person would read in it."""
    assert named(build(tmp_path, content)) == expected


BROKEN = [
    ("empty", "", "is empty"),
    ("blank", "\n\n", "no header"),
    ("only a header", "source,target\n", "no links below"),
    (
        "missing target",
        "source,anchor,rel\n/a,x,\n",
        "lacks a target column; its columns are: source, anchor, rel",
    ),
    ("missing source", "x,target,rel\n/a,x,\n", "lacks a source column"),
    (
        "three unclear columns",
        "a,b,c\n/a,/b,1\n",
        "lacks source and target columns; its columns are: a, b, c",
    ),
    ("three columns without header", "/a,/b,1\n", "Name the column of the linking page `source`"),
    ("one column", "source\n/a\n", "lacks a target column"),
    (
        "an error page",
        "<!doctype html><title>Not found</title>\n",
        "lacks source and target columns",
    ),
    ("binary", bytes(range(256)) * 4, "not a text file"),
    ("an image", b"\x89PNG\r\n\x1a\n" + bytes(range(1, 256)), "not a text file"),
    (
        "a huge field",
        b"source,target\n/a,/" + b"b" * 2_000_000 + b"\n",
        "address of 2,000,001 bytes",
    ),
    ("a huge address", b"source,target\n/a,/" + b"b" * 20_000 + b"\n", "at most 16,384"),
    (
        "a quote without partner",
        'source,target\n/x,/y\n"/a,/b\n' + "/c,/d\n" * 200_000,
        "starts in line 3",
    ),
    (
        "a comma that is not in quotes",
        "source,target\n/a,/b\n/c,/d,1\n",
        "line 3 has 3 cells, the header has 2",
    ),
    ("cut-off gzip", gzip.compress(random.Random(1).randbytes(9999))[:-500], "is cut off"),
    ("damaged zip", b"PK\x03\x04garbage", "is damaged"),
    ("damaged Parquet", b"PAR1garbagePAR1", "damaged Parquet"),
]


@pytest.mark.parametrize(
    ("content", "message"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN]
)
def test_refuses(tmp_path: Path, content: str | bytes, message: str) -> None:
    """A file that cannot be used is refused with its name and the reason, and leaves nothing behind."""
    with pytest.raises(GraphError) as caught:
        build(tmp_path, content)
    assert str(caught.value).startswith("links.csv")
    assert message in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["links.csv"]


def zipped(**files: str) -> bytes:
    """Return a zip archive of these files (`_` for `/` and `.`)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return packed.getvalue()


def test_zip(tmp_path: Path) -> None:
    """A zip archive is read when just one table is in it (see test_unpack)."""
    packed = zipped(export__links_csv="source,target\n/a,/b\n", readme_md="x")
    assert named(build(tmp_path, packed)) == ONE


def test_parquet(tmp_path: Path) -> None:
    """A Parquet file is read by the same names, whatever its columns' types."""
    path = tmp_path / "links.parquet"
    pl.DataFrame({"From": [1, 2], "To": [2, 3], "weight": [0.5, 0.1]}).write_parquet(path)
    assert named(edges.build(path, None, tmp_path / "graph")) == {("1", "2"), ("2", "3")}


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(GraphError, match=r"none\.csv cannot be read: there is no such file"):
        edges.build(tmp_path / "none.csv", None, tmp_path / "graph")


def test_odd_file_names(tmp_path: Path) -> None:
    """Brackets and stars in a file's name are characters, not patterns."""
    assert named(build(tmp_path, "source,target\n/a,/b\n", name="li[n]ks*.csv")) == ONE
    assert named(edges.load(tmp_path / "graph")) == ONE


def test_counts(tmp_path: Path) -> None:
    """What was merged or left out is counted."""
    rows = "source,target\n/a,/b\n/a,/b\n/a,/a\n/c\n" + "/a,/b\n" * 200 + "/a,/b,/c\n"
    meta = build(tmp_path, rows).meta
    got = {
        key: meta[key]
        for key in (
            "pages",
            "links",
            "rows",
            "duplicates",
            "self_links",
            "incomplete_rows",
            "listed",
        )
    }
    assert got == {
        "pages": 2,
        "links": 2,
        "rows": 203,
        "duplicates": 201,
        "self_links": 1,
        "incomplete_rows": 2,
        "listed": 0,
    }


def test_types_of_links(tmp_path: Path) -> None:
    """Other types than hyperlinks are counted and make no pages; without hyperlinks, all rows are links."""
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
    """The page table's columns are typed, its own names are kept apart from ours, unlisted pages have none."""
    table = "id,depth,ctr,share,ok,url,title,status\n/a,0,1.5,1.5%,true,x,,200\n /c ,2,,2%,no,,T,\n/c,9,,,,,,\n,1,,,,,,\n"
    graph = build(tmp_path, "source,target\n/a,/b\n", table)
    assert graph.pages.to_dicts() == [
        {
            "url": "/a",
            "listed": True,
            "depth": 0,
            "ctr": 1.5,
            "share": 1.5,
            "ok": True,
            "url (table)": "x",
            "title": None,
            "status": 200,
        },
        {
            "url": "/b",
            "listed": False,
            "depth": None,
            "ctr": None,
            "share": None,
            "ok": None,
            "url (table)": None,
            "title": None,
            "status": None,
        },
        {
            "url": "/c",
            "listed": True,
            "depth": 2,
            "ctr": None,
            "share": 2.0,
            "ok": False,
            "url (table)": None,
            "title": "T",
            "status": None,
        },
    ]
    assert (
        graph.meta["page_rows"],
        graph.meta["page_duplicates"],
        graph.meta["pages_without_address"],
    ) == (4, 1, 1)


@pytest.mark.parametrize("header", ["id", "url", "Address", "Full URL", "Top pages"])
def test_page_addresses(tmp_path: Path, header: str) -> None:
    """The address column is known by the names that crawlers and Search Console give it."""
    graph = build(tmp_path, "source,target\n/a,/b\n", f"{header};Titel\n/b;Käse\n".encode("cp1252"))
    assert graph.pages["Titel"].to_list() == [None, "Käse"]


def test_page_table_without_address(tmp_path: Path) -> None:
    """A page table without addresses is refused; a bare list of addresses is one."""
    with pytest.raises(
        GraphError,
        match=r"pages\.csv has no column with the page's address; its columns are: title, x",
    ):
        build(tmp_path, "source,target\n/a,/b\n", "title,x\n1,2\n")
    assert build(
        tmp_path, "source,target\n/a,/b\n", "https://x/1\nhttps://x/2\n"
    ).listed.tolist() == [False, False, True, True]


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
    """A copy is fresh while its files have the same bytes, whatever their time; not when one changed, went or came."""
    links, pages, folder = tmp_path / "l.csv", tmp_path / "p.csv", tmp_path / "graph"
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


def test_quoted_line_breaks_at_size(tmp_path: Path) -> None:
    """Many threads read a large file with line breaks inside cells as one would."""
    rows = "".join(
        frog("Hyperlink", f"/p{i}", f"/p{i * 7 % 5000}", anchor='two\nlines,\n""x""')
        for i in range(60_000)
    )
    graph = build(tmp_path, SCREAMING_FROG + rows)
    assert named(graph) == {(f"/p{i}", f"/p{i * 7 % 5000}") for i in range(60_000)}


pieces = [
    ",",
    ";",
    "\t",
    '"',
    "\n",
    "\r",
    "a",
    "/b",
    "ä",
    "sep=;",
    "source,target",
    "source",
    "|",
    " ",
    "\ufeff",
]
raw = st.lists(
    st.sampled_from(
        [p.encode() for p in pieces]
        + [b"\0", b"\xff", b"\xe9", b"\x1f\x8b", b"PK\x03\x04", b"PAR1"]
    ),
    max_size=40,
).map(b"".join)


@settings(deadline=None, max_examples=60)
@given(raw, st.one_of(st.none(), raw), st.booleans())
def test_any_bytes_are_a_graph_or_an_error_of_ours(
    links: bytes, pages: bytes | None, header: bool
) -> None:
    """Whatever a file holds, it is read, or refused with a message; never a traceback, never a panic."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            graph = build(Path(folder), b"source,target\n" * header + links, pages)
            assert graph.m >= 1 and all(url.strip() for url in graph.urls)
        except GraphError as error:
            assert str(error).startswith(("links.csv", "pages.csv"))
