"""BQL v2, Botify's query language, built and read.  Pure.

QUERY    {"collections": [...], "periods": [[first, last]],
          "query": {"dimensions", "metrics", "filters"}}
         `dimensions` and `metrics` must be there, even empty; a dated
         collection (search_console) needs `periods`; unknown keys are
         refused.  Values come in the order asked for: so `Column.name`s
         are the table's header.
FIELDS   `crawl.20240301.depth`, `search_console.period_0.count_clicks`.
         Clicks and impressions are metrics: dimensions would split pages.
DEPTHS   One grouped query; we add up.  It counts every link tag, repeats
         too: an upper bound on the rows of an export.
FILTERS  Crawl and Search Console are a full outer join: `http_code > 0`
         keeps out pages only Google knows, and addresses only heard of.
         Neither `in` nor `ne` is used: they are not in Botify's lists.

Facts: developers.botify.com (BQL, Formatters, Export job reference), the
Swagger file, requests seen to work.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any, NamedTuple

from pipulate.botify.urls import check_slug, slug_date

Json = dict[str, Any]

EXPORT_LIMIT = 1_000_000  #: rows; the default cap of a direct_download export
LINK_CREDITS = 0.1  #: export credits for a row of a link-graph export
PAGE_CREDITS = 1.0  #: export credits for a row of any other export
SEARCH_CONSOLE = "search_console"
SEARCH_DAYS = 7


@dataclass(frozen=True)
class Column:
    """A column of the page table that the user may tick.

    `field` is Botify's name without the collection.
    """

    name: str
    label: str
    group: str
    field: str
    boolean: bool = False

    @property
    def metric(self) -> bool:
        """Whether Botify computes it over a period."""
        return self.group == "search"


GROUPS = {
    "search": "Search performance",
    "pagetype": "Page type",
    "technical": "Technical",
    "javascript": "JavaScript",
}

COLUMNS = (
    Column("pagetype", "Page type", "pagetype", "segments.pagetype.value"),
    Column(
        "compliant",
        "Compliant",
        "technical",
        "compliant.is_compliant",
        boolean=True,
    ),
    Column(
        "canonical",
        "Canonical to itself",
        "technical",
        "canonical.to.equal",
        boolean=True,
    ),
    Column("sitemap", "In a sitemap", "technical", "sitemaps.present", boolean=True),
    Column(
        "js_executed",
        "JavaScript executed",
        "javascript",
        "js.rendering.exec",
        boolean=True,
    ),
    Column(
        "js_succeeded",
        "JavaScript succeeded",
        "javascript",
        "js.rendering.ok",
        boolean=True,
    ),
    Column("impressions", "Impressions", "search", "count_impressions"),
    Column("clicks", "Clicks", "search", "count_clicks"),
)
"""Every column on offer, in the order of an export: dimensions, then metrics."""


class Depth(NamedTuple):
    """Link tags and pages down to and including a depth."""

    depth: int
    links: int
    pages: int


def crawl_id(slug: str, collections: Iterable[str] = ()) -> str:
    """The collection that holds an analysis, `crawl.20240301`.

    What a day's second crawl (20240301-2) is called is not documented: of
    the project's `collections` the one that differs only in punctuation.
    """
    likely = f"crawl.{check_slug(slug)}"
    crawls = [id for id in collections if id.startswith("crawl.")]
    if likely in crawls:
        return likely
    # "crawl.20240301" and "crawl.2024-03-01" are one.
    return next((id for id in crawls if _letters(id) == _letters(likely)), likely)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def depth_profile(crawl: str) -> Json:
    """Ask how much there is at each depth; see `read_profile`."""
    return {
        "collections": [crawl],
        "query": {
            "dimensions": [f"{crawl}.depth"],
            "metrics": [
                {
                    "function": "sum",
                    "args": [f"{crawl}.outlinks_internal.nb.total"],
                },
                f"{crawl}.count_urls_crawl",
            ],
        },
    }


def read_profile(
    rows: Iterable[tuple[Sequence[Any], Sequence[Any]]],
) -> list[Depth]:
    """Cumulate (dimensions, metrics) rows of `depth_profile`.

    Rows without a depth are left out; a missing count is 0.
    """
    links_at: Counter[int] = Counter()
    pages_at: Counter[int] = Counter()
    for (depth, *_), (links, pages, *_) in rows:
        if isinstance(depth, int | float) and not isinstance(depth, bool):
            links_at[int(depth)] += int(links or 0)
            pages_at[int(depth)] += int(pages or 0)
    depths = sorted(links_at)
    all_links = accumulate(links_at[depth] for depth in depths)
    all_pages = accumulate(pages_at[depth] for depth in depths)
    return list(map(Depth, depths, all_links, all_pages))


def deepest(profile: Sequence[Depth], limit: int = EXPORT_LIMIT) -> Depth | None:
    """The deepest depth whose links fit the limit, if any does."""
    fitting = [d for d in profile if d.links <= limit]
    return max(fitting, key=lambda d: d.depth, default=None)


def pages_at(profile: Sequence[Depth], max_depth: int) -> int:
    """How many pages `pages_query(..., max_depth)` returns."""
    return max((d.pages for d in profile if d.depth <= max_depth + 1), default=0)


def links_query(crawl: str, max_depth: int) -> Json:
    """Ask for (source, target) of every link on pages down to that depth.

    The graph field holds all targets of a page; beside `url` it gives one
    row for each.
    """
    return {
        "collections": [crawl],
        "query": {
            "dimensions": ["url", f"{crawl}.outlinks_internal.graph.url"],
            "metrics": [],
            "filters": _where(crawl, "depth", "lte", max_depth),
        },
    }


def _where(crawl: str, field: str, predicate: str, value: int) -> Json:
    return {"field": f"{crawl}.{field}", "predicate": predicate, "value": value}


def pages_query(
    crawl: str,
    names: Iterable[str],
    period: tuple[date, date] | None = None,
    max_depth: int | None = None,
) -> Json:
    """Ask for the page table: the URL, then `page_columns(names)`.

    The links were taken to `max_depth`, so their targets lie one click
    deeper at most.  Search Console columns need a `period`.
    """
    columns = page_columns(names)
    filters = _where(crawl, "http_code", "gt", 0)
    if max_depth is not None:
        filters = {"and": [filters, _where(crawl, "depth", "lte", max_depth + 1)]}
    query: Json = {
        "dimensions": [
            f"{crawl}.url",
            *(f"{crawl}.{c.field}" for c in columns if not c.metric),
        ],
        "metrics": [f"{SEARCH_CONSOLE}.period_0.{c.field}" for c in columns if c.metric],
        "filters": filters,
    }
    if not query["metrics"]:
        return {"collections": [crawl], "query": query}
    if period is None:
        raise ValueError("Search Console columns need a period")
    return {
        "collections": [crawl, SEARCH_CONSOLE],
        "periods": [[day.isoformat() for day in period]],
        "query": query,
    }


def both(
    crawl: str, max_depth: int, names: Sequence[str], period: Sequence[str] | None
) -> dict[str, Json]:
    """The queries of an export: "links", and "pages" if columns are wanted."""
    asked = {"links": links_query(crawl, max_depth)}
    if names:
        days = None
        if period:
            days = date.fromisoformat(period[0]), date.fromisoformat(period[1])
        asked["pages"] = pages_query(crawl, names, days, max_depth)
    return asked


def page_columns(names: Iterable[str]) -> list[Column]:
    """The columns of those names, in the answer's order, or KeyError."""
    wanted = set(names)
    if unknown := wanted - {c.name for c in COLUMNS}:
        raise KeyError(f"no such columns: {', '.join(sorted(unknown))}")
    return [c for c in COLUMNS if c.name in wanted]


