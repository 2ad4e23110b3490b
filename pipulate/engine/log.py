"""Where the log goes: to the terminal, and while serving to a file.

Never with the values of variables, loguru's default: one may be a secret.
"""

import sys
from pathlib import Path
from typing import Any

from loguru import logger

PLAIN: dict[str, Any] = {"diagnose": False, "backtrace": False}


def log_to_terminal(level: str) -> None:
    """Log to stderr alone, from `level` on."""
    logger.remove()
    form = "{time:HH:mm:ss} {level: <7} {message}"
    logger.add(_print, format=form, level=level, **PLAIN)


def _print(line: str) -> None:
    print(line, end="", file=sys.stderr)  # the present one: a test may replace it


def log_to_file(path: Path) -> None:
    """Log to a file also; it begins anew at 5 MB, five older ones stay."""
    logger.add(path, rotation="5 MB", retention=5, level="INFO", **PLAIN)
