"""What Botify may send, and what must come out of it."""

import csv
import gzip
import io
import random
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.botify import normalise as normalise_module
from pipulate.botify.ingest import Order, Raw, Table
from pipulate.botify.normalise import Numbered, columnar, normalise, run
from pipulate.graph import edges
from pipulate.graph.errors import BadFile, TooLarge

A, B, C = "https://example.com/a", "https://example.com/b", "https://example.com/c"
PAGES = ("id", "pagetype", "compliant", "clicks")


def links(folder: Path, content: bytes, **more: object) -> Raw:
    """A downloaded file of links with this content."""
    file = folder / "raw"
    file.write_bytes(content)
    return Raw(file, folder / "links.csv", **more)  # type: ignore[arg-type]


def pages(folder: Path, content: bytes) -> Raw:
    """A downloaded file of pages with this content."""
    file = folder / "raw"
    file.write_bytes(content)
    return Raw(file, folder / "meta.csv", PAGES, ("compliant",))


def written(raw: Raw) -> list[list[str]]:
    """The rows of the CSV that came out."""
    with raw.target.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def zipped(content: bytes) -> bytes:
    """A zip archive of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export.csv", content)
    return buffer.getvalue()


ROWS = f"{A},{B}\n{B},{C}\n"
HEADS = {
    "none": "",
    "slug": "url,outlinks_internal.graph.url\n",
    "verbose": "Full URL,Outlinks\n",
    "sep": "sep=,\n",
    "sep and header": "sep=,\nurl,crawl.20240301.outlinks_internal.graph.url\n",
    "quoted header": '"Full URL","A header, of\ntwo lines"\n',
    "mark": "\ufeff",
    "mark, sep and header": "\ufeffsep=,\nurl,target\n",
}
PACKINGS = {
    "plain": lambda b: b,
    "gzip": gzip.compress,
    "zip": zipped,
    "gzip twice": lambda b: gzip.compress(gzip.compress(b)),
    "gzip in two parts": lambda b: gzip.compress(b[:20]) + gzip.compress(b[20:]),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("head", HEADS)
def test_first_row_is_kept_whatever_the_head(tmp_path: Path, head: str, packing: str) -> None:
    """A `sep=` line, a header, both or neither, in any packing: every row comes, and no other."""
    raw = links(tmp_path, PACKINGS[packing]((HEADS[head] + ROWS).encode()))
    table = normalise(raw)
    assert written(raw) == [["source", "target"], [A, B], [B, C]]
    assert (table.rows, table.rows_received) == (2, 2)
    assert table.bytes == raw.target.stat().st_size


def test_separator_of_sep_line_is_used(tmp_path: Path) -> None:
    """`sep=;` changes the separator; ours is always a comma."""
    raw = links(tmp_path, f"sep=;\nurl;target\n{A};{B}\n{A},x;{C}\n".encode())
    normalise(raw)
    assert written(raw)[1:] == [[A, B], [f"{A},x", C]]


@pytest.mark.parametrize(
    "content", [b"", b"url,target\n", b"sep=,\n", b"sep=,\nurl,target\n", b"\n", b"sep=,"]
)
def test_no_rows_make_a_header_only(tmp_path: Path, content: bytes) -> None:
    """An export without rows is a CSV without rows, not an error."""
    raw = links(tmp_path, content)
    assert normalise(raw).rows == normalise(raw).rows_received == 0
    assert raw.target.read_bytes() == b"source,target\n"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"url,a,b,c\n", b"sep=,\n\n"])
def test_no_pages_make_a_header_only(tmp_path: Path, content: bytes) -> None:
    """The same for pages; blank lines are no rows."""
    raw = pages(tmp_path, content)
    assert normalise(raw).rows_received == 0
    assert written(raw) == [list(PAGES)]


def test_rows_that_are_no_links_are_dropped_and_counted(tmp_path: Path) -> None:
    """A link needs two ends, and they must differ."""
    raw = links(tmp_path, f"{A},{B}\n{A},\n{A},{A}\n,{B}\n{C},{C}\n{B},{C}\n".encode())
    table = normalise(raw)
    assert written(raw)[1:] == [[A, B], [B, C]]
    assert (table.rows, table.incomplete, table.self_links, table.rows_received) == (2, 2, 2, 6)


def test_quotes_commas_newlines_and_other_scripts(tmp_path: Path) -> None:
    """Whatever a URL holds comes out as it went in."""
    odd = [f"{A},1", f'{A}"q"', f"{A}\nnext", f"{A}/café", f"{A}/日本", f"{A}\r\n", f"{A} ", "'x'"]
    text = io.StringIO()
    csv.writer(text).writerows([A, url] for url in odd)
    raw = links(tmp_path, text.getvalue().encode())
    normalise(raw)
    assert written(raw)[1:] == [[A, url] for url in odd]


def test_windows_line_ends_become_ours(tmp_path: Path) -> None:
    """`\\r\\n` is a line end, not part of the last cell."""
    raw = links(tmp_path, f"url,t\r\n{A},{B}\r\n{B},{C}\r\n".encode())
    normalise(raw)
    assert raw.target.read_text() == f"source,target\n{A},{B}\n{B},{C}\n"


def test_last_row_needs_no_line_end(tmp_path: Path) -> None:
    """A file may end without one; ours does not."""
    raw = links(tmp_path, f"{A},{B}\n{B},{C}".encode())
    normalise(raw)
    assert raw.target.read_text().endswith(f"{B},{C}\n")


def test_bytes_that_are_no_utf8_and_stray_quotes_are_forgiven(tmp_path: Path) -> None:
    """A URL with a Latin-1 byte or a quote in its middle costs neither the export nor the row."""
    raw = links(
        tmp_path, f"{A},{B}\n".encode() + b'https://example.com/\xe9,https://example.com/x"y"z\n'
    )
    normalise(raw)
    assert written(raw)[1:] == [[A, B], ["https://example.com/\ufffd", 'https://example.com/x"y"z']]


@pytest.mark.parametrize(
    "row", ["https://example.com/short", f"{A},{B},{C}", '"https://example.com/quoted"']
)
def test_row_of_another_width_is_an_error_that_names_it(tmp_path: Path, row: str) -> None:
    """Columns are told by position, so a row that has not all of them cannot be trusted."""
    raw = links(tmp_path, f"{A},{B}\n{B},{C}\n{row}\n".encode())
    with pytest.raises(BadFile, match=r"row 3 of the export has [13] cells"):
        normalise(raw)
    assert not raw.target.exists()


def test_header_of_another_width_is_an_error(tmp_path: Path) -> None:
    """A header tells that the file belongs to another request."""
    with pytest.raises(BadFile, match=r"3 cells .url, depth, clicks."):
        normalise(links(tmp_path, f"url,depth,clicks\n{A},1,2\n".encode()))


def test_pages_lower_their_booleans_and_leave_gaps(tmp_path: Path) -> None:
    """True and false are written one way; what is missing stays so; page types are left alone."""
    raw = pages(
        tmp_path,
        f'Full URL,a,b,c\n{A},True,True,7\n{B},,FALSE,0\n{C},"p,q",,\n,home,true,3\n'.encode(),
    )
    table = normalise(raw)
    assert written(raw) == [
        list(PAGES),
        [A, "True", "true", "7"],
        [B, "", "false", "0"],
        [C, "p,q", "", ""],
    ]
    assert '""' not in raw.target.read_text()
    assert (table.rows, table.incomplete, table.rows_received) == (3, 1, 4)


def test_first_page_without_address_is_a_row_not_a_header(tmp_path: Path) -> None:
    """A page that only Search Console knows has an empty first cell; that is not a label."""
    raw = pages(tmp_path, f",home,true,3\n{A},home,true,3\n".encode())
    assert normalise(raw).rows_received == 2


@pytest.mark.parametrize(("size", "warns"), [(2, True), (3, False), (0, False)])
def test_full_export_is_possibly_truncated(tmp_path: Path, size: int, warns: bool) -> None:
    """As many rows as were allowed means that there may have been more; dropped rows count too."""
    table = normalise(links(tmp_path, f"u,t\n{A},{B}\n{A},{A}\n".encode(), export_size=size))
    assert table.possibly_truncated is warns


def incompressible(rows: int) -> bytes:
    """Links that do not pack well."""
    rng = random.Random(1)
    return "".join(f"{A}/{rng.random()},{B}/{rng.random()}\n" for _ in range(rows)).encode()


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_cut_off_file_is_an_error_and_leaves_nothing(
    tmp_path: Path, pack: object, keep: float
) -> None:
    """A packed file that was cut off anywhere says so; no CSV appears, and no leftover."""
    content = pack(incompressible(2000))  # type: ignore[operator]
    raw = links(tmp_path, content[: max(4, int(len(content) * keep))])
    with pytest.raises(BadFile, match="Download it again"):
        normalise(raw)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw"]


def test_damaged_file_is_an_error_and_the_old_result_stays(tmp_path: Path) -> None:
    """A flipped byte is found by the checksum; what was there before is untouched."""
    content = bytearray(gzip.compress(incompressible(2000)))
    content[len(content) // 2] ^= 0x55
    raw = links(tmp_path, bytes(content))
    raw.target.write_text("old")
    with pytest.raises(BadFile, match="damaged"):
        normalise(raw)
    assert raw.target.read_text() == "old"


@pytest.mark.parametrize("byte", [b"\0", b"a", b'"', b'"\n'])
def test_bomb_of_one_record_stops_early(tmp_path: Path, byte: bytes) -> None:
    """Sixty megabytes without a row's end are no CSV."""
    content = gzip.compress(byte * ((60 << 20) // len(byte)) + b'"', 1)
    with pytest.raises(BadFile, match=r"no CSV|no partner|cells"):
        normalise(links(tmp_path, content))


def test_bomb_of_rows_stops_at_the_cap(tmp_path: Path) -> None:
    """A file that unpacks to more than the cap is refused, and takes no disk."""
    raw = links(tmp_path, gzip.compress(f"{A},{B}\n".encode() * 200_000))
    with pytest.raises(TooLarge, match="unpacks to more than 4 MB"):
        normalise(raw, most_bytes=4 << 20)
    assert not raw.target.exists()


def as_csv(rows: list[tuple[object, ...]], end: str = "\n") -> bytes:
    """CSV as the standard has it.  (Python 3.11's writer leaves a carriage return unquoted.)"""

    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",\r\n') else text

    return "".join(",".join(map(cell, row)) + end for row in rows).encode()


CELL = st.text(st.sampled_from('ab/:,"\n\r ;é日=\0'), max_size=6)
URL = CELL.map(lambda text: f"https://example.com/{text}")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(URL | st.just(""), URL | st.just("")), max_size=30),
    st.integers(1, 200),
    st.booleans(),
)
def test_any_rows_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], block: int, crlf: bool
) -> None:
    """Any cells, quoted as CSV demands, cut into blocks anywhere, are the cells of the result."""
    folder = tmp_path_factory.mktemp("any")
    raw = links(folder, as_csv([("url", "target"), *rows], "\r\n" if crlf else "\n"))
    was, normalise_module.BLOCK = normalise_module.BLOCK, block
    frames: list[pl.DataFrame] = []
    try:
        table = normalise(raw, frames.append)
    finally:
        normalise_module.BLOCK = was
    kept = [row for row in rows if row[0] and row[1] and row[0] != row[1]]
    assert [tuple(row) for row in written(raw)[1:]] == kept
    assert [row for frame in frames for row in frame.rows()] == kept
    assert table.rows + table.incomplete + table.self_links == table.rows_received == len(rows)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            URL | st.just(""),
            CELL,
            st.sampled_from(["True", "false", "TRUE", ""]),
            st.integers() | st.none(),
        )
    )
)
def test_any_pages_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, int | None]]
) -> None:
    """Pages: cells as they were, but for the case of booleans; rows without an address are gone."""
    raw = pages(tmp_path_factory.mktemp("any"), as_csv(rows))  # type: ignore[arg-type]
    normalise(raw)
    expected = [[u, t, b.lower(), "" if n is None else str(n)] for u, t, b, n in rows if u]
    assert written(raw)[1:] == expected


