"""The real server in a child process, and a client that speaks to it as a page of its own would."""

import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

PATIENCE = 60  #: seconds that anything may take: the machine may be busy
LOOKS = 1200  #: in that time, for a server that starts
#: Trusts nobody: here all is plain HTTP, and to read all authorities takes as long as ten requests.
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
#: What the console of a tab whose server is killed may tell: how it learns of it, by a connection
#: refused, reset or closed before an answer or within one, is a matter of milliseconds.
KILLED = (
    "net::ERR_",
    "WebSocket connection",
    "htmx:sendError",
    "htmx:afterRequest",
    "[object Event]",
)


def free_port() -> int:
    """Return a port that is free, and that is given to no connection that goes out:
    a server that is killed finds it again.
    """
    chance = random.SystemRandom()  # another one in each process
    while True:
        port = chance.randint(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def printed(process: subprocess.Popen[str], last: str) -> list[str]:
    """Return the lines that a process prints before its `last`; it must come to that."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        if line.rstrip() == last:
            return lines
        lines.append(line)
    raise AssertionError(f"it ended before {last!r}: {''.join(lines)}")


class Server:
    """`python -m pipulate` on a scratch folder; it can be killed and started again on the same
    data.
    """

    def __init__(
        self, folder: Path, port: int, *arguments: str, package: Path | None = None
    ) -> None:
        """`package` is the folder of an installed Pipulate, to be used instead of this one."""
        self.folder, self.port, self.arguments = folder, port, arguments
        self.package = package
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Start and wait until it answers."""
        self.launch()
        return self.ready()

    def ready(self) -> "Server":
        """Wait until it answers."""
        assert self.process
        for _ in range(LOOKS):
            if self.accepts():
                return self
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE / LOOKS)
                raise AssertionError(self.log())
        raise AssertionError("the server did not start:\n" + self.log())

    def accepts(self) -> bool:
        """Say whether it takes connections by now; what is sent then waits for its answer."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), PATIENCE):
            return True
        return False

    def launch(self) -> subprocess.Popen[bytes]:
        """Start without waiting; its output goes to `server.log` in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pipulate",
            "--data",
            str(self.folder / "data"),
            "--downloads",
            str(self.folder / "downloads"),
            "--workflows",
            str(self.folder / "workflows"),
            "--port",
            str(self.port),
            "--no-browser",
            *self.arguments,
        ]
        where: dict[str, Any] = {}
        if self.package:
            where = {"cwd": self.folder, "env": {**os.environ, "PYTHONPATH": str(self.package)}}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **where)
        return self.process

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the process as Ctrl+C would."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)

    def log(self) -> str:
        """Return what the server printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def client(self) -> httpx2.Client:
        """Return a client whose requests look like those of the app's own pages."""
        return httpx2.Client(
            base_url=self.url,
            headers={"Origin": self.url, "HX-Request": "true"},
            timeout=PATIENCE,
            verify=NOBODY,
        )


def revision(html: str) -> str:
    """Return the revision that a page or fragment shows."""
    found = re.search(r'<input[^>]*id="rev"[^>]*>', html)
    assert found, html[:500]
    return re.search(r'value="(\d+)"', found[0])[1]  # type: ignore[index]


def begin(client: httpx2.Client, workflow: str, id: str) -> str:
    """Begin a run; returns its revision."""
    assert client.post(f"/{workflow}/open", data={"id": id}).status_code == 303
    return revision(client.get(f"/{workflow}", params={"id": id}).text)


def answer(
    client: httpx2.Client, workflow: str, id: str, number: int, rev: str, **values: Any
) -> httpx2.Response:
    """Answer a card."""
    return client.post(
        f"/{workflow}/card{number}", params={"id": id}, data={**values, "pipulate-rev": rev}
    )
