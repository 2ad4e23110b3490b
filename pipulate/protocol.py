"""uvicorn's HTTP protocol, taught to drop who is too slow with a head.

uvicorn waits for ever, so that a few hundred idle connections would be all it
has; an app, and so `guard`, is called when the head is whole.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from pipulate.guard import PATIENCE


class Protocol(H11Protocol):
    """Gives up on a request head that takes longer than PATIENCE."""

    _reaper: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Start the clock with a new head, stop it when one is whole."""
        super().data_received(data)
        upgraded = self.transport.get_protocol() is not self
        if upgraded or not self._waiting():
            self._stop()
        elif self._reaper is None:
            self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start(self) -> None:
        self._reaper = self.loop.call_later(PATIENCE, self._reap)

    def _stop(self) -> None:
        if self._reaper:
            self._reaper.cancel()
        self._reaper = None

    def _reap(self) -> None:
        self._reaper = None
        if self._waiting() and not self.transport.is_closing():
            self.transport.close()
