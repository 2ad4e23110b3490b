"""The form is the schema: fields are read off the HTML that a step function returns.

A step returns ordinary FastHTML components.  Their `name`, `type`, `required`, `min`, `max`, `step`, `maxlength`,
`pattern`, `multiple`, `accept` and `<option>` values are what the browser checks; the server checks the same again (a
browser is only one of the clients), and `fill` puts earlier or refused answers back in.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from fastcore.xml import FT

from pipulate.engine.errors import Invalid

Values = dict[str, Any]

CONTROLS = ("input", "select", "textarea")
_BUTTONS = ("submit", "button", "reset", "image")
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
#: What a control of a kind lets through, and what is said of anything else.
_KINDS = {
    "date": (r"\d{4}-\d\d-\d\d", "A date is expected, as year-month-day."),
    "datetime-local": (r"\d{4}-\d\d-\d\dT" + _CLOCK, "A date and time are expected."),
    "month": (r"\d{4}-(0[1-9]|1[0-2])", "A month is expected, as year-month."),
    "week": (r"\d{4}-W([0-4]\d|5[0-3])", "A week is expected, as in 2026-W07."),
    "time": (_CLOCK, "A time is expected, as hour:minute."),
    "color": (r"#[0-9a-fA-F]{6}", "A color is expected, as in #1a2b3c."),
    "email": (r"[^@\s]+@[^@\s]+", "This is not an e-mail address."),
    "url": (r"https?://\S+", "A web address is expected, beginning with https://."),
}
_TEXTS = (
    "text",
    "search",
    "tel",
    "email",
    "url",
    "password",
    "textarea",
)  #: these have a length and a pattern


@dataclass
class Field:
    """One named control (or one group of radios or checkboxes of the same name)."""

    name: str
    kind: str  #: the input's type, or "select", "textarea"
    attrs: Mapping[str, Any]
    options: list[str] = field(default_factory=list)  #: what may be chosen; empty = free text
    shown: list[str] = field(
        default_factory=list
    )  #: what a browser would submit if nobody touched it

    @property
    def many(self) -> bool:
        """Whether the answer is a list."""
        return bool(self.attrs.get("multiple")) or (
            self.kind == "checkbox" and len(self.options) > 1
        )


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
        return "".join(_text(child) for child in part.children)
    return "" if part is None else str(part)


def _option(option: FT) -> str:
    return str(option.attrs.get("value", " ".join(_text(option).split())))


def _on(part: FT | Field, name: str) -> bool:
    return part.attrs.get(name) not in (None, False)


def fields(form: Any) -> list[Field]:
    """Return the fields of the components, in order; buttons and disabled controls are none."""
    found: dict[str, Field] = {}
    for part in walk(form):
        name, kind = part.attrs.get("name"), str(part.attrs.get("type") or "text")
        if not name or _on(part, "disabled") or part.tag not in CONTROLS:
            continue
        if part.tag == "select":
            options = [
                item
                for item in walk(part.children)
                if item.tag == "option" and not _on(item, "disabled")
            ]
            shown = [item for item in options if _on(item, "selected")] or options[
                : not _on(part, "multiple")
            ]
            found[name] = Field(
                name, "select", part.attrs, [*map(_option, options)], [*map(_option, shown)]
            )
        elif part.tag == "textarea":
            found[name] = Field(name, "textarea", part.attrs, [], [_text(part).removeprefix("\n")])
        elif kind in ("radio", "checkbox"):
            group = found.get(name)
            if (
                group is None or group.kind != kind
            ):  # a hidden field of the same name before it says "unticked"
                group = found[name] = Field(name, kind, {})
            group.attrs, value = {**group.attrs, **part.attrs}, str(part.attrs.get("value", "on"))
            group.options.append(value)
            group.shown += [value] if _on(part, "checked") else []
        elif kind not in _BUTTONS and not (kind == "hidden" and name in found):
            value = part.attrs.get("value")
            found[name] = Field(
                name, kind, part.attrs, [], [] if value is None or kind == "file" else [str(value)]
            )
    return list(found.values())


def initial(form: Any) -> dict[str, list[str]]:
    """Return what a browser would submit if the form were sent as it is shown."""
    return {item.name: item.shown for item in fields(form) if item.shown}


def read(wanted: Iterable[Field], submitted: Mapping[str, list[Any]]) -> Values:
    """Return the answers by field name; raises Invalid (with the field) at the first unacceptable one.

    `submitted` holds lists, as forms may repeat a name.  A group of checkboxes gives a list, a single one True or False.
    """
    return {item.name: _read_one(item, submitted.get(item.name, [])) for item in wanted}


def _read_one(item: Field, given: list[Any]) -> Any:
    required = _on(item, "required")
    if item.kind == "file":
        return _read_file(item, given, required)
    if any(not isinstance(value, str) for value in given):
        raise Invalid("Text was expected here, not a file.", item.name)
    if item.kind == "checkbox" and not item.many:
        ticked = bool(given) and (
            given[-1] in item.options or given[-1].lower() not in ("", "0", "no", "off", "false")
        )
        if required and not ticked:
            raise Invalid("Tick this to go on.", item.name)
        return ticked
    values = [value.replace("\r\n", "\n") for value in given]
    if not item.options and item.kind not in ("textarea", "password"):
        values = [value.strip() for value in values]
    if item.many:
        values = [value for value in values if value]
    if required and not any(values):
        raise Invalid(
            "Choose an answer." if item.options else "An answer is needed here.", item.name
        )
    for problem in (_problem(item, value) for value in values if value or item.options):
        if problem:
            raise Invalid(problem, item.name)
    return values if item.many else (values[-1] if values else "")


def _read_file(item: Field, given: list[Any], required: bool) -> Any:
    if any(isinstance(file, str) and file for file in given):
        raise Invalid("A file was expected here, not text.", item.name)
    uploads = [file for file in given if isinstance(file, dict)]
    if required and not uploads:
        raise Invalid("Choose a file.", item.name)
    return (uploads if item.many else uploads[0]) if uploads else None


def _problem(item: Field, value: str) -> str | None:
    """Say what the browser's own rules have against the value; a rule that makes no sense is none, as there."""
    if item.options:
        return (
            None
            if value in item.options
            else f"{value!r} is not one of the choices: {', '.join(item.options[:12])}."
        )
    if "\x00" in value:
        return "The text holds an invisible control character. Type it again."
    if item.kind in ("number", "range"):
        return _number_problem(item.attrs, value)
    shape, words = _KINDS.get(item.kind, (r"(?s:.*)", ""))
    if not re.fullmatch(shape, value, re.ASCII) or (
        item.kind.startswith("date") and not _is_date(value[:10])
    ):
        return words
    if item.kind in _TEXTS:
        return _text_problem(item, value)
    low, high = (str(item.attrs.get(key, "")) for key in ("min", "max"))
    if (
        item.kind in _KINDS and re.fullmatch(shape, low) and value < low
    ):  # dates and times: as texts, they are in order
        return f"This must be {low} or later."
    return (
        f"This must be {high} or earlier."
        if item.kind in _KINDS and re.fullmatch(shape, high) and value > high
        else None
    )


