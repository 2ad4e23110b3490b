"""Checks of posted JSON.  Each refusal names the place and what was expected there."""

from collections.abc import Sequence
from typing import Any

from pipulate.simulator.errors import Refusal


def check_keys(
    node: Any,
    what: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    code: int | None = None,
) -> None:
    """Refuse a node that is no object, lacks a key, or has one that is not known."""
    if not isinstance(node, dict):
        raise Refusal(f"{what}: an object was expected.", code or 1024)
    for key in required:
        if key not in node:
            raise Refusal(f'{what}: "{key}" is mandatory.', code or 1022)
    for key in node:
        if key not in required and key not in optional:
            raise Refusal(f'{what}: "{key}" is not a valid field.', code or 1022)


def as_list(node: Any, what: str) -> list[Any]:
    if not isinstance(node, list):
        raise Refusal(f"{what}: a list was expected.")
    return node


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number, which Python's booleans also are."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Whether a JSON value is a text: its strings can hold half a character (a lone surrogate)."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
