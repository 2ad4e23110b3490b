"""What is a Botify project's address, and where its files go."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.botify import urls
from pipulate.botify.errors import NotBotifyUrl
from pipulate.botify.urls import Address
from pipulate.engine.errors import Invalid
from pipulate.engine.record import normalise_id
from pipulate.graph.shelf import NAME, Shelf

GOOD = [
    ("https://app.botify.com/acme/shop/", None),
    ("https://app.botify.com/acme/shop", None),
    ("  https://app.botify.com/acme/shop/\n", None),
    ("http://app.botify.com/acme/shop/", None),
    ("HTTPS://APP.BOTIFY.COM/acme/shop/", None),
    ("https://app.botify.com:443/acme/shop/", None),
    ("app.botify.com/acme/shop", None),
    ("https://app.botify.com//acme//shop//", None),
    ("https://app.botify.com/acme/shop/20240301/", "20240301"),
    ("https://app.botify.com/acme/shop/20240101-2", "20240101-2"),
    ("https://app.botify.com/acme/shop/20240301/explorer?x=1#top", "20240301"),
    (
        "https://app.botify.com/acme/shop/crawl"
        "?analysisSlug=20250413&comparisonAnalysisSlug=20250330",
        "20250413",
    ),
    ("https://app.botify.com/acme/shop/crawl?analysisSlug=latest", None),
    ("https://app.botify.com/acme/shop/crawl?comparisonAnalysisSlug=20250330", None),
    ("https://app.botify.com/acme/shop/settings/general", None),
    ("https://app.botify.com/acme/shop/2024030", None),
    ("https://app.botify.com/acme/shop/20240301-0", None),
]

BAD = [
    ("", "No address"),
    ("   ", "No address"),
    ("hello", "not the Botify application"),
    ("https://evilbotify.com/acme/shop/", "not the Botify application"),
    ("https://app.botify.com.evil.example/acme/shop/", "not the Botify application"),
    ("https://app.botify.com@evil.example/acme/shop/", "contains an @"),
    ("https://user:secret@app.botify.com/acme/shop/", "contains an @"),
    ("https://botify.com/acme/shop/", "not the Botify application"),
    ("https://www.botify.com/blog/some-post", "not the Botify application"),
    ("https://api.botify.com/v1/projects", "not the Botify application"),
    ("https://app.botify.com:8443/acme/shop/", "not the Botify application"),
    ("https://app.botify.com:port/acme/shop/", "not a valid address"),
    ("https://[::1/acme/shop/", "not a valid address"),
    ("javascript://app.botify.com/acme/shop/", "instead of https"),
    ("file:///acme/shop/", "instead of https"),
    ("https://app.botify.com/", "names no project"),
    ("https://app.botify.com/acme/", "names no project"),
    ("https://app.botify.com/account/tokens", "names no project"),
    ("https://app.botify.com/../shop/", "cannot be the name"),
    ("https://app.botify.com/acme/..", "cannot be the name"),
    ("https://app.botify.com/acme/%2e%2e/", "cannot be the name"),
    ("https://app.botify.com/acme/a..b/", "cannot be the name"),
    ("https://app.botify.com/acme/.hidden/", "cannot be the name"),
    ("https://app.botify.com/acme/x%2fy/", "cannot be the name"),
    ("https://app.botify.com/acme/shop:x/", "cannot be the name"),
    ("https://app.botify.com/acme\\shop/", "never have"),
    ("https://app.botify.com/acme/my shop/", "never have"),
    ("https://app.botify.com/acme/shöp/", "never have"),
    ("https://app.botify.com/acme/sh\x00op/", "never have"),
    ("https://app.botify.com/acme/sh\top/", "never have"),
    ("https://app.botify.com/acme/" + "x" * 101, "cannot be the name"),
]


@pytest.mark.parametrize(("text", "analysis"), GOOD)
def test_any_form_of_a_projects_address_is_understood(text: str, analysis: str | None) -> None:
    """Organisation, project, and the analysis if one is named; the run ID has the project alone."""
    assert urls.parse(text) == Address("acme", "shop", analysis)
    assert urls.parse(text).url == "https://app.botify.com/acme/shop/"


@pytest.mark.parametrize(("text", "says"), BAD)
def test_everything_else_is_refused_with_a_reason(text: str, says: str) -> None:
    """Foreign hosts, disguised ones, and names that could leave their folder; with an example."""
    with pytest.raises(NotBotifyUrl, match=says) as caught:
        urls.parse(text)
    assert isinstance(caught.value, Invalid) and caught.value.status == 422


NAMES = st.from_regex(NAME, fullmatch=True).filter(
    lambda n: ".." not in n and n not in urls.OTHER_PATHS
)
SLUGS = st.dates(date(1000, 1, 1)).flatmap(
    lambda d: st.sampled_from(
        [d.strftime("%Y%m%d"), f"{d.strftime('%Y%m%d')}-2", f"{d.strftime('%Y%m%d')}-11"]
    )
)


@given(NAMES, NAMES, SLUGS)
def test_cleaning_and_parsing_are_inverse(org: str, project: str, slug: str) -> None:
    """Any names that may be, dotted ones too."""
    address = f"https://app.botify.com/{org}/{project}/{slug}/"
    assert urls.parse(address) == Address(org, project, slug)
    assert urls.parse(urls.parse(address).url) == Address(org, project, None)
    assert urls.run_id(urls.run_id(address)) == urls.run_id(address) == urls.parse(address).url


@given(
    st.text(max_size=60)
    | st.text("abc./\\%@:?#=-_ \0", max_size=40).map(lambda t: f"https://app.botify.com/{t}")
)
def test_any_text_is_an_answer_or_a_clear_refusal(text: str) -> None:
    """And whatever is accepted stays inside its folder."""
    try:
        place = urls.parse(text)
    except NotBotifyUrl:
        return
    shelf = Shelf(Path("/downloads"))
    path = shelf.place(place.org, place.project, place.analysis or "20240301").links
    assert path.resolve().is_relative_to("/downloads/link-graph") and len(path.parts) == 6


@pytest.mark.parametrize(
    ("slug", "day"),
    [
        ("20240301", date(2024, 3, 1)),
        ("20240101-2", date(2024, 1, 1)),
        ("20240101-12", date(2024, 1, 1)),
    ],
)
def test_day_of_a_slug(slug: str, day: date) -> None:
    """The first eight characters, however many crawls that day had."""
    assert urls.slug_date(slug) == day


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "2024030",
        "202403011",
        "20240301-",
        "20240301-x",
        "20240301-2-3",
        "20241301",
        "../20240301",
        "20240301\n",
    ],
)
def test_what_is_no_slug(slug: str) -> None:
    """Neither a file name nor a date is made of it."""
    with pytest.raises(NotBotifyUrl):
        urls.slug_date(slug)


def test_candidates_are_organisations_with_indented_projects() -> None:
    """Comments, blank lines, ad-hoc crawls and impossible names are passed over."""
    text = """
