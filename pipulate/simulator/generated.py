"""Realistic websites of any size, drawn by a seeded generator.

SITE  A `shop`, what a crawler finds of each page, Search Console rows.
SIZE  About links / (6 log10(links) - 6) pages: 80 for 1,000 links, 33,000
      for a million.
"""

import zlib
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.engine.errors import Invalid
from pipulate.graph.sites import Site, link_site, reason
from pipulate.simulator.shop import (
    ADJECTIVES,
    KINDS,
    NOUNS,
    Shop,
    fill,
    lay_out,
    word_pair,
    words,
)

MIN_LINKS = 500
COUNTRIES = ("usa", "gbr", "fra", "deu")
DEVICES = ("desktop", "mobile", "tablet")

_FAME = {"home": 40, "department": 8, "category": 4}  # shown so much more


def generate_site(name: str, links: int, seed: int = 0) -> Site:
    """A shop with exactly `links` distinct links, equal for equal arguments.

    Raises Invalid below 500 links: too few for one page of every kind.
    """
    check_size(links)
    links_per_page = 6 * np.log10(links) - 6
    rng = np.random.default_rng([zlib.crc32(name.encode()), links, seed])
    shop = Shop(name, rng, pages=int(links / links_per_page))
    products = lay_out(shop, links_per_page)
    sources, targets = fill(shop, products, links)
    twice = rng.random(links) < 0.1  # in the menu and in the text
    sources = np.append(sources, sources[twice])
    targets = np.append(targets, targets[twice])
    site = link_site(name, 0, _described(shop), sources, targets)
    pages = _with_redirects(shop, site.pages)
    return replace(site, pages=pages, search=_search_console(shop, pages))


def check_size(links: int) -> None:
    """Raises Invalid if too small."""
    if links < MIN_LINKS:
        raise Invalid(f"A generated site needs at least {MIN_LINKS} links; {links} were asked for.")


def _described(shop: Shop) -> pl.DataFrame:
    rng = shop.rng
    count = len(shop.urls)
    kinds = pl.DataFrame({"kind": shop.kinds}).join(KINDS, "kind", maintain_order="left")
    code = _codes(rng, kinds["http_code"].to_numpy())
    in_sitemap = rng.random(count) < kinds["in_sitemap"].to_numpy()
    untagged = (rng.random(count) < 0.05) & shop.is_kind("product", "article")
    unclassified = (rng.random(count) < 0.01) | shop.is_kind("file")
    unclassified[0] = False
    size = rng.lognormal(10.5, 0.6, count).astype(np.int64)
    executed = (code == 200) & shop.is_kind("product", "variant", "listing", "filter")
    variant_of = {variant: shop.urls[base] for variant, base in shop.variant_of.items()}
    bases = pl.Series(map(variant_of.get, range(count)), dtype=pl.String)
    pages = {
        "url": shop.urls,
        "title": pl.Series(shop.titles, dtype=pl.String),
        "http_code": code,
        "content_type": kinds["content_type"],
        "byte_size": np.where(code > 0, size, 0),
        "noindex": kinds["noindex"],
        "pagetype": kinds["pagetype"],
        "canonical": kinds["canonical"],
        "sitemap": in_sitemap,
        "js_executed": executed,
        "js_succeeded": rng.random(count) < 0.97,
    }
    return (
        pl.DataFrame(pages)
        .with_columns(
            pagetype=pl.when(~pl.Series(unclassified)).then("pagetype"),
            canonical=pl.when(~pl.Series(untagged)).then("canonical"),
            js_succeeded=pl.when("js_executed").then("js_succeeded"),
        )
        .with_columns(
            canonical_url=pl.when("canonical").then("url").otherwise(bases),
            reason=reason(),
        )
        .with_columns(compliant=pl.col("reason") == "Indexable")
    )


def _codes(rng: np.random.Generator, usual: NDArray[np.int64]) -> NDArray[np.int64]:
    code = usual.copy()
    for one, other, share in ((404, 410, 0.15), (404, 500, 0.1), (301, 302, 0.2)):
        code[(code == one) & (rng.random(len(code)) < share)] = other
    return code


def _with_redirects(shop: Shop, pages: pl.DataFrame) -> pl.DataFrame:
    """To products at most one click deeper: redirects change no depth."""
    moved = shop.of_kind("moved")
    products = shop.of_kind("product")
    depth = pages["depth"].to_numpy()
    products = products[np.argsort(depth[products], kind="stable")]
    within_reach = np.searchsorted(depth[products], depth[moved] + 1, side="right")
    goals = products[(shop.rng.random(len(moved)) * within_reach).astype(np.int64)]
    redirects: list[str | None] = [None] * len(pages)
    for page, goal in zip(moved, goals, strict=True):
        redirects[page] = shop.urls[goal]
    return pages.with_columns(pl.Series("redirect_url", redirects, dtype=pl.String))


def _search_console(shop: Shop, pages: pl.DataFrame) -> pl.DataFrame:
    rng = shop.rng
    urls, fame = _ranked(shop, pages)
    repeats = 1 + rng.binomial(2, 0.3, len(urls))
    count = repeats.sum()
    position = 1 + rng.lognormal(2.0, 0.8, count)
    keywords = rng.integers(len(ADJECTIVES) * len(NOUNS), size=count)
    return pl.DataFrame(
        {
            "url": pl.Series(np.repeat(np.array(urls, dtype=object), repeats), dtype=pl.String),
            "keyword": [words(number) for number in keywords],
            "country": rng.choice(COUNTRIES, count, p=[0.6, 0.2, 0.1, 0.1]),
            "device": rng.choice(DEVICES, count, p=[0.35, 0.6, 0.05]),
            "impressions": np.repeat(fame, repeats) * rng.pareto(1.1, count) * 20 / position,
            "click_rate": np.minimum(0.9, 0.3 / position * rng.lognormal(0, 0.4, count)),
            "position": position,
        }
    )


def _ranked(shop: Shop, pages: pl.DataFrame) -> tuple[list[str], list[int]]:
    """URLs, some known to no crawl, and their fame."""
    moved = pl.col("http_code") == 301
    chance = pl.when("compliant").then(0.85).when(moved).then(0.3).otherwise(0.0)
    odds = pages.select(chance).to_series().to_numpy().copy()
    odds[shop.of_kind("orphan")] = 0.5
    known = np.flatnonzero(shop.rng.random(len(odds)) < odds)
    lost = [f"/2019/{word_pair(13 * n)}-{n}.html" for n in range(shop.share(0.02))]
    urls = [shop.urls[page] for page in known] + [shop.url(path) for path in lost]
    fame = [_FAME.get(shop.kinds[page], 1) for page in known] + [1] * len(lost)
    return urls, fame
