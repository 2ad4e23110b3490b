"""A folder of HTML files as a Site: as a crawler would find it.

ADDRESSES The folder is the root of a host (or of a path on it).  A file's URL
          is its path, a folder's its index.html: `docs/` and
          `docs/index.html` are one page.  Paths have one percent-encoded
          form: `a b.html` and `a%20b.html` are one page; `%2F` stays.
PAGES     Every HTML file, linked or not, and other files that are linked.
          What a link names but the folder lacks is a page with http_code
          404.  A URL with a query is a page of its own, but only a server
          knows what it answers: http_code 0, "not fetched".
LINKS     Every href of <a> and <area>, resolved as a browser does: <base
          href>, fragment dropped, query kept, entities decoded.  A link to
          "#top" is one of the page to itself.  Links to other hosts, or out
          of the folder's path, are not the site's.
METAS     The title; robots noindex; the canonical link (in a copy of a
          published site it names the original: the page itself); an instant
          refresh, for search engines a redirect: http_code 301.
SAFETY    Symbolic links out of the folder are not followed.
PARSING   By lexbor, which builds the tree that browsers build, without
          scripts: what stands in a comment, a script or a <template> is no
          link, what stands in <noscript> is, and an <a> that is never closed
          goes on in each following block.  Python's own documentation, 530
          files of 51 MB, takes 0.85 CPU s.
"""

import codecs
import contextlib
import mimetypes
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

import numpy as np
import polars as pl
from selectolax.lexbor import LexborHTMLParser

from pipulate.engine.errors import Invalid
from pipulate.graph.sites import Site, link_site, reason

HTML_SUFFIXES = (".html", ".htm", ".xhtml", ".shtml")
MANY_TAGS = 40_000  # fewer cannot be so deep that it takes more than seconds
MOST_BYTES = 16 << 20  # of a page; search engines read about as much
DEEPEST = 1000  # open elements of a text with more; browsers stop at 512

_CLOSED_BY_OTHERS = (  # start tags that do not tell how deep it is: they need no end
    "a|area|base|body|br|caption|col|colgroup|dd|dt|embed|head|hr|html|img|"
    "input|li|link|meta|optgroup|option|p|param|rp|rt|source|tbody|td|tfoot|"
    "th|thead|tr|track|wbr"
)
_NESTING = re.compile(rf"<(?!/?(?:{_CLOSED_BY_OTHERS})\b)(/?)[a-z]", re.IGNORECASE)
_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_INSTANT_REFRESH = re.compile(
    r"""\s*0*(?:\.0*)?\s*[;,]\s*(?:url\s*=\s*)?["']?\s*([^"']+)""", re.IGNORECASE
)
_UNRESERVED = "!$&'()*+,;=:@~"  # in a path segment, beside what `quote` keeps
_SAYS_NOTHING = (
    "html",
    "doc",
    "docs",
    "site",
    "public",
    "build",
)  # names of folders
_PAGES = {
    "url": pl.String,
    "title": pl.String,
    "http_code": pl.Int64,
    "content_type": pl.String,
    "byte_size": pl.Int64,
    "noindex": pl.Boolean,
    "pagetype": pl.String,
    "canonical": pl.Boolean,
    "canonical_url": pl.String,
    "redirect_url": pl.String,
}


@dataclass
class Document:
    """What one HTML text says: addresses as written, entities decoded."""

    title: str | None = None
    base: str | None = None
    links: list[str] = field(default_factory=list)
    noindex: bool = False
    canonical: str | None = None
    refresh: str | None = None


def read_document(text: str) -> Document:
    """Find a document's links, title and metas."""
    tree = LexborHTMLParser(_not_too_deep(text).encode("utf-8", "replace"))
    title = tree.css_first("title")
    found = Document(
        title=" ".join(title.text().split()) if title else None,
        base=next(_values(tree, "base[href]", "href"), None),
        links=list(_values(tree, "a[href], area[href]", "href")),
        canonical=next(_values(tree, "link[rel~=canonical i][href]", "href"), None),
    )
    for content in _values(tree, "meta[name=robots i][content]", "content"):
        found.noindex |= not {"noindex", "none"}.isdisjoint(re.split(r"[\s,]+", content.lower()))
    for content in _values(tree, "meta[http-equiv=refresh i][content]", "content"):
        if goal := _INSTANT_REFRESH.match(content):
            found.refresh = goal[1]
    return found


