"""The table of attacks by raw socket: every attack at every address of the app.

EFFECT  None would be missed: all of the store is the same after as before.
READ    No answer but a refusal, and nothing of ours in it.
"""

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate import guard
from pipulate.app import create_app
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from tests.addresses import addresses
from tests.chat.fakes import dump
from tests.conftest import Serve
from tests.server import PATIENCE, Server, begin, free_port
from tests.test_guard import FOREIGN, TRAVERSALS
from tests.trust.table import tried

SECRET = "Call the secret client"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the real server."""
    started = Server(tmp_path_factory.mktemp("attacked"), free_port()).start()
    yield started
    started.stop()


def raw(port: int, data: bytes) -> bytes:
    """Send bytes; return the answer, of a WebSocket that opened its beginning."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(data)
        received = b""
        with suppress(OSError):
            while chunk := connection.recv(65536):
                received += chunk
                if b" 101 " in received[:20]:
                    break
        return received


def knocks(app: Any, port: int) -> Iterator[tuple[str, bytes]]:
    """Yield every attack at every address: what it is, and its bytes."""
    own = f"127.0.0.1:{port}"
    body = b"id=evil&name=evil&text=evil&value=evil"
    form = [f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded"]
    for address in addresses(app, "POST"):
        for method in ("POST", "PUT", "DELETE"):
            for headers in FOREIGN:
                theirs = [f"{name}: {value.replace('5001', str(port))}" for name, value in headers]
                yield (
                    "csrf",
                    _request(f"{method} {address}", [f"Host: {own}", *theirs, *form], body),
                )
    for address in [*addresses(app, "GET"), *addresses(app, "POST")]:
        for host in ("evil.example", "127.0.0.1.evil.example", f"evil@{own}", "0.0.0.0", ""):
            for method in ("GET", "POST"):
                said = [f"Host: {host}", f"Origin: http://{host}", "HX-Request: true", *form]
                yield "rebinding", _request(f"{method} {address}", said, body)
        yield "no host", _request(f"GET {address}", ["X: y"])
        yield "two hosts", _request(f"GET {address}", [f"Host: {own}", "Host: evil.example"])
        yield "absolute", _request(f"GET http://evil.example{address}", [f"Host: {own}"])
        for kind in ("text/plain", "application/json", "application/octet-stream"):
            said = [f"Host: {own}", f"Origin: http://{own}", f"Content-Type: {kind}"]
            yield "type", _request(f"POST {address}", [*said, form[0]], body)
    for path in ("/chat/ws", "/mcp", "/bridge"):
        for headers in FOREIGN:
            theirs = [f"{name}: {value.replace('5001', str(port))}" for name, value in headers]
            yield "socket", _request(f"GET {path}", [f"Host: {own}", *theirs, *UPGRADE])
    for path in TRAVERSALS:
        yield "path", _request(f"GET {path}", [f"Host: {own}"])


UPGRADE = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
]


def _request(line: str, headers: list[str], body: bytes = b"") -> bytes:
    last = [] if "Upgrade: websocket" in headers else ["Connection: close"]
    return "\r\n".join([f"{line} HTTP/1.1", *headers, *last, "", ""]).encode() + body


def knock(url: str, folder: Path, every: int = 1, kinds: str = "") -> None:
    """Try the table; no answer but a refusal, nothing of ours in it, the store as it was."""
    port = int(url.rpartition(":")[2])
    app = create_app(Settings(folder / "scratch", workflows=(PACKAGE / "workflows",)))
    with httpx2.Client(base_url=url, headers={"Origin": url}, timeout=PATIENCE) as client:
        client.post("/tasks", data={"name": SECRET})
        begin(client, "bridge", "arthur")
    with closing(Store(folder / "data" / "pipulate.db")) as store, closing(app.state.store):
        before = dump(store)
        for number, (kind, request) in enumerate(knocks(app, port)):
            if number % every == 0 and kind in (kinds or kind):
                tried()
                check(kind, request, raw(port, request))
        assert dump(store) == before


def check(kind: str, request: bytes, answer: bytes) -> None:
    """See that nothing of ours was answered."""
    assert answer.split(b" ")[1][:1] == b"4", (kind, request, answer[:200])
    assert SECRET.encode() not in answer and b"access-control-allow" not in answer
    assert b"<nav" not in answer or kind == "path", (kind, request)


def test_the_table_of_attacks_by_raw_socket(server: Server) -> None:
    """A short form: some of them."""
    knock(server.url, server.folder, every=61)


@pytest.mark.trust("The table of attacks by raw socket: refused, no effect")
def test_the_whole_table_of_attacks_by_raw_socket(server: Server) -> None:
    """Every attack at every address of the app."""
    knock(server.url, server.folder)


@pytest.mark.trust("Planted bug found: no Origin check on one route")
@pytest.mark.parametrize("hole", ["/tasks", "/chat/ws", "/settings/theme"])
def test_a_route_without_the_check_is_found(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole: str
) -> None:
    """A planted bug: one address is let through whoever asks."""
    strict = guard.refusal

    def lax(scope: Any, *hosts: Any) -> Any:
        return None if scope["path"] == hole else strict(scope, *hosts)

    monkeypatch.setattr(guard, "refusal", lax)
    settings = Settings(tmp_path / "data", tmp_path / "d", workflows=(PACKAGE / "workflows",))
    with pytest.raises(AssertionError, match=hole):
        knock(serve(create_app(settings)), tmp_path, kinds="csrf socket")
