"""What the columns of a page table mean: every crawler names them differently.

Each role (title, depth, page type, ...) has a list of names by which it is known; names are compared by letters and
digits only.  `facts` turns the columns that are there into arrays by page, and says nothing where the table says
nothing: a page is only called redirected, canonicalised, non-compliant or broken when a column says so.

Names are those of Botify (as our exports write them), Screaming Frog ("Internal: All"), Sitebulb, Search Console.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipulate.graph import sources
from pipulate.graph.edges import Graph
from pipulate.graph.measures import hosts
from pipulate.graph.site_sections import sections

ROLES: dict[str, tuple[str, ...]] = {
    "title": ("title", "title1", "pagetitle", "metadatatitlecontent", "titre", "titel"),
    "type": (
        "pagetype",
        "segmentspagetypevalue",
        "segment",
        "segments",
        "template",
        "contentgroup",
        "category",
    ),
    "depth": ("depth", "crawldepth", "clickdepth", "level"),
    "impressions": (
        "impressions",
        "countimpressions",
        "gscimpressions",
        "searchconsoleperiod0countimpressions",
    ),
    "clicks": ("clicks", "countclicks", "gscclicks", "searchconsoleperiod0countclicks"),
    "status": ("statuscode", "httpcode", "httpstatus", "httpstatuscode", "responsecode", "code"),
    "compliant": (
        "compliant",
        "compliantiscompliant",
        "indexable",
        "indexableisindexable",
        "indexability",
    ),
    "canonical": (
        "canonical",
        "canonicallinkelement1",
        "canonicalurl",
        "canonicaltoequal",
        "canonicaltourl",
    ),
    "redirect": ("redirecturl", "redirecturi", "redirecttourl", "redirectto", "redirectsto"),
    "sitemap": ("sitemap", "insitemap", "sitemapspresent", "insitemaps"),
}


@dataclass(frozen=True)
class Facts:
    """What the page table says, by page.  An array is None when no column says anything about it.

    `columns` maps roles to column names.  `group` is the page type, named as its column, or else `section`: the part of the
    site a page's address is in.  `depth`, `impressions`, `clicks` are float64, NaN where unknown.  `listed` pages stand in
    the table; `internal` ones belong to a host that some page of the table, or some linking page, belongs to.
    """

    columns: dict[str, str]
    group: pl.Series
    title: pl.Series | None
    depth: np.ndarray | None
    impressions: np.ndarray | None
    clicks: np.ndarray | None
    redirected: np.ndarray | None
    canonicalised: np.ndarray | None
    broken: np.ndarray | None
    compliant: np.ndarray | None
    sitemap: np.ndarray | None
    internal: np.ndarray


def roles(columns: list[str]) -> dict[str, str]:
    """Return which column plays which role, for the roles that are filled."""
    found = {role: sources.find(columns, names) for role, names in ROLES.items()}
    return {role: column for role, column in found.items() if column is not None}


def facts(graph: Graph) -> Facts:
    """Read the page table's columns by their roles."""
    pages = graph.pages
    own = [c for c in pages.columns if c not in ("url", "listed")]
    role = roles(own)
    status = _number(pages, role.get("status"))
    redirected = None if status is None else (status >= 300) & (status < 400)
    if "redirect" in role and pages[role["redirect"]].dtype == pl.String:
        away = pages[role["redirect"]].is_not_null().to_numpy()
        redirected = away if redirected is None else redirected | away
    return Facts(
        columns=role,
        group=_groups(graph, role.get("type")),
        title=pages[role["title"]] if "title" in role else None,
        depth=_number(pages, role.get("depth")),
        impressions=_number(pages, role.get("impressions")),
        clicks=_number(pages, role.get("clicks")),
        redirected=redirected,
        canonicalised=_canonicalised(pages, role.get("canonical")),
        broken=None if status is None else status >= 400,
        compliant=_compliant(pages, role.get("compliant")),
        sitemap=_yes(pages, role.get("sitemap")),
        internal=_internal(graph),
    )


def _groups(graph: Graph, column: str | None) -> pl.Series:
    """Return the page type of each page, or else its section of the site."""
    if column is not None and graph.pages[column].dtype == pl.String:
        return graph.pages[column].fill_null("(none)")
    site = sections(graph.urls)
    return pl.Series("section", site.names, pl.String).gather(pl.Series(site.codes))


def _number(pages: pl.DataFrame, column: str | None) -> np.ndarray | None:
    if column is None or not pages[column].dtype.is_numeric():
        return None
    return pages[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _yes(pages: pl.DataFrame, column: str | None) -> np.ndarray | None:
    """Read a column of yes and no (booleans or 1 and 0); unknown is no."""
    if column is None or not (
        pages[column].dtype == pl.Boolean or pages[column].dtype.is_numeric()
    ):
        return None
    return (pages[column].cast(pl.Float64).fill_null(0) > 0).to_numpy()


def _compliant(pages: pl.DataFrame, column: str | None) -> np.ndarray | None:
    """False only where the table says so: by a boolean, 0, or Screaming Frog's `Non-Indexable`."""
    if column is None:
        return None
    said = pages[column]
    if said.dtype == pl.String:
        return ~said.str.to_lowercase().str.starts_with("non").fill_null(False).to_numpy()
    if said.dtype == pl.Boolean:
        return said.fill_null(True).to_numpy()
    return (said.fill_null(1) != 0).to_numpy()


def _canonicalised(pages: pl.DataFrame, column: str | None) -> np.ndarray | None:
    """True where the canonical is another page: Botify's `false` ("equal to itself"), or another address."""
    if column is None:
        return None
    said = pages[column]
    if said.dtype == pl.Boolean:
        return (~said.fill_null(True)).to_numpy()
    if said.dtype == pl.String:
        return (said != pages["url"]).fill_null(False).to_numpy()
    return None


def _internal(graph: Graph) -> np.ndarray:
    host = hosts(graph.urls)
    own = np.array(graph.listed)
    own[graph.source] = True
    ours = host.filter(pl.Series(own)).unique()
    return host.is_in(ours.implode()).to_numpy()
