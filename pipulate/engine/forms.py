"""The form is the schema: fields are read off the HTML that a step returns.

What a browser checks by attributes (`type`, `required`, `min`, `pattern`,
…), the server checks again: a browser is only one of the clients.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from typing import Any

from fastcore.xml import FT

from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.record import RESERVED
from pipulate.engine.values import TIMES, File

Values = dict[str, Any]

CONTROLS = ("input", "select", "textarea")
_BUTTONS = ("submit", "button", "reset", "image")
GROUPED = ("radio", "checkbox")
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
#: What a control of a kind lets through, and what is said of anything else.
_KINDS = {
    "date": (r"\d{4}-\d\d-\d\d", "A date is expected, as year-month-day."),
    "datetime-local": (
        r"\d{4}-\d\d-\d\dT" + _CLOCK,
        "A date and time are expected.",
    ),
    "month": (r"\d{4}-(0[1-9]|1[0-2])", "A month is expected, as year-month."),
    "week": (r"\d{4}-W([0-4]\d|5[0-3])", "A week is expected, as in 2026-W07."),
    "time": (_CLOCK, "A time is expected, as hour:minute."),
    "color": (r"#[0-9a-fA-F]{6}", "A color is expected, as in #1a2b3c."),
    "email": (r"[^@\s]+@[^@\s]+", "This is not an e-mail address."),
    "url": (
        r"https?://\S+",
        "A web address is expected, beginning with https://.",
    ),
}
_NUMBERS = ("number", "range")
_FINEST = math.ulp(0)  #: every number is a multiple of it
_TEXTS = ("text", "search", "tel", "email", "url", "password", "textarea")


@dataclass
class Field:
    """A named control, or a group of radios or of checkboxes."""

    name: str
    kind: str  #: the input's type, or "select", "textarea"
    attrs: Values
    options: list[str] = field(default_factory=list)  #: empty: free text
    shown: list[str] = field(default_factory=list)  #: sent if left untouched
    parts: list[FT] = field(default_factory=list)  #: its controls
    others: list["Field"] = field(default_factory=list)  #: of the same name

    @property
    def many(self) -> bool:
        """Whether the answer is a list."""
        return _on(self, "multiple") or (self.kind == "checkbox" and len(self.options) > 1)

    @property
    def required(self) -> bool:
        """Whether it needs an answer."""
        return _on(self, "required")


def walk(part: Any) -> Iterator[FT]:
    """Yield every component in `part`, depth first."""
    if isinstance(part, (list, tuple)):
        for item in part:
            yield from walk(item)
    elif isinstance(part, FT):
        yield part
        yield from walk(part.children)
    elif hasattr(part, "__ft__"):
        yield from walk(part.__ft__())


def _text(part: Any) -> str:
    if isinstance(part, FT):
        return "".join(map(_text, part.children))
    return "" if part is None else str(part)


def _on(part: FT | Field, name: str) -> bool:
    return part.attrs.get(name) not in (None, False)


def _kind(control: FT) -> str:
    if control.tag == "input":
        return str(control.attrs.get("type") or "text")
    return str(control.tag)


def options(select: FT) -> list[tuple[str, FT]]:
    """Return (value, option) of each option of a select."""
    found = [item for item in walk(select.children) if item.tag == "option"]
    return [(str(o.attrs.get("value", " ".join(_text(o).split()))), o) for o in found]


def fields(form: Any) -> list[Field]:
    """Return the fields in order; buttons and disabled controls are none."""
    found: dict[str, Field] = {}
    for part in walk(form):
        name = part.attrs.get("name")
        if not name or part.tag not in CONTROLS or _on(part, "disabled"):
            continue
        if str(name).startswith(RESERVED):
            raise PipulateError(
                f"A field is called {name!r}; names that begin with {RESERVED!r} are "
                "the engine's own. Give it another name."
            )
        kind = _kind(part)
        known = found.get(name)
        if kind in _BUTTONS:
            continue
        if known is None or (known.kind == "hidden" != kind):
            found[name] = _field(name, kind, part)
        elif kind != "hidden" or known.kind == "hidden":
            # a hidden field beside a checkbox only says "unticked"
            _add(known, kind, part)
    return list(found.values())


def _add(known: Field, kind: str, part: FT) -> None:
    more = _field(known.name, kind, part)
    if known.kind == kind in GROUPED:
        _join(known, part)
    elif any(item.many or item.kind in GROUPED for item in (known, more)):
        raise PipulateError(
            f"Two fields are called {known.name!r}, and one of them may send any number "
            "of answers, so nobody could tell whose they are. Give it another name."
        )
    else:
        known.others.append(more)


def _field(name: str, kind: str, part: FT) -> Field:
    made = Field(name, kind, {**part.attrs})
    value = part.attrs.get("value")
    if kind in GROUPED:
        _join(made, part)
        return made
    made.parts = [part]
    if kind == "select":
        _choose(made, part)
    elif kind == "textarea":
        made.shown = [_text(part).removeprefix("\n")]
    elif kind != "file" and value is not None:
        made.shown = [str(value)]
    return made


def _choose(made: Field, select: FT) -> None:
    enabled = [(value, item) for value, item in options(select) if not _on(item, "disabled")]
    made.options = [value for value, _ in enabled]
    made.shown = [value for value, item in enabled if _on(item, "selected")]
    if not made.shown and not made.many:
        made.shown = made.options[:1]


def _join(group: Field, part: FT) -> None:
    value = str(part.attrs.get("value", "on"))
    group.attrs |= part.attrs
    group.parts.append(part)
    group.options.append(value)
    if _on(part, "checked"):
        group.shown.append(value)


def initial(form: Any) -> dict[str, list[str]]:
    """Return what a browser would submit if the form were sent as it is shown."""
    sent = {}
    for item in fields(form):
        shown = item.shown
        if item.others:
            shown = ["".join(control.shown) for control in (item, *item.others)]
        if shown:
            sent[item.name] = shown
    return sent


def read(wanted: Iterable[Field], submitted: Mapping[str, list[Any]]) -> Values:
    """Return the answers by field name; raises Invalid at the first bad one.

    `submitted` holds lists, as forms may repeat a name.  The answer has the
    control's type; of several controls of one name, it is a list of theirs.
    """
    return {item.name: _read(item, submitted.get(item.name, [])) for item in wanted}


def _read(item: Field, given: list[Any]) -> Any:
    if not item.others:
        return _read_one(item, given)
    controls = [item, *item.others]
    if len(given) > len(controls):
        raise Invalid(f"{len(given)} answers are too many for {len(controls)} fields.", item.name)
    silent = [""] * (len(controls) - len(given))
    pairs = zip(controls, [*given, *silent], strict=True)
    return [_read_one(control, [value]) for control, value in pairs]


def _read_one(item: Field, given: list[Any]) -> Any:
    if item.kind == "file":
        return _read_file(item, given)
    if any(not isinstance(value, str) for value in given):
        raise Invalid("Text was expected here, not a file.", item.name)
    if item.kind == "checkbox" and not item.many:
        return _read_tick(item, given)
    values = [value.replace("\r\n", "\n") for value in given]
    if item.kind == "email" and item.many:
        values = [address for value in values for address in value.split(",")]
    if not item.options and item.kind not in ("textarea", "password"):
        values = [value.strip() for value in values]
    if item.many:
        values = [value for value in values if value]
    if item.required and not any(values):
        needed = "Choose an answer." if item.options else "An answer is needed here."
        raise Invalid(needed, item.name)
    for value in values:
        if (value or item.options) and (problem := _problem(item, value)):
            raise Invalid(problem, item.name)
    return values if item.many else _typed(item, "".join(values[-1:]))


def _typed(item: Field, text: str) -> Any:
    moment = TIMES.get(item.kind.removesuffix("-local"))
    if moment is None and item.kind not in _NUMBERS:
        return text
    if not text:
        return None
    if moment:
        return moment.fromisoformat(text)
    if not all(width.is_integer() for width in _grid(item.attrs)):
        return float(text)
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else round(float(text))


def _read_tick(item: Field, given: list[str]) -> bool:
    ticked = any(
        value in item.options or value.lower() not in ("", "0", "no", "off", "false")
        for value in given[-1:]
    )
    if item.required and not ticked:
        raise Invalid("Tick this to go on.", item.name)
    return ticked


def _read_file(item: Field, given: list[Any]) -> Any:
    if any(isinstance(file, str) and file for file in given):
        raise Invalid("A file was expected here, not text.", item.name)
    chosen = [file for file in given if isinstance(file, File)]
    if item.required and not chosen:
        raise Invalid("Choose a file.", item.name)
    return chosen if item.many else next(iter(chosen), None)


def keep(
    wanted: Iterable[Field], submitted: Mapping[str, list[Any]], known: Values
) -> dict[str, list[Any]]:
    """Return what was submitted, with `known` files where none was chosen."""
    kept = dict(submitted)
    for item in wanted:
        old = known.get(item.name)
        files = old if isinstance(old, list) else [old]
        if item.kind != "file" or not any(isinstance(file, File) for file in files):
            continue
        chosen = kept.get(item.name, [])
        if item.others:
            kept[item.name] = [new or old for new, old in zip_longest(chosen, files)]
        elif not any(chosen):
            kept[item.name] = files
    return kept


def _problem(item: Field, value: str) -> str | None:
    # What a browser would; a rule that makes no sense is none.
    if value in item.options:
        return None
    if item.options:
        return f"{value!r} is not one of the choices: {', '.join(item.options[:12])}."
    if "\x00" in value:
        return "The text holds an invisible control character. Type it again."
    kind = item.kind
    if kind in _NUMBERS:
        return _number_problem(item.attrs, value)
    if kind in _KINDS and not _fits(kind, value):
        return _KINDS[kind][1]
    if kind in _TEXTS:
        return _text_problem(item, value)
    low, high = (str(item.attrs.get(key, "")) for key in ("min", "max"))
    if _fits(kind, low) and value < low:  # dates and times are in order as texts
        return f"This must be {low} or later."
    if _fits(kind, high) and value > high:
        return f"This must be {high} or earlier."
    return None


def _fits(kind: str, value: str) -> bool:
    try:
        if kind.startswith("date"):
            date.fromisoformat(value[:10])
        return re.fullmatch(_KINDS[kind][0], value, re.ASCII) is not None
    except (KeyError, ValueError):  # a kind of no form; a day that is not
        return False


def _text_problem(item: Field, value: str) -> str | None:
    most, least = (_number(item.attrs.get(key)) for key in ("maxlength", "minlength"))
    if most is not None and len(value) > most >= 0:
        return f"{len(value)} characters are too many; {most:.0f} are allowed."
    if least is not None and len(value) < least:
        return f"At least {least:.0f} characters are needed."
    pattern = str(item.attrs.get("pattern") or "")
    if not pattern or item.kind == "textarea":
        return None
    with suppress(re.error, OverflowError):  # then the browser is to judge
        if not re.fullmatch(pattern, value):
            title = item.attrs.get("title")
            return str(title or f"This does not have the expected form ({pattern}).")
    return None


def _number_problem(attrs: Mapping[str, Any], value: str) -> str | None:
    number = _number(value)
    if number is None:
        return f"{value!r} is not a number."
    low, high = (_number(attrs.get(key)) for key in ("min", "max"))
    if low is not None and number < low:
        return f"The number must be at least {low:g}."
    if high is not None and number > high:
        return f"The number must be at most {high:g}."
    base, step = _grid(attrs)
    away = math.remainder(number - base, step) if math.isfinite(number - base) else 0
    if abs(away) <= step * 1e-6:
        return None
    if step == 1 and base == round(base):
        return "A whole number is expected."
    return f"Steps of {step:g} from {base:g} are expected."


def _grid(attrs: Mapping[str, Any]) -> tuple[float, float]:
    """Where the steps of a number begin, how wide they are."""
    if str(attrs.get("step")).lower() == "any":
        return 0.0, _FINEST
    low, step = (_number(attrs.get(key)) for key in ("min", "step"))
    base = low if low is not None else _number(attrs.get("value")) or 0.0
    return base, step if step and step > 0 else 1.0


def _number(text: Any) -> float | None:
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(text).strip(), re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None
