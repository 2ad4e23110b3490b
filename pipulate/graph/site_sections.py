"""Which section of the site each page belongs to: the picture's discs.  Pure; from the URLs, and more if they say little.

A section is a folder of the site (`/library`, `/blog/2024`), not a file.  We begin with one section per host and split
the largest again and again at its next folder level, until no section is large or there are enough of them.  Folders
with few pages stay with their parent.  What URLs leave in one lump (flat sites, `/p/12345`) is split by page type.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

MOST = 90
REST = " (rest)"  # after a section's name: its pages that are in no folder large enough to be a section


@dataclass(frozen=True)
class Sections:
    """`codes`, the section of each page (0..len(names)-1, each used, largest first), and the sections' `names`."""

    codes: NDArray[np.int64]
    names: list[str]


def sections(urls: pl.Series, kind: pl.Series | None = None) -> Sections:
    """Return the sections of a site; `kind` (page type, say) divides what the URLs do not."""
    folders = (
        urls.str.replace(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "")
        .str.replace(r"[?#].*$", "")
        .str.replace(r"/[^/]*$", "")
    )
    label = _split(folders)
    if kind is not None and len(urls):
        label = _divide_lumps(label, kind.cast(pl.String).fill_null("other"))
    return _numbered(label, one_host=folders.str.split("/").list.first().n_unique() <= 1)


def _split(folders: pl.Series) -> pl.Series:
    """Return each page's section: its host, or the longest leading folder that is large enough."""
    total = len(folders)
    least, large = max(5, total // 400), max(12, total // 30)
    pages = Counter(dict(folders.value_counts().iter_rows()))
    # A pile: (depth to which its folders are alike, its folders).  Only piles of more than one folder can be split.
    piles = {"": (0, list(pages))}
    closed: dict[str, list[str]] = {}
    while piles and len(piles) + len(closed) < MOST:
        name = max(piles, key=lambda key: sum(pages[folder] for folder in piles[key][1]))
        depth, folders_of = piles.pop(name)
        if sum(pages[folder] for folder in folders_of) < large and depth > 0:
            piles[name] = (depth, folders_of)
            break
        children: dict[str, list[str]] = {}
        for folder in folders_of:
            parts = folder.split("/")
            child = "/".join(parts[: depth + 1]) if len(parts) > depth else name + REST
            children.setdefault(child, []).append(folder)
        rest = children.pop(name + REST, [])
        for child, inside in children.items():
            if sum(pages[folder] for folder in inside) >= least:
                piles[child] = (depth + 1, inside)
            else:
                rest += inside
        if rest:
            closed[name + REST if any(key in piles for key in children) else name] = rest
    groups = closed | {name: inside for name, (_, inside) in piles.items()}
    section_of = {folder: name for name, inside in groups.items() for folder in inside}
    return folders.replace_strict(section_of, return_dtype=pl.String).alias("section")


def _divide_lumps(label: pl.Series, kind: pl.Series) -> pl.Series:
    """Split by kind each section that holds over two fifths of all pages."""
    counts = label.value_counts()
    lumps = counts.filter(pl.col("count") > 0.4 * len(label))["section"]
    divided = pl.DataFrame({"section": label, "kind": kind}).select(
        pl.when(pl.col("section").is_in(lumps.implode()))
        .then(pl.format("{} · {}", "section", "kind"))
        .otherwise("section")
        .alias("section")
    )["section"]
    return divided if divided.n_unique() <= 2 * MOST else label


def _numbered(label: pl.Series, one_host: bool) -> Sections:
    counts = label.value_counts().sort(["count", "section"], descending=[True, False])
    names = counts["section"].to_list()
    codes = label.replace_strict(
        dict(zip(names, range(len(names)), strict=True)), return_dtype=pl.Int64
    )
    return Sections(
        codes.to_numpy().astype(np.int64), [_readable(name, one_host) for name in names]
    )


def _readable(name: str, one_host: bool) -> str:
    """`shop.example/a/b` is `/a/b` on a site of one host; the host itself is `/`."""
    if not one_host:
        return name or "other"
    host, slash, path = name.partition("/")
    if slash:
        return "/" + path
    return "/" + "".join(host.partition(" · ")[1:])
