"""A folder of HTML files as a Site: its pages, its true links, as a crawler would find them on a web server.

ADDRESSES   The folder is the root of a host (or of a path on it).  A file's URL is its path; a link to a folder means
            that folder's index.html, so `docs/` and `docs/index.html` are one page, as on any web server.  Paths are
            kept percent-encoded in one form, so `a b.html` and `a%20b.html` are one page; `%2F` stays as it is.
PAGES       Every HTML file, linked or not.  Other files count only if something links to them; what a link names but
            the folder lacks is a page with http_code 404.  A URL with a query is a page of its own, but only a server
            knows what it answers: http_code 0, "not fetched".
LINKS       Every href of <a> and <area>, resolved as a browser does: <base href>, fragment dropped, query kept,
            entities decoded.  A link within its own page ("#top") is a link of the page to itself.  Links to other
            hosts, or outside the folder's path, are not the site's.
METAS       The title; robots noindex; the canonical link (of a copy of a published site, which names the original, the
            page itself); an instant refresh, which search engines take for a
            redirect: http_code 301.
SAFETY      Symbolic links that lead out of the folder are not followed: what they name counts as missing.
SCANNING    One compiled expression follows HTML's own tokenizing rules (comments, raw text elements such as script,
            quoted, unquoted and empty attributes) and stops only at the six tags that matter.  It skips all others
            inside the regex engine; its possessive parts never backtrack, so time is linear in the input.  On
            Python's own documentation (530 files, 51 MB) it takes 0.95 CPU s, html.parser 5.4, lexbor (a C library
            of 8 MB) 0.48; the links found are the same.
"""

import html
import mimetypes
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

import numpy as np
import polars as pl

from pipulate.engine.errors import Invalid
from pipulate.graph.sites import Site, link_site, reason

HTML_SUFFIXES = (".html", ".htm", ".xhtml", ".shtml")

# A tag's attributes, by the rules of HTML's tokenizer.  Every part is possessive and consumes anything but ">".
_ATTRIBUTE = r"""(?:=[^\s/>=]*+|[^\s/>=]++)(?:\s*+=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s"'>][^\s>]*+|(?=>)))?+"""
_ATTRIBUTES = rf"(?:[\s/]++|{_ATTRIBUTE})*+"
_RAW_TEXT = "|".join(
    rf"<{name}(?=[\s/>]){_ATTRIBUTES}(?:>|\Z).*?(?:</{name}(?=[\s/>])|\Z)"
    for name in ("script", "style", "textarea", "xmp", "iframe", "noembed", "noframes")
)
_WANTED = r"(?:a|area|base|link|meta|title)"
_NEXT_TAG = re.compile(
    rf"""(?:[^<]++
    |<!--(?:-?>|.*?(?:--!?>|\Z))
    |<[!?][^>]*+(?:>|\Z)
    |{_RAW_TEXT}
    |<(?!{_WANTED}[\s/>])[a-z][^\s/>]*+{_ATTRIBUTES}(?:>|\Z)
    |</(?:[a-z][^\s/>]*+{_ATTRIBUTES}(?:>|\Z)|[^a-z>][^>]*+(?:>|\Z)|>)
    |<(?!{_WANTED}[\s/>])
    )*+<({_WANTED})(?=[\s/>])({_ATTRIBUTES})>""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_EACH_ATTRIBUTE = re.compile(
    r"""(=[^\s/>=]*+|[^\s/>=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>][^\s>]*+)|(?=>|\Z)))?+"""
)
_TITLE_END = re.compile(r"</title(?=[\s/>])", re.IGNORECASE)
_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_REFRESH = re.compile(r"""\s*0*(?:\.0*)?\s*[;,]\s*(?:url\s*=\s*)?["']?\s*([^"']+)""", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_UNRESERVED = "!$&'()*+,;=:@~"  # what a path segment may hold unencoded, beside letters, digits, "-", "." and "_"


@dataclass
class Document:
    """What one HTML text says.  Addresses stand as written, entities decoded."""

    title: str | None = None
    base: str | None = None
    links: list[str] = field(default_factory=list)
    noindex: bool = False
    canonical: str | None = None
    refresh: str | None = None


def read_document(text: str) -> Document:
    """Find the links, the title and the metas of one HTML document."""
    found = Document()
    position = 0
    while match := _NEXT_TAG.match(text, position):
        position = match.end()
        tag, attributes = match[1].lower(), match[2]
        if tag == "title":
            end = _TITLE_END.search(text, position)
            if found.title is None:
                found.title = " ".join(
                    html.unescape(text[position : end.start() if end else None]).split()
                )
            position = end.start() if end else len(text)
        elif tag in ("a", "area"):
            if (href := _attributes(attributes).get("href")) is not None:
                found.links.append(href)
        else:
            _head(found, tag, _attributes(attributes))
    return found


def _attributes(text: str) -> dict[str, str]:
    """Attributes by lower-case name; of a repeated one the first counts, one without a value is empty."""
    found: dict[str, str] = {}
    for name, double, single, bare in _EACH_ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), html.unescape(double or single or bare))
    return found


