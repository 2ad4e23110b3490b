"""What a benchmark can say beside its figures: that a goal was met, or that it could not run."""

import sys
from typing import NoReturn

NOT_RUN = 77  # the exit status for "not run", as automake has it


def verdict(good: bool) -> str:
    """Return what stands beside a figure that has a goal."""
    return "ok" if good else "MISSED"


def not_run(why: str) -> NoReturn:
    """Say in one line why this benchmark cannot run here, and end the process."""
    print(f"  not run: {why}", flush=True)
    sys.exit(NOT_RUN)
