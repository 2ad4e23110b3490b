"""A folder of HTML as a site: its links are those that an independent parser finds in its files."""

import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.engine.errors import Invalid
from pipulate.graph.htmlsite import DEEPEST, Document, read_document, read_html_site
from pipulate.graph.sites import Site

BASE = "https://docs.example/"

TREE = {
    "index.html": """<!DOCTYPE html><title>Home &amp; more</title>
        <a href="a.html">a</a> <A HREF='a.html#part'>again</A>
        <a href=sub/>sub</a> <a href=sub/index.html>sub too</a>
        <a title="no > link" href="b%20c.html">bc</a> <a href="b c.html">bc again</a>
        <!-- <a href="comment.html"> --> <script>x = '<a href="script.html">'</script>
        <a href="missing.html?x=1&amp;y=2#z">gone</a> <a href=a.html?sort=price>sorted</a>
        <map><area href="sub/deep.html"></map> <a href="#top">top</a> <a>no href</a>
        <a href="">itself</a> <a href="https://other.example/a.html">out</a>
        <a href="mailto:x@y.z">mail</a> <a href="javascript:a()">js</a>
        <a href="//docs.example/files/guide.pdf">pdf</a>
        <a href="HTTPS://DOCS.example/sub/deep.html">absolute</a>
        <a href="sub/%C3%BCber.html">ü</a> <a href="sub/über.html">ü too</a>
        <a href="http://[bad">bad</a>
        <p title="<a href=attribute.html>"><a data-x='">' href=unquoted.html></a>""",
    "a.html": """<title>A</title><title>not this</title>
        <a href="index.html">home</a><a href="/sub/deep.html">deep</a>""",
    "b c.html": """<meta name="robots" content="NoFollow, NOINDEX">
        <link rel=canonical href="a.html"><a href="./">up</a>""",
    "sub/index.html": '<base href="../"><a href="a.html">a</a><a href="#here">the base</a>',
    "sub/deep.html": """<meta http-equiv=Refresh content="0; URL='../moved.html'">
        <a href="../../../a.html">clamped</a>""",
    "sub/über.html": """<meta charset='utf-8'><title>Über</title>
        <link rel='canonical' href='über.html'>""",
    "moved.html": "<style>a[href] { <a href=raw.html> }</style><title>Moved\n  here</title>",
    "orphan.htm": "<a href='index.html'>home</a><a href='unclosed.html'",
    "latin.html": "<meta charset=iso-8859-1><title>caf\xe9</title>",
    "files/guide.pdf": "%PDF",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tree on disk."""
    for name, text in TREE.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1" if name == "latin.html" else "utf-8"))
    return tmp_path / "site"


@pytest.fixture
def site(folder: Path) -> Site:
    """The tree as a site."""
    return read_html_site(folder, base=BASE)


class Parser(HTMLParser):
    """Python's own parser, collecting what the standard says about links."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        first = {name: value or "" for name, value in reversed(attrs)}
        if tag in ("a", "area") and "href" in first:
            self.hrefs.append(first["href"])
        if tag == "base" and self.base is None:
            self.base = first.get("href")


def links_by_parser(folder: Path) -> set[tuple[str, str]]:
    """All (source, target) of a folder, decoded, found without our code."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    found = set()
    for name in files:
        if not name.endswith((".html", ".htm")):
            continue
        parser = Parser()
        parser.feed((folder / name).read_text("utf-8", "replace"))
        base = urljoin(BASE + name, parser.base or "")
        for href in parser.hrefs:
            try:
                target = unquote(urldefrag(urljoin(base, href.strip()))[0]).replace("DOCS", "docs")
            except ValueError:
                continue
            if target.startswith(BASE):
                path = target.removeprefix(BASE)
                index = f"{path.rstrip('/')}/index.html".lstrip("/")
                found.add(
                    (BASE + name, BASE + (index if path not in files and index in files else path))
                )
    return found


def links_of(site: Site) -> set[tuple[str, str]]:
    """All (source, target) of a site, decoded."""
    urls = [unquote(url) for url in site.pages["url"]]
    return {
        (urls[s], urls[t])
        for s, t in zip(site.sources.tolist(), site.targets.tolist(), strict=True)
    }


def test_the_links_are_those_an_independent_parser_finds(folder, site):
    """Comments, scripts, quotes, entities, bases, fragments, queries: not one link more or less."""
    assert links_of(site) == links_by_parser(folder)
    assert (BASE + "index.html", BASE + "missing.html?x=1&y=2") in links_of(site)


def page(site: Site, name: str) -> dict:
    """The row of one page."""
    return site.pages.row(by_predicate=pl.col("url") == BASE + name, named=True)


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("index.html", "title", "Home & more"),
        ("index.html", "depth", 0),
        ("index.html", "outlinks_total", 16),
        ("a.html", "title", "A"),
        ("a.html", "reason", "Indexable"),
        ("b%20c.html", "reason", "canonical"),
        ("b%20c.html", "noindex", True),
        ("b%20c.html", "canonical_url", BASE + "a.html"),
        ("sub/index.html", "depth", 1),
        ("sub/index.html", "pagetype", "sub"),
        ("sub/deep.html", "http_code", 301),
        ("sub/deep.html", "redirect_url", BASE + "moved.html"),
        ("moved.html", "depth", 2),
        ("moved.html", "title", "Moved here"),
        ("sub/%C3%BCber.html", "canonical", True),
        ("latin.html", "title", "café"),
        ("orphan.htm", "depth", None),
        ("orphan.htm", "inlinks_total", 0),
        ("files/guide.pdf", "reason", "content_type"),
        ("files/guide.pdf", "http_code", 200),
        ("missing.html?x=1&y=2", "http_code", 404),
        ("a.html?sort=price", "http_code", 0),
    ],
)
def test_pages_are_described_as_their_files_say(site, name, column, value):
    """Titles, depths, metas, and what is known of pages without a file."""
    assert page(site, name)[column] == value


def test_the_site_begins_at_the_index(site):
    """The home page is index.html; without one it is the first file."""
    assert site.home == BASE + "index.html"


def test_links_to_a_copy_of_a_published_site_count_as_its_own_canonical(tmp_path):
    """A canonical link to the same page of the original does not make the page a duplicate."""
    (tmp_path / "x.html").write_text(
        '<link rel="canonical" href="https://docs.python.org/3/x.html">'
    )
    (tmp_path / "y.html").write_text(
        '<link rel="canonical" href="https://docs.python.org/3/x.html">'
    )
    pages = read_html_site(tmp_path, base=BASE).pages
    assert pages.select("url", "canonical").rows() == [
        (BASE + "x.html", True),
        (BASE + "y.html", False),
    ]


def test_symbolic_links_that_leave_the_folder_are_not_followed(tmp_path):
    """What they name is missing; those within the folder are pages; circles end."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.html").write_text("<title>secret</title>")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text(
        "<a href=out/s.html></a><a href=file.html></a><a href=same.html></a>"
    )
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "file.html").symlink_to(tmp_path / "secret" / "s.html")
    (root / "same.html").symlink_to(root / "index.html")
    (root / "sub" / "circle").symlink_to(root)
    pages = read_html_site(root, base=BASE).pages
    assert dict(pages.select("url", "http_code").rows()) == {
        BASE + "index.html": 200,
        BASE + "same.html": 200,
        BASE + "out/s.html": 404,
        BASE + "file.html": 404,
    }


