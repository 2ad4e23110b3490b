"""A site at an earlier crawl differs a little, and is as true as the later one."""

import polars as pl

from pipulate.simulator.earlier import earlier_site
from pipulate.simulator.generated import generate_site
from tests.graph.test_sites import clicks

NOW = generate_site("shop", 5_000)
BEFORE = earlier_site(NOW, seed=1)


def test_the_earlier_site_differs_slightly():
    """Most pages and links are the same, some are missing, a few pages were in another state."""
    assert BEFORE.home == NOW.home
    assert 0.9 < len(BEFORE.pages) / len(NOW.pages) < 1
    assert 0.8 < len(BEFORE.sources) / len(NOW.sources) < 1
    both = NOW.pages.join(BEFORE.pages, "url")
    assert 0 < (both["title"] != both["title_right"]).sum() < 0.05 * len(both)
    assert (both["http_code"] != both["http_code_right"]).any()


def test_its_depths_are_true():
    """They are those of a plain search over its links and redirects."""
    goals = BEFORE.pages.select(redirect_url="url", goal=pl.int_range(pl.len()))
    hops = BEFORE.pages.with_row_index("page").join(goals, "redirect_url")
    links = list(zip(BEFORE.sources.tolist(), BEFORE.targets.tolist(), strict=True))
    links += hops.select("page", "goal").rows()
    assert BEFORE.pages["depth"].to_list() == clicks(links, len(BEFORE.pages))


def test_the_seed_decides_it():
    """Equal seed, equal site."""
    again = earlier_site(NOW, seed=1)
    assert (again.sources == BEFORE.sources).all()
    assert again.pages.equals(BEFORE.pages)
    assert not earlier_site(NOW, seed=2).pages.equals(BEFORE.pages)