def _values(tree: LexborHTMLParser, selector: str, name: str) -> Iterator[str]:
    for node in tree.css(selector):
        if name in node.attributes:  # the selector takes xlink:href, too
            yield node.attributes[name] or ""


def _not_too_deep(text: str) -> str:
    """Cut a text off where the parser, of quadratic time, would be slow."""
    if text.count("<") < MANY_TAGS:
        return text
    depth = 0
    for tag in _NESTING.finditer(text):
        if tag[1]:
            depth = max(depth - 1, 0)
        else:
            depth += 1
        if depth > DEEPEST:
            return text[: tag.start()]
    return text


def read_html_site(folder: Path, *, base: str | None = None) -> Site:
    """Read all HTML below `folder` as one site.  Raises Invalid without any.

    It begins at index.html, or the first file.  `base` is the folder's URL,
    ending in "/" (default: https://{folder's name}.example/).
    """
    root = Path(os.path.realpath(folder))
    if not root.is_dir():
        raise Invalid(f"{folder} is not a folder.")
    name = _host_name(root)
    base = base or f"https://{name}.example/"
    if not urlsplit(base).netloc or not urlsplit(base).path.endswith("/"):
        raise Invalid(
            f'{base} cannot be the address of a folder: it must be a URL that ends with "/".'
        )
    files = _files(str(root), root)
    reader = _Folder(base, {base + _encoded(path): size for path, size in files})
    texts = [url for url in reader.files if url.lower().endswith(HTML_SUFFIXES)]
    if not texts:
        raise Invalid(f"There is no HTML file in {folder}.")
    for url in texts:
        reader.page(url)
    start = reader.ids.get(f"{base}index.html", 0)
    for url in texts:
        reader.read(
            url,
            _text(root / os.fsdecode(unquote_to_bytes(url.removeprefix(base)))),
        )
    return reader.site(name, start)


def _host_name(root: Path) -> str:
    name = root.name.lower()
    if name in _SAYS_NOTHING:
        name = root.parent.name.lower()
    return re.sub(r"[^a-z0-9.]+", "-", name).strip("-.") or "folder"


def _encoded(path: str) -> str:
    """A path in the one form that we compare."""
    return "/".join(quote(unquote_to_bytes(part), safe=_UNRESERVED) for part in path.split("/"))


def _files(
    folder: str, root: Path, prefix: str = "", above: tuple[str, ...] = ()
) -> Iterator[tuple[str, int]]:
    """All files' paths below `root` and sizes, in a fixed order."""
    above = (*above, os.path.realpath(folder))
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if real in above or not Path(real).is_relative_to(root):
                continue  # leads in a circle, or out of the folder
        if entry.is_dir():
            yield from _files(entry.path, root, f"{prefix}{entry.name}/", above)
        elif entry.is_file():
            yield prefix + entry.name, entry.stat().st_size