def _head(found: Document, tag: str, attributes: dict[str, str]) -> None:
    """Take what <base>, <link> and <meta> say."""
    if tag == "base" and found.base is None:
        found.base = attributes.get("href")
    elif (
        tag == "link"
        and found.canonical is None
        and "canonical" in attributes.get("rel", "").lower().split()
    ):
        found.canonical = attributes.get("href")
    elif tag == "meta":
        content = attributes.get("content", "")
        if attributes.get("name", "").lower() == "robots":
            found.noindex |= bool({"noindex", "none"} & set(re.split(r"[\s,]+", content.lower())))
        elif attributes.get("http-equiv", "").lower() == "refresh" and (
            to := _REFRESH.match(content)
        ):
            found.refresh = to[1]


def read_html_site(folder: Path, *, base: str | None = None, home: str = "index.html") -> Site:
    """Read all HTML below `folder` as one site.  See the module's docstring for what is a page and a link.

    `base` is the URL that the folder stands for, ending in "/" (default: https://{folder's name}.example/); `home`
    is the file to begin at (if there is none, the first file of the folder).  Raises Invalid if there is no HTML.
    """
    root = Path(os.path.realpath(folder))
    if not root.is_dir():
        raise Invalid(f"{folder} is not a folder.")
    base = base or f"https://{_host_name(root)}.example/"
    if not urlsplit(base).netloc or not urlsplit(base).path.endswith("/"):
        raise Invalid(
            f'{base} cannot be the address of a folder: it must be a URL that ends with "/".'
        )
    reader = _Folder(base, {base + _encoded(path): size for path, size in _files(root)})
    texts = [url for url in reader.files if url.lower().endswith(HTML_SUFFIXES)]
    if not texts:
        raise Invalid(f"There is no HTML file in {folder}.")
    for url in texts:
        reader.page(url)
    start = reader.ids.get(base + _encoded(home), 0)
    for url in texts:
        reader.read(url, _text(root / os.fsdecode(unquote_to_bytes(url.removeprefix(base)))))
    return reader.site(_host_name(root), start)


def _host_name(root: Path) -> str:
    """A host name for a folder: its own, or its parent's where that says more ("html" says nothing)."""
    name = (
        root.parent.name
        if root.name.lower() in ("html", "doc", "docs", "site", "public", "build")
        else root.name
    )
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "folder"


def _encoded(path: str) -> str:
    """A path in the one percent-encoded form that we compare: what is encoded without need is decoded."""
    return "/".join(quote(unquote_to_bytes(part), safe=_UNRESERVED) for part in path.split("/"))


