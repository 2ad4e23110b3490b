"""A shop has exactly the links asked for, and every flaw an audit looks for."""

import polars as pl
import pytest

from pipulate.simulator.generated import generate_site
from pipulate.simulator.shop import word_pair

SITE = generate_site("shop", 20_000)


@pytest.mark.parametrize("links", [500, 501, 777, 1_000, 3_000, 10_000, 60_000])
def test_a_site_has_exactly_the_links_asked_for(links):
    """The number of distinct links is the size, and every URL is there once."""
    site = generate_site("any", links)
    assert len(site.sources) == links
    assert site.pages["url"].is_unique().all()


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


def test_pages_that_were_not_answered_with_html_have_no_links():
    """Redirects, dead pages, files and unfetched pages link to nothing."""
    silent = SITE.pages.filter(
        (pl.col("http_code") != 200) | ~pl.col("content_type").str.contains("html")
    )
    assert silent["outlinks_total"].sum() == 0


def test_numbers_have_names_of_their_own():
    """However many there are."""
    names = [word_pair(number) for number in range(3_000)]
    assert len(set(names)) == 3_000
