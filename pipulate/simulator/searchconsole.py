"""Search Console of a site: any days' numbers, from each row's daily mean.

They are whole, follow the week, scatter around the mean, and are the same
every time.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.graph.sites import Site
from pipulate.simulator.datamodel import (
    Collection,
    Metric,
    Needs,
    Period,
    Table,
    by_id,
    catalogue,
    distinct,
)

Numbers = NDArray[np.int64]

WEEKDAYS = (1.1, 1.15, 1.1, 1.05, 1.0, 0.75, 0.85)  # Monday first


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return pl.when(below.sum() > 0).then(above.sum() / below.sum())


def _percent(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return _ratio(100.0 * above, below)


def _distinct_in_lists(column: pl.Expr) -> pl.Expr:
    return distinct(column.list.explode(empty_as_null=False))


FIELDS = by_id(catalogue("search_console"))
METRICS = by_id(
    [
        Metric(
            "count_impressions",
            "Impressions",
            "integer",
            ("impressions",),
            pl.Expr.sum,
        ),
        Metric("count_clicks", "Clicks", "integer", ("clicks",), pl.Expr.sum),
        Metric("ctr", "CTR", "float", ("clicks", "impressions"), _percent),
        Metric(
            "avg_position",
            "Avg. Position",
            "float",
            ("weighted", "impressions"),
            _ratio,
        ),
        Metric(
            "count_keywords",
            "No. of Keywords",
            "integer",
            ("keywords",),
            _distinct_in_lists,
        ),
        Metric("count_urls", "No. of URLs", "integer", ("ranked_url",), distinct),
    ]
)


def search_collection(site: Site, first: date, last: date) -> Collection:
    """Only of a site that has it."""
    search = site.search
    assert search is not None, "only for sites with Search Console data"

    def table(number: int, period: Period) -> Table:
        start = max(first, period[0])
        length = (min(last, period[1]) - start).days + 1
        days = [start + timedelta(n) for n in range(length)]
        rows = partial(search_rows, search, days)
        return Table(f"search_console.period_{number}", FIELDS, METRICS, rows)

    return Collection(
        "search_console",
        "Search Console",
        FIELDS,
        METRICS,
        lambda periods: [table(*each) for each in enumerate(periods)],
        (first, last),
    )


def search_rows(search: pl.DataFrame, days: Iterable[date], needs: Needs) -> pl.DataFrame:
    """One row per URL and dimensions needed, with the metrics' parts.

    What was never shown is left out.
    """
    shown = clicked = np.zeros(len(search), np.int64)
    if "date" in needs.fields:
        parts = [_numbers(search, shown, clicked)]  # for the columns' types
        for day in days:
            numbers = _one_day(search, day)
            parts.append(_numbers(search, *numbers, day.isoformat()))
        rows = pl.concat(parts)
    else:
        for day in days:
            impressions, clicks = _one_day(search, day)
            shown = shown + impressions
            clicked = clicked + clicks
        rows = _numbers(search, shown, clicked)
    sums = [
        pl.col("impressions", "clicks", "weighted").sum(),
        pl.col("url").first().alias("ranked_url"),
    ]
    if "keywords" in needs.parts:
        sums.append(pl.col("keyword").unique().alias("keywords"))
    dimensions = ["url", *sorted(needs.fields - {"url"})]
    seen = rows.filter(pl.col("impressions") > 0)
    return seen.group_by(dimensions, maintain_order=True).agg(sums)


def _numbers(
    search: pl.DataFrame,
    impressions: Numbers,
    clicks: Numbers,
    day: str | None = None,
) -> pl.DataFrame:
    return search.drop("impressions", "click_rate").with_columns(
        pl.Series("impressions", impressions),
        pl.Series("clicks", clicks),
        weighted=pl.col("position") * pl.Series(impressions),
        date=pl.lit(day, pl.String),
    )


def _one_day(search: pl.DataFrame, day: date) -> tuple[Numbers, Numbers]:
    row = np.arange(len(search), dtype=np.uint64)
    shift = day.toordinal() * 0xBF58476D1CE4E5B9 % 2**64
    mixed = row * np.uint64(0x9E3779B97F4A7C15) + np.uint64(shift)
    chance = (mixed >> np.uint64(32)) / 2**32
    mean = search["impressions"].to_numpy() * WEEKDAYS[day.weekday()]
    shown = (mean * (0.8 + 0.4 * chance) + chance).astype(np.int64)
    rate = search["click_rate"].to_numpy()
    clicks = (shown * rate + (chance * 7) % 1).astype(np.int64)
    return shown, np.minimum(clicks, shown)
