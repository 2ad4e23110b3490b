"""A server that never ends what it says.

    with Endless(HEAD, b"a") as server:
        ...  # ask server.url
        assert server.hung_up.wait(PATIENCE)

It answers each request with the head, then with the piece again and again, or with nothing more
when there is none, until its client hangs up.
"""

import socketserver
import threading
from contextlib import suppress
from typing import Self

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


class Endless(socketserver.ThreadingTCPServer):
    """The server; `sent` is how many bytes went out."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, head: bytes, piece: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.head = head
        self.piece = piece
        self.sent = 0
        self.hung_up = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Answer(socketserver.BaseRequestHandler):
    server: Endless

    def handle(self) -> None:
        """Speak until nobody listens."""
        self.request.recv(65536)
        with suppress(OSError):
            self.request.sendall(self.server.head)
            while self.server.piece:
                self.request.sendall(self.server.piece)
                self.server.sent += len(self.server.piece)
            while self.request.recv(65536):
                pass
        self.server.hung_up.set()
