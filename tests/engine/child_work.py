"""What `test_child` has done in a child process."""

import errno
import os
from pathlib import Path
from typing import Any

from pipulate.engine.child import Tell
from pipulate.engine.errors import Invalid


def add(tell: Tell, numbers: list[int]) -> int:
    """Add numbers, telling the sum so far."""
    total = 0
    for number in numbers:
        total += number
        tell(share=1.0, text=f"{total} so far")
    return total


def refuse(tell: Tell) -> None:
    """Raise an error of ours."""
    raise Invalid("Not that one.")


def break_down(tell: Tell) -> None:
    """Raise an error that is not ours."""
    raise MemoryError("no more")


def chatter(tell: Tell) -> str:
    """Print, as libraries do."""
    print("{}")
    os.write(1, b'{"done": "wrong"}\n')
    return "right"


def loaded(tell: Tell) -> list[str]:
    """Say which heavy modules the child has."""
    import sys

    return [name for name in ("fasthtml", "starlette", "httpx2", "polars") if name in sys.modules]


def wait_for(tell: Tell, pipe: str) -> Any:
    """Read a pipe to its end."""
    return Path(pipe).read_text()


def large(tell: Tell, size: int) -> str:
    """Answer with a long line."""
    return "x" * size


def fill(tell: Tell) -> None:
    """Meet a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "big.csv")
