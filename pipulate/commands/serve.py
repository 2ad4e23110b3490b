"""`pipulate`, without a command: serve on this machine, and open the browser.

One server for a data folder, on a port that is free.
"""

import errno
import logging
import socket
import sys
import threading
from collections.abc import Sequence
from traceback import walk_tb

import uvicorn
from loguru import logger

from pipulate.app import create_app
from pipulate.engine import private
from pipulate.engine.care import serving
from pipulate.engine.errors import InUse, Invalid
from pipulate.engine.log import log_to_file
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.protocol import Protocol

#: Seconds after which a thread at work lets the pages' thread in: with Python's
#: own 0.005 a page beside an import waits for that ten times and more.
TURN = 0.0005
OPEN = "import sys, webbrowser; webbrowser.open(sys.argv[1])"
OURS = str(PACKAGE)
BROWSE = (sys.executable, "-P", "-c", OPEN)


def main(argv: Sequence[str], settings: Settings) -> None:
    """Serve until Ctrl+C; raises InUse for a taken folder or port."""
    settings.data.mkdir(parents=True, exist_ok=True)
    lock = serving(settings.data, settings.url)
    try:
        log_to_file(settings.log)
        check_port(settings)
        sys.setswitchinterval(TURN)
        Server(settings).run()
    finally:
        lock.release()


class Server(uvicorn.Server):
    """Tells that it serves, and opens the browser, once that is so."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(configuration(settings))
        self.settings = settings
        logging.getLogger("uvicorn.error").addFilter(_in_a_line)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin; Ctrl+C ends it in order from here on."""
        await super().startup(sockets)
        if not self.started:
            return
        url = self.settings.url
        where = self.settings.data.resolve()
        logger.info("Pipulate serves {} (data in {}). Ctrl+C stops it.", url, where)
        if self.settings.browser:
            threading.Thread(target=private.run, args=[[*BROWSE, url]]).start()


def _in_a_line(record: logging.LogRecord) -> bool:
    """Take the traceback off what no code of ours saw: a client sent it wrong."""
    _, _, raised = record.exc_info or (None, None, None)
    ours = any(frame.f_code.co_filename.startswith(OURS) for frame, _ in walk_tb(raised))
    if not ours:
        record.exc_info = None
    return True


def configuration(settings: Settings) -> uvicorn.Config:
    """Say little, trust no proxy."""
    return uvicorn.Config(
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


def check_port(settings: Settings) -> None:
    """Raise now, in our words, what uvicorn would tell otherwise: InUse, Invalid."""
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.listen, settings.port))
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            raise Invalid(
                f"--host {settings.host} is no address of this machine ({error.strerror}). "
                "Leave it out to serve this machine alone; --lan is for others."
            ) from error
        if error.errno == errno.EACCES:
            raise Invalid(
                f"Port {settings.port} needs rights ({error.strerror}). "
                "Choose one from 1024 on with --port."
            ) from error
        raise InUse(
            f"Port {settings.port} on {settings.host} is taken ({error.strerror}). "
            "Choose another with --port."
        ) from error
