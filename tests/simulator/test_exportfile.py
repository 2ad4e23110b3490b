"""Export files: just the rows unless asked otherwise, as they were, whole or not there."""

import csv
import gzip
import io
import zipfile

import pytest

from pipulate.simulator.errors import Refusal
from pipulate.simulator.evaluation import Query
from pipulate.simulator.exportfile import FileFormat, write_export
from tests.simulator.examples import BOTH, GRAPH, PAGES, S, X, body, compiled

PAGE_QUERY = body(["url", f"{X}.metadata.title.content", f"{X}.sitemaps.present"])
ANSWER = [
    ["https://x/", "Home", "true"],
    ["https://x/a", "A, the first", "false"],
    ["https://x/b", "", ""],
    ["http://x/é", "É", "true"],
    ["https://x/orphan", 'with "quotes"', "false"],
]


def written(tmp_path, request=PAGE_QUERY, size=100, **form) -> bytes:
    """The file's bytes, unpacked."""
    path = tmp_path / "file.csv"
    write_export(compiled(request), path, size, FileFormat(**form))
    content = path.read_bytes()
    if content.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        (name,) = archive.namelist()
        return archive.read(name)
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def cells(content: bytes, delimiter=",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode()), delimiter=delimiter))


@pytest.mark.parametrize("packing", ["gzip", "zip", "plain"])
def test_rows_come_back_as_they_were(tmp_path, packing):
    """No header, no sep= line; commas, quotes, letters and nulls survive in each packing."""
    assert cells(written(tmp_path, packing=packing)) == ANSWER


@pytest.mark.parametrize(
    ("form", "head"),
    [
        ({"print_header": True}, "Full URL,Title,In Sitemap\n"),
        (
            {"print_header": True, "header_format": "slug"},
            "url,metadata.title.content,sitemaps.present\n",
        ),
        (
            {"print_header": True, "header_format": "collection_slug"},
            f"url,{X}.metadata.title.content,{X}.sitemaps.present\n",
        ),
        ({"print_header": True, "print_delimiter": True}, "sep=,\nFull URL,Title,In Sitemap\n"),
        ({"print_delimiter": True}, "sep=,\n"),
        ({"delimiter": ";", "print_delimiter": True}, "sep=;\n"),
    ],
)
def test_header_and_sep_line_only_when_asked_for(tmp_path, form, head):
    """The head is as asked, and the first row follows."""
    content = written(tmp_path, **form).decode()
    assert content.startswith(head)
    delimiter = form.get("delimiter", ",")
    assert cells(content.removeprefix(head).encode(), delimiter) == ANSWER


def test_rows_are_cut_at_the_size(tmp_path):
    """No error, just fewer rows; the count is returned."""
    assert cells(written(tmp_path, size=2)) == ANSWER[:2]
    assert write_export(compiled(PAGE_QUERY), tmp_path / "x", 3) == 3
    assert written(tmp_path, size=0) == b""


def test_booleans_ranges_and_constant_columns(tmp_path):
    """Another spelling of booleans, a bucket as JSON, and columns before and after."""
    request = body([f"{X}.sitemaps.present", {"field": f"{X}.depth", "ranges": [{"from": 0}]}])
    content = written(
        tmp_path,
        request,
        booleans=("True", "False"),
        print_header=True,
        prepend_columns=[{"value": "acme", "name": "Client", "slug": "client"}],
        append_columns=[{"value": "1", "name": "Run", "slug": "run"}],
    )
    assert cells(content)[:3] == [
        ["Client", "In Sitemap", "Depth", "Run"],
        ["acme", "True", '{"from": 0}', "1"],
        ["acme", "False", '{"from": 0}', "1"],
    ]


def test_columns_are_dimensions_then_metrics_in_request_order(tmp_path):
    """Order follows the request."""
    request = body([f"{X}.depth", "url"], [f"{S}.count_clicks", f"{S}.count_impressions"], **BOTH)
    first = cells(written(tmp_path, request))[0]
    assert first[:2] == ["0", "https://x/"]
    assert int(first[2]) < int(first[3])


def test_equal_queries_give_equal_bytes(tmp_path):
    """Nothing of the time or place goes into a file."""
    request = body(["url", GRAPH])
    for packing in ("gzip", "zip"):
        contents = []
        for _ in range(2):
            write_export(compiled(request), tmp_path / "file", 100, FileFormat(packing=packing))
            contents.append((tmp_path / "file").read_bytes())
        assert contents[0] == contents[1]


def test_a_failed_export_leaves_no_file(tmp_path):
    """The name appears only when the file is whole."""

    class Breaking(Query):
        def frames(self, rows_per_chunk=2):
            yield next(super().frames(rows_per_chunk))
            raise Refusal("broken")

    query = compiled(PAGE_QUERY)
    with pytest.raises(Refusal):
        write_export(Breaking(**vars(query)), tmp_path / "file", 10)
    assert not (tmp_path / "file").exists()


def test_the_pages_of_the_test_site_are_all_there(tmp_path):
    """Guards the constant above against the site's definition."""
    assert [row[0] for row in ANSWER] == [url for url, code, *_ in PAGES if code]