# my clients
acme
    shop
\tblog.example
    ad-hoc-2024
    Shop-AdHoc
    my ad_hoc crawl
    ..

other-org/
  www.example.com/
bad org!
  lost
"""
    assert urls.candidates(text) == [
        Address("acme", "shop"),
        Address("acme", "blog.example"),
        Address("other-org", "www.example.com"),
    ]
    assert urls.candidates("   shop\n") == []


# --- the run ID
# -------------------------------------------------------------------------------------

SHOP = "https://app.botify.com/acme/shop/"


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("  Arthur\n", "Arthur"),
        ("https://example.com/acme/shop?x=1", "https://example.com/acme/shop?x=1"),
        # a Botify project, whatever page of it was copied
        (SHOP, SHOP),
        ("https://app.botify.com/acme/shop", SHOP),
        ("app.botify.com/acme/shop", SHOP),
        ("http://www.app.botify.com/acme/shop", SHOP),
        ("HTTPS://APP.Botify.com/acme/shop", SHOP),
        ("https://app.botify.com/acme/shop/20240301/crawl?x=1#top", SHOP),
        (" https://app.botify.com//acme//shop// ", SHOP),
        # not a project: no project in it, or another host
        ("https://app.botify.com/acme", "https://app.botify.com/acme"),
        (
            "https://app.botify.com.evil.example/acme/shop",
            "https://app.botify.com.evil.example/acme/shop",
        ),
        (
            "https://app.botify.com@evil.example/acme/shop",
            "https://app.botify.com@evil.example/acme/shop",
        ),
        ("https://[app.botify.com/acme/shop", "https://[app.botify.com/acme/shop"),
        # a long address of a short project is short
        ("https://app.botify.com/acme/shop/" + "x" * 1000, SHOP),
    ],
)
def test_which_run_an_address_names(typed: str, named: str) -> None:
    """Any page of a project, in any spelling, names one run; other texts name themselves."""
    assert urls.run_id(typed) == named


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "\u200b",
        "a\nb",
        "x" * 501,
        None,
        "app.botify.com/a\x00b/shop",
        f"{'/'.join(SHOP)}{'x' * 500}",
    ],
    ids=lambda typed: repr(typed)[:12],
)
def test_what_names_no_run(typed: Any) -> None:
    """What cannot be an ID is refused at the field `id`, an address or not."""
    with pytest.raises(Invalid) as caught:
        urls.run_id(typed)
    assert caught.value.field == "id"


project_urls = st.from_regex(
    r"(https?://)?(www\.)?app\.botify\.com/{1,2}[^/]{1,9}/.{0,9}", fullmatch=True
)


@given(st.text(max_size=600) | project_urls)
def test_naming_twice_is_naming_once(typed: str) -> None:
    """A run's ID names itself."""
    try:
        id = urls.run_id(typed)
    except Invalid:
        return
    assert urls.run_id(id) == urls.run_id(f"  {id}\n") == id == normalise_id(id)
