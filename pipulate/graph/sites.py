"""A Site: what a crawler knows of one website, as plain arrays.

FORMAT    pages     polars frame, one row per known URL; its row is its id
          sources   uint32, ascending, and
          targets   uint32: one entry per distinct link (from, to)
          repeats   how many <a> tags stand for that link (>= 1)
          search    polars frame of Search Console rows, or None: url,
                    keyword, country, device, impressions (a day),
                    click_rate (0..1), position.  Its URLs need not be pages.
          Columns of `pages`: url, title, http_code, content_type, byte_size,
          noindex, compliant, reason, pagetype, canonical (None: no tag),
          canonical_url, redirect_url, sitemap, js_executed, js_succeeded,
          and those of `link_site`.  What a crawl did not look at (say
          JavaScript) has no column.
READING   A page with http_code 0 was never fetched: beyond the crawl's limit,
          or blocked.  One with depth None cannot be reached from home.
MAKING    `link_site` is the only constructor: it counts links and finds the
          depth, so these columns cannot disagree with the links.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ids = NDArray[np.uint32]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Site:
    """One crawl of a website, as the module describes it."""

    name: str
    home: str
    pages: pl.DataFrame
    sources: Ids
    targets: Ids
    repeats: Ids
    search: pl.DataFrame | None = None

    @cached_property
    def starts(self) -> Positions:
        """Where each page's links begin; one entry more than pages (CSR)."""
        return np.searchsorted(self.sources, np.arange(len(self.pages) + 1))

    def links_of(self, ids: NDArray) -> tuple[Positions, Ids]:
        """Links of the pages `ids`: each one's place in `ids`, and target."""
        pages = ids.astype(np.int64)
        owners, links = _ranges(self.starts[pages], self.starts[pages + 1])
        return owners, self.targets[links]


def link_site(
    name: str,
    home: int,
    pages: pl.DataFrame,
    sources: NDArray,
    targets: NDArray,
    *,
    redirects: Positions | None = None,
) -> Site:
    """Make a Site of pages and links (ids), which may stand repeatedly.

    `redirects[i]` is where page i sends its visitors, or -1: one click of
    depth.  Adds the columns depth, outlinks_total, outlinks_unique,
    inlinks_total, inlinks_unique; a total counts repeated links.
    """
    count = len(pages)
    keys, repeats = np.unique(np.asarray(sources, np.int64) * count + targets, return_counts=True)
    froms = (keys // count).astype(np.uint32)
    tos = (keys % count).astype(np.uint32)
    hops = [froms, tos]
    if redirects is not None:
        moved = np.flatnonzero(redirects >= 0)
        hops = [
            np.concatenate([froms, moved]),
            np.concatenate([tos, redirects[moved]]),
        ]
    depth = pl.Series("depth", click_depth(count, [home], *hops), dtype=pl.Int32)
    counts = {}
    for what, ends in (("outlinks", froms), ("inlinks", tos)):
        counts[f"{what}_total"] = np.bincount(ends, repeats, count).astype(np.int64)
        counts[f"{what}_unique"] = np.bincount(ends, minlength=count)
    counted = pages.with_columns(depth.replace(-1, None), **counts)
    return Site(
        name,
        str(pages["url"][home]),
        counted,
        froms,
        tos,
        repeats.astype(np.uint32),
    )


def reason() -> pl.Expr:
    """Why a page cannot be indexed, in Botify's words, or "Indexable"."""
    checks = {  # in Botify's order
        "http_code": pl.col("http_code") != 200,
        "content_type": ~pl.col("content_type").str.contains("html"),
        "canonical": ~pl.col("canonical"),
        "noindex": pl.col("noindex"),
    }
    found = [pl.when(fails).then(pl.lit(name)) for name, fails in checks.items()]
    return pl.coalesce(*found, pl.lit("Indexable"))


def click_depth(
    count: int, starts: NDArray | list[int], sources: NDArray, targets: NDArray
) -> NDArray[np.int32]:
    """Fewest clicks from `starts` to each page, -1 where none lead."""
    order = np.argsort(sources, kind="stable")
    targets = targets[order]
    rows = np.searchsorted(sources[order], np.arange(count + 1))
    depth = np.full(count, -1, np.int32)
    frontier = np.asarray(starts, np.int64)
    depth[frontier] = 0
    level = 0
    while len(frontier):
        level += 1
        _, links = _ranges(rows[frontier], rows[frontier + 1])
        reached = targets[links]
        depth[reached[depth[reached] < 0]] = level
        frontier = np.flatnonzero(depth == level)
    return depth


def _ranges(first: Positions, end: Positions) -> tuple[Positions, Positions]:
    """All numbers in first[i]..end[i]: for each its i, and the number."""
    sizes = end - first
    owners = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return owners, first[owners] + within