def _text(path: Path) -> str:
    """A file's text, in the encoding that it names, or UTF-8."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES)
    named = _CHARSET.search(content, 0, 2048)
    if named and not content.startswith(codecs.BOM_UTF8):
        with contextlib.suppress(LookupError):
            return content.decode(named[1].decode("ascii"), "replace")
    return content.decode("utf-8-sig", "replace")


class _Folder:
    """The site under construction: pages get an id when they are first named."""

    def __init__(self, base: str, files: dict[str, int]) -> None:
        self.base = base
        self.origin = urlsplit(base)[:2]
        self.files = files
        self.ids: dict[str, int] = {}
        self.documents: dict[int, Document] = {}
        self.sources: list[int] = []
        self.targets: list[int] = []
        self.redirects: dict[int, int] = {}
        self.canonical: dict[int, str] = {}
        self.resolved: dict[tuple[str, str], int | None] = {}  # by folder and href

    def page(self, url: str) -> int:
        return self.ids.setdefault(url, len(self.ids))

    def read(self, url: str, text: str) -> None:
        page = self.page(url)
        document = read_document(text)
        self.documents[page] = document
        base = urljoin(url, _clean(document.base or ""))
        for href in document.links:
            target = self.target(base, href)
            if target is not None:
                self.sources.append(page)
                self.targets.append(target)
        if document.refresh is not None:
            goal = self.target(base, document.refresh)
            if goal is not None and goal != page:
                self.redirects[page] = goal
        if document.canonical:
            self.canonical[page] = self.canonical_address(url, base, document.canonical)

    def target(self, base: str, href: str) -> int | None:
        href = href.partition("#")[0]
        of_page = href.strip()[:1] in ("", "?")
        key = (base if of_page else base[: base.rfind("/") + 1], href)
        if key not in self.resolved:
            url = self.address(base, href)
            self.resolved[key] = None if url is None else self.page(url)
        return self.resolved[key]

    def address(self, base: str, href: str) -> str | None:
        """A link's URL in our one form, if it stays within the site."""
        try:
            parts = urlsplit(urljoin(base, _clean(href)))
        except ValueError:  # such as http://[
            return None
        if (parts.scheme, parts.netloc.lower()) != self.origin:
            return None
        url = urlunsplit((*self.origin, _encoded(parts.path or "/"), "", ""))
        if not url.startswith(self.base):
            return None
        index = url.removesuffix("/") + "/index.html"
        if url not in self.files and index in self.files:
            url = index
        if not parts.query:
            return url
        return f"{url}?{quote(parts.query, safe=_UNRESERVED + '/?%')}"

    def canonical_address(self, url: str, base: str, href: str) -> str:
        """The page that a canonical link names.

        In a copy of a published site, an address elsewhere whose path ends
        like this page's is the original: the page itself.
        """
        address = self.address(base, href)
        if address is not None:
            return address
        elsewhere = urljoin(base, _clean(href))
        here = "/" + url.removeprefix(self.base)
        path = _encoded(urlsplit(elsewhere).path)
        return url if path.endswith((here, here.removesuffix("index.html"))) else elsewhere

    def site(self, name: str, home: int) -> Site:
        redirects = np.full(len(self.ids), -1)
        redirects[list(self.redirects)] = list(self.redirects.values())
        sources = np.array(self.sources, np.int64)
        targets = np.array(self.targets, np.int64)
        return link_site(name, home, self.pages(), sources, targets, redirects=redirects)

    def pages(self) -> pl.DataFrame:
        urls = list(self.ids)
        rows = [self.row(page, urls) for page in range(len(urls))]
        frame = pl.DataFrame(rows, schema=_PAGES, orient="row").with_columns(reason=reason())
        return frame.with_columns(compliant=pl.col("reason") == "Indexable")

    def row(self, page: int, urls: list[str]) -> tuple[object, ...]:
        url = urls[page]
        document = self.documents.get(page, _NOTHING)
        goal = self.redirects.get(page)
        code = self.code(url) if goal is None else 301
        canonical = self.canonical.get(page)
        return (
            url,
            document.title,
            code,
            _content_type(url) if code in (200, 301) else None,
            self.files.get(url, 0),
            document.noindex,
            self.pagetype(url),
            None if canonical is None else canonical == url,
            canonical,
            None if goal is None else urls[goal],
        )

    def code(self, url: str) -> int:
        path, question, _ = url.partition("?")
        if path not in self.files:
            return 404
        return 0 if question else 200

    def pagetype(self, url: str) -> str:
        """Its folder, of two levels at most, or "home"."""
        folders = urlsplit(url).path.removeprefix(urlsplit(self.base).path).split("/")[:-1]
        return "/".join(folders[:2]) or "home"


_NOTHING = Document()


def _clean(href: str) -> str:
    """An address as browsers read it."""
    href = re.sub(r"[\t\r\n]", "", href.strip())
    path, mark, rest = href.partition("?" if "?" in href else "#")
    return path.replace("\\", "/") + mark + rest


def _content_type(url: str) -> str:
    path = url.partition("?")[0].lower()
    if path.endswith(HTML_SUFFIXES):
        return "text/html"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
