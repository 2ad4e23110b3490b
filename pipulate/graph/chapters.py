"""The chapters of a report, in the order in which to read them.

Each is a function from a site as it was measured to what was found there;
None when the data has nothing to say about it.  Its text is in `words.json`.
What counts as far, few or many is a constant here, with its reason.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pipulate.graph import measures
from pipulate.graph.edges import Graph
from pipulate.graph.measures import Array
from pipulate.graph.report import Finding, counts, found
from pipulate.graph.roles import Facts

FAR = 3  # clicks: beyond them crawlers come seldom and visitors hardly
FEW = 2  # inlinks: the menu alone gives more to any page that it names
TOP = 1000  # rows in "the most ..." tables: nobody reads on
GROUPS = 24  # in the matrix, as many as fit a screen; smaller groups are put together
OTHER = "(all others)"
SPOTS = 101  # of a curve: one for each percent of the pages
DOTS = 4000  # in a scatter plot: more would only hide each other
BARS = 20  # communities in the plot

#: (group by page, number of groups) -> what `measures.flow` returns
Flow = Callable[[Array, int], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A site with its measures; `pages` has the page table's columns, too."""

    graph: Graph
    facts: Facts
    home: int
    pages: pl.DataFrame
    inlinks: Array
    rank: Array
    links: int
    self_links: int
    flow: Flow

    @property
    def group(self) -> str:
        """The column that divides the site: the page type's, or `section`."""
        return self.facts.group.name

    @property
    def depth(self) -> Array:
        """Clicks from home by page, UNREACHED where there is no way."""
        return self.pages["depth"].fill_null(measures.UNREACHED).to_numpy()

    def marked(self, column: str) -> Array:
        """Return the pages of which a column says yes, the strongest first."""
        return self.strongest(self.pages[column].to_numpy())

    def strongest(self, among: Array) -> Array:
        """Return the pages of a mask, those with most PageRank first."""
        chosen = np.flatnonzero(among)
        return chosen[np.argsort(-self.rank[chosen], kind="stable")]

    def share(self, pages: Array) -> Array:
        """Return shares of all pages."""
        return pages / max(1, self.graph.n)

    def known(self, *wanted: str) -> list[str]:
        """Return the columns that play these roles, where there are any."""
        return [self.facts.columns[role] for role in wanted if role in self.facts.columns]

    def rows(self, pages: Array, *columns: str) -> pl.DataFrame:
        """Return these columns, and what helps to judge any page."""
        shown = [
            "url",
            *columns,
            self.group,
            *self.known("title", "impressions", "clicks"),
        ]
        return self.pages.select(shown)[pages]


Chapter = Callable[[Measured], Finding | None]


def summary(site: Measured, findings: list[Finding]) -> dict[str, Any]:
    """Return the figures at a report's head."""
    n = site.graph.n
    clicks = site.depth[site.depth >= 0]
    return {
        "pages": n,
        "links": site.links,
        "home": site.graph.urls[site.home] if n else None,
        "links_per_page": round(site.links / max(1, n), 2),
        "deepest": int(clicks.max(initial=0)),
        "average_depth": round(float(clicks.sum()) / max(1, len(clicks)), 2),
        "pagerank_gini": round(measures.concentration(site.rank), 3),
        "grouping": site.group,
        "duplicates": site.graph.meta.get("duplicates", 0),
        "self_links": site.self_links,
        "counts": counts(findings),
    }


# --- where pages are, and how strong ---


def _clicks_from_home(site: Measured) -> Finding:
    reached = site.depth >= 0
    depth = site.depth[reached]
    pages = np.bincount(depth)
    return found(
        "depth",
        counted=int((depth > FAR).sum()),
        table=pl.DataFrame(
            {
                "depth": np.arange(len(pages)),
                "pages": pages,
                "share": site.share(pages),
                "pagerank": np.bincount(depth, weights=site.rank[reached]).astype(float),
            }
        ),
        plot=_bars(range(len(pages)), pages, "clicks from home"),
        far=FAR,
    )


def _links_received(site: Measured) -> Finding:
    # Steps that double: 0, 1, 2, 3-4, 5-8, ...
    most = int(site.inlinks.max(initial=0))
    doubling = 2 ** np.arange(most.bit_length()) + 1
    lower = np.concatenate([[0, 1], doubling[doubling <= most]])
    upper = np.append(lower[1:] - 1, max(most, lower[-1]))
    step = np.searchsorted(lower, site.inlinks, side="right") - 1
    pages = np.bincount(step, minlength=len(lower))
    return found(
        "inlinks",
        counted=int((site.inlinks <= FEW).sum()),
        table=pl.DataFrame(
            {
                "from": lower,
                "to": upper,
                "pages": pages,
                "share": site.share(pages),
            }
        ),
        plot=_bars(map(_span, lower, upper), pages, "inlinks"),
        few=FEW,
    )


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}–{last}"


