"""Every address of an app, filled in: for the tests that knock at all doors."""

from typing import Any

NAMES = {"name": "bridge", "act": "revert1", "file": "x.csv", "analysis": "20261101"}


def addresses(app: Any, method: str) -> list[str]:
    """Return the addresses that take the method, those of a run among them."""
    routes = [it for it in app.router.routes if method in (getattr(it, "methods", None) or ())]
    return [f"{path}?id=arthur" for path in dict.fromkeys(filled(it.path) for it in routes)]


def filled(path: str) -> str:
    """Return a route's path with something for each of its parameters."""
    parts = [
        part.partition(":")[0].strip("{}") if "{" in part else part for part in path.split("/")
    ]
    given = ["{" in part for part in path.split("/")]
    return "/".join(
        NAMES.get(part, "1") if open_ else part for part, open_ in zip(parts, given, strict=True)
    )
