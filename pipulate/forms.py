"""The form is the schema: fields are read off the HTML that a step function returns.

A step returns ordinary FastHTML components.  Their `name`, `type`, `required`, `min`, `max`, `step`,
`maxlength`, `pattern`, `multiple`, `accept` and `<option>` values are what the browser checks; the server
checks the same again (a browser is only one of the clients), the command line checks it for headless runs,
and `fill` puts earlier or refused answers back in.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fasthtml.common import FT

from pipulate.errors import Invalid

Values = dict[str, Any]


@dataclass
class Field:
    """One named control (or one group of radios or checkboxes of the same name)."""

    name: str
    kind: str  #: the input's type, or "select", "textarea"
    attrs: Mapping[str, Any]
    options: list[str] = field(default_factory=list)  #: what may be chosen; empty = free text

    @property
    def many(self) -> bool:
        """Whether the answer is a list."""
        return bool(self.attrs.get("multiple")) or (self.kind == "checkbox" and len(self.options) > 1)


def walk(part: Any) -> Iterator[FT]:
    """Yield every component in `part`, depth first."""
    if isinstance(part, (list, tuple)):
        for item in part:
            yield from walk(item)
    elif hasattr(part, "tag"):
        yield part
        yield from walk(part.children)
    elif hasattr(part, "__ft__"):
        yield from walk(part.__ft__())


def _text(part: Any) -> str:
    if isinstance(part, FT):
        return "".join(_text(child) for child in part.children)
    return "" if part is None else str(part)


def _option(option: FT) -> str:
    return str(option.attrs.get("value", _text(option)))


def fields(form: Any) -> list[Field]:
    """Return the fields of the components, in order; buttons and disabled controls are none."""
    found: dict[str, Field] = {}
    for part in walk(form):
        name, kind = part.attrs.get("name"), str(part.attrs.get("type", "text"))
        if not name or part.attrs.get("disabled") or part.tag not in ("input", "select", "textarea"):
            continue
        if part.tag == "input" and kind in ("submit", "button", "reset", "image"):
            continue
        if part.tag == "select":
            options = [_option(o) for o in walk(part.children) if o.tag == "option" and not o.attrs.get("disabled")]
            found[name] = Field(name, "select", part.attrs, options)
        elif part.tag == "input" and kind in ("radio", "checkbox"):
            group = found.setdefault(name, Field(name, kind, part.attrs))
            group.options.append(str(part.attrs.get("value", "on")))
        else:
            found[name] = Field(name, "textarea" if part.tag == "textarea" else kind, part.attrs)
    return list(found.values())


def initial(form: Any) -> dict[str, list[str]]:
    """Return what a browser would submit if the form were sent as it is shown."""
    found: dict[str, list[str]] = {}
    for part in walk(form):
        name, kind = part.attrs.get("name"), part.attrs.get("type", "text")
        if not name or part.attrs.get("disabled"):
            continue
        if part.tag == "select":
            options = [o for o in walk(part.children) if o.tag == "option" and not o.attrs.get("disabled")]
            chosen = [o for o in options if o.attrs.get("selected")] or ([] if part.attrs.get("multiple") else options[:1])
            found[name] = [_option(o) for o in chosen]
        elif part.tag == "textarea":
            found[name] = [_text(part)]
        elif part.tag == "input" and kind in ("radio", "checkbox"):
            if part.attrs.get("checked"):
                found.setdefault(name, []).append(str(part.attrs.get("value", "on")))
        elif part.tag == "input" and kind not in ("file", "submit", "button", "reset", "image") and part.attrs.get("value"):
            found[name] = [str(part.attrs["value"])]
    return found


def read(wanted: Iterable[Field], submitted: Mapping[str, list[Any]]) -> Values:
    """Return the answers by field name; raises Invalid (with the field) at the first unacceptable one.

    `submitted` holds lists, as forms may repeat a name.  Names that are no field are ignored.
    A group of checkboxes gives a list, a single checkbox True or False.
    """
    return {item.name: _read_one(item, submitted.get(item.name, [])) for item in wanted}


def _read_one(item: Field, given: list[Any]) -> Any:
    required = bool(item.attrs.get("required"))
    if item.kind == "file":
        uploads = [file for file in given if isinstance(file, dict)]
        if required and not uploads:
            raise Invalid("Choose a file.", item.name)
        return (uploads if item.many else uploads[0]) if uploads else None
    if any(not isinstance(value, str) for value in given):
        raise Invalid("Text was expected here, not a file.", item.name)
    if item.kind == "checkbox" and not item.many:
        if required and not given:
            raise Invalid("Tick this to go on.", item.name)
        return bool(given)
    values = [value.replace("\r\n", "\n") for value in given]
    if item.kind not in ("textarea", "password"):
        values = [value.strip() for value in values]
    if required and not any(values):
        raise Invalid("Choose an answer." if item.options else "An answer is needed here.", item.name)
    for value in values:
        if value or item.options:
            _check(item, value)
    return values if item.many else (values[-1] if values else "")


def _check(item: Field, value: str) -> None:
    """Raise Invalid unless the browser's own rules accept the value."""
    attrs, name = item.attrs, item.name
    if item.options and value not in item.options:
        raise Invalid(f"{value!r} is not one of the choices: {', '.join(item.options[:12])}.", name)
    if "\x00" in value:
        raise Invalid("The text holds an invisible control character. Type it again.", name)
    if (most := attrs.get("maxlength")) and len(value) > int(most):
        raise Invalid(f"{len(value)} characters are too many; {most} are allowed.", name)
    if (least := attrs.get("minlength")) and len(value) < int(least):
        raise Invalid(f"At least {least} characters are needed.", name)
    if (pattern := attrs.get("pattern")) and not re.fullmatch(str(pattern), value):
        raise Invalid(str(attrs.get("title") or f"This does not have the expected form ({pattern})."), name)
    if item.kind in ("number", "range"):
        try:
            number = float(value)
        except ValueError:
            raise Invalid(f"{value!r} is not a number.", name) from None
        if number != number or number in (float("inf"), float("-inf")):
            raise Invalid(f"{value!r} is not a number.", name)
        if (low := attrs.get("min")) is not None and number < float(low):
            raise Invalid(f"The number must be at least {low}.", name)
        if (high := attrs.get("max")) is not None and number > float(high):
            raise Invalid(f"The number must be at most {high}.", name)
    if item.kind == "date" and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", value):
        raise Invalid("A date is expected, as year-month-day.", name)
    if item.kind == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise Invalid("This is not an e-mail address.", name)
    if item.kind == "url" and not re.match(r"https?://\S+$", value):
        raise Invalid("A web address is expected, beginning with https://.", name)


def fill(form: Any, values: Mapping[str, Any], invalid: str | None = None, message: str = "") -> Any:
    """Put `values` into the components (in place) and mark the field named `invalid`; returns them."""
    marked = False
    for part in walk(form):
        name = part.attrs.get("name")
        if part.tag not in ("input", "select", "textarea") or not name:
            continue
        if name == invalid and not marked:
            part.attrs |= {"aria-invalid": "true", "aria-describedby": "card-error"}
            marked = True
        if name not in values or values[name] is None:
            continue
        value, kind = values[name], part.attrs.get("type", "text")
        if part.tag == "select":
            for option in walk(part.children):
                if option.tag == "option":
                    chosen = _option(option) in ([str(v) for v in value] if isinstance(value, list) else [str(value)])
                    option.attrs["selected"] = chosen
        elif part.tag == "textarea":
            part.children = (str(value),)
        elif kind in ("radio", "checkbox"):
            own = str(part.attrs.get("value", "on"))
            chosen = own in [str(v) for v in value] if isinstance(value, list) else value is True or str(value) == own
            part.attrs["checked"] = chosen
        elif kind not in ("file", "password", "submit", "hidden"):
            part.attrs["value"] = str(value)
    return form
