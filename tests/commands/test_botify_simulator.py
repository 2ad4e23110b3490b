"""`pipulate botify-simulator`: what it prints is where it answers; what it cannot do it says."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.server import printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "explode"], 'no fault "explode"'),
        (["--html", "/no/such/folder"], "not a folder"),
        (["--links", "100"], "at least 500"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(cli, arguments, words):
    """A message, not a traceback."""
    status, _, err = cli("botify-simulator", *arguments)
    assert status == 1
    assert words in err


def test_the_help_lists_the_faults(capsys):
    """Their language, and each kind."""
    from pipulate.cli import main

    with pytest.raises(SystemExit):
        main(["botify-simulator", "--help"])
    out = capsys.readouterr().out
    assert "KIND[=VALUE]" in out and "drop the connection" in out


def test_the_command_serves_what_it_says(tmp_path: Path):
    """In a process of its own: it prints address, token and projects, and answers there."""
    (tmp_path / "index.html").write_text("<a href=x.html>x</a>")
    arguments = ["--port", "0", "--links", "600", "--html", str(tmp_path), "--token", "t0"]
    command = [sys.executable, "-m", "pipulate", "botify-simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = printed(process, "Stop it with Ctrl+C.")
            (base,) = re.findall(r"http://127.0.0.1:\S+", "".join(said))
            headers = {"Authorization": "Token t0"}
            answer = httpx2.get(f"{base}/projects/demo", headers=headers, timeout=60)
        finally:
            process.terminate()
    assert "demo data" in said[0]
    assert said[2].split() == ["token", "t0"]
    served = [project["url"] for project in answer.json()["results"]]
    assert [line.split()[1] for line in said[3:]] == served
    assert "https://app.botify.com/demo/links-600/" in served
