"""Where a graph's things are; no two share a name; the server asks without loading Polars."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipulate.engine.errors import Unknown
from pipulate.graph import shelf
from pipulate.graph.shelf import CSV, Place, Shelf, spelled

#: IDs as people type them: few letters, so that squashing makes many of them alike.
IDS = st.text("aAbB1 -_.!é日本한", max_size=12) | st.text(max_size=80)


@given(IDS, IDS)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    """Not even where a file system takes small and capital letters for the same."""
    assume(one != other)
    assert spelled(one).casefold() != spelled(other).casefold()


@given(IDS)
def test_a_name_is_one_safe_path_segment(text: str) -> None:
    """It is short, has no letter with a meaning, is no device of Windows, and names itself."""
    name = spelled(text)
    assert shelf.is_name(name) and len(name) < 80
    assert name == name.lower()
    assert spelled(name) == name or "--" in name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("日本", "한국"),
        ("My Site", "my-site!"),
        ("Shop", "shop"),
        ("a" * 70, "a" * 71),
        ("", "graph"),
    ],
)
def test_ids_that_look_alike_without_their_marks(one: str, other: str) -> None:
    """The cases that shared a folder once."""
    assert spelled(one) != spelled(other)


def test_a_name_stays_readable() -> None:
    """What is a name already stays as it is, also those that an earlier version gave."""
    for name in ("my-site", "shop", "20240301", "a" * 60):
        assert spelled(name) == name
    assert spelled("My Site").startswith("my-site--")


@pytest.mark.parametrize("device", ["con", "nul", "com1", "lpt9"])
def test_no_name_is_a_device_of_windows(device: str) -> None:
    """There `con` is the console, in any folder."""
    assert spelled(device).startswith(f"{device}--")


@pytest.mark.parametrize(
    ("org", "project", "analysis"),
    [
        ("..", "shop", "20240301"),
        ("acme", "a/b", "20240301"),
        ("acme", "shop", "2024"),
        ("acme", "shop", "20240301-0"),
        ("acme", "", "20240301"),
    ],
)
def test_impossible_names_have_no_place(org: str, project: str, analysis: str) -> None:
    """What comes from an address cannot lead out of the shelf."""
    with pytest.raises(Unknown):
        Shelf(Path("downloads")).place(org, project, analysis)


def test_a_place_knows_its_files() -> None:
    """The layout of 0.1.0."""
    place = Shelf(Path("downloads")).place("acme", "my_shop", "20261101-2")
    folder = Path("downloads/link-graph/acme/my_shop")
    assert place.links == folder / "my_shop_20261101-2_links.csv"
    assert place.meta == folder / "my_shop_20261101-2_meta.csv"
    assert place.graph == folder / "my_shop_20261101-2.graph"
    assert shelf.picture(place.graph) == place.graph / "picture"
    assert place.report == place.graph / "report"
    assert (place.org, place.project) == ("acme", "my_shop")
    assert place.name == "acme/my_shop/my_shop_20261101-2"


def test_a_comparison_is_named_after_the_earlier_analysis() -> None:
    """Further crawls of a day keep their number."""
    home = Shelf(Path("downloads"))
    later = home.place("acme", "my_shop", "20261101")
    earlier = home.place("acme", "my_shop", "20261001-2")
    assert shelf.comparison(later.graph, earlier.graph) == later.graph / "with_20261001-2"


def put(place: Place, *kinds: str) -> Place:
    """Make a place's graph ("graph"), or a file of it ("links", "meta")."""
    place.graph.mkdir(parents=True)
    for kind in kinds:
        path = place.graph / "meta.json" if kind == "graph" else getattr(place, kind)
        path.write_text("{}")
    return place


def test_what_is_on_the_shelf(tmp_path: Path) -> None:
    """By project, newest first; a place with neither links nor a whole graph is none."""
    home = Shelf(tmp_path)
    put(home.place("acme", "shop", "20240301"), "links", "meta")
    put(home.place("acme", "shop", "20240301-10"), "graph")
    put(home.place("acme", "shop", "20240301-2"), "links")
    put(home.place("acme", "shop", "20240302"))
    put(home.place(CSV, "blog", "20240101"), "graph")
    (home.home / "acme" / "shop" / "shop_notes.graph").mkdir()
    (home.home / "a b" / "c").mkdir(parents=True)
    assert [place.name for place in home.places()] == [
        "acme/shop/shop_20240301-10",
        "acme/shop/shop_20240301-2",
        "acme/shop/shop_20240301",
        "csv/blog/blog_20240101",
    ]
    shop = home.analyses("acme", "shop")
    assert [place.pages is not None for place in shop] == [False, False, True]
    assert home.analyses("acme", "other") == []


