"""The form is the schema: what is read off HTML, what the server accepts of a submission."""

import json
import re
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from fasthtml.common import (
    FT,
    Button,
    CheckboxX,
    Datalist,
    Div,
    Fieldset,
    Form,
    Hidden,
    Input,
    Label,
    Optgroup,
    Option,
    P,
    Select,
    Textarea,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.forms import Values, fields, initial, read
from pipulate.engine.values import File, encode
from tests.form_browser import Browser

FOLDER = Path("/data").absolute()
A, B = (File(name, 1, name * 64, FOLDER / "uploads" / (name * 16) / name) for name in "ab")


def submit(form: Any, **given: Any) -> Values:
    """Return what the server makes of a submission of the form; each value is given as text or
    as a list."""
    return read(
        fields(form),
        {name: value if isinstance(value, list) else [value] for name, value in given.items()},
    )


COLORS = [Option(color, value=color.lower()) for color in ("Red", "Blue")]


def radios(**named: Any) -> list[FT]:
    """Two radio buttons of one name."""
    return [Input(type="radio", name="x", value=value, **named) for value in ("red", "blue")]


def boxes(**named: Any) -> list[FT]:
    """Three checkboxes of one name."""
    return [Input(type="checkbox", name="x", value=value, **named) for value in ("a", "b", "c")]


# --- fields


def test_fields_are_found_wherever_they_stand() -> None:
    """Fields come in order out of any nesting, and only what a browser would submit is one."""

    class Fancy:
        def __ft__(self) -> FT:
            return Div(Input(name="fancy"))

    form = (
        Form(
            Fieldset(Label("One", Input(name="one", type="email", required=True)), P("text")), None
        ),
        [Textarea("two", name="two"), (Select(*COLORS, name="three"),)],
        Fancy(),
        radios(),
        Datalist(Option("ignored")),
        Input(type="submit", name="no1"),
        Button("Go", name="no2"),
        Input(type="reset", name="no3"),
        Input(name="no4", disabled=True),
        Input(placeholder="nameless"),
        Input(type="image", name="no5"),
        Hidden("7", name="four"),
        Input(name="five", type=None),
        "plain text",
        7,
    )
    assert [(item.name, item.kind) for item in fields(form)] == [
        ("one", "email"),
        ("two", "textarea"),
        ("three", "select"),
        ("fancy", "text"),
        ("x", "radio"),
        ("four", "hidden"),
        ("five", "text"),
    ]
    assert fields(None) == fields("text") == fields(P("x")) == []


def test_options_are_what_a_browser_submits() -> None:
    """An option's value, or its text with its spaces collapsed; disabled ones cannot be chosen."""
    select = Select(
        Option("Choose", value="", disabled=True),
        Option("  Two   words \n"),
        Option("Zero", value=0),
        Optgroup(Option("In a ", P("group"))),
        Option("kept ", value=" kept "),
        name="x",
    )
    (item,) = fields(select)
    assert item.options == ["Two words", "0", "In a group", " kept "]
    for value in item.options:
        assert submit(select, x=value) == {"x": value}


@pytest.mark.parametrize(
    ("control", "shown"),
    [
        (Input(name="x"), {}),
        (Input(name="x", value="a <b> \"c\" 'd' & e"), {"x": ["a <b> \"c\" 'd' & e"]}),
        (Input(name="x", value=0, type="number"), {"x": ["0"]}),
        (Hidden("7", name="x"), {"x": ["7"]}),
        (Textarea("a < b\n & c", name="x"), {"x": ["a < b\n & c"]}),
        (Textarea("\n\na", name="x"), {"x": ["\na"]}),
        (Select(*COLORS, name="x"), {"x": ["red"]}),
        (Select(COLORS[0], Option("Blue", value="blue", selected=True), name="x"), {"x": ["blue"]}),
        (Select(*COLORS, name="x", multiple=True), {}),
        (Select(Option("-", value=""), *COLORS, name="x"), {"x": [""]}),
        (radios(), {}),
        (
            [
                Input(type="radio", name="x", value="a"),
                Input(type="radio", name="x", value="b", checked=True),
            ],
            {"x": ["b"]},
        ),
        (boxes(checked=True), {"x": ["a", "b", "c"]}),
        (Input(type="checkbox", name="x", checked=True), {"x": ["on"]}),
        (Input(type="file", name="x"), {}),
        (Input(name="x", value="1", disabled=True), {}),
    ],
)
def test_what_an_untouched_form_submits(control: Any, shown: dict[str, list[str]]) -> None:
    """The headless run of a step without answers takes what a browser would send, were the form
    not touched."""
    assert initial(control) == shown
    assert read(fields(control), shown) == read(fields(control), Browser(control).submitted)


# --- reading

FINE: list[tuple[Any, Any, Any]] = [
    # texts: trimmed, except where spaces may matter
    (Input(name="x"), "  Sir Lancelot ", "Sir Lancelot"),
    (Input(name="x"), "", ""),
    (Input(name="x"), [], ""),
    (Input(name="x"), ["a", "b"], "b"),
    (Input(name="x", required=False), "", ""),
    (Input(name="x", type="password"), " secret ", " secret "),
    (Textarea(name="x"), "  a\r\nb ", "  a\nb "),
    (Input(name="x", maxlength=3), "abc", "abc"),
    (Input(name="x", minlength=3), "", ""),  # what may be empty may be empty
    (Input(name="x", pattern="[a-z]+"), "abc", "abc"),
    (Input(name="x", type="unheard-of"), "abc", "abc"),
    (Input(name="x", list="colors"), "any", "any"),
    # numbers
    *[
        (Input(name="x", type="number"), text, number)
        for text, number in (("0", 0), ("-7", -7), ("1e3", 1000), ("007", 7), ("8.0", 8))
    ],
    (Input(name="x", type="number"), "12345678901234567890", 12345678901234567890),
    (Input(name="x", type="number", step="any"), "0.123", 0.123),
    (Input(name="x", type="number", step="any"), "2", 2.0),
    (Input(name="x", type="number", step=0.1), "0.3", 0.3),
    (Input(name="x", type="number", step="0.01"), "123456.78", 123456.78),
    (Input(name="x", type="number", step=0.5), "2", 2.0),
    (Input(name="x", type="number", min=0.5), "2.5", 2.5),
    (Input(name="x", type="number", value="0.5"), "1.5", 1.5),
    (Input(name="x", type="number", min=-3, max=3, step=2), "-1", -1),
    (Input(name="x", type="number", step="any"), "1e308", 1e308),
    (Input(name="x", type="number", value=8), "", None),  # not what the author proposed
    (Input(name="x", type="range", min=0, max=100), "50", 50),
    (Input(name="x", type="range", step=0.5), "50", 50.0),
    # dates, times, colors, addresses
    (Input(name="x", type="date", min="2026-01-01"), "2026-02-28", date(2026, 2, 28)),
    (Input(name="x", type="date"), "2024-02-29", date(2024, 2, 29)),
    (Input(name="x", type="date"), "", None),
    (Input(name="x", type="datetime-local"), "2026-11-25T09:30", datetime(2026, 11, 25, 9, 30)),
    (
        Input(name="x", type="datetime-local", step="any"),
        "2026-11-25T09:30:01.5",
        datetime(2026, 11, 25, 9, 30, 1, 500_000),
    ),
    (Input(name="x", type="datetime-local"), "", None),
    (Input(name="x", type="month"), "2026-12", "2026-12"),
    (Input(name="x", type="week"), "2026-W53", "2026-W53"),
    (Input(name="x", type="time", max="18:00"), "17:59:59", time(17, 59, 59)),
    (Input(name="x", type="time"), "00:00", time(0, 0)),
    (Input(name="x", type="time"), "", None),
    (Input(name="x", type="color"), "#1A2b3c", "#1A2b3c"),
    (Input(name="x", type="email"), "arthur@camelot.example", "arthur@camelot.example"),
    (
        Input(name="x", type="email", multiple=True),
        "a@b.example, c@d.example",
        ["a@b.example", "c@d.example"],
    ),
    (Input(name="x", type="email", multiple=True), "", []),
    (Input(name="x", type="url"), "https://example.com/ä?b=c", "https://example.com/ä?b=c"),
    # choices
    (Select(*COLORS, name="x"), "blue", "blue"),
    (Select(*COLORS, name="x"), [], ""),
    (Select(*COLORS, name="x", multiple=True), ["red", "blue"], ["red", "blue"]),
    (Select(*COLORS, name="x", multiple=True), [], []),
    (radios(), "red", "red"),
    (radios(), [], ""),
    (boxes(), ["a", "c"], ["a", "c"]),
    (boxes(), [], []),
    (
        Input(type="checkbox", name="x", value="a", multiple=True),
        ["a"],
        ["a"],
    ),  # one of a list that happens to be short
    (Input(type="checkbox", name="x"), "on", True),
    (Input(type="checkbox", name="x"), [], False),
    (Input(type="checkbox", name="x", value="no"), "no", True),
    *[
        (Input(type="checkbox", name="x"), word, False) for word in ("no", "False", "0", "off", "")
    ],  # command line
    (CheckboxX(name="x", label="x"), [""], False),
    (CheckboxX(name="x", label="x"), ["", "1"], True),
    ([Hidden("", name="x"), *boxes()], ["", "b"], ["b"]),
    # files
    (Input(type="file", name="x"), [], None),
    (Input(type="file", name="x"), [None], None),
    (Input(type="file", name="x"), [A], A),
    (Input(type="file", name="x", multiple=True), [A, B], [A, B]),
    (Input(type="file", name="x", multiple=True), [None], []),
    # several fields of one name: a list, with one item a field
    ([Input(name="x"), Input(name="x")], ["a", "b"], ["a", "b"]),
    ([Input(name="x"), Input(name="x"), Input(name="x")], ["a", "", "c"], ["a", "", "c"]),
    ([Input(name="x"), Input(name="x")], ["a"], ["a", ""]),
    ([Input(name="x"), Input(name="x")], [], ["", ""]),
    ([Hidden("1", name="x"), Hidden("2", name="x")], ["1", "2"], ["1", "2"]),
    ([Input(name="x", type="number"), Input(name="x", type="number")], ["1", ""], [1, None]),
    ([Input(name="x", type="number"), Input(name="x", type="date")], ["1", ""], [1, None]),
    ([Select(*COLORS, name="x"), Select(*COLORS, name="x")], ["red", "blue"], ["red", "blue"]),
    ([Input(type="file", name="x"), Input(type="file", name="x")], [None, A], [None, A]),
]


@pytest.mark.parametrize(("control", "given", "answer"), FINE)
def test_what_is_accepted(control: Any, given: Any, answer: Any) -> None:
    """Each control accepts what a browser would send for it, and gives an answer of its own
    kind."""
    assert submit(control, x=given) == {"x": answer}


REFUSED: list[tuple[Any, Any, str]] = [
    (Input(name="x", required=True), "", "An answer is needed"),
    (Input(name="x", required=""), "", "An answer is needed"),  # in HTML, required="" is required
    (Input(name="x", required=True), "   ", "An answer is needed"),
    (Input(name="x", required=True), [], "An answer is needed"),
    (Input(name="x", maxlength=3), "abcd", "4 characters are too many; 3"),
    (Textarea(name="x", maxlength="3"), "abcd", "too many"),
    (Input(name="x", minlength=3), "ab", "At least 3"),
    (Input(name="x", pattern="[a-z]+"), "abc1", "expected form"),
    (Input(name="x", pattern="[a-z]+", title="Small letters only."), "A", "Small letters only"),
    (Input(name="x"), "a\x00b", "control character"),
    (Input(name="x"), [A], "not a file"),
    *[
        (Input(name="x", type="number"), text, "not a number")
        for text in ("x", "1_000", "nan", "inf", "1e999", "0x1", "١", "1 2")
    ],
    (Input(name="x", type="number"), "1.5", "whole number"),
    (Input(name="x", type="number", step=0.25), "0.3", "Steps of 0.25"),
    (Input(name="x", type="number", min=1, step=2), "2", "Steps of 2 from 1"),
    (Input(name="x", type="number", min=1), "0", "at least 1"),
    (Input(name="x", type="range", max=10), "11", "at most 10"),
    *[
        (Input(name="x", type="date"), text, "date")
        for text in ("2026-02-29", "2026-13-01", "1.1.2026", "2026-1-1")
    ],
    (Input(name="x", type="date", min="2026-01-01"), "2025-12-31", "2026-01-01 or later"),
    (Input(name="x", type="date", max="2026-01-01"), "2026-01-02", "2026-01-01 or earlier"),
    (Input(name="x", type="datetime-local"), "2026-11-25 09:30", "date and time"),
    (Input(name="x", type="datetime-local"), "2026-02-30T09:30", "date and time"),
    (Input(name="x", type="month"), "2026-13", "month"),
    (Input(name="x", type="week"), "2026-54", "week"),
    (Input(name="x", type="time"), "24:00", "time"),
    (Input(name="x", type="color"), "blue", "color"),
    (Input(name="x", type="email"), "arthur", "e-mail"),
    (Input(name="x", type="url"), "javascript:alert(1)", "https://"),
    (Input(name="x", type="url"), "https://", "https://"),
    (Select(*COLORS, name="x"), "green", "'green' is not one of the choices: red, blue"),
    (Select(*COLORS, name="x", required=True), [], "Choose"),
    (Select(Option("-", value=""), *COLORS, name="x", required=True), "", "Choose"),
    (Select(*COLORS, name="x", multiple=True), ["red", "green"], "green"),
    (Select(Option("Old", value="old", disabled=True), *COLORS, name="x"), "old", "not one of"),
    (radios(required=True), [], "Choose"),
    (
        [
            Input(type="radio", name="x", value="a"),
            Input(type="radio", name="x", value="b", required=True),
        ],
        [],
        "Choose",
    ),
    (radios(), "green", "green"),
    (boxes(), ["a", "z"], "'z'"),
    (Input(type="checkbox", name="x", required=True), [], "Tick this"),
    (CheckboxX(name="x", required=True), [""], "Tick this"),
    (Input(type="file", name="x", required=True), [None], "Choose a file"),
    (Input(type="file", name="x"), "a.csv", "A file was expected"),
    (Input(name="x", type="email", multiple=True), "a@b, c", "e-mail"),
    (Input(name="x", type="email", multiple=True, required=True), " , ", "needed"),
    ([Input(name="x"), Input(name="x", required=True)], ["a", ""], "needed"),
    ([Input(name="x"), Input(name="x", type="number")], ["a", "b"], "not a number"),
    ([Input(name="x"), Input(name="x")], ["a", "b", "c"], "3 answers are too many for 2"),
]


@pytest.mark.parametrize(("control", "given", "words"), REFUSED)
def test_what_is_refused(control: Any, given: Any, words: str) -> None:
    """Each control refuses what a browser would not send for it, at its field and in words."""
    with pytest.raises(Invalid, match=words) as caught:
        submit(control, x=given)
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    ("attrs", "given"),
    [
        ({"pattern": "["}, "abc"),
        ({"pattern": r"(?<year>\d{4})"}, "2026"),  # a browser's dialect, not Python's
        ({"pattern": "a{99999999999}"}, "a"),
        ({"maxlength": "many"}, "abc"),
        ({"maxlength": -1}, "abc"),
        ({"minlength": "few"}, "a"),
        ({"type": "month", "min": "yesterday", "max": "1"}, "2026-01"),
        ({"type": "hidden", "required": True, "pattern": "b"}, "a"),
    ],
    ids=repr,
)
def test_a_rule_that_makes_no_sense_is_none(attrs: dict[str, Any], given: str) -> None:
    """A malformed attribute is ignored, as browsers do, and never an error of the server."""
    assert submit(Input(name="x", **attrs), x=given) == {"x": given}
    number = {"type": "number", "min": "low", "max": "", "step": "0"}
    assert submit(Input(name="x", **number), x="7") == {"x": 7}
    assert submit(Input(name="x", type="number", step="-1"), x="7") == {"x": 7}
    day = {"type": "date", "min": "yesterday", "max": "1"}
    assert submit(Input(name="x", **day), x="2026-01-01") == {"x": date(2026, 1, 1)}