def _text_problem(item: Field, value: str) -> str | None:
    most, least = _number(item.attrs.get("maxlength")), _number(item.attrs.get("minlength"))
    if most is not None and len(value) > most >= 0:
        return f"{len(value)} characters are too many; {most:.0f} are allowed."
    if least is not None and len(value) < least:
        return f"At least {least:.0f} characters are needed."
    pattern = item.attrs.get("pattern")
    if pattern and item.kind != "textarea" and not _matches(str(pattern), value):
        return str(item.attrs.get("title") or f"This does not have the expected form ({pattern}).")
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
    step = step if step and step > 0 else 1.0
    base = low if low is not None else _number(attrs.get("value")) or 0.0
    away = math.remainder(number - base, step) if math.isfinite(number - base) else 0
    if str(attrs.get("step")).lower() == "any" or abs(away) <= step * 1e-6:
        return None
    whole = step == 1 and base == round(base)
    return (
        "A whole number is expected." if whole else f"Steps of {step:g} from {base:g} are expected."
    )


def _number(text: Any) -> float | None:
    """Return the number that HTML reads in `text`, or None."""
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(text).strip(), re.ASCII):
        return None
    return number if math.isfinite(number := float(text)) else None


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except (
        re.error,
        OverflowError,
    ):  # the browser's to judge: its dialect has forms that Python's has not
        return True


def fill(form: Any, values: Mapping[str, Any], invalid: str | None = None) -> Any:
    """Return a copy of the components with `values` put in and the field named `invalid` marked.

    A copy, as an author may keep components at the top of a file: what one run answered must not show in another.
    """
    marked, form = False, _copy(form)
    for part in walk(form):
        name = part.attrs.get("name")
        if part.tag not in CONTROLS or not name:
            continue
        if name == invalid and not marked:
            part.attrs |= {"aria-invalid": "true", "aria-describedby": "card-error"}
            marked = True
        if name not in values or values[name] is None:
            continue
        value, kind = values[name], str(part.attrs.get("type") or "text")
        several = [
            str(v)
            for v in (value if isinstance(value, list) else [] if value is False else [value])
        ]
        last = several[-1] if several else ""
        if part.tag == "select":
            for option in walk(part.children):
                if option.tag == "option":
                    option.attrs["selected"] = _option(option) in several
        elif part.tag == "textarea":
            part.children = (
                "\n" + last if last.startswith("\n") else last,
            )  # a browser drops the first empty line
        elif kind in ("radio", "checkbox"):
            part.attrs["checked"] = value is True or str(part.attrs.get("value", "on")) in several
        elif kind not in ("file", "password", "hidden", *_BUTTONS):
            part.attrs["value"] = last
    return form