def test_columnar_copy_is_what_edges_would_build(tmp_path: Path) -> None:
    """The short way from numbers and the long way through CSVs give the same, fresh graph."""
    rng = random.Random(2)
    text = "".join(f"{A}/{rng.randrange(50)},{A}/{rng.randrange(80)}\n" for _ in range(2000))
    link_raw = links(tmp_path, text.encode())
    page_raw = Raw(tmp_path / "raw2", tmp_path / "meta.csv", PAGES, ("compliant",))
    page_raw.file.write_text(
        "".join(f"{A}/{n},type {n % 3},True,{n}\n" for n in range(40, 100)) + f"{A}/9,,,\n"
    )
    numbered = Numbered()
    table = normalise(link_raw, numbered.add)
    normalise(page_raw)
    for meta in (None, page_raw.target):
        ours = columnar(link_raw, table, numbered, meta, tmp_path / "ours")
        theirs = edges.build(link_raw.target, meta, tmp_path / "theirs")
        assert ours.pages.equals(theirs.pages) and ours.pages.schema == theirs.pages.schema
        assert (ours.source == theirs.source).all() and (ours.target == theirs.target).all()
        assert (
            edges.load(tmp_path / "ours").meta.items()
            >= {"links": theirs.m, "rows": table.rows}.items()
        )
        assert edges.fresh(tmp_path / "ours", link_raw.target, meta)


