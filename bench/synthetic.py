"""A synthetic site for measurements: any number of links, the same for the same arguments.

SHAPE     About 32 distinct links a page. Pages have a type and belong to a section; section sizes
          follow a power law. One link in ten is drawn from the template (home and a dozen menu
          pages, from everywhere), seven stay within the section, two go anywhere; within both,
          popular pages get more (Pareto).
TEXT      URLs of about 90 characters, so that a million links make 181 MB of CSV, as a real export
          does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipulate.graph import edges

TYPES = (
    "home",
    "category",
    "subcategory",
    "listing",
    "product",
    "article",
    "tag",
    "author",
    "static",
    "search",
)
_SHARE = np.array([0, 0.004, 0.02, 0.12, 0.60, 0.14, 0.06, 0.01, 0.003, 0.043])
_PULL = np.array([50, 25, 12, 3, 1, 1.2, 2, 1, 4, 0.2])


@dataclass(frozen=True)
class Site:
    """`source`, `target`: ends of distinct links, in random order; `type`, `section`:
    numbers by page; `url`: by page.
    """

    source: np.ndarray
    target: np.ndarray
    type: np.ndarray
    section: np.ndarray
    url: pl.Series


def generate(links: int, *, pages: int | None = None, seed: int = 1) -> Site:
    """Draw a site with exactly `links` distinct links."""
    draw = np.random.default_rng(seed)
    n = pages or max(20, links // 32)
    kind = draw.choice(len(TYPES), n, p=_SHARE / _SHARE.sum()).astype(np.uint8)
    kind[0] = 0
    parts = max(4, int(n**0.42))
    weight = 1 / np.arange(1, parts + 1) ** 0.8
    section = draw.choice(parts, n, p=weight / weight.sum()).astype(np.uint32)
    pull = (draw.pareto(1.3, n) + 0.05) * _PULL[kind]
    keys = np.zeros(0, np.uint64)
    while len(keys) < links:
        source, target = _draw(draw, int((links - len(keys)) * 1.3) + 100, section, parts, pull)
        drawn = (source.astype(np.uint64) << np.uint64(32)) | target
        keys = np.unique(np.concatenate([keys, drawn]))
    draw.shuffle(keys)
    keys = keys[:links]
    return Site(
        (keys >> np.uint64(32)).astype(np.uint32),
        keys.astype(np.uint32),
        kind,
        section,
        _urls(kind, section),
    )


def _draw(
    draw: np.random.Generator, count: int, section: np.ndarray, parts: int, pull: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw links as described above; some repeat."""
    n = len(section)
    source = draw.integers(0, n, count, dtype=np.uint32)
    target = np.empty(count, np.uint32)
    fate = draw.random(count)
    everywhere = fate > 0.8
    running = np.cumsum(pull)
    target[everywhere] = np.searchsorted(running, draw.random(int(everywhere.sum())) * running[-1])
    by_section = np.argsort(section, kind="stable")
    start = np.searchsorted(section[by_section], np.arange(parts + 1))
    running = np.concatenate([[0], np.cumsum(pull[by_section])])
    inside = ~everywhere
    own = section[source[inside]]
    low = running[start[own]]
    high = running[start[own + 1]]
    drawn = low + draw.random(len(own)) * (high - low)
    spot = np.searchsorted(running, drawn, side="right") - 1
    target[inside] = by_section[np.clip(spot, 0, n - 1)]
    menu = fate < 0.1
    target[menu] = draw.integers(0, min(13, n), int(menu.sum()))
    return source, target


def _urls(kind: np.ndarray, section: np.ndarray) -> pl.Series:
    frame = pl.DataFrame(
        {"id": np.arange(len(kind)), "kind": np.array(TYPES)[kind], "section": section}
    )
    text = pl.format(
        "https://www.example.com/{}/section-{}/page-{}-a-slug-with-a-few-more-words.html",
        "kind",
        "section",
        pl.col("id").cast(pl.String).str.zfill(8),
    )
    home = pl.lit("https://www.example.com/")
    return frame.select(pl.when(pl.col("id") == 0).then(home).otherwise(text)).to_series()


def write(site: Site, links: Path, pages: Path, *, seed: int = 1, block: int = 2_000_000) -> None:
    """Write the links as `source,target` and the pages as
    `id,pagetype,depth,impressions,clicks,compliant`.
    """
    with links.open("wb") as out:
        for at in range(0, len(site.source), block):
            part = slice(at, at + block)
            rows = {
                "source": site.url.gather(site.source[part]),
                "target": site.url.gather(site.target[part]),
            }
            pl.DataFrame(rows).write_csv(out, include_header=at == 0)
    draw = np.random.default_rng(seed)
    n = len(site.url)
    impressions = (draw.pareto(0.9, n) * 20).astype(np.int64)
    pl.DataFrame(
        {
            "id": site.url,
            "pagetype": np.array(TYPES)[site.type],
            "impressions": impressions,
            "clicks": (impressions * draw.random(n) * 0.1).astype(np.int64),
            "compliant": draw.random(n) > 0.06,
        }
    ).write_csv(pages)


def write_columnar(links: int, folder: Path, *, seed: int = 1, block: int = 65_536) -> None:
    """Write the columnar form of a site of about `links` links that need never be in memory.

    Pages are written in blocks.  Targets are drawn from all pages with a strong preference (a power
    of a uniform number), so that there are hubs.
    """
    draw = np.random.default_rng(seed)
    n = links // 32
    folder.mkdir(parents=True)
    schema = pa.schema([("source", pa.uint32()), ("target", pa.uint32())])
    total = 0
    with pq.ParquetWriter(folder / "links.parquet", schema) as out:
        for first in range(0, n, block):
            own = np.arange(first, min(n, first + block), dtype=np.uint64)
            source = np.repeat(own, draw.integers(0, 65, len(own)))
            target = (draw.random(len(source)) ** 4 * n).astype(np.uint64)
            keys = np.unique((source << np.uint64(32)) | target)
            ends = (keys >> np.uint64(32)).astype(np.uint32), keys.astype(np.uint32)
            out.write_table(pa.table(ends, schema=schema))
            total += len(keys)
    kind = draw.choice(len(TYPES), n, p=_SHARE / _SHARE.sum()).astype(np.uint8)
    url = _urls(kind, (np.arange(n) // 1000).astype(np.uint32))
    pages = pl.DataFrame(
        {"url": url, "listed": np.ones(n, bool), "pagetype": np.array(TYPES)[kind]}
    )
    pages.write_parquet(folder / "pages.parquet")
    meta = {"format": edges.FORMAT, "pages": n, "links": total, "listed": n}
    (folder / "meta.json").write_text(json.dumps(meta))
