"""Odd inputs of every kind but requests, which test_guard.py sends: a sentence, never a fault.

KINDS   Frames on the WebSocket, files to import, tables and packed tables, answers of the API.
HOW     Valid ones, damaged by chance (SEED): bytes changed, cut out, doubled, nested a hundred
        thousand deep.
"""

import ast
import asyncio
import gzip
import io
import json
import random
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipulate.botify.client import Botify
from pipulate.engine.errors import PipulateError
from pipulate.engine.settings import PACKAGE
from pipulate.graph import edges
from tests.server import PATIENCE, Server, free_port
from tests.trust.table import chance as by_chance
from tests.trust.table import times, tried

ROW = "Odd frames, imports, tables, archives, answers: a sentence, memory stays"
DEEP = 100_000
MORE = 50  #: MB of memory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the real server."""
    started = Server(tmp_path_factory.mktemp("odd"), free_port()).start()
    yield started
    started.stop()


def memory(process: int | str = "self") -> int:
    """Return how many MB a process holds."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) // 1024


def damaged(chance: random.Random, valid: bytes) -> bytes:
    """Return the same with a few faults."""
    data = bytearray(valid)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at : at + chance.randrange(20)] = b""
            case 1:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 2:
                data[at:at] = data[: chance.randrange(200)]
            case 3:
                data[at:at] = chance.choice(ODD)
            case 4:
                del data[at:]
            case _:
                data[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(data)


ODD = [b'"', b"\0", b"\r", b"\n" * 9, b"\xff\xfe", b"\xef\xbb\xbf", b"NaN", b"1e999", b"null"]
ODD += [b"[" * 50, b"{" * 50, b",,,,", b"\\ud800", "é\u2028".encode(), b"-1", b"9" * 400, b"PK"]


# ---------------------------------------------------------------- imports

RUN = {
    "pipulate": 1,
    "workflow": "bridge",
    "id": "arthur",
    "rev": 3,
    "record": {
        "step_01": {"name": "Arthur"},
        "asked": {"step_01": {"key": "name", "fields": {"name": "text"}}},
        "was": {"step_02": {"quest": "grail"}},
        "once": {},
        "created": "2026-11-23T19:10:00+00:00",
        "updated": "2026-11-23T19:10:00+00:00",
    },
}


def an_import(chance: random.Random, number: int) -> bytes:
    """Return an export, as lines or as a zip, with faults."""
    lines = b"".join(
        json.dumps({**RUN, "id": f"{number}-{each}"}).encode() + b"\n" for each in range(3)
    )
    if chance.random() < 0.05:
        lines = chance.choice([b"[", b'{"a":']) * DEEP
    elif chance.random() < 0.7:
        lines = damaged(chance, lines)
    if chance.random() < 0.6:
        return lines
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", chance.choice([0, 8])) as packed:
        packed.writestr(chance.choice(["runs.jsonl", "runs.jsonl", "x", "../runs.jsonl"]), lines)
    return out.getvalue() if chance.random() < 0.5 else damaged(chance, out.getvalue())


def bring(server: Server, count: int, seed: str) -> None:
    """Import odd files; see that what was taken can be shown."""
    chance = by_chance(seed)
    with server.client() as client:
        for number in range(count):
            tried()
            sent = an_import(chance, number)
            reply = client.post("/runs/import/upload", files={"file": ("runs", sent)})
            assert reply.status_code in (303, 422), (reply.status_code, sent[:300])
            if reply.status_code == 422:
                assert 'role="alert"' in reply.text
            if reply.status_code == 303:
                shown = [client.get("/bridge", params={"id": f"{number}-0"})]
                shown.append(client.get("/runs/list", params={"q": f"{number}-"}))
                assert max(it.status_code for it in shown) < 500, sent[:300]


# ---------------------------------------------------------------- frames


def upgraded(server: Server) -> socket.socket:
    """Return a connection on which the panel's WebSocket is open."""
    connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    host = f"127.0.0.1:{server.port}"
    head = [
        "GET /chat/ws?page=/tasks HTTP/1.1",
        f"Host: {host}",
        f"Origin: http://{host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    assert b" 101 " in connection.recv(4096)
    return connection


def frame(chance: random.Random) -> bytes:
    """Return a frame, mostly one that the protocol knows."""
    body = chance.choice(
        [b"", b"hi", b"\xff\xfe", b"[" * 1000, chance.randbytes(120), b"x" * 70_000]
    )
    code = chance.choice([0, 1, 1, 1, 2, 3, 8, 9, 10, 15])
    first = chance.choice([0x80, 0x80, 0x80, 0, 0xC0, 0xF0]) | code
    length = len(body) if chance.random() < 0.9 else chance.choice([0, 2**31, 2**62, 2**63])
    masked = 0x80 if chance.random() < 0.9 else 0
    if length < 126:
        size = bytes([masked | length])
    elif length < 2**16:
        size = bytes([masked | 126]) + struct.pack(">H", length)
    else:
        size = bytes([masked | 127]) + struct.pack(">Q", length)
    return bytes([first]) + size + b"\0\0\0\0" + body


def talk(server: Server, count: int, seed: str) -> None:
    """Send odd frames on many connections."""
    chance = by_chance(seed)
    sent = 0
    while sent < count:
        with upgraded(server) as connection, suppress(OSError):
            for _ in range(chance.randrange(1, 40)):
                sent += 1
                tried()
                connection.sendall(frame(chance))
    with upgraded(server) as connection:
        assert connection.recv(100), "an honest page gets its messages"


# ---------------------------------------------------------------- tables

CSV = b"source,target,anchor\n" + b"".join(
    f'https://a.example/{n},https://a.example/{n * 7 % 50},"word, {n}"\n'.encode()
    for n in range(60)
)


def read_tables(folder: Path, count: int, seed: str) -> None:
    """Read odd tables: links, or an error of ours."""
    chance = by_chance(seed)
    for number in range(count):
        tried()
        data = damaged(chance, CSV) if chance.random() < 0.9 else chance.randbytes(300)
        name = "links.csv"
        if chance.random() < 0.4:
            name, data = "links.csv.gz", gzip.compress(data, 1)
            if chance.random() < 0.6:
                data = damaged(chance, data)
        path = folder / name
        path.write_bytes(data)
        scratch = folder / f"scratch {number}"
        scratch.mkdir()
        with suppress(PipulateError):
            assert edges.read(path, None, scratch).n >= 0


# ---------------------------------------------------------------- answers

ANSWER = json.dumps(
    {
        "next": None,
        "count": 1,
        "results": [{"slug": "20240301", "status": "success", "name": "n", "urls_done": 5}],
        "job_id": 7,
        "job_status": "DONE",
        "payload": {"export_job_name": "x"},
        "success": True,
        "data": {"username": "me"},
    }
).encode()
ASKS: list[Callable[[Botify], Any]] = [
    lambda api: api.profile(),
    lambda api: api.projects("me"),
    lambda api: api.analyses("a", "b"),
    lambda api: api.analysis("a", "b", "20240301"),
    lambda api: api.collections("a", "b"),
    lambda api: api.fields("a", "b", "crawl.20240301"),
    lambda api: api.job("7"),
    lambda api: api.find_export("x", "b"),
    lambda api: api.query("a", "b", {"query": {}}, 10),
]


class Clock:
    """Time that passes while somebody sleeps, at once."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Be later."""
        self.now += seconds


async def ask(count: int, seed: str) -> None:
    """Get odd answers: values, or an error of ours."""
    chance = by_chance(seed)

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = damaged(chance, ANSWER)
        if chance.random() < 0.03:
            body = chance.choice([b"[", b'{"results":']) * DEEP
        status = chance.choice([200] * 7 + [204, 301, 400, 401, 403, 404, 429, 500, 599])
        kind = chance.choice(["application/json", "text/html", "application/json; charset=utf-7"])
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    transport = httpx2.MockTransport(answer)
    clock = Clock()
    async with Botify("0" * 40, transport=transport, sleep=clock.sleep, clock=clock) as api:
        for _ in range(count):
            tried()
            with suppress(PipulateError):
                await chance.choice(ASKS)(api)


# ---------------------------------------------------------------- all of them


def attack(server: Server, folder: Path, count: int, seed: str) -> None:
    """Try each kind so often."""
    talk(server, count, seed)
    bring(server, count, seed)
    assert "Traceback" not in server.log(), server.log()[-3000:]
    read_tables(folder, count, seed)
    asyncio.run(ask(count, seed))


def test_odd_inputs_end_in_a_sentence(server: Server, tmp_path: Path) -> None:
    """A short form."""
    attack(server, tmp_path, 60, "short")


def test_a_frame_that_is_no_text_is_a_line_of_the_log(server: Server) -> None:
    """Without the traceback of who decodes it."""
    with upgraded(server) as connection:
        connection.sendall(bytes([0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFE]))
        while connection.recv(1000):
            pass
    assert "Invalid UTF-8" in server.log() and "Traceback" not in server.log()


@pytest.mark.trust(ROW)
def test_no_odd_input_is_a_fault_or_fills_the_memory(server: Server, tmp_path: Path) -> None:
    """The full count; what the server holds grows by less than 50 MB, and so do we."""
    assert server.process
    warm = tmp_path / "warm"
    warm.mkdir()
    attack(server, warm, 100, "warm")
    before = memory(server.process.pid)
    own = memory()
    attack(server, tmp_path, times(1000), "long")
    assert memory(server.process.pid) - before < MORE
    assert memory() - own < 4 * MORE, "of tables and answers; the reader of tables keeps arenas"


JSON = ("json.loads", "response.json")


def shallow(tree: ast.AST) -> Iterator[int]:
    """Yield the lines where JSON from elsewhere may be odd, but not too deep."""
    for node in ast.walk(tree):
        kinds = ""
        if isinstance(node, ast.Try):
            kinds = " ".join(ast.unparse(it.type) for it in node.handlers if it.type)
        elif isinstance(node, ast.With):
            kinds = " ".join(ast.unparse(it) for it in node.items if "suppress" in ast.unparse(it))
        read = "".join(map(ast.unparse, getattr(node, "body", []) if kinds else []))
        odd = "ValueError" in kinds or "JSONDecodeError" in kinds
        if odd and any(name in read for name in JSON) and "RecursionError" not in kinds:
            yield node.lineno


def test_who_minds_odd_json_minds_deep_json() -> None:
    """`[` a hundred thousand times is a RecursionError, and no ValueError."""
    planted = "try:\n    json.loads(x)\nexcept ValueError:\n    pass"
    assert [*shallow(ast.parse(planted))] == [1]
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in PACKAGE.rglob("*.py")
        for line in shallow(ast.parse(path.read_text("utf-8")))
    ]
    assert not found


def test_an_input_that_is_a_fault_is_found(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted bug: a reader that raises what it raises."""

    def reads(path: Path, *_: Any) -> Any:
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "planted")

    monkeypatch.setattr(edges, "read", reads)
    with pytest.raises(UnicodeDecodeError):
        attack(server, tmp_path, 1, "planted")
