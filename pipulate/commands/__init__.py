"""One file, one command: `main(argv, settings)` returns the exit status.

HELP      prints the head of the command's module above its options.
RESULT    stdout holds it and nothing else, for another program to read.
PROGRESS  stderr holds remarks and how far the work is.
FAILURE   A PipulateError goes up to `cli`, which prints it and exits with 1.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator

WIDTH = 24  # of a full progress bar, in blocks


def parser(head: str | None) -> argparse.ArgumentParser:
    """Return the parser for a module's head: "`pipulate NAME`: what"."""
    _, command, about = (head or "``").split("`", 2)
    return argparse.ArgumentParser(
        prog=command,
        description=about.removeprefix(": ").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


@contextlib.contextmanager
def progress(label: str) -> Iterator[Callable[[float | None, str], None]]:
    """Give `tell(share, message)`, which keeps a line of stderr up to date.

    A share of None is unknown.  Without a terminal, a new message is a line.
    """
    live = sys.stderr.isatty()
    shown = ""

    def tell(share: float | None, message: str) -> None:
        nonlocal shown
        line = f"{label}  {bar(share)}  {message}"
        if live:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif message != shown:
            print(line, file=sys.stderr, flush=True)
        shown = message

    try:
        yield tell
    finally:
        if live and shown:
            print(file=sys.stderr)


def bar(share: float | None) -> str:
    """Return a row of blocks and per cent."""
    if share is None:
        return "…"
    return f"{'█' * int(share * WIDTH):{WIDTH}} {share:4.0%}"
