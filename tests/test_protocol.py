"""Slow connections: a head must come in time, an answer may take longer, pages stay fast."""

import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import anyio
import pytest

from pipulate import protocol
from pipulate.protocol import Protocol
from tests.server import PATIENCE, Server

HOST = "127.0.0.1"
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def slow_app(scope, receive, send):
    """Answer after two seconds, longer than the tests' patience."""
    if scope["type"] == "http":
        await anyio.sleep(2.0)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@pytest.fixture
def connect(serve, monkeypatch):
    """Give a function that connects to a server whose patience is a second."""
    monkeypatch.setattr(protocol, "PATIENCE", 1.0)
    address = urlsplit(serve(slow_app, http=Protocol, lifespan="off"))
    return lambda: socket.create_connection((address.hostname, address.port), timeout=PATIENCE)


def test_a_head_that_does_not_come_is_not_waited_for(connect):
    """Neither nothing at all, nor half a head, nor a second one on a connection that is kept."""
    for sent in (b"", b"GET / HT"):
        with connect() as connection:
            connection.sendall(sent)
            assert connection.recv(100) == b""
    with connect() as connection:
        connection.sendall(HEAD)
        assert connection.recv(1000).startswith(b"HTTP/1.1 204")
        connection.sendall(HEAD[:9])
        assert connection.recv(100) == b""


def test_an_answer_may_take_its_time(connect):
    """The clock stops when the head is whole, and runs anew for the next one."""
    with connect() as connection:
        for _ in range(2):
            connection.sendall(HEAD)
            assert connection.recv(1000).startswith(b"HTTP/1.1 204")


def test_slow_connections_are_closed_and_honest_pages_stay_fast(tmp_path, free_port):
    """300 half-open connections are reaped by the command's server; meanwhile a page answers."""
    code = (
        "import sys, pipulate.guard as guard; guard.PATIENCE = 2.0\n"
        "from pipulate.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    folders = ["--data", str(tmp_path / "data"), "--workflows", str(tmp_path)]
    command = [sys.executable, "-c", code, *folders, "--port", str(free_port), "--no-browser"]
    slow = Server(tmp_path, free_port)
    with (tmp_path / "server.log").open("wb") as log:
        slow.process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        slow.ready()
        usual = seconds(slow)
        half = [socket.create_connection((HOST, free_port), timeout=PATIENCE) for _ in range(300)]
        for number, connection in enumerate(half):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " if number % 2 else b"P")
        assert seconds(slow) < 2 + 10 * usual
        for connection in half:
            assert connection.recv(1000)[:12] in (b"", b"HTTP/1.1 408", b"HTTP/1.1 400")
            connection.close()
    finally:
        slow.process.kill()
        slow.process.wait()


def seconds(server):
    """Return how long a page takes."""
    began = time.monotonic()
    with server.client() as client:
        assert client.get("/introduction").status_code == 200
    return time.monotonic() - began
