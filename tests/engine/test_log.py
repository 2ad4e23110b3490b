"""The log: what is shown, what is kept, and what never is."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from pipulate.engine.errors import NotSaved
from pipulate.engine.log import log_to_file, log_to_terminal


@pytest.fixture(autouse=True)
def no_log_afterwards() -> Iterator[None]:
    """Take away what a test's log was written to."""
    yield
    logger.remove()


def fail(token: str) -> None:
    """Log an error beside a secret."""
    try:
        raise RuntimeError("it failed")
    except RuntimeError:
        logger.exception("Asking failed")


def test_the_terminal_shows_what_is_grave_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, one line each, nothing on stdout: that belongs to the command's result."""
    log_to_terminal("WARNING")
    logger.info("Serving.")
    logger.warning("A port is taken.")
    out, err = capsys.readouterr()
    assert out == "" and "Serving" not in err
    assert err.endswith("WARNING A port is taken.\n")


def test_no_values_of_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback tells the lines, not what was in them: one may be a secret."""
    log = tmp_path / "log" / "pipulate.log"
    log_to_terminal("INFO")
    log_to_file(log)
    fail("s3cret")
    logger.remove()
    for text in (capsys.readouterr().err, log.read_text()):
        assert "RuntimeError: it failed" in text and "s3cret" not in text


@pytest.mark.skipif(os.name != "posix", reason="the device is Linux's")
def test_a_log_that_cannot_be_written_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, and all else goes on: the disk may be full."""
    log_to_terminal("ERROR")
    (tmp_path / "log").symlink_to("/dev/full")
    log_to_file(tmp_path / "log")
    logger.warning("One.")
    logger.warning("Two.")
    assert capsys.readouterr().err == (
        "The log cannot be written: [Errno 28] No space left on device\n"
    )


@pytest.mark.parametrize(
    "error", [NotSaved("The disk is full."), OSError(errno.EIO, "Input/output error")]
)
def test_what_is_told_in_words_has_no_traceback(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """The machine failed, and no code."""
    log_to_terminal("WARNING")
    with logger.catch(message="what follows failed"):
        raise error
    told = capsys.readouterr().err
    assert "what follows failed: The disk" in told and "Traceback" not in told
