"""Projects of the simulated account: websites, made when first asked for."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pipulate.graph.sites import Site
from pipulate.simulator.datamodel import (
    GLOBAL,
    Collection,
    Period,
    crawl_collection,
)
from pipulate.simulator.searchconsole import search_collection

SEARCH_DAYS = 480  # Search Console keeps 16 months
SEARCH_LAG = 2  # and its last days before the newest crawl are not in yet

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class Analysis:
    """One crawl; `make` is called once, at most, and only for a "success"."""

    slug: str
    make: Callable[[], Site]
    status: str = "success"
    links_graph: bool = True

    @property
    def day(self) -> date:
        return date.fromisoformat(self.slug[:8])

    @property
    def number(self) -> int:
        """1 for the first of a day, 2 for the second (YYYYMMDD-2), ..."""
        return int(self.slug[9:] or 1)

    @property
    def name(self) -> str:
        """As Botify words it: "2024 Mar. 1st"."""
        number = self.day.day
        last_digit = 0 if 10 < number < 20 else number % 10
        return f"{self.day:%Y %b}. {number}{_ENDINGS.get(last_digit, 'th')}"


@dataclass
class Project:
    """`analyses`: the newest first."""

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
        """Slow at first (seconds for a million links): call in a thread."""
        with self._making:
            if slug not in self._sites:
                found = next(each for each in self.analyses if each.slug == slug)
                self._sites[slug] = found.make()
            return self._sites[slug]

    def fetched(self, analysis: Analysis) -> int:
        """Slow at first."""
        if analysis.status != "success":
            return 0
        return int((self.site(analysis.slug).pages["http_code"] > 0).sum())

    @property
    def search_days(self) -> Period | None:
        """None without Search Console."""
        if not (self.has_search_console and self.finished):
            return None
        last = self.finished[0].day - timedelta(SEARCH_LAG)
        return last - timedelta(SEARCH_DAYS), last

    def collection(self, id: str, name_of: Callable[[str], str]) -> Collection | None:
        """`name_of` makes it of an analysis slug.  Slow at first."""
        if id == GLOBAL.id:
            return GLOBAL
        if id == "search_console" and self.search_days is not None:
            return search_collection(self.site(self.finished[0].slug), *self.search_days)
        for analysis in self.finished:
            if id == name_of(analysis.slug):
                site = self.site(analysis.slug)
                return crawl_collection(id, analysis.name, site, links_graph=analysis.links_graph)
        return None
