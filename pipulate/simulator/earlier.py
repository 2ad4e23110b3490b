"""A site as it may have been at an earlier crawl."""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.graph.sites import Positions, Site, link_site, reason

COUNTED = (
    "depth",
    "outlinks_total",
    "outlinks_unique",
    "inlinks_total",
    "inlinks_unique",
)


def earlier_site(site: Site, seed: int) -> Site:
    """Without some pages and links; others were alive, titled otherwise or
    barred.

    The same for the same seed.
    """
    rng = np.random.default_rng([seed, len(site.pages), len(site.sources)])
    shallow = (site.pages["depth"].fill_null(0) < 2).to_numpy()
    kept = (rng.random(len(site.pages)) < 0.97) | shallow
    sources, targets = _earlier_links(site, kept, rng)
    pages = _earlier_pages(site.pages, rng).filter(kept)
    new_id = np.cumsum(kept) - 1
    home = int(new_id[(site.pages["url"] == site.home).arg_max() or 0])
    before = link_site(
        site.name,
        home,
        pages,
        new_id[sources],
        new_id[targets],
        redirects=_redirects(pages),
    )
    return replace(before, search=site.search)


def _earlier_links(
    site: Site, kept: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Positions, Positions]:
    there = kept[site.sources] & kept[site.targets]
    there &= rng.random(len(site.sources)) < 0.98
    sources = site.sources[there]
    targets = site.targets[there]
    others = np.zeros(0, np.int64)
    if len(sources):
        others = rng.integers(len(sources), size=len(sources) // 100 + 1)
    repeats = site.repeats[there]
    return (
        np.concatenate([np.repeat(sources, repeats), sources[others]]),
        np.concatenate([np.repeat(targets, repeats), rng.permutation(targets[others])]),
    )


def _earlier_pages(pages: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:

    def some(share: float) -> pl.Series:
        return pl.Series(rng.random(len(pages)) < share)

    revived = some(0.5) & pages["http_code"].is_in([404, 410])
    retitled = some(0.01)
    barred = some(0.01)
    return (
        pages.drop(COUNTED)
        .with_columns(
            http_code=pl.when(revived).then(200).otherwise("http_code"),
            content_type=pl.when(revived).then(pl.lit("text/html")).otherwise("content_type"),
            title=pl.when(retitled).then(pl.col("title") + " (old)").otherwise("title"),
            noindex=pl.col("noindex") | barred,
        )
        .with_columns(reason=reason())
        .with_columns(compliant=pl.col("reason") == "Indexable")
    )


def _redirects(pages: pl.DataFrame) -> Positions:
    ids = pl.DataFrame({"redirect_url": pages["url"], "id": np.arange(len(pages))})
    goals = pages.select("redirect_url").join(ids, "redirect_url", "left", maintain_order="left")
    return goals["id"].fill_null(-1).to_numpy()
