"""The data model: which fields a collection has, and how each comes out of a Site's arrays.

A *collection* is what BQL queries name: `crawl.20240301` (one analysis), `search_console` (of the whole project,
with dates).  A query sees each one as a `Table`: a collection, or one period of a timestamped collection.
A field exists only if the site has the columns it is made of: a site crawled without JavaScript has no
`js.rendering.exec`, and to ask for it is an error, as in the real API.

Field ids, types and labels are those of BOTIFY's crawl and Search Console collections; the labels that were
never seen in a real file are our guess at what the web application shows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipulate.graph.sites import Site

NUMBERS = ("integer", "float")


@dataclass(frozen=True)
class Field:
    """A dimension: one value per row.  `value` computes it from the columns of a table's source frame."""

    id: str
    name: str
    type: str  # string, integer, float, boolean, date, tree
    value: pl.Expr
    group: str = "main"
    multiple: bool = False


@dataclass(frozen=True)
class Metric:
    """A ready-made aggregate: `combine` takes the columns named by `parts` and gives one value for many rows."""

    id: str
    name: str
    type: str
    parts: tuple[str, ...]
    combine: Callable[..., pl.Expr]


def _column(id: str, name: str, type: str, column: str, group: str) -> Field:
    return Field(id, name, type, pl.col(column), group)


_URL = pl.col("url")
_LEVELS = pl.col("pagetype").str.split("/")
GRAPH = (
    "outlinks_internal.graph.url"  # the link graph: one value per link of the page; not a column
)

HOST = Field("host", "Host", "string", _URL.str.extract(r"^[a-z]+://([^/?#]+)"), "url")
PROTOCOL = Field("protocol", "Protocol", "string", _URL.str.extract(r"^([a-z]+)://"), "url")

CRAWL_FIELDS = (
    _column("url", "Full URL", "string", "url", "url"),
    HOST,
    PROTOCOL,
    _column("depth", "Depth", "integer", "depth", "main"),
    _column("http_code", "HTTP Status Code", "integer", "http_code", "main"),
    _column("content_type", "Content Type", "string", "content_type", "main"),
    _column("byte_size", "Byte Size", "integer", "byte_size", "main"),
    Field("url_exists_crawl", "URL Exists in Crawl", "boolean", _URL.is_not_null()),
    _column("segments.pagetype.value", "pagetype", "tree", "pagetype", "segments"),
    Field(
        "segments.pagetype.depth_1", "pagetype Level 1", "string", _LEVELS.list.get(0), "segments"
    ),
    Field(
        "segments.pagetype.depth_2",
        "pagetype Level 2",
        "string",
        _LEVELS.list.get(1, null_on_oob=True),
        "segments",
    ),
    _column("compliant.is_compliant", "Is Compliant", "boolean", "compliant", "compliant"),
    _column("indexable.is_indexable", "Is Indexable", "boolean", "compliant", "compliant"),
    _column("compliant.main_reason", "Non-Indexable Main Reason", "string", "reason", "compliant"),
    Field(
        "compliant.reason.http_code",
        "Bad HTTP Code",
        "boolean",
        pl.col("reason") == "http_code",
        "compliant",
    ),
    Field(
        "compliant.reason.content_type",
        "Bad Content Type",
        "boolean",
        pl.col("reason") == "content_type",
        "compliant",
    ),
    Field(
        "compliant.reason.canonical",
        "Bad Canonical",
        "boolean",
        pl.col("reason") == "canonical",
        "compliant",
    ),
    Field(
        "compliant.reason.noindex",
        "Is Noindex",
        "boolean",
        pl.col("reason") == "noindex",
        "compliant",
    ),
    _column("canonical.to.equal", "Canonical Points to Self", "boolean", "canonical", "canonical"),
    _column("canonical.to.url", "Canonical To", "string", "canonical_url", "canonical"),
    _column("redirect.to.url", "Redirects To", "string", "redirect_url", "redirect"),
    _column("sitemaps.present", "In Sitemap", "boolean", "sitemap", "sitemaps"),
    _column("js.rendering.exec", "JavaScript Executed", "boolean", "js_executed", "js"),
    _column("js.rendering.ok", "JavaScript Executed OK", "boolean", "js_succeeded", "js"),
    _column("metadata.title.content", "Title", "string", "title", "metadata"),
    Field(
        "metadata.title.len", "Title Length", "integer", pl.col("title").str.len_chars(), "metadata"
    ),
    _column(
        "outlinks_internal.nb.total",
        "No. of Internal Outlinks",
        "integer",
        "outlinks_total",
        "outlinks",
    ),
    _column(
        "outlinks_internal.nb.unique",
        "No. of Unique Internal Outlinks",
        "integer",
        "outlinks_unique",
        "outlinks",
    ),
    _column(
        "inlinks_internal.nb.total",
        "No. of Internal Inlinks",
        "integer",
        "inlinks_total",
        "inlinks",
    ),
    _column(
        "inlinks_internal.nb.unique",
        "No. of Unique Internal Inlinks",
        "integer",
        "inlinks_unique",
        "inlinks",
    ),
    Field(GRAPH, "Internal Outlinks Graph", "string", _URL, "outlinks", multiple=True),
)
CRAWL_METRICS = (
    Metric(
        "count_urls_crawl",
        "No. of URLs",
        "integer",
        ("url",),
        lambda url: url.drop_nulls().n_unique(),
    ),
)

