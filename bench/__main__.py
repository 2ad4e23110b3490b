"""`make bench`: every bench_*.py here in turn, each in a process of its own; `make bench ARGS="web
engine"` for some.

A figure is a ratio against a named limit or peer, measured in the same run; absolute times say
more about the machine.
"""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmarks whose names were given, or all."""
    folder = Path(__file__).parent
    names = sys.argv[1:] or [
        path.stem.removeprefix("bench_") for path in sorted(folder.glob("bench_*.py"))
    ]
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.bench_{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
