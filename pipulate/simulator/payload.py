"""The body of POST /jobs, checked and as the server echoes it."""

import json
from collections.abc import Callable
from typing import Any

from pipulate.simulator.answers import filled
from pipulate.simulator.datamodel import HEADER_FORMATS
from pipulate.simulator.errors import Json, Refusal, check_keys, is_whole

_NEEDED = ("username", "project", "connector", "formatter", "query")
_OPTIONAL = (
    "export_size",
    "formatter_config",
    "extra_config",
    "sort_url_id",
    "export_job_name",
)


def read_request(body: Any, limit: int, refuse_over_limit: bool) -> tuple[str, str, Json]:
    """Organisation, project, the payload.  Raises Refusal with the wrong key."""
    check_keys(body, "body", ("job_type", "payload"), code=1020)
    _only("export", body["job_type"], "job_type")
    payload = body["payload"]
    check_keys(payload, "payload", _NEEDED, _OPTIONAL, 1020)
    for key in ("username", "project"):
        _text(payload, key)
    _only("direct_download", payload["connector"], "payload.connector")
    _only("csv", payload["formatter"], "payload.formatter")
    if payload.get("export_job_name") is not None:
        _text(payload, "export_job_name")
    if not isinstance(payload["query"], dict):
        raise Refusal("payload.query: an object was expected.", 1024)
    size = payload.get("export_size", limit)
    echo = filled(
        "payload",
        query=payload["query"],
        export_size=_size(size, limit, refuse_over_limit),
        formatter_config=_settings(payload, "formatter_config"),
        extra_config=_settings(payload, "extra_config"),
        sort_url_id=bool(payload.get("sort_url_id", False)),
        export_job_name=payload.get("export_job_name"),
    )
    if echo["extra_config"].get("filetype") == "zip":
        echo["extra_config"]["compression"] = "zip"
    return payload["username"], payload["project"], echo


def _only(known: str, value: Any, what: str) -> None:
    if value != known:
        raise Refusal(f"{what}: {json.dumps(value)} is not simulated, only {known}.", 1020)


def _text(payload: Json, key: str) -> None:
    if not isinstance(payload[key], str):
        raise Refusal(f"payload.{key}: a text was expected.", 1020)


def _size(size: Any, limit: int, refuse_over_limit: bool) -> int:
    if not is_whole(size) or size < 1:
        raise Refusal("payload.export_size: a whole number above 0 was expected.", 1020)
    if size > limit and refuse_over_limit:
        raise Refusal(f"payload.export_size: at most {limit} rows can be exported.", 1020)
    return min(int(size), limit)


def _settings(payload: Json, name: str) -> Json:
    given: Json = payload.get(name) or {}
    check_keys(given, f"payload.{name}", (), tuple(_POSSIBLE[name]), 1020)
    for key, value in given.items():
        if not _POSSIBLE[name][key](value):
            raise Refusal(
                f"payload.{name}.{key}: {json.dumps(value)} is not possible.",
                1020,
            )
    return given


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: value in values


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_delimiter(value: Any) -> bool:
    return isinstance(value, str) and len(value.encode()) == 1


def _is_columns(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_column, value))


def _is_column(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"value", "name", "slug"}:
        return False
    return all(isinstance(text, str) for text in value.values())


_POSSIBLE: dict[str, dict[str, Callable[[Any], bool]]] = {
    "formatter_config": {
        "delimiter": _is_delimiter,
        "print_header": _is_switch,
        "print_delimiter": _is_switch,
        "header_format": _one_of(*HEADER_FORMATS),
        "prepend_columns": _is_columns,
        "append_columns": _is_columns,
    },
    "extra_config": {
        "compression": _one_of("gzip", "zip"),
        "filetype": _one_of("csv", "zip"),
    },
}
