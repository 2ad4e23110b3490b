"""Where the log goes: to the terminal, and while serving to a file.

Never with the values of variables, loguru's default: one may be a secret.
What can be told in words, as that the disk is full, has no traceback.
"""

import sys
from contextlib import suppress
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from loguru import logger

from pipulate.engine.errors import PipulateError

PLAIN: dict[str, Any] = {"diagnose": False, "backtrace": False}


def log_to_terminal(level: str) -> None:
    """Log to stderr alone, from `level` on."""
    logger.remove()
    logger.configure(patcher=_tell)
    form = "{time:HH:mm:ss} {level: <7} {message}"
    logger.add(_print, format=form, level=level, **PLAIN)


def _tell(record: Any) -> None:
    if thrown := record["exception"]:
        from pipulate.engine.fault import in_words, is_machines  # seldom: something failed

        if isinstance(thrown.value, PipulateError) or is_machines(thrown.value):
            record["message"] += f": {in_words(thrown.value)}"
            record["exception"] = None


def _print(line: str) -> None:
    print(line, end="", file=sys.stderr)  # the present one: a test may replace it


def log_to_file(path: Path) -> None:
    """Log to a file also; it begins anew at 5 MB, five older ones stay."""
    with suppress(OSError):  # told when the first line is written
        path.parent.mkdir(parents=True, exist_ok=True)
    logger.add(_File(path), level="INFO", **PLAIN)


class _File(RotatingFileHandler):
    """What cannot be written, as the disk is full, is told once."""

    told = False

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a", 5_000_000, 5, "utf-8", delay=True)

    def handleError(self, record: LogRecord) -> None:
        """Go on without a log."""
        if not self.told:
            self.told = True
            _print(f"The log cannot be written: {sys.exc_info()[1]}\n")

    def close(self) -> None:
        """Close, whatever of it could not be written."""
        with suppress(OSError):
            super().close()
