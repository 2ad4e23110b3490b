"""Tables from anywhere: what is read in files of every kind, what is refused, how that is said."""

import gzip
import io
import random
import tempfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph import edges, sources
from pipulate.graph.errors import GraphError
from tests.graph.tables import ONE, SCREAMING_FROG, build, frog, named

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
    """What cannot be used is refused with its name and the reason, and leaves nothing behind."""
    with pytest.raises(GraphError) as caught:
        build(tmp_path, content)
    assert str(caught.value).startswith("links.csv")
    assert message in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["links.csv"]


def test_zip(tmp_path: Path) -> None:
    """A zip archive is read when just one table is in it (see test_unpack)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/links.csv", "source,target\n/a,/b\n")
        archive.writestr("readme.md", "x")
    assert named(build(tmp_path, packed.getvalue())) == ONE


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


def test_columns_are_found_by_their_letters() -> None:
    """Case, spaces and signs do not matter; the earlier name of the list wins, the first column."""
    columns = ("Target", "Destination URL", "URL-to", "url_to")
    assert sources.find(columns, "target") == "Destination URL"
    assert sources.find(("URL-to", "url_to"), "target") == "URL-to"
    assert sources.find(("anchor",), "target") is None
    assert sources.shown([f"c{i}" for i in range(13)]).endswith("c10, c11, …")


def test_quoted_line_breaks_at_size(tmp_path: Path) -> None:
    """Many threads read a large file with line breaks inside cells as one would."""
    rows = "".join(
        frog("Hyperlink", f"/p{i}", f"/p{i * 7 % 5000}", anchor='two\nlines,\n""x""')
        for i in range(60_000)
    )
    graph = build(tmp_path, SCREAMING_FROG + rows)
    assert named(graph) == {(f"/p{i}", f"/p{i * 7 % 5000}") for i in range(60_000)}


LETTERS = [",", ";", "\t", "|", " ", '"', "\n", "\r", "\ufeff", "a", "/b", "ä"]
PIECES = [piece.encode() for piece in (*LETTERS, "sep=;", "source,target", "source")]
PIECES += [b"\0", b"\xff", b"\xe9", b"\x1f\x8b", b"PK\x03\x04", b"PAR1"]
raw = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


@settings(deadline=None, max_examples=60)
@given(raw, st.one_of(st.none(), raw), st.booleans())
def test_any_bytes_are_a_graph_or_an_error_of_ours(
    links: bytes, pages: bytes | None, header: bool
) -> None:
    """Whatever a file holds, it is read, or refused with a message; never with a panic."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            graph = build(Path(folder), b"source,target\n" * header + links, pages)
            assert graph.m >= 1 and all(url.strip() for url in graph.urls)
        except GraphError as error:
            assert str(error).startswith(("links.csv", "pages.csv"))


ROW = b"https://a.example/1,https://a.example/2\n"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b"x" * (17 << 20), "has a row of more than 8 MB in one line"),
        (b'"' + b"x\n" * (9 << 20), "has a cell of more than 1,048,576 characters"),
        (b'"' + b'""' * (9 << 20), "has a row of more than 8 MB"),
    ],
)
def test_a_row_without_an_end_is_refused(tmp_path: Path, end: bytes, words: str) -> None:
    """Before anything reads it whole."""
    with pytest.raises(GraphError, match=words):
        build(tmp_path, b"source,target\n" + ROW + end + b"," + ROW)


@pytest.mark.parametrize("row", [ROW, b'"https://a.example/1","https://a.example/2"\n'])
@pytest.mark.parametrize("odd", [b"", b'https://a.example/1,https://a.example/5"\n'])
def test_a_large_file_is_read(tmp_path: Path, row: bytes, odd: bytes) -> None:
    """Also with a quotation mark that has no partner within a cell."""
    graph = build(tmp_path, b"source,target\n" + odd + row * (10_000_000 // len(row)))
    assert graph.m == 1 + bool(odd)
