"""What the tests of all commands use."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipulate.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give a function that runs a command on a scratch folder: (status, stdout, stderr)."""
    folders = ["--data", str(tmp_path / "data"), "--workflows", str(tmp_path / "workflows")]

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main([*folders, *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run
