"""Serving: one server for a data folder, on a port that is free, with uvicorn, which is taught to drop slow connections."""

import asyncio
import socket
import threading
import webbrowser
from collections.abc import Sequence

import uvicorn
from loguru import logger
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipulate.app import create_app
from pipulate.engine.care import serving
from pipulate.engine.errors import InUse
from pipulate.engine.log import log_to_file, log_to_terminal
from pipulate.engine.settings import Settings
from pipulate.web.guard import PATIENCE


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


class Protocol(H11Protocol):
    """uvicorn's HTTP protocol that gives up on a request head which does not arrive within PATIENCE."""

    _reaper: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._reaper = self.loop.call_later(PATIENCE, self._reap)

    def data_received(self, data: bytes) -> None:
        """Restart the clock when a new head begins, stop it when one is whole."""
        super().data_received(data)
        upgraded = self.transport.get_protocol() is not self
        waiting = not upgraded and (self.cycle is None or self.cycle.response_complete)
        if not waiting:
            self._stop()
        elif self._reaper is None:
            self._reaper = self.loop.call_later(PATIENCE, self._reap)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._reaper:
            self._reaper.cancel()
        self._reaper = None

    def _reap(self) -> None:
        self._reaper = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
