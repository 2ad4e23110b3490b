"""Sections are folders of the site that are large enough, and every page is in one of them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.graph.site_sections import MOST, sections


def names(addresses: list[str], kind: pl.Series | None = None) -> set[str]:
    """Return the sections of these addresses; a path alone is one of a.example."""
    whole = [f"https://a.example{url}" if url.startswith("/") else url for url in addresses]
    return set(sections(pl.Series("url", whole), kind).names)


def numbered(folder: str, count: int) -> list[str]:
    """Return this many pages in a folder."""
    return [f"{folder}/{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/", "/a.html"], {"/"}),
        (numbered("/blog", 60) + numbered("/shop", 60), {"/blog", "/shop"}),
        (numbered("/shop/a", 60) + numbered("/shop/b", 60), {"/shop/a", "/shop/b"}),
        ([f"/shop/{number}/x" for number in range(120)], {"/shop"}),
        ([f"/p?id={number}" for number in range(50)], {"/"}),
    ],
)
def test_sections_are_folders_that_are_large_enough(paths: list[str], expected: set[str]) -> None:
    """Folders with enough pages are sections; files, single pages and queries are not."""
    assert names(paths) == expected


def test_what_is_left_of_a_divided_folder_says_so() -> None:
    """Pages that lie beside a folder's large sub-folders are its rest."""
    paths = numbered("/shop/a", 80) + numbered("/shop/b", 80) + numbered("/shop", 20)
    assert names(paths) == {"/shop/a", "/shop/b", "/shop (rest)"}


def test_a_flat_site_is_divided_by_page_type() -> None:
    """Where all pages lie in one folder, page types are the sections."""
    kind = pl.Series("pagetype", ["a", "b", None] * 30)
    assert names(numbered("", 90), kind) == {"/ · a", "/ · b", "/ · other"}


def test_a_type_for_each_page_divides_nothing() -> None:
    """More page types than anybody could tell apart are no help."""
    paths = numbered("", 3 * MOST)
    assert names(paths, pl.Series("pagetype", paths)) == {"/"}


def test_two_hosts_are_two_sections() -> None:
    """Pages of several hosts are told apart by host."""
    addresses = numbered("https://www.example", 30) + numbered("https://blog.example", 30)
    assert names(addresses) == {"www.example", "blog.example"}


def test_each_page_has_its_section_by_name() -> None:
    """Names by page are those that the codes point to."""
    found = sections(pl.Series("url", numbered("/blog", 60) + numbered("/shop", 61)))
    assert found.names == ["/shop", "/blog"]
    assert found.by_page().to_list() == ["/blog"] * 60 + ["/shop"] * 61


@given(
    st.lists(
        st.from_regex(r"https://[ab]\.example(/[a-c]{1,2}){0,4}/?", fullmatch=True),
        min_size=1,
        max_size=120,
    )
)
@settings(max_examples=60, deadline=None)
def test_every_page_has_one_section(addresses: list[str]) -> None:
    """Codes fit the names, each name is used, the largest comes first."""
    found = sections(pl.Series("url", addresses))
    counts = np.bincount(found.codes, minlength=len(found.names))
    assert len(found.codes) == len(addresses)
    assert counts.min() >= 1
    assert counts.tolist() == sorted(counts, reverse=True)
