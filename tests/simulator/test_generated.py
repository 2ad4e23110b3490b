"""Generated sites: exact size, always the same, with true depths and every flaw an audit looks for."""

import numpy as np
import polars as pl
import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.generated import generate_site
from tests.graph.test_sites import clicks

SITE = generate_site("shop", 20_000)


@pytest.mark.parametrize("links", [500, 501, 777, 1_000, 3_000, 10_000, 60_000])
def test_a_site_has_exactly_the_links_asked_for(links):
    """The number of distinct links is the size, and every URL is there once."""
    site = generate_site("any", links)
    assert len(site.sources) == links
    assert site.pages["url"].is_unique().all()


def test_equal_arguments_make_equal_sites_and_others_do_not():
    """Name, size and seed decide everything."""
    first, again, other = (
        generate_site("a", 1_000),
        generate_site("a", 1_000),
        generate_site("a", 1_000, seed=1),
    )
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
    """Every page with depth None has no inlink, was answered 200, and the sitemap or Search Console knows some."""
    orphans = SITE.pages.filter(pl.col("depth").is_null())
    assert len(orphans) > 5
    assert orphans["inlinks_unique"].sum() == 0
    assert set(orphans["http_code"]) == {200}
    assert orphans["sitemap"].any()
    assert orphans["url"].is_in(SITE.search["url"].to_list()).any()


@pytest.mark.parametrize(
    "flaw",
    [
        pl.col("http_code").is_in([301, 302]),
        pl.col("http_code").is_in([404, 410]),
        pl.col("http_code") == 0,
        pl.col("reason") == "canonical",
        pl.col("reason") == "noindex",
        pl.col("reason") == "content_type",
        pl.col("canonical").is_null() & pl.col("compliant"),
        pl.col("pagetype").is_null(),
        pl.col("url") == "",
        pl.col("url").str.contains(",", literal=True),
        pl.col("url").str.contains('"', literal=True),
        pl.col("url").str.contains("é"),
        pl.col("js_executed") & ~pl.col("js_succeeded"),
    ],
)
def test_every_flaw_and_quirk_is_there(flaw):
    """Real crawls have such pages, so ours does, and something links to them."""
    assert SITE.pages.filter(flaw)["inlinks_unique"].sum() > 0


def test_a_page_links_to_itself():
    """Self-loops occur, but rarely."""
    assert 0 < (SITE.sources == SITE.targets).sum() < 10


def test_inlinks_follow_a_power_law():
    """The menu's pages have links from nearly all, the median page a few."""
    inlinks = SITE.pages["inlinks_unique"]
    assert inlinks.max() > 0.8 * len(SITE.pages)
    assert inlinks.median() < 20
    assert inlinks.sort(descending=True)[: len(inlinks) // 50].sum() > 0.25 * len(SITE.sources)


def test_search_console_knows_urls_that_no_crawl_found():
    """Some of its URLs are not pages; impressions are of very different sizes."""
    assert not SITE.search["url"].is_in(SITE.pages["url"].to_list()).all()
    assert SITE.search["impressions"].max() > 100 * SITE.search["impressions"].median()


def test_pages_that_were_not_answered_with_html_have_no_links():
    """Redirects, dead pages, files and unfetched pages link to nothing."""
    silent = SITE.pages.filter(
        (pl.col("http_code") != 200) | ~pl.col("content_type").str.contains("html")
    )
    assert silent["outlinks_total"].sum() == 0


def test_too_small_a_site_is_refused():
    """Below 500 links there is no room for one page of each kind."""
    with pytest.raises(Invalid, match="at least 500"):
        generate_site("no", 499)
