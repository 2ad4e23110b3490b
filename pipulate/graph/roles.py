"""What the columns of a page table mean: every crawler names them
differently.

`names.json` has the names of Botify (as our exports write them), Screaming
Frog ("Internal: All"), Sitebulb and Search Console.  A page is only called
redirected, broken, ... when a column says so.

"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipulate.graph import sources
from pipulate.graph.edges import Graph
from pipulate.graph.measures import Array, hosts
from pipulate.graph.site_sections import sections

Said = Array | None  # by page, as far as a column says it


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the page table says, by page; None where no column says anything.

    `columns` maps roles to column names.  `group` is the page type, named
    as its column, or else `section`.  Numbers are f64, NaN where unknown.
    `internal` pages belong to a host that some page of the table, or some
    linking page, belongs to.
    """

    columns: dict[str, str]
    group: pl.Series
    depth: Said
    impressions: Said
    clicks: Said
    redirected: Said
    canonicalised: Said
    broken: Said
    compliant: Said
    internal: Array

    @property
    def demand(self) -> Said:
        """How much searchers want a page: impressions, or else clicks."""
        return self.clicks if self.impressions is None else self.impressions

    def problems(self) -> dict[str, Array]:
        """Return each reason not to link with its pages, the gravest first."""
        said = {
            "broken": self.broken,
            "redirected": self.redirected,
            "canonicalised": self.canonicalised,
            "non-compliant": None if self.compliant is None else ~self.compliant,
        }
        return {name: mask for name, mask in said.items() if mask is not None}

    @property
    def bad(self) -> Array:
        """Pages that should not be linked, for whatever reason."""
        return self._any_of(*self.problems())

    @property
    def good(self) -> Array:
        """Pages of this site that may be linked."""
        return self.internal & ~self.bad

    @property
    def elsewhere(self) -> Array:
        """Pages that only lead elsewhere: redirected or canonicalised ones."""
        return self._any_of("redirected", "canonicalised")

    def _any_of(self, *reasons: str) -> Array:
        found = [mask for name, mask in self.problems().items() if name in reasons]
        return np.logical_or.reduce([np.zeros(len(self.group), bool), *found])


def roles(columns: list[str]) -> dict[str, str]:
    """Return which column plays which role, for the roles that are filled."""
    found = {role: sources.find(columns, role) for role in sources.ROLES}
    return {role: column for role, column in found.items() if column is not None}


def facts(graph: Graph) -> Facts:
    """Read the page table's columns by their roles."""
    pages = graph.pages
    columns = roles([name for name in pages.columns if name not in ("url", "listed")])
    played = {role: pages[column] for role, column in columns.items()}
    status = _number(played.get("status"))
    return Facts(
        columns=columns,
        group=_groups(graph, played.get("type")),
        depth=_number(played.get("depth")),
        impressions=_number(played.get("impressions")),
        clicks=_number(played.get("clicks")),
        redirected=_redirected(status, played.get("redirect")),
        canonicalised=_canonicalised(graph.urls, played.get("canonical")),
        broken=None if status is None else status >= 400,
        compliant=_compliant(played.get("compliant")),
        internal=_internal(graph),
    )


def _groups(graph: Graph, said: pl.Series | None) -> pl.Series:
    if said is not None and said.dtype == pl.String:
        return said.fill_null("(none)")
    return sections(graph.urls).by_page()


def _number(said: pl.Series | None) -> Said:
    if said is None or not said.dtype.is_numeric():
        return None
    return said.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _redirected(status: Said, to: pl.Series | None) -> Said:
    told = [] if status is None else [(status >= 300) & (status < 400)]
    if to is not None and to.dtype == pl.String:
        told.append(to.is_not_null().to_numpy())
    if not told:
        return None
    return np.logical_or.reduce(told)


def _compliant(said: pl.Series | None) -> Said:
    """False only where the table says so (Screaming Frog: "Non-Indexable")."""
    if said is None:
        return None
    if said.dtype == pl.String:
        return ~said.str.to_lowercase().str.starts_with("non").fill_null(False).to_numpy()
    return (said.cast(pl.Float64).fill_null(1) != 0).to_numpy()


def _canonicalised(urls: pl.Series, said: pl.Series | None) -> Said:
    if said is None:
        return None
    if said.dtype == pl.Boolean:
        return ~said.fill_null(True).to_numpy()
    if said.dtype == pl.String:
        return (said != urls).fill_null(False).to_numpy()
    return None


def _internal(graph: Graph) -> Array:
    host = hosts(graph.urls)
    own = np.array(graph.listed)
    own[graph.source] = True
    ours = host.filter(pl.Series(own)).unique()
    return host.is_in(ours.implode()).to_numpy()