SEARCH_FIELDS = (
    _column("url", "Full URL", "string", "url", "search_console"),
    _column("keyword", "Keyword", "string", "keyword", "search_console"),
    _column("country", "Country", "string", "country", "search_console"),
    _column("device", "Device", "string", "device", "search_console"),
    _column("date", "Date", "date", "date", "search_console"),
)
SEARCH_METRICS = (
    Metric(
        "count_impressions", "Impressions", "integer", ("impressions",), lambda shown: shown.sum()
    ),
    Metric("count_clicks", "Clicks", "integer", ("clicks",), lambda clicks: clicks.sum()),
    Metric(
        "ctr",
        "CTR",
        "float",
        ("clicks", "impressions"),
        lambda clicks, shown: _ratio(100.0 * clicks.sum(), shown.sum()),
    ),
    Metric(
        "avg_position",
        "Avg. Position",
        "float",
        ("weighted", "impressions"),
        lambda weighted, shown: _ratio(weighted.sum(), shown.sum()),
    ),
    Metric(
        "count_keywords",
        "No. of Keywords",
        "integer",
        ("keywords",),
        lambda keywords: keywords.list.explode(empty_as_null=False).drop_nulls().n_unique(),
    ),
    Metric(
        "count_urls",
        "No. of URLs",
        "integer",
        ("ranked_url",),
        lambda url: url.drop_nulls().n_unique(),
    ),
)


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """above / below, null where there is nothing to divide by."""
    return pl.when(below > 0).then(above / below)


@dataclass(frozen=True)
class Table:
    """One collection, or one period of it, as a query sees it.

    `prefix` begins the names of its fields (`crawl.20240301`, `search_console.period_0`).  `site` is the crawl
    behind it, or None; `rows` makes the source frame that the fields are computed from.
    """

    prefix: str
    fields: Mapping[str, Field]
    metrics: Mapping[str, Metric]
    rows: Callable[["Needs"], pl.DataFrame]
    site: Site | None = None


@dataclass
class Needs:
    """What a query wants of a table: ids of its dimensions, and names of its metrics' parts."""

    fields: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Collection:
    """A collection of a project, as `GET .../collections` lists it; `table(period)` opens it for a query."""

    id: str
    name: str
    table: (
        Callable[[tuple[date, date] | None, int], Table] | None
    )  # None: it has no URLs of its own
    fields: tuple[Field, ...]
    metrics: tuple[Metric, ...]
    day: date | None = None
    timestamped: bool = False
    start: date | None = None
    end: date | None = None


def _by_id(items: Iterable[Field] | Iterable[Metric]) -> dict:
    return {item.id: item for item in items}


def crawl_fields(site: Site, links_graph: bool = True) -> tuple[Field, ...]:
    """The fields that this crawl has."""
    columns = set(site.pages.columns)
    return tuple(
        f
        for f in CRAWL_FIELDS
        if columns.issuperset(f.value.meta.root_names()) and (links_graph or f.id != GRAPH)
    )


def crawl_collection(
    id: str, name: str, day: date, site: Site, *, links_graph: bool = True
) -> Collection:
    """The collection of one analysis.  Its rows carry their page id in the column `page`."""
    fields = crawl_fields(site, links_graph)
    frame = site.pages.with_row_index("page").filter(
        pl.col("url") != ""
    )  # the "empty target" quirk is no page

    def table(period: tuple[date, date] | None, number: int) -> Table:
        return Table(id, _by_id(fields), _by_id(CRAWL_METRICS), lambda needs: frame, site)

    return Collection(id, name, table, fields, CRAWL_METRICS, day=day)


def search_collection(site: Site, start: date, end: date) -> Collection:
    """Search Console of a site that has it: daily numbers from `start` to `end`, both included."""
    search = site.search
    assert search is not None, "only for sites with Search Console data"

    def table(period: tuple[date, date] | None, number: int) -> Table:
        assert period is not None, "a timestamped collection is opened for a period"
        first, last = max(start, period[0]), min(end, period[1])
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        return Table(
            f"search_console.period_{number}",
            _by_id(SEARCH_FIELDS),
            _by_id(SEARCH_METRICS),
            lambda needs: search_rows(search, days, needs),
        )

    return Collection(
        "search_console",
        "Search Console",
        table,
        SEARCH_FIELDS,
        SEARCH_METRICS,
        timestamped=True,
        start=start,
        end=end,
    )