def test_a_path_of_the_host_can_be_the_base(tmp_path):
    """Links outside the base's path are not the site's."""
    (tmp_path / "index.html").write_text(
        "<a href=x.html></a><a href=/elsewhere.html></a><a href=../up.html></a>"
    )
    pages = read_html_site(tmp_path, base="https://docs.example/v1/").pages
    assert pages["url"].to_list() == [
        "https://docs.example/v1/index.html",
        "https://docs.example/v1/x.html",
    ]


@pytest.mark.parametrize(
    ("name", "host"), [("python3-doc", "python3-doc"), ("My Docs!", "my-docs"), ("html", "pkg")]
)
def test_the_host_is_named_after_the_folder(tmp_path, name, host):
    """A folder called html takes its parent's name."""
    folder = tmp_path / "pkg" / name
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("")
    assert read_html_site(folder).home == f"https://{host}.example/index.html"


@pytest.mark.parametrize(
    ("folder", "base", "words"), [("none", None, "not a folder"), (".", None, "no HTML")]
)
def test_what_cannot_be_read_is_said(tmp_path, folder, base, words):
    """A missing or empty folder gives a message."""
    with pytest.raises(Invalid, match=words):
        read_html_site(tmp_path / folder, base=base)


def test_a_base_must_be_a_folders_address(tmp_path):
    """A base without a host, or that does not end in a slash, is refused."""
    with pytest.raises(Invalid, match="ends with"):
        read_html_site(tmp_path, base="https://docs.example")


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("<a href=x>", ["x"]),
        ("<a\nhref = 'x y' >", ["x y"]),
        ('<a href="a&amp;b&#x41;">', ["a&bA"]),
        ("<a href>", [""]),
        ("<a href=>", [""]),
        ("<a href=1 HREF=2>", ["1"]),
        ("<a/href=x>", ["x"]),
        ('<a href=a"b>', ['a"b']),
        ("<a =y href=x>", ["x"]),
        ("<abbr href=no><link href=no>", []),
        ("</a href=no>", []),
        ("<!--><a href=x>", ["x"]),
        ("<!-- <a href=no> --!><a href=x>", ["x"]),
        ("<!doctype <a href=x>", []),
        ("<?php <a href=no> ?>", []),
        ("<script><a href=no></scripty></script ><a href=x>", ["x"]),
        ("<STYLE><a href=no></style><a href=x>", ["x"]),
        ("<title><a href=no></title><a href=x>", ["x"]),
        ("<textarea><a href=no></textarea><a href=x>", ["x"]),
        ("<script><a href=no>", []),
        ('<a href="never closed><a href=no>', []),
        ("1 < 2 <a href=x> <", ["x"]),
        ("<img alt='<a href=no>'><a href=x>", ["x"]),
        ("<a href='?a=1&copy=2&amp;b'>", ["?a=1&copy=2&b"]),
        ("<template><a href=no></template><a href=x>", ["x"]),
        ("<noscript><a href=x></noscript>", ["x"]),
        ("<head><noscript><a href=x></noscript></head>", ["x"]),
        ("<iframe><a href=no></iframe><noframes><a href=no></noframes>", []),
        ("<svg><a href=x /><a xlink:href=no /></svg>", ["x"]),
        ("<table><a href=x><tr><td><a href=y>", ["x", "y"]),
        ("<p><a href=x>one<p>and on", ["x", "x"]),
        ("<AREA HREF=x><Map>", ["x"]),
    ],
)
def test_tags_are_read_by_the_rules_of_html(text, links):
    """The corner cases, as browsers read them."""
    assert read_document(text).links == links


