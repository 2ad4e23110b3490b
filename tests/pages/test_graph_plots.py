"""Plots: whatever the numbers are, the drawing says them, for eyes and for screen readers."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from fasthtml.common import Div, to_xml
from hypothesis import given
from hypothesis import strategies as st

from pipulate.pages.graph_plots import compact, draw

TITLE = 'A "title" & more'
NUMBERS = st.lists(st.integers(0, 10**9), min_size=1, max_size=40)


def drawn(kind: str, **plot: Any) -> ElementTree.Element:
    """The plot as XML; draws nothing outside its view box."""
    names = {"x_label": "clicks", "y_label": "pages"}
    shown = draw({"kind": kind, **names, **plot}, TITLE)
    root = ElementTree.fromstring(to_xml(Div(shown)))[0]
    if root.tag == "svg":
        assert root.get("aria-label") == TITLE
        _, _, width, height = map(float, str(root.get("viewBox")).split())
        for part in root.iter():
            for name, limit in (("cx", width), ("x", width), ("cy", height), ("y", height)):
                assert 0 <= float(part.get(name, 0)) <= limit
            assert float(part.get("height", 0)) <= height
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return [part.text or "" for part in root.iter("text")]


@given(NUMBERS)
def test_bars_are_as_long_as_their_numbers(values: list[int]) -> None:
    """Heights are in proportion; each bar tells its number."""
    root = drawn("bars", x=list(range(len(values))), y=values)
    bars = list(root.iter("rect"))
    tallest = max(float(bar.get("height", 0)) for bar in bars)
    for bar, value in zip(bars, values, strict=True):
        expected = tallest * value / max(1, *values)
        assert float(bar.get("height", 0)) == pytest.approx(expected, abs=0.1)
        assert f"{value:,}" in "".join(bar.itertext())


def test_bars_with_long_names_lie() -> None:
    """Long names stand to the left of lying bars, cut in the middle when they are very long."""
    names = ["https://example.com/" + "a" * 60 + "/end.html", "https://example.com/b"]
    root = drawn("bars", x=names, y=[1, 2])
    assert [float(bar.get("width", 0)) for bar in root.iter("rect")] == pytest.approx([185, 370])
    assert any(text.endswith("/end.html") and "…" in text for text in texts(root))
    assert names[0] in "".join(root.itertext()), "the whole name is in the bar's title"


def test_no_bars_at_all() -> None:
    """A plot without numbers says so."""
    assert texts(drawn("bars", x=[], y=[])) == ["Nothing to show"]


def test_the_curve_tells_who_holds_half() -> None:
    """The share of pages that holds half of everything is marked and written."""
    root = drawn("curve", x=[0.1, 0.2, 0.5, 1], y=[0.4, 0.6, 0.9, 1])
    assert "half is held by 20.0% of the pages" in texts(root)


@given(NUMBERS, st.data())
def test_scatter_has_a_dot_for_each_page(values: list[int], data: st.DataObject) -> None:
    """Each page is a dot; picked ones differ and lie on top; more is further up and right."""
    picked = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    root = drawn("scatter", x=values, y=values, picked=picked, page=list(range(len(values))))
    dots = [
        (dot.get("class"), float(dot.get("cx", 0)), -float(dot.get("cy", 0)))
        for dot in root.iter("circle")
    ]
    assert len(dots) == len(values)
    kinds = ["other"] * picked.count(False) + ["picked"] * picked.count(True)
    assert [kind for kind, *_ in dots] == kinds
    along = sorted((x, y) for _, x, y in dots)
    assert [y for _, y in along] == sorted(y for _, y in along)


def test_heat_is_a_table() -> None:
    """Each field says from where to where, links and share; the strongest is the hottest."""
    root = drawn(
        "heat", labels=["a<b", "c"], flow=[[0.5, 0.0001], [0.1, 0.0]], links=[[9, 1], [1234, 0]]
    )
    fields = [field for field in root.iter("td") if field.get("title")]
    assert [field.text or "" for field in fields] == ["50.0", "·", "10.0", ""]
    assert fields[2].get("title") == "c to a<b: 1,234 links, 10.00% of all PageRank"
    heats = [float(re.sub("[^0-9.]", "", field.get("style", "0"))) for field in fields]
    assert heats[0] == 1 > heats[2] > heats[1] > heats[3] == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1234, "1,234"),
        (12_345, "12.3k"),
        (1_234_567, "1.23M"),
        (5e9, "5G"),
        (0.12345, "0.123"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    """Axis numbers take few letters."""
    assert compact(value) == text