def test_run_makes_all_files_and_reports(tmp_path: Path) -> None:
    """One order: two CSVs and the columnar copy, with progress that ends at 1."""
    link_raw = links(tmp_path, ROWS.encode())
    page_raw = Raw(tmp_path / "raw2", tmp_path / "meta.csv", PAGES, ("compliant",))
    page_raw.file.write_text(f"{A},home,True,1\n")
    said: list[dict[str, object]] = []
    done = run(Order(link_raw, page_raw, tmp_path / "graph"), lambda **told: said.append(told))
    assert isinstance(done.links, Table) and isinstance(done.pages, Table)
    assert (done.links.rows, done.pages.rows, done.graph_links, done.graph_pages) == (2, 1, 2, 3)
    ends = {(told["stage"], told["rows"]) for told in said if told["share"] == 1.0}
    assert ends == {("links", 2), ("pages", 1), ("graph", 2)}
    again = run(Order(link_raw.target, page_raw.target, tmp_path / "graph2"))
    assert (again.links, again.pages, again.graph_links) == (None, None, 2)


def test_no_links_make_no_graph(tmp_path: Path) -> None:
    """An empty export has a CSV, but no columnar copy."""
    done = run(Order(links(tmp_path, b"url,target\n"), None, tmp_path / "graph"))
    assert done.graph_links == 0 and not (tmp_path / "graph").exists()
