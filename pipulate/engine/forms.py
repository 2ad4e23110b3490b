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
from typing import Any

from fastcore.xml import FT

from pipulate.engine.errors import Invalid

Values = dict[str, Any]

RESERVED = "pipulate-"  #: begins the names of the app's own fields
CONTROLS = ("input", "select", "textarea")
_BUTTONS = ("submit", "button", "reset", "image")
_GROUPED = ("radio", "checkbox")
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
_TEXTS = ("text", "search", "tel", "email", "url", "password", "textarea")


@dataclass
class Field:
    """One named control, or group of radios or checkboxes of one name."""

    name: str
    kind: str  #: the input's type, or "select", "textarea"
    attrs: Values
    options: list[str] = field(default_factory=list)  #: empty: free text
    shown: list[str] = field(default_factory=list)  #: sent if left untouched

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


def _copy(part: Any) -> Any:
    if isinstance(part, (list, tuple)):
        return tuple(map(_copy, part))
    if isinstance(part, FT):
        return FT(part.tag, _copy(part.children), {**part.attrs}, part.void_)
    return _copy(part.__ft__()) if hasattr(part, "__ft__") else part


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


def _options(select: FT) -> list[tuple[str, FT]]:
    options = [item for item in walk(select.children) if item.tag == "option"]
    return [(str(o.attrs.get("value", " ".join(_text(o).split()))), o) for o in options]


def fields(form: Any) -> list[Field]:
    """Return the fields in order; buttons and disabled controls are none."""
    found: dict[str, Field] = {}
    for part in walk(form):
        name = part.attrs.get("name")
        if not name or part.tag not in CONTROLS or _on(part, "disabled"):
            continue
        kind = _kind(part)
        known = found.get(name)
        if known and kind in _GROUPED and known.kind == kind:
            _join(known, part)
        elif kind not in _BUTTONS and not (known and kind == "hidden"):
            # a hidden field beside a checkbox only says "unticked"
            found[name] = _field(name, kind, part)
    return list(found.values())


def _field(name: str, kind: str, part: FT) -> Field:
    made = Field(name, kind, {**part.attrs})
    value = part.attrs.get("value")
    if kind == "select":
        _choose(made, part)
    elif kind == "textarea":
        made.shown = [_text(part).removeprefix("\n")]
    elif kind in _GROUPED:
        _join(made, part)
    elif kind != "file" and value is not None:
        made.shown = [str(value)]
    return made


def _choose(made: Field, select: FT) -> None:
    enabled = [(value, item) for value, item in _options(select) if not _on(item, "disabled")]
    made.options = [value for value, _ in enabled]
    made.shown = [value for value, item in enabled if _on(item, "selected")]
    if not made.shown and not made.many:
        made.shown = made.options[:1]


def _join(group: Field, part: FT) -> None:
    value = str(part.attrs.get("value", "on"))
    group.attrs |= part.attrs
    group.options.append(value)
    if _on(part, "checked"):
        group.shown.append(value)


def initial(form: Any) -> dict[str, list[str]]:
    """Return what a browser would submit if the form were sent as it is shown."""
    return {item.name: item.shown for item in fields(form) if item.shown}


def read(wanted: Iterable[Field], submitted: Mapping[str, list[Any]]) -> Values:
    """Return the answers by field name; raises Invalid at the first bad one.

    `submitted` holds lists, as forms may repeat a name.  A group of
    checkboxes gives a list, a single one True or False.
    """
    return {item.name: _read_one(item, submitted.get(item.name, [])) for item in wanted}


def _read_one(item: Field, given: list[Any]) -> Any:
    if item.kind == "file":
        return _read_file(item, given)
    if any(not isinstance(value, str) for value in given):
        raise Invalid("Text was expected here, not a file.", item.name)
    if item.kind == "checkbox" and not item.many:
        return _read_tick(item, given)
    values = [value.replace("\r\n", "\n") for value in given]
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
    return values if item.many else "".join(values[-1:])


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
    uploads = [file for file in given if isinstance(file, dict)]
    if item.required and not uploads:
        raise Invalid("Choose a file.", item.name)
    if item.many:
        return uploads or None
    return next(iter(uploads), None)


def _problem(item: Field, value: str) -> str | None:
    # What a browser would; a rule that makes no sense is none.
    if value in item.options:
        return None
    if item.options:
        return f"{value!r} is not one of the choices: {', '.join(item.options[:12])}."
    if "\x00" in value:
        return "The text holds an invisible control character. Type it again."
    kind = item.kind
    if kind in ("number", "range"):
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
    low, high, step = (_number(attrs.get(key)) for key in ("min", "max", "step"))
    if low is not None and number < low:
        return f"The number must be at least {low:g}."
    if high is not None and number > high:
        return f"The number must be at most {high:g}."
    if not step or step < 0:
        step = 1.0
    base = low if low is not None else _number(attrs.get("value")) or 0.0
    away = math.remainder(number - base, step) if math.isfinite(number - base) else 0
    if str(attrs.get("step")).lower() == "any" or abs(away) <= step * 1e-6:
        return None
    if step == 1 and base == round(base):
        return "A whole number is expected."
    return f"Steps of {step:g} from {base:g} are expected."


def _number(text: Any) -> float | None:
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(text).strip(), re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def fill(form: Any, values: Mapping[str, Any], invalid: str | None = None) -> Any:
    """Return a copy with `values` put in and the field `invalid` marked.

    A copy, as an author may keep components at the top of a file: what one
    run answered must not show in another.
    """
    form = _copy(form)
    for part in walk(form):
        name = part.attrs.get("name")
        if part.tag not in CONTROLS or not name:
            continue
        if name == invalid:
            part.attrs |= {
                "aria-invalid": "true",
                "aria-describedby": "card-error",
            }
            invalid = None  # of a group, the first is marked
        if values.get(name) is not None:
            _put(part, values[name])
    return form


def _put(part: FT, value: Any) -> None:
    several = value if isinstance(value, list) else [value]
    texts = [str(item) for item in several if item is not False]
    last = "".join(texts[-1:])
    kind = _kind(part)
    if kind == "select":
        for text, option in _options(part):
            option.attrs["selected"] = text in texts
    elif kind == "textarea":  # a browser drops its first line, if empty
        part.children = ("\n" + last if last.startswith("\n") else last,)
    elif kind in _GROUPED:
        part.attrs["checked"] = value is True or str(part.attrs.get("value", "on")) in texts
    elif kind not in ("file", "password", "hidden", *_BUTTONS):
        part.attrs["value"] = last
