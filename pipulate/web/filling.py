"""A step's form with answers put in: those of before, or what was typed."""

from collections.abc import Mapping
from datetime import date, time
from typing import Any

from fastcore.xml import FT

from pipulate.engine import forms
from pipulate.engine.values import File


def fill(form: Any, values: Mapping[str, Any], invalid: str | None = None) -> Any:
    """Return a copy with `values` put in and the field `invalid` marked.

    A copy, as an author may keep components at the top of a file: what one
    run answered must not show in another.
    """
    form = _copy(form)
    for item in forms.fields(form):
        if item.name == invalid:
            item.parts[0](aria_invalid="true", aria_describedby="card-error")
        if item.name not in values:
            continue
        value = values[item.name]
        shares = _listed(value) if item.others else [value]
        for control, share in zip([item, *item.others], shares, strict=False):
            for part in control.parts:
                _put(control, part, share)
    return form


def after(part: Any, control: FT, more: FT) -> Any:
    """Return components with `more` behind a control or its label."""
    if isinstance(part, FT):
        part.children = after(part.children, control, more)
    if not isinstance(part, tuple):
        return part
    placed: list[Any] = []
    for child in part:
        label = child if getattr(child, "tag", "") == "label" else ()
        if child is control or any(found is control for found in forms.walk(label)):
            placed += [child, more]
        else:
            placed.append(after(child, control, more))
    return tuple(placed)


def _copy(part: Any) -> Any:
    if isinstance(part, (list, tuple)):
        return tuple(map(_copy, part))
    if isinstance(part, FT):
        return FT(part.tag, _copy(part.children), {**part.attrs}, part.void_)
    return _copy(part.__ft__()) if hasattr(part, "__ft__") else part


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _put(item: forms.Field, part: FT, value: Any) -> None:
    several = _listed(value)
    texts = [_text(one) for one in several if one is not None and one is not False]
    last = "".join(texts[-1:])
    if item.kind == "select":
        for text, option in forms.options(part):
            option.attrs["selected"] = text in texts
    elif item.kind == "textarea":  # a browser drops its first line, if empty
        part.children = ("\n" + last if last.startswith("\n") else last,)
    elif item.kind in forms.GROUPED:
        part.attrs["checked"] = value is True or str(part.attrs.get("value", "on")) in texts
    elif item.kind == "file":
        if any(isinstance(one, File) for one in several):
            part.attrs.pop("required", None)  # it is kept
    elif item.kind not in ("password", "hidden"):
        part.attrs["value"] = ", ".join(texts) if item.many else last


def _text(value: Any) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