def _strongest_pages(site: Measured) -> Finding:
    n = site.graph.n
    order = site.strongest(np.ones(n, bool))
    running = np.cumsum(site.rank[order])
    spots = np.linspace(0, n - 1, min(n, SPOTS)).astype(np.int64)
    return found(
        "pagerank",
        counted=min(n, int(np.searchsorted(running, 0.5)) + 1),
        table=site.rows(order[:TOP], "pagerank", "link_score", "inlinks", "outlinks", "depth"),
        plot={
            "kind": "curve",
            "x": site.share(spots + 1).round(5).tolist(),
            "y": running[spots].round(6).tolist(),
            "x_label": "share of pages, strongest first",
            "y_label": "share of PageRank",
        },
    )


def _between_groups(site: Measured) -> Finding | None:
    what = "section" if site.group == "section" else "page type"
    sizes = site.facts.group.value_counts(name="pages")
    names = sizes.sort("pages", site.group, descending=[True, False])[site.group].to_list()
    if len(names) < 2:
        return None
    shown = names
    if len(names) > GROUPS + 1:
        shown = [*names[:GROUPS], OTHER]
    k = len(shown)
    number = {name: min(place, k - 1) for place, name in enumerate(names)}
    code = site.facts.group.replace_strict(number, return_dtype=pl.UInt32).to_numpy()
    links, flow = site.flow(code, k)
    return found(
        "matrix",
        counted=len(names),
        table=_fields(shown, links, flow),
        plot={
            "kind": "heat",
            "labels": shown,
            "links": links.tolist(),
            "flow": flow.round(8).tolist(),
            "pages": np.bincount(code, minlength=k).tolist(),
            "pagerank": np.bincount(code, weights=site.rank, minlength=k).round(6).tolist(),
        },
        what=what,
    )


def _fields(names: list[str], links: Array, flow: Array) -> pl.DataFrame:
    row, column = np.nonzero(links)
    name = pl.Series(names)
    fields = pl.DataFrame(
        {
            "from": name.gather(pl.Series(row)),
            "to": name.gather(pl.Series(column)),
            "links": links[row, column],
            "flow": flow[row, column],
        }
    )
    return fields.sort("flow", "from", "to", descending=[True, False, False])


# --- who is wanted, lost, or in the way ---


def _wanted_pages(site: Measured) -> Finding | None:
    demand = site.facts.demand
    if demand is None or not (np.nan_to_num(demand) > 0).any():
        return None
    what = "clicks" if site.facts.impressions is None else "impressions"
    among = site.facts.good
    chosen = measures.opportunities(demand, site.inlinks, among)
    dots = np.union1d(_some(np.flatnonzero(among & (demand > 0))), chosen[:DOTS])
    return found(
        "opportunities",
        table=site.rows(chosen, "inlinks", "depth", "pagerank", "link_score"),
        plot={
            "kind": "scatter",
            "x": site.inlinks[dots].tolist(),
            "y": demand[dots].tolist(),
            "picked": np.isin(dots, chosen).tolist(),
            "page": dots.tolist(),
            "x_label": "inlinks",
            "y_label": what,
        },
        what=what,
    )


def _some(pages: Array) -> Array:
    """Return DOTS of these pages at most, evenly chosen."""
    spots = np.linspace(0, len(pages) - 1, min(DOTS, len(pages)))
    return pages[spots.astype(np.int64)]


def _orphans(site: Measured) -> Finding:
    chosen = site.marked("orphan")
    return found("orphans", table=site.rows(chosen, "outlinks", *site.known("sitemap")))


def _near_orphans(site: Measured) -> Finding:
    chosen = site.marked("near_orphan")
    friend = site.graph.urls.gather(pl.Series(_friends(site, chosen)))
    return found(
        "near_orphans",
        table=site.rows(chosen, "depth", "pagerank").insert_column(1, friend.alias("linked_from")),
    )


def _friends(site: Measured, pages: Array) -> Array:
    """Return the one other page that links to each of these."""
    if not len(pages):
        return pages
    starts, origins = site.graph.reverse()
    first = origins[starts[pages]]
    last = origins[starts[pages + 1] - 1]
    # A page's link to itself may stand before or after the one other.
    return np.where(first == pages, last, first)


def _unreachable(site: Measured) -> Finding:
    away = ~(site.pages["reachable"] | site.pages["orphan"]).to_numpy()
    chosen = site.strongest(away & site.facts.internal)
    return found("unreachable", table=site.rows(chosen, "inlinks", "outlinks", "part"))


def _dead_ends(site: Measured) -> Finding:
    chosen = site.marked("dead_end")
    more = ""
    if not site.graph.listed.any():
        more = " (Without a page table this includes pages nobody crawled.)"
    return found(
        "dead_ends",
        table=site.rows(chosen, "inlinks", "depth", "pagerank"),
        more=more,
    )