def test_the_graph_built_last_comes_first(tmp_path: Path) -> None:
    """Whatever day it is of; links alone are not built."""
    home = Shelf(tmp_path)
    old = put(home.place("acme", "shop", "20240301"), "graph")
    new = put(home.place("acme", "shop", "20200101"), "graph")
    put(home.place("acme", "shop", "20230101"), "links")
    os.utime(old.graph / "meta.json", (1, 1))
    assert home.built() == [new, old]


def test_a_new_place_has_nothing_yet(tmp_path: Path) -> None:
    """The first of a day is called by the day, the next are counted."""
    home = Shelf(tmp_path)
    names = []
    for _ in range(3):
        names.append(put(home.new(CSV, "blog", "20240301"), "graph").analysis)
    assert names == ["20240301", "20240301-2", "20240301-3"]


def test_a_reserved_place_is_nobody_elses(tmp_path: Path) -> None:
    """Before there is anything in it, too; on the shelf it is not seen yet."""
    home = Shelf(tmp_path)
    first = home.reserve(CSV, "blog", "20240301")
    assert home.new(CSV, "blog", "20240301").analysis == "20240301-2"
    with ThreadPoolExecutor(8) as pool:
        others = list(pool.map(lambda _: home.reserve(CSV, "blog", "20240301"), range(40)))
    assert len({place.analysis for place in [first, *others]}) == 41
    assert not home.places()


def test_each_choice_of_an_analysis_has_a_place(tmp_path: Path) -> None:
    """It is named after the analysis, never like Botify's next one of that day."""
    home = Shelf(tmp_path)
    places = list(islice(home.choices("acme", "shop", "20240301-2"), 3))
    names = ["20240301-2", "20240301-2.2", "20240301-2.3"]
    assert [place.analysis for place in places] == names
    assert {place.slug for place in places} == {"20240301-2"}
    assert all(shelf.ANALYSIS.fullmatch(name) is None for name in names[1:])
    for place in places:
        assert place.choice() is None
        put(place, "links")
        assert home.csv("acme", "shop", place.links.name) == place.links
    put(home.place("acme", "shop", "20240301-3"), "links")
    put(home.place("acme", "shop", "20240301.10"), "links")
    found = [place.analysis for place in home.analyses("acme", "shop")]
    assert found == ["20240301-3", *reversed(names), "20240301.10"]
    places[1].asked.write_text('{"depth": 3, "columns": []}')
    assert places[1].choice() == {"depth": 3, "columns": []}


def test_only_exported_files_are_given_away(tmp_path: Path) -> None:
    """No other file of the folder, none that is not there, and no link to one elsewhere."""
    home = Shelf(tmp_path)
    place = put(home.place("acme", "shop", "20240301"), "links")
    assert home.csv("acme", "shop", place.links.name) == place.links
    place.meta.symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("x")
    (place.folder / "notes.csv").write_text("x")
    for name in (place.meta.name, "notes.csv", "shop_20240302_links.csv", "../shop/x", ""):
        with pytest.raises(Unknown):
            home.csv("acme", "shop", name)


def test_without_csvs_what_is_there_counts(tmp_path: Path) -> None:
    """A graph whose CSVs were removed can be looked at, as that of no file; of one that is not
    there, nothing is made."""
    place = Shelf(tmp_path).place("acme", "shop", "20261101")
    assert not shelf.columnar_is_fresh(place.exported, None, place.graph)
    put(place, "graph")
    assert shelf.columnar_is_fresh(place.exported, None, place.graph)
    assert not shelf.columnar_is_fresh(place.links, None, place.graph)


def test_a_picture_of_another_version_is_not_readable(tmp_path: Path) -> None:
    """Other formats, damaged and missing files count as no picture."""
    assert not shelf.picture_is_readable(tmp_path)
    (tmp_path / "picture").mkdir()
    cases = {"{": False, "[]": False, '{"format": 0}': False, '{"format": 1}': True}
    for text, readable in cases.items():
        (tmp_path / "picture" / "meta.json").write_text(text)
        assert shelf.picture_is_readable(tmp_path) is readable


def test_the_page_table_beside_an_export(tmp_path: Path) -> None:
    """Of `x_links.csv` it is `x_meta.csv` or `x_pages.csv`; other names have none."""
    (tmp_path / "x_pages.csv").write_text("")
    assert shelf.pages_beside(tmp_path / "x_links.csv.gz") == tmp_path / "x_pages.csv"
    assert shelf.pages_beside(tmp_path / "x.csv") is None
    (tmp_path / "x_meta.csv").write_text("")
    assert shelf.pages_beside(tmp_path / "x_links.csv") == tmp_path / "x_meta.csv"


def test_the_pages_load_without_polars() -> None:
    """The server's start does not pay for what only a report needs."""
    code = (
        "import sys, pipulate.pages.graphs; sys.exit(bool({'polars', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