def available(fields: Container[str], search: bool) -> list[Column]:
    """The columns a crawl can tell; the API refuses any other.

    `fields` without prefix; `search`: whether it has Search Console data.
    """
    return [column for column in COLUMNS if (search if column.metric else column.field in fields)]


def grouped(columns: Iterable[Column]) -> dict[str, list[Column]]:
    """Columns by the labels of their groups, of which none is empty."""
    groups: dict[str, list[Column]] = {label: [] for label in GROUPS.values()}
    for column in columns:
        groups[GROUPS[column.group]].append(column)
    return {label: members for label, members in groups.items() if members}


def search_period(
    slug: str, first: date | None = None, last: date | None = None
) -> tuple[date, date] | None:
    """The 7 days up to the crawl's that Search Console has, or None.

    It runs two or three days behind, hence `first` and `last`.
    """
    end = slug_date(slug)
    if last is not None:
        end = min(end, last)
    start = date.fromordinal(max(1, end.toordinal() - SEARCH_DAYS + 1))
    if first is not None:
        start = max(start, first)
    return (start, end) if start <= end else None


def export_body(org: str, project: str, query: Json, name: str, size: int = EXPORT_LIMIT) -> Json:
    """The body of POST /jobs for a CSV; rows over `size` are cut off.

    By its unique `name` the job is found again when the answer is lost.
    Documentation and server disagree about the formatter's defaults.
    """
    return {
        "job_type": "export",
        "payload": {
            "username": org,  # the owner of the project, not the person who asks
            "project": project,
            "connector": "direct_download",
            "formatter": "csv",
            "formatter_config": {
                "delimiter": ",",
                "print_header": True,
                "print_delimiter": False,
                "header_format": "slug",
            },
            "extra_config": {"compression": "gzip"},
            "export_size": size,
            "export_job_name": name,
            "query": query,
        },
    }


def export_name(kind: str, slug: str, nonce: str) -> str:
    """A label that only this job has: `nonce` is recorded before it."""
    return f"pipulate-{kind}-{check_slug(slug)}-{nonce}"


def credit_cost(links: int, pages: int = 0) -> float:
    """Export credits that so many rows cost, at Botify's rates."""
    return round(links * LINK_CREDITS + pages * PAGE_CREDITS, 1)
