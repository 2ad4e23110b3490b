"""Serving: where it listens, what it opens, and what it refuses to share."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import uvicorn

from pipulate.cli import main
from pipulate.engine import private
from pipulate.pairing import Gate
from pipulate.protocol import Protocol
from tests.server import PATIENCE

Serve = Callable[..., uvicorn.Config]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[Serve]:
    """Give a function that serves with some arguments, for no time: what uvicorn was told."""
    seen: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server: seen.append(server.config))

    def call(*arguments: str) -> uvicorn.Config:
        folders = ["--data", str(tmp_path), "--workflows", str(tmp_path)]
        assert main([*folders, "--port", str(free_port), "--no-browser", *arguments]) == 0
        return seen[-1]

    yield call
    for config in seen:
        app: Any = config.app
        app.state.store.close()


@pytest.mark.parametrize(
    ("arguments", "listens", "is_lan"),
    [
        ([], "127.0.0.1", False),
        (["--lan"], "0.0.0.0", True),
        (["--lan", "--host", "127.0.0.3"], "127.0.0.3", True),
        (["--host", "127.0.0.3"], "127.0.0.3", True),
    ],
)
def test_the_command_listens_where_it_should(
    serve: Serve, arguments: list[str], listens: str, is_lan: bool
) -> None:
    """Only --lan, or another address asked for by name, opens the door; and then with the gate."""
    config = serve(*arguments)
    assert (config.host, config.proxy_headers, config.http) == (listens, False, Protocol)
    app: Any = config.app
    assert (Gate in [layer.cls for layer in app.user_middleware]) == is_lan


def test_a_port_that_is_taken_is_told_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], serve: Serve
) -> None:
    """And the data folder is free again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["--data", str(tmp_path), "--port", port, "--no-browser"]) == 1
    err = capsys.readouterr().err
    assert f"Port {port} on 127.0.0.1 is taken" in err and "--port" in err
    serve()


def test_the_second_server_of_a_folder_says_where_the_first_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two would not see each other's changes."""
    from pipulate.engine.care import serving

    lock = serving(tmp_path, "http://127.0.0.1:5009")
    assert main(["--data", str(tmp_path), "--no-browser"]) == 1
    assert "http://127.0.0.1:5009" in capsys.readouterr().err
    lock.release()


def test_it_logs_to_a_file_and_opens_the_browser(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    """Once it answers, not before; --no-browser opens none."""
    opened: Queue[list[str]] = Queue()
    log = tmp_path / "log" / "pipulate.log"

    async def startup(server: uvicorn.Server, _: Any) -> None:
        assert opened.empty()
        server.started = True

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    monkeypatch.setattr(uvicorn.Server, "run", lambda server: asyncio.run(server.startup()))
    monkeypatch.setattr(private, "run", opened.put)
    folders = ["--data", str(tmp_path), "--workflows", str(tmp_path)]
    assert main([*folders, "--port", str(free_port)]) == 0
    *_, url = opened.get(timeout=PATIENCE)
    assert url == f"http://127.0.0.1:{free_port}"
    assert f"serves {url}" in log.read_text()
    assert main([*folders, "--port", str(free_port), "--no-browser"]) == 0
    assert log.read_text().count(f"serves {url}") == 2 and opened.empty()