def test_names_that_are_no_field_are_ignored() -> None:
    """Only the form's own fields are read, and all of them; the first unacceptable one is named."""
    form = Div(Input(name="a"), Input(name="b", required=True), Input(name="c", required=True))
    assert submit(form, a="1", b="2", c="3", rev="7", once="{}") == {"a": "1", "b": "2", "c": "3"}
    with pytest.raises(Invalid) as caught:
        submit(form, a="1")
    assert caught.value.field == "b"


@pytest.mark.filterwarnings(
    "ignore::FutureWarning"
)  # of patterns that a later Python may read differently
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([control for control, *_ in FINE + REFUSED]),
    st.lists(
        st.text(max_size=12) | st.from_regex(r"[-+.\d:TWe]{1,12}", fullmatch=True) | st.just(A),
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(
            ["min", "max", "step", "pattern", "maxlength", "minlength", "value", "type", "required"]
        ),
        st.text(max_size=5) | st.integers() | st.floats() | st.booleans() | st.none(),
    ),
)
def test_no_submission_is_a_crash(control: Any, given: list[Any], attrs: dict[str, Any]) -> None:
    """Whatever is sent to whatever form, the answer is a value or an Invalid."""
    for form in (
        control,
        Input(name="x", **attrs),
        Textarea(name="x", **attrs),
        Select(*COLORS, name="x", **attrs),
    ):
        try:
            submit(form, x=given)
        except Invalid as error:
            assert error.field == "x"