def _files(root: Path) -> Iterator[tuple[str, int]]:
    """All files below `root`: path from there, with "/", and size in bytes; in a fixed order."""

    def walk(folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                if real in above or not Path(real).is_relative_to(root):
                    continue  # leads out of the folder, or in a circle
            if entry.is_dir():
                yield from walk(
                    entry.path, f"{prefix}{entry.name}/", (*above, os.path.realpath(entry.path))
                )
            elif entry.is_file():
                yield prefix + entry.name, entry.stat().st_size

    return walk(str(root), "", (str(root),))


def _text(path: Path) -> str:
    """A file's text, in the encoding that it names (else UTF-8); what cannot be decoded is replaced."""
    content = path.read_bytes()
    named = _CHARSET.search(content, 0, 2048)
    encoding = (
        "utf-8-sig"
        if content.startswith(b"\xef\xbb\xbf") or not named
        else named[1].decode("ascii")
    )
    try:
        return content.decode(encoding, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


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
        self.resolved: dict[
            tuple[str, str], int | None
        ] = {}  # the same href in the same folder means the same

    def page(self, url: str) -> int:
        return self.ids.setdefault(url, len(self.ids))

    def read(self, url: str, text: str) -> None:
        """Take in one file's links and metas."""
        page, document = self.page(url), read_document(text)
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
        """The page that a link leads to; None if it leaves the site."""
        href = href.partition("#")[0]
        key = (base if href.strip()[:1] in ("", "?") else base[: base.rfind("/") + 1], href)
        if key not in self.resolved:
            url = self.address(base, href)
            self.resolved[key] = None if url is None else self.page(url)
        return self.resolved[key]

    def address(self, base: str, href: str) -> str | None:
        """A link's URL in our one form, or None if it leaves the site."""
        href = _clean(href)
        scheme = _SCHEME.match(href)
        if scheme and scheme[0].lower() not in ("http:", "https:"):
            return None
        try:
            parts = urlsplit(urljoin(base, href))
        except ValueError:  # such as http://[
            return None
        if (parts.scheme, parts.netloc.lower()) != self.origin:
            return None
        url = urlunsplit((*self.origin, _encoded(parts.path or "/"), "", ""))
        if not url.startswith(self.base):
            return None
        folder = url if url.endswith("/") else url + "/"
        if url not in self.files and folder + "index.html" in self.files:
            url = folder + "index.html"
        query = quote(parts.query, safe=_UNRESERVED + "/?%")
        return f"{url}?{query}" if query else url

    def canonical_address(self, url: str, base: str, href: str) -> str:
        """The page that a canonical link names.

        A folder is often a copy of a published site and names the original; an address elsewhere whose path ends
        like this page's is therefore the page itself.
        """
        address = self.address(base, href)
        if address is not None:
            return address
        elsewhere = urljoin(base, _clean(href))
        here = "/" + url.removeprefix(self.base)
        path = _encoded(urlsplit(elsewhere).path)
        return url if path.endswith((here, here.removesuffix("index.html"))) else elsewhere

    def site(self, name: str, home: int) -> Site:
        """All pages and links as arrays."""
        redirects = np.full(len(self.ids), -1)
        for page, goal in self.redirects.items():
            redirects[page] = goal
        sources, targets = np.array(self.sources, np.int64), np.array(self.targets, np.int64)
        return link_site(name, home, self.pages(), sources, targets, redirects=redirects)

    def pages(self) -> pl.DataFrame:
        urls = list(self.ids)
        documents = [self.documents.get(page, _NOTHING) for page in range(len(urls))]
        canonical = [self.canonical.get(page) for page in range(len(urls))]
        redirect = [
            urls[self.redirects[p]] if p in self.redirects else None for p in range(len(urls))
        ]
        codes = [301 if redirect[page] else self.code(url) for page, url in enumerate(urls)]
        types = [
            _content_type(url) if code in (200, 301) else None
            for url, code in zip(urls, codes, strict=True)
        ]
        return (
            pl.DataFrame(
                {
                    "url": urls,
                    "title": pl.Series([document.title for document in documents], dtype=pl.String),
                    "http_code": codes,
                    "content_type": pl.Series(types, dtype=pl.String),
                    "byte_size": [self.files.get(url, 0) for url in urls],
                    "noindex": [document.noindex for document in documents],
                    "pagetype": [self.pagetype(url) for url in urls],
                    "canonical": pl.Series(
                        [
                            None if to is None else to == url
                            for to, url in zip(canonical, urls, strict=True)
                        ],
                        dtype=pl.Boolean,
                    ),
                    "canonical_url": pl.Series(canonical, dtype=pl.String),
                    "redirect_url": pl.Series(redirect, dtype=pl.String),
                }
            )
            .with_columns(reason=reason())
            .with_columns(compliant=pl.col("reason") == "Indexable")
        )

    def code(self, url: str) -> int:
        """200 for a file, 404 for what the folder lacks, 0 for a file with a query: only a server could answer."""
        path, question, _ = url.partition("?")
        if path not in self.files:
            return 404
        return 0 if question else 200

    def pagetype(self, url: str) -> str:
        """The page's place in the folder, at most two levels deep; "home" for the top folder."""
        folders = urlsplit(url).path.removeprefix(urlsplit(self.base).path).split("/")[:-1]
        return "/".join(folders[:2]) or "home"


_NOTHING = Document()


def _clean(href: str) -> str:
    """An address as browsers read it: no white space around, no line breaks or tabs within, "/" for "\\\\"."""
    href = re.sub(r"[\t\r\n]", "", href.strip())
    path, mark, rest = href.partition("?") if "?" in href else href.partition("#")
    return path.replace("\\\\", "/") + mark + rest


def _content_type(url: str) -> str:
    path = url.partition("?")[0].lower()
    if path.endswith(HTML_SUFFIXES):
        return "text/html"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
