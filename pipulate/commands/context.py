"""`pipulate context`: the core as one text, for a model's window.  Token = four characters."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipulate.engine.settings import PACKAGE, Settings


def core_files() -> list[Path]:
    """Return the files of engine and web."""
    return sorted([*PACKAGE.glob("engine/*.py"), *PACKAGE.glob("web/*.py")])


def main(argv: Sequence[str], settings: Settings) -> int:
    """Print the core, or only how long each file is."""
    parser = argparse.ArgumentParser(prog="pipulate context", description="Print the core as one text.")
    parser.add_argument("--counts", action="store_true", help="only the token counts per file")
    counts, total = parser.parse_args(argv).counts, 0
    for path in core_files():
        text, name = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE.parent)
        total += len(text)
        print(f"{len(text) // 4:>7,}  {name}" if counts else f"\n# ==== {name} ({len(text) // 4:,} tokens)\n\n{text}")
    print(f"{total // 4:>7,}  tokens in all (characters / 4)", file=sys.stdout if counts else sys.stderr)
    return 0
