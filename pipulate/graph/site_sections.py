"""Which section of the site each page belongs to: the picture's discs.  Pure.

A section is a folder of the site (`/blog/2024`).  We begin with one per
host and split the largest again and again at its next folder level, until
none is large or there are enough; small folders stay with their parent.
What addresses leave in one lump (`/p/12345`) is split by page type.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

MOST = 90  # sections: more discs than that no eye keeps apart
LEAST = (5, 400)  # a section has at least 5 pages, and one in 400 of all
LARGE = (12, 30)  # it is split from 12 pages on, and one in 30 of all
LUMP = 0.4  # of all pages in one section: addresses say too little there
REST = " (rest)"  # after a section's name: its pages in small folders


@dataclass(frozen=True)
class Sections:
    """The `names`, the largest first, and `codes`: each page's, by number."""

    codes: NDArray[np.int64]
    names: list[str]

    def by_page(self) -> pl.Series:
        """Return each page's section by name."""
        return pl.Series("section", self.names, pl.String).gather(pl.Series(self.codes))


@dataclass(frozen=True)
class _Pile:
    """Folders that are alike down to a depth, and their number of pages."""

    name: str
    depth: int
    folders: list[str]
    pages: int


def sections(urls: pl.Series, kind: pl.Series | None = None) -> Sections:
    """Return the sections; `kind` (page type, say) divides what URLs do not."""
    without_scheme = urls.str.replace(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "")
    folders = without_scheme.str.replace(r"[?#].*$", "").str.replace(r"/[^/]*$", "")
    label = _split(folders)
    if kind is not None and len(urls):
        label = _divide_lumps(label, kind.cast(pl.String).fill_null("other"))
    return _numbered(label, one_host=folders.str.split("/").list.first().n_unique() <= 1)


def _split(folders: pl.Series) -> pl.Series:
    """Return each page's host, or its longest folder that is large enough."""
    pages = Counter(dict(folders.value_counts().iter_rows()))
    total = len(folders)
    section_of: dict[str, str] = {}
    closed = 0
    piles = [_Pile("", 0, list(pages), total)]
    while piles and len(piles) + closed < MOST:
        largest = max(piles, key=lambda pile: pile.pages)
        if largest.depth > 0 and largest.pages < _at_least(LARGE, total):
            break
        piles.remove(largest)
        parts, rest = _parts(largest, pages, _at_least(LEAST, total))
        piles += parts
        if rest:
            closed += 1
            name = largest.name + REST if parts else largest.name
            section_of |= dict.fromkeys(rest, name)
    for pile in piles:
        section_of |= dict.fromkeys(pile.folders, pile.name)
    return folders.replace_strict(section_of, return_dtype=pl.String).alias("section")


def _at_least(limit: tuple[int, int], total: int) -> int:
    number, part = limit
    return max(number, total // part)


def _parts(pile: _Pile, pages: Counter[str], least: int) -> tuple[list[_Pile], list[str]]:
    """Split at the next folder level: parts that are large enough, the rest."""
    inside = defaultdict(list)
    rest = []
    for folder in pile.folders:
        names = folder.split("/")
        if len(names) > pile.depth:
            inside["/".join(names[: pile.depth + 1])].append(folder)
        else:
            rest.append(folder)
    parts = []
    for name, folders in inside.items():
        count = sum(pages[folder] for folder in folders)
        if count >= least:
            parts.append(_Pile(name, pile.depth + 1, folders, count))
        else:
            rest += folders
    return parts, rest


def _divide_lumps(label: pl.Series, kind: pl.Series) -> pl.Series:
    """Split lumps by kind, unless that makes far too many."""
    counts = label.value_counts()
    lumps = counts.filter(pl.col("count") > LUMP * len(label))["section"]
    both = pl.DataFrame({"section": label, "kind": kind})
    is_lump = pl.col("section").is_in(lumps.implode())
    name = pl.when(is_lump).then(pl.format("{} · {}", "section", "kind")).otherwise("section")
    divided = both.select(name.alias("section"))["section"]
    return divided if divided.n_unique() <= 2 * MOST else label


def _numbered(label: pl.Series, one_host: bool) -> Sections:
    counts = label.value_counts().sort("count", "section", descending=[True, False])
    names = counts["section"]
    codes = label.replace_strict(names, range(len(names)), return_dtype=pl.Int64)
    return Sections(
        codes.to_numpy().astype(np.int64),
        [_readable(name, one_host) for name in names],
    )


def _readable(name: str, one_host: bool) -> str:
    """`shop.example/a/b` is `/a/b` on a site of one host; the host itself is `/`."""
    if not one_host:
        return name or "other"
    host, slash, path = name.partition("/")
    if slash:
        return "/" + path
    return "/" + "".join(host.partition(" · ")[1:])
