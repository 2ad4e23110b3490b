"""`pipulate restore`: put a backup in place of the database.

The server must be stopped.  The database that it replaces is kept beside it.
"""

from collections.abc import Sequence
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine.care import put_back
from pipulate.engine.settings import Settings


def main(argv: Sequence[str], settings: Settings) -> None:
    """Say what replaced what."""
    reader = parser(__doc__)
    reader.add_argument("file", nargs="?", type=Path, help="the backup (default: the newest)")
    args = reader.parse_args(argv)
    used, replaced = put_back(settings.data, args.file)
    print(f"{used} is in place again.")
    if replaced:
        print(f"The database it replaced is kept as {replaced}.")
