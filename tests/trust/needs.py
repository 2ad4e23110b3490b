"""What this machine lacks for the whole table, and how to get it.

`make trust` says it before it begins, the rows say it again: what was not tried stands in the
table as not tried, with its reason.  `.ci/trust` installs it all on Debian.

    python -m tests.trust.needs
"""

import os
import shutil
import sys
from importlib.util import find_spec

from tests.chromium import find_chromium
from tests.firefox import MISSING, find_firefox

SPARK = "make spark; Debian: apt install openjdk-17-jre-headless"


def no_chromium() -> str:
    """Return why the browser tests cannot run."""
    try:
        find_chromium()
    except FileNotFoundError as missing:
        return str(missing)
    return ""


def no_firefox() -> str:
    """Return why the second browser cannot be tried."""
    return "" if find_firefox() else MISSING


def no_spark() -> str:
    """Return why the measures cannot be tried on Spark."""
    there = find_spec("pyspark") and find_spec("pandas") and shutil.which("java")
    return "" if there else f"there is no Spark ({SPARK})"


def no_root() -> str:
    """Return why no small disk can be filled."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return "" if is_root else "only root can mount a small file system (sudo make trust)"


def main() -> None:
    """Say what is lacking; without a browser there is no beginning."""
    for lacking in filter(None, (no_firefox(), no_spark(), no_root())):
        print(f"Not tried: {lacking}")
    if missing := no_chromium():
        sys.exit(missing)


if __name__ == "__main__":
    main()
