"""The whole product on a machine without a network: a namespace that has loopback and no route.

Needs the right to make one (root on Linux, or user namespaces); where that is not had, the row is
skipped, and says so.  The short form is every other browser test: its Chromium resolves no name
(tests/chromium.py).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust.table import tried

ROOT = Path(__file__).parents[2]
UP = """
import fcntl, os, socket, struct, sys
with socket.socket() as probe:  # the way of `ip link set lo up`
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 0x41))
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print("no route:", error, flush=True)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
#: What a person does: pages, workflows, commands, the server, and all of it in the browser.
FLOWS = [
    "tests/workflows/test_bridge.py",
    "tests/workflows/test_explore_csv.py",
    "tests/workflows/test_work.py",
    "tests/commands/test_serve.py",
    "tests/commands/test_run.py",
    "tests/pages/test_chat.py",
    "tests/pages/test_connect.py",
    "tests/pages/test_model.py",
    "tests/web/test_routes.py",
]
BROWSER = ["tests/browser/test_walkthrough.py"]


def alone(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a network namespace of its own."""
    for way in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return subprocess.run(
                [*way, sys.executable, "-c", UP, *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                check=False,
            )
    pytest.skip("NOT PROVED HERE: no network namespace can be made (needs Linux and root).")


def play(*tests: str) -> int:
    """Run tests there; return how many passed."""
    done = alone("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    told = done.stdout[-3000:] + done.stderr[-1000:]
    assert "no route:" in done.stdout, told
    assert done.returncode == 0, told
    return int(re.findall(r"(\d+) passed", done.stdout)[-1])


@pytest.mark.trust("Without a network: everything works")
@pytest.mark.parametrize("tests", [FLOWS, BROWSER], ids=["wire", "browser"])
def test_all_works_without_a_network(tests: list[str]) -> None:
    """Pages, workflows, commands, and the flows in a browser; nothing waits for elsewhere."""
    tried(play("--verbosity=0", *tests))
