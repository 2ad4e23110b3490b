"""What the API refuses: its error codes, and the checks of posted JSON."""

from collections.abc import Sequence
from typing import Any

from pipulate.engine.errors import PipulateError
from pipulate.simulator import constants

Json = dict[str, Any]

#: code -> (HTTP status, message)
CODES = {int(code): tuple(row) for code, row in constants("errors").items()}


class Refusal(PipulateError):
    """The API refuses, by one of `CODES`."""

    def __init__(self, message: str = "", code: int = 1022) -> None:
        self.code = code
        self.status, usual = CODES[code]
        super().__init__(message or usual)

    def envelope(self) -> Json:
        """The body.  The code is a text, as in the API."""
        error = {
            "error_code": str(self.code),
            "message": str(self),
            "error_detail": {},
        }
        return {"error": error}


def check_keys(
    node: Any,
    what: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    code: int | None = None,
) -> None:
    """Refuse what is no object, lacks a key, or has an unknown one."""
    if not isinstance(node, dict):
        raise Refusal(f"{what}: an object was expected.", code or 1024)
    for key in required:
        if key not in node:
            raise Refusal(f'{what}: "{key}" is mandatory.', code or 1022)
    for key in node:
        if key not in (*required, *optional):
            raise Refusal(f'{what}: "{key}" is not a valid field.', code or 1022)


def as_list(node: Any, what: str) -> list[Any]:
    if not isinstance(node, list):
        raise Refusal(f"{what}: a list was expected.")
    return node


def is_whole(value: Any) -> bool:
    """No boolean, which is an int in Python."""
    return type(value) is int


def is_text(value: Any) -> bool:
    """Also without half a character (lone surrogate)."""
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        return False
    return True
