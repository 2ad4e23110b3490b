"""Every attack of the trust page that reaches the server's door: raw requests and their answers."""

import asyncio
import random
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from loguru import logger

from pipulate import guard
from pipulate.app import create_app
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.guard import refusal
from tests.addresses import addresses
from tests.server import PATIENCE, Server, begin, free_port
from tests.trust.table import chance as by_chance
from tests.trust.table import tried

OK = [("host", "127.0.0.1:5001")]
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"
JSON = "application/json"
OWN = [*OK, ("origin", "http://127.0.0.1:5001")]


def scope(
    headers: list[tuple[str, str]],
    method: str = "POST",
    kind: str = "http",
    raw_path: str = "/bridge/open",
) -> dict:
    """Return an ASGI scope."""
    pairs = [(key.encode(), value.encode("latin-1")) for key, value in headers]
    return {
        "type": kind,
        "method": method,
        "scheme": "http" if kind == "http" else "ws",
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "headers": pairs,
    }


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["evil.example"],
        ["127.0.0.1.evil.example"],
        ["127.0.0.1", "evil.example"],
        ["127.0.0.1", "127.0.0.1"],
        ["localhost.evil:5001"],
        ["evil@127.0.0.1"],
        ["127.0.0.1:5001@evil"],
        ["127.0.0.1/evil"],
        ["[::1].evil"],
        ["0.0.0.0"],
        ["192.168.1.1"],
        ["127.0.0.2"],
        [""],
        ["["],
        ["127.0.0.1#"],
        ["127.0.0.1\\evil"],
        ["xn--127.0.0.1"],
        ["2130706433"],
    ],
)
def test_a_foreign_missing_or_double_host_is_refused(hosts):
    """DNS rebinding: only our own names are answered, for reads as well, and on WebSockets."""
    for kind, method in (("http", "GET"), ("http", "POST"), ("websocket", "GET")):
        headers = [("host", host) for host in hosts] + [
            ("origin", f"http://{host}") for host in hosts[:1]
        ]
        assert refusal(scope(headers, method, kind))[0] in (400, 403, 421)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:5001", "localhost:5001", "LOCALHOST:5001", "[::1]:5001"]
)
def test_our_own_names_are_answered(host):
    """All spellings of this machine reach it."""
    assert refusal(scope([("host", host)], "GET")) is None
    assert refusal(scope([("host", host), ("origin", f"http://{host}")])) is None


