"""The demo organisation: its projects, and the simulator that serves them.

Each project has, newest first: a crawl still running, a finished one, a
failed one, and two finished ones of one day a month earlier, which show the
site as it was.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from starlette.applications import Starlette

from pipulate.graph.htmlsite import read_html_site
from pipulate.graph.sites import Site, click_depth
from pipulate.simulator.earlier import earlier_site
from pipulate.simulator.generated import check_size, generate_site
from pipulate.simulator.options import Options, Pace
from pipulate.simulator.projects import Analysis, Project
from pipulate.simulator.server import create_simulator

DEMO_BASE = "http://localhost/v1"  # the in-process simulator's own address
DEMO_PACE = Pace(polls=1, patience=0.2)


def demo_simulator(folder: Path | None = None, *, html: Sequence[Path] = ()) -> Starlette:
    """The demo projects, with jobs that take a second or two.

    Its client: `InProcessTransport(app)`, DEMO_BASE and DEMO_TOKEN.  `folder`
    remembers its jobs; `html` are folders to serve as further projects.
    """
    options = Options(pace=DEMO_PACE)
    return create_simulator(demo_projects(folders=html), options=options, folder=folder)


def demo_projects(links: int | None = None, folders: Sequence[Path] = ()) -> list[Project]:
    """tiny (1,000 links), shop (20,000), portal (300,000), made on first use.

    `links` adds one of that size, `folders` one for each folder of HTML.
    "tiny" was crawled without JavaScript, so it lacks those fields.
    """
    projects = [
        _project("shop", "The shop", lambda: generate_site("shop", 20_000)),
        _project("tiny", "The tiny shop", _tiny),
        _project("portal", "The portal", lambda: generate_site("portal", 300_000)),
    ]
    if links is not None:
        check_size(links)  # now, not at the first request
        name = f"A shop of {links:,} links"
        projects.append(_project(f"links-{links}", name, lambda: generate_site("big", links)))
    for folder in folders:
        projects.append(_html_project(folder, {project.slug for project in projects}))
    return projects


def _tiny() -> Site:
    site = generate_site("tiny", 1_000)
    return replace(site, pages=site.pages.drop("js_executed", "js_succeeded"))


def _html_project(folder: Path, taken: set[str]) -> Project:
    site = read_html_site(folder)  # a wrong path should be said at the start
    slug = re.sub(r"[^a-z0-9]+", "-", site.name).strip("-")
    while slug in taken:
        slug = f"{slug}-2"
    make = partial(_from_every_file, site)
    project = _project(slug, f"HTML in {folder}", make, _from_every_file)
    return replace(project, has_search_console=False)


def _same(site: Site) -> Site:
    return site


def _project(
    slug: str,
    name: str,
    make: Callable[[], Site],
    again: Callable[[Site], Site] = _same,
) -> Project:
    """`again` does to earlier sites what `make` did to the latest one."""

    def latest() -> Site:
        return project.site("20261102")

    def before() -> Site:
        return project.site("20261005-2")

    analyses = [
        Analysis("20261116", latest, status="crawling"),
        Analysis("20261102", make),
        Analysis("20261019", latest, status="failed"),
        Analysis("20261005-2", lambda: again(earlier_site(latest(), seed=1))),
        Analysis("20261005", lambda: again(earlier_site(before(), seed=2))),
    ]
    project = Project("demo", slug, name, analyses)
    return project


def _from_every_file(site: Site) -> Site:
    """From those that no click reaches too: an export by depth has all links."""
    missed = site.pages["depth"].is_null() & site.pages["http_code"].is_in([200, 301])
    starts = np.flatnonzero(missed.to_numpy())
    depth = click_depth(len(site.pages), starts, site.sources, site.targets)
    further = pl.Series(depth, dtype=pl.Int32).replace(-1, None)
    return replace(site, pages=site.pages.with_columns(pl.col("depth").fill_null(further)))
