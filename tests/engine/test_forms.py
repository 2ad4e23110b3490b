"""The form is the schema: what is read off HTML, what the server accepts of a submission, what
filling puts back."""

from collections.abc import Callable
from html.parser import HTMLParser
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
    to_xml,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.engine.errors import Invalid
from pipulate.engine.forms import Values, fields, fill, initial, read


class Browser(HTMLParser):
    """Reads HTML and submits its form untouched, as a browser would: our independent opinion."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.submitted: dict[str, list[str]] = {}
        self.select: dict[str, Any] | None = None
        self.options: list[tuple[str | None, bool, list[str]]] = []
        self.text: list[str] | None = None
        self.feed(to_xml(form, indent=False))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = dict(attributes)
        name, kind = attrs.get("name") or "", attrs.get("type") or "text"
        if tag == "input" and name and "disabled" not in attrs:
            if kind in ("radio", "checkbox"):
                if "checked" in attrs:
                    self.submitted.setdefault(name, []).append(attrs.get("value", "on") or "")
            elif kind not in ("submit", "button", "reset", "image", "file"):
                self.submitted.setdefault(name, []).append(attrs.get("value") or "")
        elif tag == "select":
            self.select, self.options = attrs, []
        elif tag == "option":
            self.text = []
            value = attrs.get("value", "") or "" if "value" in attrs else None
            if "disabled" not in attrs:
                self.options.append((value, "selected" in attrs, self.text))
        elif tag == "textarea":
            self.select, self.text = attrs, []

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("select", "textarea") and self.select is not None:
            name = self.select.get("name") or ""
            if tag == "textarea":
                self.submitted.setdefault(name, []).append(
                    "".join(self.text or ()).removeprefix("\n")
                )
            else:
                chosen = [option for option in self.options if option[1]]
                if "multiple" not in self.select:
                    chosen = chosen[-1:] or self.options[:1]
                for value, _, text in chosen:
                    self.submitted.setdefault(name, []).append(
                        " ".join("".join(text).split()) if value is None else value
                    )
            self.select = self.text = None


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
    *[(Input(name="x", type="number"), text, text) for text in ("0", "-7", "1e3", "007")],
    (Input(name="x", type="number", step="any"), "0.123", "0.123"),
    (Input(name="x", type="number", step=0.1), "0.3", "0.3"),
    (Input(name="x", type="number", step="0.01"), "123456.78", "123456.78"),
    (Input(name="x", type="number", min=0.5), "2.5", "2.5"),
    (Input(name="x", type="number", value="0.5"), "1.5", "1.5"),
    (Input(name="x", type="number", min=-3, max=3, step=2), "-1", "-1"),
    (Input(name="x", type="number", step="any"), "1e308", "1e308"),
    (Input(name="x", type="range", min=0, max=100), "50", "50"),
    # dates, times, colors, addresses
    (Input(name="x", type="date", min="2026-01-01"), "2026-02-28", "2026-02-28"),
    (Input(name="x", type="date"), "2024-02-29", "2024-02-29"),
    (Input(name="x", type="datetime-local"), "2026-11-25T09:30", "2026-11-25T09:30"),
    (Input(name="x", type="month"), "2026-12", "2026-12"),
    (Input(name="x", type="week"), "2026-W53", "2026-W53"),
    (Input(name="x", type="time", max="18:00"), "17:59:59", "17:59:59"),
    (Input(name="x", type="color"), "#1A2b3c", "#1A2b3c"),
    (Input(name="x", type="email"), "arthur@camelot.example", "arthur@camelot.example"),
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
    (Input(type="file", name="x"), [{"file": "a.csv"}], {"file": "a.csv"}),
    (
        Input(type="file", name="x", multiple=True),
        [{"file": "a"}, {"file": "b"}],
        [{"file": "a"}, {"file": "b"}],
    ),
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
    (Input(name="x"), [{"file": "a.csv"}], "not a file"),
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
        ({"type": "number", "min": "low", "max": "", "step": "0"}, "7"),
        ({"type": "number", "step": "-1"}, "7"),
        ({"type": "date", "min": "yesterday", "max": "1"}, "2026-01-01"),
        ({"type": "hidden", "required": True, "pattern": "b"}, "a"),
    ],
    ids=repr,
)
def test_a_rule_that_makes_no_sense_is_none(attrs: dict[str, Any], given: str) -> None:
    """A malformed attribute is ignored, as browsers do, and never an error of the server."""
    assert submit(Input(name="x", **attrs), x=given) == {"x": given}


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
        st.text(max_size=12)
        | st.from_regex(r"[-+.\d:TWe]{1,12}", fullmatch=True)
        | st.just({"file": "a"}),
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


# --- filling

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
        st.floats(-1e9, 1e9).map(repr),
    ),
    "date": (lambda name: Input(name=name, type="date"), st.dates().map(str)),
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
        # nothing known, nothing changed
        (Input(name="x", value="default"), None, ["default"]),
        # never filled in: secrets, files, what the author fixed
        (Input(name="x", type="password"), "secret", [""]),
        (Hidden("fixed", name="x"), "other", ["fixed"]),
        (Input(name="x", type="file"), {"file": "a"}, []),
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


def test_the_unacceptable_field_is_marked() -> None:
    """The first control of the refused field is marked for everyone, and only that."""
    html = to_xml(fill(Div(Input(name="a"), *radios()), {"a": "typed"}, "x"), indent=False)
    assert (
        html.count('aria-invalid="true"') == 1
        and html.index("aria-invalid") > html.index('name="x"') - 80
    )
    assert "aria-invalid" not in to_xml(fill(Input(name="a"), {}, None), indent=False)
