"""The API's refusals: codes with their status and wording, in the one envelope that all have."""

from typing import Any

from pipulate.engine.errors import PipulateError

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

    def __init__(self, message: str | None = None, code: int = 1022) -> None:
        self.code = code
        self.status, usual = CODES[code]
        super().__init__(message or usual)


def error_json(refusal: Refusal) -> dict[str, Any]:
    """The error envelope.  The code is a text, as the API describes it."""
    error = {"error_code": str(refusal.code), "message": str(refusal), "error_detail": {}}
    return {"error": error}
