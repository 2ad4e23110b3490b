"""What stands around an author's page is read before the page is made."""

from typing import Any

import pytest

from pipulate.frame import Frame


def scope(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """Return an ASGI scope."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": raw}


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        (("GET", "/bridge", {}), True),
        (("GET", "/bridge", {"hx-request": "true", "hx-boosted": "true"}), True),
        (("GET", "/bridge", {"hx-request": "true"}), False),
        (("HEAD", "/bridge", {}), True),
        (("GET", "/x", {"hx-request": "1", "hx-history-restore-request": "1"}), True),
        (("POST", "/bridge", {}), False),
        (("GET", "/static/app.js", {}), False),
    ],
)
async def test_only_what_is_looked_at_has_one(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[str, str, dict[str, str]], read: bool
) -> None:
    """A piece, an act or a file needs none."""
    monkeypatch.setattr("pipulate.frame.frame", lambda request: {"chat": "…"})
    given: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given.append(scope.get("frame"))

    await Frame(app)(scope(*asked), None, None)  # type: ignore[arg-type]
    assert given == [{"chat": "…"} if read else None]
