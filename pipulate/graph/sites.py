"""A Site: what a crawler knows of one website, as plain arrays.

FORMAT      pages     polars frame, one row per known URL; the row number is the page's id
            sources   uint32, ascending, and
            targets   uint32: one entry per distinct link (source page, target page)
            repeats   how many <a> tags stand for that link (>= 1)
            search    polars frame of Search Console rows, or None when the site has none:
                      url, keyword, country, device, impressions (a day), click_rate (0..1),
                      position.  Its URLs need not be pages.
            Columns of `pages`: url, title, http_code, content_type, byte_size, noindex, compliant,
            reason, pagetype, canonical (None: no tag), canonical_url, redirect_url, sitemap,
            js_executed, js_succeeded, and those that `link_site` adds.  What a crawl did not look
            at (JavaScript, say) has no column.
READING     A page with http_code 0 was never fetched: a link target beyond the crawl's limit, or
            blocked.  A page with depth None cannot be reached by links from the home page.
MAKING      `link_site` is the only constructor: it merges repeated links, counts them per page and
            finds the depth by breadth-first search: these columns cannot disagree with the links.

The makers of sites are `generated` (a shop of any size), `htmlsite` (a folder of HTML) and
`projects` (an earlier state of a given site).
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
    """One crawl of a website.  See the module's docstring for the meaning of each array."""

    name: str
    home: str
    pages: pl.DataFrame
    sources: Ids
    targets: Ids
    repeats: Ids
    search: pl.DataFrame | None = None

    @cached_property
    def starts(self) -> Positions:
        """Where each page's links begin in `sources`; one more entry than pages (CSR pointers)."""
        return np.searchsorted(self.sources, np.arange(len(self.pages) + 1))

    def links_of(self, ids: NDArray) -> tuple[Positions, Ids]:
        """All links of the pages `ids`: for each its page's place in `ids`, and its target page."""
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
    """Make a Site of its pages and its links (page ids; a repeated link stands repeatedly).

    `home` is the id of the home page.  `redirects[i]` is the page that page i sends its visitor on
    to, or -1; such a hop counts as one click of depth.  Adds to `pages`: depth, outlinks_total,
    outlinks_unique, inlinks_total, inlinks_unique (total counts repeated links, unique does not).
    """
    count = len(pages)
    keys, repeats = np.unique(np.asarray(sources, np.int64) * count + targets, return_counts=True)
    froms = (keys // count).astype(np.uint32)
    tos = (keys % count).astype(np.uint32)
    hops = [froms, tos]
    if redirects is not None:
        moved = np.flatnonzero(redirects >= 0)
        hops = [np.concatenate([froms, moved]), np.concatenate([tos, redirects[moved]])]
    depth = pl.Series("depth", click_depth(count, [home], *hops), dtype=pl.Int32)
    counted = pages.with_columns(
        depth.replace(-1, None),
        pl.Series("outlinks_total", np.bincount(froms, repeats, count).astype(np.int64)),
        pl.Series("outlinks_unique", np.bincount(froms, minlength=count)),
        pl.Series("inlinks_total", np.bincount(tos, repeats, count).astype(np.int64)),
        pl.Series("inlinks_unique", np.bincount(tos, minlength=count)),
    )
    return Site(name, str(pages["url"][home]), counted, froms, tos, repeats.astype(np.uint32))


def reason() -> pl.Expr:
    """Why a page cannot be indexed, in Botify's words and order of checks; "Indexable" if it can.

    Needs the columns http_code, content_type, canonical and noindex.
    """
    return (
        pl.when(pl.col("http_code") != 200)
        .then(pl.lit("http_code"))
        .when(~pl.col("content_type").str.contains("html"))
        .then(pl.lit("content_type"))
        .when(~pl.col("canonical"))
        .then(pl.lit("canonical"))
        .when(pl.col("noindex"))
        .then(pl.lit("noindex"))
        .otherwise(pl.lit("Indexable"))
    )


def click_depth(
    count: int, starts: NDArray | list[int], sources: NDArray, targets: NDArray
) -> NDArray[np.int32]:
    """Fewest clicks from one of the pages `starts` to each of `count` pages, -1 where none lead.

    Breadth-first search with one numpy pass per level; the links may be in any order.
    """
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
    """Concatenate the half-open ranges first[i]..end[i]: for each entry its i, and the number."""
    sizes = end - first
    owners = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return owners, first[owners] + within