FOREIGN = [
    [("origin", "http://evil.example")],
    [("origin", "null")],
    [("origin", "http://127.0.0.1:9999")],
    [("origin", "https://127.0.0.1:5001")],
    [("origin", "http://localhost:5001")],
    [],
    [("origin", "http://127.0.0.1:5001"), ("origin", "http://evil.example")],
    [("origin", "http://127.0.0.1:5001"), ("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "none")],
    [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    [("sec-fetch-site", "same-site"), ("hx-request", "true")],
    [("origin", "http://127.0.0.1:5001.evil.example")],
    [("origin", "file://")],
    [("origin", "chrome-extension://abc")],
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_cross_site_requests_are_refused_for_every_unsafe_method(headers, method):
    """CSRF: only our own pages may cause an effect."""
    assert refusal(scope([*OK, *headers], method))[0] == 403


@pytest.mark.parametrize(
    "headers", [*FOREIGN, [("hx-request", "true")], [("sec-fetch-site", "same-origin")]]
)
def test_cross_site_websockets_are_refused(headers):
    """A WebSocket needs our own Origin; nothing else vouches for it."""
    assert refusal(scope([*OK, *headers], "GET", "websocket")) is not None
    assert refusal(scope(OWN, "GET", "websocket")) is None


@pytest.mark.parametrize(
    "kind", ["text/plain", "TEXT/PLAIN; charset=utf-8", "application/octet-stream", "x"]
)
def test_other_body_types_are_refused(kind):
    """What a foreign page can send without asking first is not taken."""
    assert refusal(scope([*OWN, ("content-type", kind)]))[0] == 415


@pytest.mark.parametrize(
    ("length", "status"),
    [("67108864", 413), ("-1", 413), ("9" * 5000, 413), ("²", 413), ("1e3", 413), ("1000", None)],
)
def test_large_bodies_are_refused_before_they_are_read(length, status):
    """The announced length decides at once."""
    found = refusal(scope([*OWN, ("content-length", length)]))
    assert (found and found[0]) == status


# -------------------------------------------------------------------- on the wire


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server."""
    started = Server(tmp_path_factory.mktemp("guard"), free_port()).start()
    yield started
    started.stop()


def raw(server: Server, data: bytes) -> bytes:
    """Send bytes and return all that comes back: until the end, or a while after the last."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(data)
        received = b""
        with suppress(OSError):
            while chunk := connection.recv(65536):
                received += chunk
                connection.settimeout(5)
        return received


@pytest.mark.parametrize(
    "head",
    [
        "GET http://evil.example/bridge HTTP/1.1\r\nHost: 127.0.0.1:{port}",
        "GET http://127.0.0.1:{port}/bridge HTTP/1.1\r\nHost: evil.example",
        "GET /bridge HTTP/1.1\r\nHost: evil.example",
        "GET /bridge HTTP/1.1",
        "GET /bridge HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example",
        "POST /bridge/open HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Origin: http://evil.example\r\nContent-Length: 4",
        "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ],
)
def test_refusals_carry_no_page_of_ours(server, head):
    """Refused means refused before any handler: 4xx and no body of ours."""
    answer = raw(server, (head.format(port=server.port) + "\r\n\r\nid=x").encode())
    assert answer.split(b" ")[1][:1] == b"4", answer[:200]
    assert b"Bridge" not in answer and b"<html" not in answer


TRAVERSALS = [
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e%2f%2e%2e%2fREADME.md",
    "/static/..%5capp.py",
    "/static//etc/passwd",
    "/static/%00",
    "/static/app.css%00.js",
    "/../README.md",
    "/%2e%2e/README.md",
    "/README.md",
    "/data/pipulate.db",
    "/static/vendor/../../app.py",
    "/download/../../x",
    "/download/a/%2e%2e/b.csv",
    "/.git/config",
    "/pipulate/app.py",
    "/static/./../settings.py",
]


def test_path_traversal_gets_the_same_404_always(server):
    """No address leaves the static folder, and the answers do not tell one miss from another."""
    bodies = set()
    for path in TRAVERSALS:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHX-Request: true\r\n"
        answer = raw(server, f"{head}Connection: close\r\n\r\n".encode())
        assert answer.split(b" ")[1] == b"404", (path, answer[:100])
        bodies.add(answer.split(b"\r\n\r\n", 1)[1])
    assert len(bodies) == 1


def test_security_headers_are_on_every_answer(server):
    """Pages, files, misses and refusals all carry the policy."""
    with server.client() as client:
        for path in ("/introduction", "/static/app.js", "/nothing", "/bridge?id=x"):
            answer = client.get(path)
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("kind", [FORM, MULTIPART, JSON])
def test_who_goes_amid_a_body_is_no_fault(tmp_path, kind):
    """At no address: a closed tab or a lost network leaves no traceback in the terminal."""
    app = create_app(Settings(data=tmp_path / "data", downloads=tmp_path / "downloads"))
    coming = [{"type": "http.request", "body": b"--B\r\nname=x", "more_body": True}]

    async def knock(path: str) -> None:
        messages = iter([*coming, *[{"type": "http.disconnect"}] * 9])

        async def receive():
            return next(messages)

        async def send(message):
            assert message.get("status", 400) < 500, path

        who = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 5001)}
        head = {**scope([*OWN, ("content-type", kind)], raw_path=path), "query_string": b""}
        await app({**head, **who}, receive, send)

    async def everywhere():
        for address in addresses(app, "POST"):
            await knock(address.partition("?")[0])

    said = []
    sink = logger.add(said.append, level="ERROR")
    asyncio.run(everywhere())
    logger.remove(sink)
    assert said == []


@pytest.mark.parametrize("address", ["/tasks", "/settings/theme"])
def test_a_body_in_drops_is_ended(tmp_path, monkeypatch, address):
    """Each drop comes in time, and the whole would never."""
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    app = create_app(Settings(data=tmp_path / "data", downloads=tmp_path / "downloads"))
    answered = []

    async def receive():
        await asyncio.sleep(0.001)  # of the network
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        answered.append(message.get("status"))

    who = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 5001), "query_string": b""}
    head = scope([*OWN, ("content-type", FORM)], raw_path=address)
    asyncio.run(asyncio.wait_for(app({**head, **who}, receive, send), PATIENCE))
    assert answered[0] == 408


@pytest.mark.parametrize("began", [False, True])
async def test_who_is_served_when_the_server_stops_is_told(began):
    """What takes too long is cancelled: with words, as long as there is no answer, and no trace."""
    answered = []
    served = asyncio.Event()
    start = {"type": "http.response.start", "status": 200, "headers": []}

    async def slow(scope, receive, send):
        if began:
            await send(start)
        served.set()
        await asyncio.Event().wait()

    async def send(message):
        answered.append(message)

    task = asyncio.create_task(guard.Guard(slow)(scope(OWN), asyncio.Event().wait, send))
    await served.wait()
    task.cancel("timeout graceful shutdown exceeded")
    await task
    assert [it["status"] for it in answered if "status" in it] == [200 if began else 503]
    assert began or b"being stopped" in answered[1]["body"]


def test_large_and_odd_bodies_get_4xx(server):
    """64 MB, deep JSON, broken multipart, wrong lengths: a clear refusal, never a 500."""
    with server.client() as client:
        begin(client, "bridge", "odd")
        own = dict(client.headers)
        odd = [
            (b"x" * 3_000_000, "application/x-www-form-urlencoded"),
            (b"[" * 200_000, "application/json"),
            (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
            (
                b"--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--",
                "multipart/form-data; boundary=x",
            ),
            (b"name=%ff%fe&rev=zz", "application/x-www-form-urlencoded"),
            (b"\x00\xff" * 100, "multipart/form-data"),
            (b"name=" + b"a=1&" * 5000, "application/x-www-form-urlencoded"),
        ]
        for body, kind in odd:
            reply = client.post(
                "/bridge/card1?id=odd", content=body, headers={**own, "Content-Type": kind}
            )
            assert 400 <= reply.status_code < 500 or reply.status_code == 200, (
                kind,
                reply.status_code,
                reply.text[:200],
            )
        chunked = client.post(
            "/bridge/card1?id=odd",
            content=(b"a" * 65536 for _ in range(64)),
            headers={**own, "Content-Type": "application/x-www-form-urlencoded"},
        )
        assert chunked.status_code in (
            400,
            413,
        )  # too large a field, or too large a body: whichever is noticed first


NAMES = [
    "bridge",
    "petite",
    "poet",
    "work",
    "byhand",
    "tasks",
    "profiles",
    "runs",
    "find",
    "static",
    "introduction",
    "download",
    "graph",
    "chat",
    "docs",
    "stream",
    "pair",
    "offered",
    "cosmograph",
    "memory",
    "mcp",
    "explore_csv",
    "link_graph",
    "x",
]
ACTS = [
    "card1",
    "card2",
    "card99",
    "revert1",
    "undo",
    "finalize",
    "unfinalize",
    "delete",
    "undelete",
    "repair",
    "open",
    "start2",
    "cancel1",
    "repeat1",
    "runs",
    "card2/progress",
    "card1/upload",
    "card3/upload",
    "1",
    "99999999999999999999",
    "1/delete",
    "sort",
    "undo/1",
    "undo/999999999999999999999",
    "import/upload",
    "export",
    "list",
    "..",
    "%2e%2e",
    "%00",
    "step_01",
    "step_01_submit",
    "init",
    "1/move",
    "-1",
    "card0",
    "1/choose",
    "9/choose",
    "soul/upload",
    "soul.jsonl",
    "file/x.csv",
    "prompt/1",
    "1/with/2/force",
    "a/b/20261101/report/links",
]
JUNK = ["", "arthur", "%00", "é", "%F0%9F%92%A9", "a" * 600, "' OR 1=1 --", "<script>", "%ff%fe"]
JUNK += ["[]", "null", "-1", "1e309", "NaN", "%0d%0aX: y"]
ASKED = ["id", "q", "rev", "by", "field", "id"]
FIELDS = ["id", "name", "quest", "color", "rev", "ids", "value", "step_id", "on", "done"]
KINDS = [
    *["application/x-www-form-urlencoded"] * 5,
    "multipart/form-data; boundary=b",
    "application/json",
    "multipart/form-data",
]
METHODS = [*["GET"] * 4, *["POST"] * 6, "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
MORE = [
    "Cookie: a=b; c",
    "Range: bytes=5-1",
    "Accept-Encoding: gzip",
    "If-None-Match: x",
    "HX-Current-URL: %",
    "Referer: x",
]


def pairs(chance: random.Random, names: list[str], most: int) -> str:
    """Return some odd values as a query or a form."""
    count = chance.randrange(most)
    return "&".join(f"{chance.choice(names)}={chance.choice(JUNK)}" for _ in range(count))


def fuzzed(chance: random.Random, port: int) -> bytes:
    """Return one odd request."""
    parts = [chance.choice([*NAMES, ""]), chance.choice([*ACTS, ""])]
    path = "/" + "/".join(part for part in parts if part or chance.random() < 0.1)
    if query := pairs(chance, ASKED, 3):
        path += f"?{query}"
    method = chance.choice(METHODS)
    host = f"127.0.0.1:{port}"
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Origin: http://{host}"]
    if chance.random() < 0.7:
        head.append("HX-Request: true")
    if chance.random() < 0.2:
        head.append(chance.choice(MORE))
    body = ""
    if method not in ("GET", "HEAD"):
        body = pairs(chance, FIELDS, 5)
        head.append(f"Content-Type: {chance.choice(KINDS)}")
        head.append(f"Content-Length: {len(body.encode())}")
    return "\r\n".join([*head, "", body]).encode("utf-8", "surrogateescape")


class Connection:
    """A connection that is kept, and opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    def close(self) -> None:
        if self.writer:
            self.writer.close()
        self.writer = None

    async def head(self, request: bytes) -> bytes:
        """Send a request; return the head of the answer."""
        for _ in range(2):  # it may have been closed under us: once more on a fresh one
            if self.writer is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                self.writer.write(request)
                return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.close()
        return b"HTTP/1.1 0 no answer\r\nconnection: close\r\n"

    async def status(self, request: bytes) -> int:
        """Send a request; return the status of the answer, all of which is read."""
        head = await self.head(request)
        status = int(head.split(b" ")[1])
        length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
        if b"connection: close" in head.lower():
            self.close()
        elif not (request.startswith(b"HEAD") or status in (204, 304)):
            if length is None:
                self.close()
            else:
                await self.reader.readexactly(int(length[1]))
        return status


async def bombard(port: int, count: int, seed: int) -> dict[int, list[bytes]]:
    """Send odd requests over a few kept connections; returns the requests by status."""
    chance = by_chance(seed)
    found: dict[int, list[bytes]] = {}

    async def talk(number: int) -> None:
        connection = Connection(port)
        for _ in range(number):
            request = fuzzed(chance, port)
            tried()
            found.setdefault(await connection.status(request), []).append(request)
        connection.close()

    await asyncio.gather(*(talk(count // 4) for _ in range(4)))
    return found


def check_fuzz(server: Server, count: int, seed: int) -> None:
    """No odd request is answered with 500 or a traceback."""
    found = asyncio.run(bombard(server.port, count, seed))
    bad = {
        status: requests[:3] for status, requests in found.items() if status >= 500 or status == 0
    }
    assert not bad, (bad, server.log()[-3000:])
    assert sum(map(len, found.values())) >= count - 3
    assert "Traceback" not in server.log()


#: Chance would have the server ask elsewhere, for a model or for Botify.
NOT_BY_CHANCE = {"settings", "connect"}


def test_odd_requests_go_to_every_part(tmp_path):
    """A part of the app that nobody has thought of here is found."""
    app = create_app(Settings(tmp_path, workflows=(PACKAGE / "workflows",)))
    app.state.store.close()
    assert not app.state.reserved - {*NAMES} - NOT_BY_CHANCE
    assert not {*app.state.found} - {*NAMES}


def test_fuzzed_requests_never_get_a_500(server):
    """A short form of the ten thousand."""
    check_fuzz(server, 1000, 7)


@pytest.mark.trust("Odd requests: none answered by 500, memory stays")
def test_ten_thousand_fuzzed_requests(server):
    """Ten thousand odd requests: none answered with 500 or more, and memory stays when they come
    again: what the first ones had loaded (Polars is 60 MB) is loaded.
    """
    from pathlib import Path

    def memory() -> int:
        text = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) // 1024

    check_fuzz(server, 10_000, 2)
    before = memory()
    check_fuzz(server, 10_000, 2)
    assert memory() - before < 50
