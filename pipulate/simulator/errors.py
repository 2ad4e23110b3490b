"""What the API refuses: its error codes, and the checks of posted JSON that raise them."""

from collections.abc import Sequence
from typing import Any

from pipulate.engine.errors import PipulateError

Json = dict[str, Any]

#: code -> (HTTP status, message)
CODES = {
    1000: (404, "Unknown error"),
    1001: (401, "Not Authorized"),
    1002: (403, "Permission denied"),
    1004: (404, "Analysis was not found"),
    1007: (404, "User was not found"),
    1010: (404, "Project was not found"),
    1020: (400, "Badly formatted request"),
    1022: (400, "Badly formatted queries"),
    1024: (400, "Query parameter should be an object"),
    1028: (400, "Cannot launch export: more than 1 multiple field requested"),
    1029: (400, "Field does not exist"),
    1039: (405, "Method not allowed"),
    1044: (400, "Query can not be executed"),
    1053: (429, "Too many requests"),
    1057: (400, "Badly formatted regex in query"),
    1058: (400, "An advanced export is already running"),
    1059: (404, "Advanced export was not found"),
}


class Refusal(PipulateError):
    """The API refuses a request.  `code` is one of its error codes; most are about a bad query."""

    def __init__(self, message: str = "", code: int = 1022) -> None:
        self.code = code
        self.status, usual = CODES[code]
        super().__init__(message or usual)

    def envelope(self) -> Json:
        """The body of every refusal.  The code is a text, as the API describes it."""
        error = {"error_code": str(self.code), "message": str(self), "error_detail": {}}
        return {"error": error}


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
