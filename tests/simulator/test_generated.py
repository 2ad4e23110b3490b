"""Generated sites: always the same, with true depths, and URLs that no crawl finds."""

import numpy as np
import polars as pl
import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.generated import generate_site
from tests.graph.test_sites import clicks

SITE = generate_site("shop", 20_000)


def test_equal_arguments_make_equal_sites_and_others_do_not():
    """Name, size and seed decide everything."""
    first = generate_site("a", 1_000)
    again = generate_site("a", 1_000)
    other = generate_site("a", 1_000, seed=1)
    assert first.pages.equals(again.pages)
    assert first.search.equals(again.search)
    assert (first.sources == again.sources).all() and (first.targets == again.targets).all()
    assert not np.array_equal(first.targets, other.targets)


def test_depth_is_true_although_pages_redirect():
    """The depth is that of a plain search over the links alone."""
    site = generate_site("tiny", 1_000)
    links = list(zip(site.sources.tolist(), site.targets.tolist(), strict=True))
    assert site.pages["depth"].to_list() == clicks(links, len(site.pages))
    assert site.pages["redirect_url"].drop_nulls().is_in(site.pages["url"].to_list()).all()


def test_only_orphans_cannot_be_reached():
    """They have no inlink and were answered 200; the sitemap or Search Console knows some."""
    orphans = SITE.pages.filter(pl.col("depth").is_null())
    assert len(orphans) > 5
    assert orphans["inlinks_unique"].sum() == 0
    assert set(orphans["http_code"]) == {200}
    assert orphans["sitemap"].any()
    assert orphans["url"].is_in(SITE.search["url"].to_list()).any()


def test_search_console_knows_urls_that_no_crawl_found():
    """Some of its URLs are not pages; impressions are of very different sizes."""
    assert not SITE.search["url"].is_in(SITE.pages["url"].to_list()).all()
    assert SITE.search["impressions"].max() > 100 * SITE.search["impressions"].median()


def test_too_small_a_site_is_refused():
    """Below 500 links there is no room for one page of each kind."""
    with pytest.raises(Invalid, match="at least 500"):
        generate_site("no", 499)
