"""Projects of the simulated account: each a website with several analyses, made when first asked for.

A project has, newest first: a crawl still running, a finished one, a failed one, and two finished ones of the same
day a month earlier (slugs `20261005-2` and `20261005`).  The earlier ones show the site as it was: some pages
are missing, some links differ, a few pages were alive, indexable or titled otherwise.
A folder of HTML is crawled from its home page and, as further start pages, from every file that no click reaches, so
that an export down to some depth has the links of all its pages.
Search Console belongs to the project, not to an analysis; its last two days before the newest crawl are not in
yet, as in reality.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from pipulate.graph.htmlsite import read_html_site
from pipulate.graph.sites import Site, click_depth, link_site, reason
from pipulate.simulator.datamodel import GLOBAL, Collection, crawl_collection, search_collection
from pipulate.simulator.generated import check_size, generate_site

SEARCH_DAYS = 480  # Search Console keeps 16 months
SEARCH_LAG = 2


@dataclass(frozen=True)
class Analysis:
    """One crawl.  `make` returns its Site; it is called at most once, and never unless the status is success."""

    slug: str
    make: Callable[[], Site]
    status: str = "success"
    links_graph: bool = True

    @property
    def day(self) -> date:
        return date(int(self.slug[:4]), int(self.slug[4:6]), int(self.slug[6:8]))

    @property
    def number(self) -> int:
        """1 for the first crawl of a day, 2 for the second (slug YYYYMMDD-2), ..."""
        return int(self.slug[9:] or 1)

    @property
    def name(self) -> str:
        """As Botify words it: "2024 Mar. 1st"."""
        number = self.day.day
        ending = "th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{self.day.year} {self.day.strftime('%b')}. {number}{ending}"


@dataclass
class Project:
    """A website under `https://app.botify.com/{org}/{slug}/` with its analyses, newest first."""

    org: str
    slug: str
    name: str
    analyses: Sequence[Analysis]
    has_search_console: bool = True
    _sites: dict[str, Site] = field(default_factory=dict, repr=False)
    _making: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def url(self) -> str:
        return f"https://app.botify.com/{self.org}/{self.slug}/"

    def site(self, slug: str) -> Site:
        """The site as the analysis `slug` saw it.  Slow at first (seconds for a million links): call in a thread."""
        with self._making:
            if slug not in self._sites:
                self._sites[slug] = next(a for a in self.analyses if a.slug == slug).make()
            return self._sites[slug]

    @property
    def finished(self) -> list[Analysis]:
        return [analysis for analysis in self.analyses if analysis.status == "success"]

    @property
    def search_days(self) -> tuple[date, date] | None:
        """First and last day of the Search Console data, or None if the project has none."""
        if not (self.has_search_console and self.finished):
            return None
        last = self.finished[0].day - timedelta(SEARCH_LAG)
        return last - timedelta(SEARCH_DAYS), last

    def collection(self, id: str, name_of: Callable[[str], str]) -> Collection | None:
        """Open a collection; None if there is none of that id.  `name_of` turns an analysis slug into its id.

        Slow the first time, like `site`.
        """
        if id == GLOBAL.id:
            return GLOBAL
        if id == "search_console" and self.search_days is not None:
            return search_collection(self.site(self.finished[0].slug), *self.search_days)
        for analysis in self.finished:
            if id == name_of(analysis.slug):
                site = self.site(analysis.slug)
                return crawl_collection(
                    id, analysis.name, analysis.day, site, links_graph=analysis.links_graph
                )
        return None


def demo_projects(links: int | None = None, folders: Sequence[Path] = ()) -> list[Project]:
    """The demo organisation: tiny (1,000 links), shop (20,000) and portal (300,000), made on first use.

    `links` adds a project of that size, `folders` one for each folder of HTML.  "tiny" was crawled without
    JavaScript, so it lacks those fields.
    """
    projects = [
        _project("shop", "The shop", lambda: generate_site("shop", 20_000)),
        _project(
            "tiny", "The tiny shop", lambda: _without_javascript(generate_site("tiny", 1_000))
        ),
        _project("portal", "The portal", lambda: generate_site("portal", 300_000)),
    ]
    if links is not None:
        check_size(links)  # now, not at the first request
        projects.append(
            _project(
                f"links-{links}", f"A shop of {links:,} links", lambda: generate_site("big", links)
            )
        )
    taken = {project.slug for project in projects}
    for folder in folders:
        site = read_html_site(folder)  # at once: a wrong path should be said at the start
        slug = re.sub(r"[^a-z0-9]+", "-", site.name).strip("-")
        while slug in taken:
            slug = f"{slug}-2"
        taken.add(slug)
        make = partial(_from_every_file, site)
        projects.append(
            _project(
                slug, f"HTML in {folder}", make, again=_from_every_file, has_search_console=False
            )
        )
    return projects


def _project(
    slug: str,
    name: str,
    make: Callable[[], Site],
    *,
    again: Callable[[Site], Site] = lambda site: site,
    has_search_console: bool = True,
) -> Project:
    """A demo project with the usual five analyses; `again` does to earlier sites what `make` did to the latest."""

    def latest() -> Site:
        return project.site("20261102")

    project = Project(
        "demo",
        slug,
        name,
        [
            Analysis("20261116", latest, status="crawling"),
            Analysis("20261102", make),
            Analysis("20261019", latest, status="failed"),
            Analysis("20261005-2", lambda: again(earlier_site(latest(), seed=1))),
            Analysis("20261005", lambda: again(earlier_site(project.site("20261005-2"), seed=2))),
        ],
        has_search_console,
    )
    return project


def _from_every_file(site: Site) -> Site:
    """The site with the files that no click reaches as further start pages (depth 0), as a crawl can be set up."""
    missed = site.pages["depth"].is_null() & site.pages["http_code"].is_in([200, 301])
    depth = click_depth(
        len(site.pages), np.flatnonzero(missed.to_numpy()), site.sources, site.targets
    )
    further = pl.Series(depth, dtype=pl.Int32).replace(-1, None)
    return replace(site, pages=site.pages.with_columns(pl.col("depth").fill_null(further)))


def _without_javascript(site: Site) -> Site:
    return replace(site, pages=site.pages.drop("js_executed", "js_succeeded"))


def earlier_site(site: Site, seed: int) -> Site:
    """The site as it may have been at an earlier crawl; the same for the same seed.

    About 3 % of the pages did not exist yet, 2 % of the links neither, 1 % were others; half of the dead pages were
    alive, and one page in a hundred was titled otherwise or barred by noindex.
    """
    rng = np.random.default_rng([seed, len(site.pages), len(site.sources)])
    count = len(site.pages)
    pages = site.pages
    old = (rng.random(count) < 0.97) | (pages["depth"].fill_null(0) < 2).to_numpy()
    linked = old[site.sources] & old[site.targets] & (rng.random(len(site.sources)) < 0.98)
    sources, targets = site.sources[linked], site.targets[linked]
    repeats = site.repeats[linked]
    others = (
        rng.integers(len(sources), size=len(sources) // 100 + 1)
        if len(sources)
        else np.array([], np.int64)
    )
    sources = np.concatenate([np.repeat(sources, repeats), sources[others]])
    targets = np.concatenate([np.repeat(targets, repeats), rng.permutation(targets[others])])

    number = np.cumsum(old) - 1  # new ids of the pages that are kept
    revived = pl.Series(rng.random(count) < 0.5) & pages["http_code"].is_in([404, 410])
    retitled, barred = pl.Series(rng.random(count) < 0.01), pl.Series(rng.random(count) < 0.01)
    earlier = pages.drop(
        "depth", "outlinks_total", "outlinks_unique", "inlinks_total", "inlinks_unique"
    ).with_columns(
        http_code=pl.when(revived).then(200).otherwise("http_code"),
        content_type=pl.when(revived).then(pl.lit("text/html")).otherwise("content_type"),
        title=pl.when(retitled).then(pl.col("title") + " (old)").otherwise("title"),
        noindex=pl.col("noindex") | barred,
    )
    earlier = (
        earlier.with_columns(reason=reason())
        .with_columns(compliant=pl.col("reason") == "Indexable")
        .filter(old)
    )
    ids = pl.DataFrame({"redirect_url": earlier["url"], "id": np.arange(len(earlier))})
    redirects = (
        earlier.select("redirect_url")
        .join(ids, "redirect_url", "left", maintain_order="left")["id"]
        .fill_null(-1)
    )
    home = int(number[(pages["url"] == site.home).arg_max() or 0])
    before = link_site(
        site.name, home, earlier, number[sources], number[targets], redirects=redirects.to_numpy()
    )
    return replace(before, search=site.search)