def test_the_first_base_with_an_address_counts():
    """Wherever it stands; one with a target alone is none."""
    found = read_document("<a href=x></a><base target=_blank><BASE HREF=one/><base href=two/>")
    assert (found.base, found.links) == ("one/", ["x"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<meta name=ROBOTS content='index, NONE'>", {"noindex": True}),
        ("<meta name=robots content='noindexing'>", {"noindex": False}),
        ("<meta name=robots><meta name=googlebot content=noindex>", {"noindex": False}),
        ("<link REL='alternate Canonical' href=x><link rel=canonical href=y>", {"canonical": "x"}),
        ("<link rel=canonical><link rel=canonicals href=y>", {"canonical": None}),
        ("<body><title>a\n<b> &amp; b</title><title>c</title>", {"title": "a <b> & b"}),
        ("<p>no title", {"title": None}),
        ("<title></title>", {"title": ""}),
    ],
)
def test_the_head_says_what_it_says(text, said):
    """Names in any case, one of several words, the first of several."""
    found = read_document(text)
    assert {name: getattr(found, name) for name in said} == said


def test_a_backslash_leads_into_a_folder(tmp_path):
    """As browsers have it, but for one in the query."""
    (tmp_path / "index.html").write_text("<a href='sub\\x.html'></a><a href='?a\\b'></a>")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.html").write_text("")
    pages = read_html_site(tmp_path, base=BASE).pages
    assert dict(pages.select("url", "http_code").rows()) == {
        BASE + "index.html": 200,
        BASE + "sub/x.html": 200,
        BASE + "index.html?a%5Cb": 0,
    }


@pytest.mark.parametrize(
    ("content", "goal"),
    [
        ("0; url=x", "x"),
        ("0;URL='x'", "x"),
        ("0,x", "x"),
        (" 0.0 ; url = x", "x"),
        ("5; url=x", None),
        ("0", None),
    ],
)
def test_only_an_instant_refresh_is_a_redirect(content, goal):
    """A page that shows itself first is no redirect."""
    assert read_document(f'<meta http-equiv="refresh" content="{content}">').refresh == goal


WORD = st.sampled_from(["x", "a b", "q?r=1&amp;s", "ü", "#f", ""])
PIECE = st.one_of(
    WORD.map('<a href="{}">'.format),
    WORD.map("<AREA shape=rect HREF='{}' alt=x>".format),
    WORD.map("<!-- <a href='{}'> -->".format),
    WORD.map("<script>'<a href=\"{}\">'</script>".format),
    WORD.map('<p title="<a href={}>">'.format),
    st.sampled_from(["text", "<br/>", "a < b", "</a>", "<a href=bare>", "<a name=n>", "<b class>"]),
)


@given(st.lists(PIECE, max_size=12))
def test_any_mixture_gives_the_links_that_pythons_parser_finds(pieces):
    """The same links as html.parser finds; those that are never closed may go on in a new block."""
    text = " ".join(pieces)
    parser = Parser()
    parser.feed(text)
    parser.close()
    assert set(read_document(text).links) == set(parser.hrefs)
    assert len(read_document(text).links) >= len(parser.hrefs)


CUT_OFF = ["<a ", "<!--", '<a href="', "<script>", "<", "</", "<p a='", "<title>", "<!-"]
NEVER_CLOSED = ["<div>", "<ul><li>", "<a href=x>", "<b><p>", "<table><a href=x>", "<template>"]


@pytest.mark.parametrize("piece", CUT_OFF + NEVER_CLOSED)
def test_hostile_text_takes_linear_time(piece):
    """A megabyte of it is read in one pass (quadratic time would need minutes)."""
    begin = time.process_time()
    assert isinstance(read_document(piece * (1_000_000 // len(piece))), Document)
    assert time.process_time() - begin < 10


def test_only_what_lies_too_deep_is_left_out():
    """A long page is read to its end, however many tags it has; a deep one as far as is sane."""
    row = "<tr><td><a href=x>x</a><br></tr>"
    assert len(read_document(f"<div><table>{row * 20_000}").links) == 20_000
    deep = "<div><a href=x></a>" * 20_000
    assert len(read_document(deep).links) == DEEPEST
