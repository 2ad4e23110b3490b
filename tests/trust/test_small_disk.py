"""A real server on a real small disk, filled to twenty levels: uploads, exports, imports, keys and
answers are refused in words, nothing is lost, and all is taken again with room; a server starts
there, too, or says why not.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server import Server, answer, begin, free_port, revision
from tests.trust.table import tried
from tests.trust.test_crash_server import PAPERS

LEVELS = 20
STEP = 24_000  #: bytes from one level to the next
PAPER = b"a line of a file,1\n" * 10_000
REFUSED = range(400, 600)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    disk = tmp_path / "small"
    disk.mkdir()
    if os.name != "posix" or os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


class Ballast:
    """Fills a disk, but for some bytes."""

    def __init__(self, disk: Path) -> None:
        self.path = disk / "ballast"

    def leave(self, free: int) -> None:
        """Leave so much, or a little less."""
        room = shutil.disk_usage(self.path.parent).free
        with self.path.open("wb") as file:
            file.write(bytes(max(0, room - free)))

    def gone(self) -> None:
        """Make room again."""
        self.path.unlink(missing_ok=True)


def is_told(reply: httpx2.Response) -> bool:
    """Say whether it is refused in words."""
    words = "room" in reply.text or "free" in reply.text
    return reply.status_code in REFUSED and words and "Traceback" not in reply.text


def sends(client: httpx2.Client, id: str) -> httpx2.Response:
    """Answer with a file."""
    rev = revision(client.get("/papers", params={"id": id}).text)
    return client.post(
        "/papers/card1",
        params={"id": id},
        data={"pipulate-rev": rev},
        files={"paper": (f"{id}.csv", PAPER + id.encode())},
    )


def exports(client: httpx2.Client) -> httpx2.Response:
    """Export all runs."""
    return client.get("/runs/export")


def imports(client: httpx2.Client, content: bytes) -> httpx2.Response:
    """Import runs; HTMX is not asked for, as by the page's form."""
    return client.post(
        "/runs/import/upload", files={"file": ("runs.zip", content)}, headers={"HX-Request": ""}
    )


def connects(client: httpx2.Client) -> httpx2.Response:
    """Make a key for other programs."""
    return client.post("/agents/key")


@pytest.mark.trust("Small disk at 20 levels, over HTTP: refused in words, taken again with room")
def test_a_small_disk_at_twenty_levels_over_http(small: Path, tmp_path: Path) -> None:
    """Whatever is asked of a server that has no room."""
    (small / "workflows").mkdir()
    (small / "workflows" / "papers.py").write_text(PAPERS)
    ballast = Ballast(small)
    server = Server(small, free_port()).start()
    refused = 0
    with server.client() as client:
        begin(client, "papers", "first")
        assert sends(client, "first").status_code == 200
        whole = exports(client).content
        for level in range(LEVELS):
            tried()
            id = f"level {level}"
            begin(client, "papers", id)
            ballast.leave(level * STEP)
            replies = [sends(client, id), exports(client), imports(client, whole)]
            told = [reply for reply in replies if reply.status_code in REFUSED]
            assert all(map(is_told, told)), [
                (reply.status_code, reply.text[-500:]) for reply in told
            ]
            refused += len(told)
            assert client.get("/papers", params={"id": "first"}).status_code == 200
            ballast.gone()
            if replies[0].status_code != 200:
                assert sends(client, id).status_code == 200
            assert len(exports(client).content) > len(whole)
            for file in small.glob("data/uploads/*/*.csv"):
                assert file.read_bytes().startswith(PAPER)
    server.stop()
    log = server.log()
    assert refused > LEVELS / 2 and "Traceback" not in log, log[:6000]


@pytest.mark.trust("Small disk at 20 levels, over HTTP: refused in words, taken again with room")
def test_a_server_starts_on_a_full_disk_or_says_why_not(small: Path, tmp_path: Path) -> None:
    """With a data folder of before, and with none."""
    ballast = Ballast(small)
    (small / "workflows").mkdir()
    log = tmp_path / "log"
    for level in range(LEVELS):
        tried()
        server = Server(small, free_port())
        if level % 2:
            server.start()
            with server.client() as client:
                rev = begin(client, "bridge", f"level {level}")
                assert (
                    answer(client, "bridge", f"level {level}", 1, rev, name="A").status_code == 200
                )
            server.stop()
        (small / "server.log").unlink(missing_ok=True)
        (small / "server.log").symlink_to(log)
        ballast.leave(level * STEP // 4)
        try:
            server.start()
            server.stop()
        except AssertionError as ended:
            assert "pipulate: " in str(ended)
        assert "Traceback" not in log.read_text()
        ballast.gone()
        server.start().stop()
        (small / "server.log").unlink()
        log.unlink()
        shutil.rmtree(small / "data")
