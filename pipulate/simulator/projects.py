"""Projects of the simulated account: each a website with analyses, made when first asked for."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pipulate.graph.sites import Site
from pipulate.simulator.datamodel import GLOBAL, Collection, Period, crawl_collection
from pipulate.simulator.searchconsole import search_collection

SEARCH_DAYS = 480  # Search Console keeps 16 months
SEARCH_LAG = 2  # and its last days before the newest crawl are not in yet

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class Analysis:
    """One crawl.

    `make` returns its Site; it is called at most once, and only if the status is "success".
    """

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
        last_digit = 0 if 10 < number < 20 else number % 10
        return f"{self.day.year} {self.day:%b}. {number}{_ENDINGS.get(last_digit, 'th')}"


@dataclass
class Project:
    """A website under `https://app.botify.com/{org}/{slug}/` with its analyses, newest first.

    Search Console belongs to the project, not to an analysis.
    """

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

    @property
    def finished(self) -> list[Analysis]:
        return [analysis for analysis in self.analyses if analysis.status == "success"]

    def site(self, slug: str) -> Site:
        """The site as the analysis `slug` saw it.

        Slow at first (seconds for a million links): call in a thread.
        """
        with self._making:
            if slug not in self._sites:
                self._sites[slug] = next(a for a in self.analyses if a.slug == slug).make()
            return self._sites[slug]

    def fetched(self, analysis: Analysis) -> int:
        """How many URLs an analysis fetched, 0 if it has not finished.  Slow at first."""
        if analysis.status != "success":
            return 0
        return int((self.site(analysis.slug).pages["http_code"] > 0).sum())

    @property
    def search_days(self) -> Period | None:
        """First and last day of the Search Console data, or None if the project has none."""
        if not (self.has_search_console and self.finished):
            return None
        last = self.finished[0].day - timedelta(SEARCH_LAG)
        return last - timedelta(SEARCH_DAYS), last

    def collection(self, id: str, name_of: Callable[[str], str]) -> Collection | None:
        """Open a collection; None if there is none of that id.  Slow at first, like `site`.

        `name_of` turns an analysis slug into its collection's id.
        """
        if id == GLOBAL.id:
            return GLOBAL
        if id == "search_console" and self.search_days is not None:
            return search_collection(self.site(self.finished[0].slug), *self.search_days)
        for analysis in self.finished:
            if id == name_of(analysis.slug):
                site = self.site(analysis.slug)
                return crawl_collection(id, analysis.name, site, links_graph=analysis.links_graph)
        return None