def _bad_targets(site: Measured) -> Finding | None:
    if not site.facts.problems():
        return None
    strongest_first = _links_to_bad(site)
    linked = strongest_first.group_by("target").agg(pl.first("source"), pl.len())
    linked = linked.sort("len", "target", descending=[True, False])
    problem = _problem(site.facts).gather(linked["target"])
    reasons = problem.value_counts().sort("problem")
    more = [
        site.group,
        "pagerank",
        *site.known("status", "redirect", "canonical"),
    ]
    table = pl.DataFrame(
        {
            "url": site.graph.urls.gather(linked["target"]),
            "problem": problem,
            "linking_pages": linked["len"],
            "example": site.graph.urls.gather(linked["source"]),
        }
    )
    return found(
        "bad_targets",
        table=table.hstack(site.pages.select(more)[linked["target"]]),
        plot=_bars(reasons["problem"], reasons["count"], "problem"),
    )


def _bad_links(site: Measured) -> Finding | None:
    if not site.facts.problems():
        return None
    links = _links_to_bad(site)
    return found(
        "bad_links",
        table=links.select(
            source=site.graph.urls.gather(links["source"]),
            target=site.graph.urls.gather(links["target"]),
            problem=_problem(site.facts).gather(links["target"]),
        ),
    )


def _links_to_bad(site: Measured) -> pl.DataFrame:
    rows = measures.links_to(site.graph, site.facts.bad)
    source = site.graph.source[rows]
    links = pl.DataFrame({"source": source, "target": site.graph.target[rows]})
    return links[np.argsort(-site.rank[source], kind="stable")]


def _problem(facts: Facts) -> pl.Series:
    """Return each page's gravest problem, null for none."""
    problem = pl.lit(None, pl.String)
    for name, mask in reversed(facts.problems().items()):
        problem = pl.when(pl.Series(mask)).then(pl.lit(name)).otherwise(problem)
    return pl.select(problem.alias("problem")).to_series()


# --- how it hangs together ---


def _site_wide_links(site: Measured) -> Finding:
    chosen = site.marked("template")
    linking = max(1, int((site.pages["outlinks"] > 0).sum()))
    table = site.rows(chosen, "inlinks", "pagerank").with_columns(share=pl.col("inlinks") / linking)
    return found(
        "template",
        table=table.sort("share", descending=True, maintain_order=True),
    )


def _hubs(site: Measured) -> Finding:
    hub = site.pages["hub"].to_numpy()
    authority = site.pages["authority"].to_numpy()
    best = np.union1d(_highest(hub), _highest(authority))
    either = np.maximum(hub[best], authority[best])
    best = best[np.argsort(-either, kind="stable")]
    return found("hubs", table=site.rows(best, "hub", "authority", "inlinks", "outlinks"))


def _highest(value: Array) -> Array:
    return np.argsort(-value, kind="stable")[: TOP // 2]


def _strong_parts(site: Measured) -> Finding:
    strongest_first = site.pages.sort("pagerank", descending=True, maintain_order=True)
    parts = strongest_first.group_by("part").agg(
        pages=pl.len(), example=pl.first("url"), reachable=pl.first("reachable")
    )
    table = parts.filter(pl.col("pages") > 1).sort("part")
    largest = parts["pages"].to_numpy().max(initial=0)
    return found("parts", table=table, largest=largest, pages=site.graph.n)


def _communities(site: Measured) -> Finding | None:
    if "community" not in site.pages.columns:
        return None
    pages = site.pages.lazy().sort("pagerank", descending=True)
    largest = pl.first("url").alias("example")
    whole = pages.group_by("community").agg(largest, pl.sum("pagerank"), pages=pl.len())
    groups = pages.group_by("community", site.group).agg(most=pl.len())
    groups = groups.sort("most", site.group, descending=[True, False])
    main = groups.unique("community", keep="first", maintain_order=True)
    share = pl.col("most") / pl.col("pages")
    table = (
        whole.filter(pl.col("pages") > 1)
        .join(main, on="community")
        .sort("community")
        .select(
            "community",
            "pages",
            site.group,
            share.alias("share"),
            "pagerank",
            "example",
        )
        .collect()
    )
    shown = table.head(BARS)
    return found(
        "communities",
        table=table,
        plot=_bars(shown["example"], shown["pages"], "community (its strongest page)"),
    )


def _bars(names: Iterable[Any], pages: Iterable[int], what: str) -> dict[str, Any]:
    y = [int(number) for number in pages]
    return {
        "kind": "bars",
        "x": list(names),
        "y": y,
        "x_label": what,
        "y_label": "pages",
    }


#: What needs no link in memory: also for graphs measured on disk.
LIGHT: tuple[Chapter, ...] = (
    _clicks_from_home,
    _links_received,
    _strongest_pages,
    _between_groups,
    _wanted_pages,
    _orphans,
)
ALL: tuple[Chapter, ...] = (
    *LIGHT,
    _near_orphans,
    _unreachable,
    _dead_ends,
    _bad_targets,
    _bad_links,
    _site_wide_links,
    _hubs,
    _strong_parts,
    _communities,
)
