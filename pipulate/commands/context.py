"""`pipulate context`: print engine and web as one text, for a model's window.

A token is four characters, without the blanks that lines begin with: what reading costs.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine.settings import PACKAGE, Settings


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print the core, or only how long each file is."""
    reader = parser(__doc__)
    reader.add_argument("--counts", action="store_true", help="only the token counts per file")
    counts = reader.parse_args(argv).counts
    total = 0
    for path in core_files():
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(PACKAGE.parent)
        size = tokens(text)
        total += size
        if counts:
            print(f"{size:>7,}  {name}")
        else:
            print(f"\n# ==== {name} ({size:,} tokens)\n\n{text}")
    note = f"{total:>7,}  tokens in all (characters without indentation / 4)"
    print(note, file=sys.stdout if counts else sys.stderr)


def core_files() -> list[Path]:
    """Return the files of engine and web."""
    return sorted([*PACKAGE.glob("engine/*.py"), *PACKAGE.glob("web/*.py")])


def tokens(text: str) -> int:
    """Return what reading a text costs, in tokens."""
    return sum(len(line.lstrip(" ")) for line in text.splitlines(keepends=True)) // 4