PAGE = Path("pipulate/docs/howto/answers.md")
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_manuals_table_is_true(row: list[str]) -> None:
    """Of every field: what is sent, what code gets, what the record holds."""
    field, sent, code, record = row
    form = eval(f"[{field.strip('`')}]")
    data, _ = encode(submit(form, x=re.findall("`(.*?)`", sent)), FOLDER)
    assert repr(submit(form, x=re.findall("`(.*?)`", sent))["x"]) == (repr(eval(code.strip("`"))))
    assert json.dumps(data["x"]) == record.strip("`")


# --- names

WORDS = ("rev", "answered", "id", "name", "act", "profile", "once", "version", "self", "file")


def test_every_name_is_the_authors_but_those_of_the_engine() -> None:
    """The engine's own are refused, with a sentence, where the form is read."""
    form = [Input(name=word) for word in WORDS]
    assert submit(form, **{word: word.upper() for word in WORDS}) == {
        word: word.upper() for word in WORDS
    }
    for odd in (fields, initial):
        with pytest.raises(PipulateError, match="'pipulate-rev'; names that begin with"):
            odd(Div(Input(name="pipulate-rev")))


@pytest.mark.parametrize(
    "more",
    [
        *[radios()[:1], boxes(), Select(*COLORS, name="x", multiple=True)],
        Input(name="x", type="file", multiple=True),
    ],
)
def test_fields_of_one_name_that_nobody_could_tell_apart_are_refused(more: Any) -> None:
    """A browser sends nothing for what is not ticked or chosen."""
    for form in ([Input(name="x"), more], [more, Input(name="x")]):
        with pytest.raises(PipulateError, match="Two fields are called 'x'"):
            fields(form)
