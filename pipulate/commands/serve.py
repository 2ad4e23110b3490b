"""Serving: one server for a data folder, on a port that is free."""

import socket
import threading
import webbrowser
from collections.abc import Sequence

import uvicorn
from loguru import logger

from pipulate.app import create_app
from pipulate.engine.care import serving
from pipulate.engine.errors import InUse
from pipulate.engine.log import log_to_file, log_to_terminal
from pipulate.engine.settings import Settings
from pipulate.web.protocol import Protocol


def serve(argv: Sequence[str], settings: Settings) -> None:
    """Serve on this machine and open the browser."""
    url = f"http://{settings.host}:{settings.port}"
    settings.data.mkdir(parents=True, exist_ok=True)
    lock = serving(settings.data, url)
    try:
        log_to_terminal("INFO")
        log_to_file(settings.data / "log" / "pipulate.log")
        _probe(settings)
        config = uvicorn.Config(
            create_app(settings),
            host=settings.listen,
            port=settings.port,
            http=Protocol,
            ws="websockets-sansio",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=True,
            timeout_graceful_shutdown=3,
            ws_max_size=1 << 20,
        )
        logger.info(
            "Pipulate serves {} (data in {}). Ctrl+C stops it.", url, settings.data.resolve()
        )
        if settings.browser:
            threading.Timer(1.0, webbrowser.open, [url]).start()
        uvicorn.Server(config).run()
    finally:
        lock.release()


def _probe(settings: Settings) -> None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in settings.listen else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.listen, settings.port))
    except OSError as error:
        place = f"Port {settings.port} on {settings.host}"
        raise InUse(f"{place} is taken ({error.strerror}). Choose another with --port.") from error
