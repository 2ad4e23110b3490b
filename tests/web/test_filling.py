"""What is put into a form is what a browser submits again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import (
    FT,
    CheckboxX,
    Div,
    Form,
    Hidden,
    Input,
    Label,
    Option,
    Select,
    Textarea,
    to_xml,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.engine.forms import fields, initial, read
from pipulate.engine.values import File, decode, encode
from pipulate.web.filling import fill
from tests.form_browser import Browser

FOLDER = Path("/data").absolute()
A = File("a", 1, "a" * 64, FOLDER / "uploads" / ("a" * 16) / "a")
COLORS = [Option(color, value=color.lower()) for color in ("Red", "Blue")]


def radios() -> list[FT]:
    """Two radio buttons of one name."""
    return [Input(type="radio", name="x", value=value) for value in ("red", "blue")]


def boxes() -> list[FT]:
    """Three checkboxes of one name."""
    return [Input(type="checkbox", name="x", value=value) for value in ("a", "b", "c")]


lines = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12).map(
    str.strip
)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00"), max_size=30)
names = st.sampled_from("abcdef")

#: name -> (the control, a strategy of its answers)
CONTROLS: dict[str, tuple[Callable[[str], Any], st.SearchStrategy[Any]]] = {
    "text": (lambda name: Input(name=name, value="default"), lines),
    "textarea": (lambda name: Textarea("default", name=name), texts),
    "number": (
        lambda name: Input(name=name, type="number", step="any"),
        st.none() | st.floats(-1e9, 1e9),
    ),
    "whole": (
        lambda name: Input(name=name, type="number", value=8),
        st.none() | st.integers(-(10**20), 10**20),
    ),
    "date": (lambda name: Input(name=name, type="date"), st.none() | st.dates()),
    "moment": (
        lambda name: Input(name=name, type="datetime-local", step="any"),
        st.none() | st.datetimes(),
    ),
    "time": (lambda name: Input(name=name, type="time", step="any"), st.none() | st.times()),
    "emails": (
        lambda name: Input(name=name, type="email", multiple=True),
        st.lists(st.sampled_from(["a@b", "c@d"])),
    ),
    "several": (
        lambda name: [
            Input(name=name, value="default"),
            Select(*COLORS, name=name),
            Input(name=name, type="number"),
        ],
        st.tuples(lines, st.sampled_from(["red", "blue"]), st.none() | st.integers(0, 99)).map(
            list
        ),
    ),
    "select": (
        lambda name: Select(*COLORS, Option(" In  words "), name=name),
        st.sampled_from(["red", "blue", "In words"]),
    ),
    "multiple": (
        lambda name: Select(*COLORS, Option("&<\"'", value="&<\"'"), name=name, multiple=True),
        st.sets(st.sampled_from(["red", "blue", "&<\"'"])).map(
            lambda chosen: [v for v in ("red", "blue", "&<\"'") if v in chosen]
        ),
    ),
    "radio": (
        lambda name: [Input(type="radio", name=name, value=v) for v in ("1", "2")],
        st.sampled_from(["1", "2"]),
    ),
    "checkbox": (
        lambda name: Label(Input(type="checkbox", name=name, checked=True)),
        st.booleans(),
    ),
    "checkboxx": (lambda name: CheckboxX(name=name, label=name), st.booleans()),
    "group": (
        lambda name: [Input(type="checkbox", name=name, value=v, checked=True) for v in "abc"],
        st.sets(st.sampled_from("abc")).map(sorted),
    ),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, st.sampled_from(list(CONTROLS)), min_size=1), st.data())
def test_what_is_filled_in_is_submitted_and_read_again(
    kinds: dict[str, str], data: st.DataObject
) -> None:
    """Answers put into a form come back from a browser that submits it untouched: HTML neither
    adds nor loses any."""
    answers = {
        name: data.draw(CONTROLS[kind][1], label=f"{name}: {kind}") for name, kind in kinds.items()
    }
    form = Form(*[CONTROLS[kind][0](name) for name, kind in kinds.items()])
    filled = fill(form, answers)
    assert read(fields(form), Browser(filled).submitted) == answers
    assert read(fields(form), initial(filled)) == answers
    held, marks = encode(answers, FOLDER)
    back = fill(form, decode(json.loads(json.dumps(held)), marks, FOLDER))
    assert to_xml(back) == to_xml(filled)
    assert to_xml(fill(form, held)) == to_xml(filled)  # also as the record has them


@pytest.mark.parametrize(
    ("control", "value", "submitted"),
    [
        # what was typed, as lists, is put back as well as answers are
        (Input(name="x"), ["a", "b"], ["b"]),
        (Input(name="x", value="default"), [], [""]),
        (Textarea("default", name="x"), ["typed"], ["typed"]),
        (Select(*COLORS, name="x"), ["blue"], ["blue"]),
        (Input(type="checkbox", name="x", checked=True), [], []),
        (Input(type="checkbox", name="x"), ["on"], ["on"]),
        (boxes(), "b", ["b"]),
        ([Input(name="x"), Input(name="x")], ["a"], ["a", ""]),
        (Input(name="x", type="number", step="any"), 8.0, ["8"]),
        # what was left empty is not what the author proposes
        (Input(name="x", value="default"), None, [""]),
        (Input(name="x", type="number", value=8), None, [""]),
        # never filled in: secrets, files, what the author fixed
        (Input(name="x", type="password"), "secret", [""]),
        (Hidden("fixed", name="x"), "other", ["fixed"]),
        (Input(name="x", type="file"), A, []),
        # a value that is no choice any more chooses nothing
        (radios(), "green", []),
        (Select(*COLORS, name="x"), "green", ["red"]),
    ],
)
def test_filling(control: Any, value: Any, submitted: list[str]) -> None:
    """A control shows the value it is given, if it can; the defaults of the author give way to
    it."""
    assert Browser(fill(control, {"x": value})).submitted.get("x", []) == submitted


def test_filling_leaves_the_authors_components_alone() -> None:
    """Components that an author keeps for all runs show nothing of one run in another; what
    draws itself is filled too."""

    class Fancy:
        def __ft__(self) -> FT:
            return Div(Input(name="y"))

    shared = (Select(*COLORS, name="x"), Fancy(), "text", None)
    before = to_xml(shared)
    filled = fill(shared, {"x": "blue", "y": "typed"}, "x")
    assert Browser(filled).submitted == {"x": ["blue"], "y": ["typed"]} and to_xml(shared) == before


def test_a_field_whose_file_is_known_no_longer_asks_the_browser_for_one() -> None:
    """A browser would not send the form."""
    needed = Input(type="file", name="x", required=True)
    assert "required" not in to_xml(fill(needed, {"x": A})) + to_xml(fill(needed, {"x": [None, A]}))
    assert "required" in to_xml(fill(needed, {"x": None})) and "required" in to_xml(needed)


def test_the_unacceptable_field_is_marked() -> None:
    """The first control of the refused field is marked for everyone, and only that."""
    html = to_xml(fill(Div(Input(name="a"), *radios()), {"a": "typed"}, "x"), indent=False)
    assert (
        html.count('aria-invalid="true"') == 1
        and html.index("aria-invalid") > html.index('name="x"') - 80
    )
    assert "aria-invalid" not in to_xml(fill(Input(name="a"), {}, None), indent=False)
