"""`make bench`: every bench_*.py here in turn; `make bench ARGS="web engine"` for some of them.

Each runs in a process of its own.  A figure is a ratio against a named limit or peer, measured in
the same run; absolute times say more about the machine.  What cannot run here, because it needs
weights or a library that is not there, is no failure.
"""

import subprocess
import sys
from pathlib import Path

from bench.outcome import NOT_RUN


def main() -> int:
    """Run the benchmarks whose names were given, or all; return how many failed."""
    files = sorted(Path(__file__).parent.glob("bench_*.py"))
    names = sys.argv[1:] or [path.stem.removeprefix("bench_") for path in files]
    ended: dict[str, list[str]] = {"failed": [], "not run": []}
    for name in names:
        print(f"\n== {name}", flush=True)
        status = subprocess.run([sys.executable, "-m", f"bench.bench_{name}"]).returncode
        if status:
            ended["not run" if status == NOT_RUN else "failed"].append(name)
    for how, which in ended.items():
        if which:
            print(f"\n{how}: {', '.join(which)}")
    return len(ended["failed"])


if __name__ == "__main__":
    sys.exit(main())