def search_rows(search: pl.DataFrame, days: list[date], needs: Needs) -> pl.DataFrame:
    """Search Console numbers of the given days, one row per URL and per value of the dimensions needed.

    Columns: url, the dimensions needed, and the metrics' parts: impressions, clicks, weighted (position times
    impressions), ranked_url (the URL again) and, if needed, keywords (list).  Rows that were never shown are left
    out.
    """
    dimensions = ["url", *sorted(needs.fields - {"url"})]
    dated = "date" in dimensions
    shown = np.zeros(len(search), np.int64)
    clicked = np.zeros(len(search), np.int64)
    parts = []
    for day in days:
        impressions, clicks = _one_day(search, day)
        if dated:
            parts.append(
                _numbers(search, impressions, clicks).with_columns(date=pl.lit(day.isoformat()))
            )
        else:
            shown, clicked = shown + impressions, clicked + clicks
    rows = pl.concat(parts) if parts else _numbers(search, shown, clicked)
    if dated and not parts:
        rows = rows.with_columns(date=pl.lit(None, pl.String))
    sums = [
        pl.col("impressions", "clicks", "weighted").sum(),
        pl.col("url").first().alias("ranked_url"),
    ]
    if "keywords" in needs.parts:
        sums.append(pl.col("keyword").unique().alias("keywords"))
    return (
        rows.filter(pl.col("impressions") > 0).group_by(dimensions, maintain_order=True).agg(sums)
    )


def _numbers(search: pl.DataFrame, impressions: np.ndarray, clicks: np.ndarray) -> pl.DataFrame:
    return search.select("url", "keyword", "country", "device", "position").with_columns(
        pl.Series("impressions", impressions),
        pl.Series("clicks", clicks),
        weighted=pl.col("position") * pl.Series(impressions),
    )


WEEKDAYS = (1.1, 1.15, 1.1, 1.05, 1.0, 0.75, 0.85)  # Monday first; people search less at weekends


def _one_day(search: pl.DataFrame, day: date) -> tuple[np.ndarray, np.ndarray]:
    """Impressions and clicks of every row on one day: whole numbers around the row's mean, the same every time."""
    row = np.arange(len(search), dtype=np.uint64)
    mixed = (
        row * np.uint64(0x9E3779B97F4A7C15)
        + np.uint64(day.toordinal() * 0xBF58476D1CE4E5B9 % 2**64)
    ) >> np.uint64(32)
    chance = mixed / 2**32
    impressions = (
        search["impressions"].to_numpy() * WEEKDAYS[day.weekday()] * (0.8 + 0.4 * chance) + chance
    ).astype(np.int64)
    clicks = (impressions * search["click_rate"].to_numpy() + (chance * 7) % 1).astype(np.int64)
    return impressions, np.minimum(clicks, impressions)


GLOBAL = Collection("global", "URL Scheme and Segmentation", None, (), ())

_GROUP_NAMES = {
    "main": "Main",
    "url": "URL",
    "js": "JavaScript",
    "search_console": "Search Console",
}


def describe(collection: Collection) -> dict:
    """The data model of a collection, as `GET .../collections/{id}` answers."""
    groups = list(dict.fromkeys(item.group for item in collection.fields))
    dataset = {
        "id": "main",
        "name": "Main",
        "category": ["Main"],
        "multiple": False,
        "suggested_operations": [],
        "groups": [
            {"id": group, "name": _GROUP_NAMES.get(group, group.capitalize())} for group in groups
        ],
        "fields": [_dimension_json(item) for item in collection.fields]
        + [_metric_json(m) for m in collection.metrics],
    }
    days = {"date_start": collection.start, "date_end": collection.end}
    metadata = {key: day and day.isoformat() for key, day in days.items()}
    return {
        "datasets": [dataset],
        "metadata": {**metadata, "date_last_modified": None, "config": {}},
    }


def _dimension_json(item: Field) -> dict:
    aggregate = "agg:numerical" if item.type in NUMBERS else "agg:categorical"
    return {
        **_FIELD_JSON,
        "id": item.id,
        "name": item.name,
        "type": item.type,
        "kind": "dimension",
        "multiple": item.multiple,
        "group": item.group,
        "permissions": ["select", "filters", "filters_exist", "sort", aggregate],
        "global_field": item.id in ("url", "host", "protocol") or item.id.startswith("segments."),
    }


def _metric_json(item: Metric) -> dict:
    return {**_FIELD_JSON, "id": item.id, "name": item.name, "type": item.type, "kind": "metric"}


_FIELD_JSON: dict = {
    "subtype": None,
    "multiple": False,
    "group": "main",
    "permissions": ["select", "sort"],
    "deprecated": False,
    "global_field": False,
    "api_only": False,
    "optional": False,
    "suggestion": False,
    "aliases": [],
    "meta": {"required_fields": []},
}
