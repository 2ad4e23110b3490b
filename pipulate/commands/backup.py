"""`pipulate backup`: copy the database, also while a server runs.

The files of runs are not in it: copy them from the data folder, too.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.values import ROOMS


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print where it is."""
    reader = parser(__doc__)
    place = "where to write it (default: among the backups of the data folder)"
    reader.add_argument("file", nargs="?", type=Path, help=place)
    args = reader.parse_args(argv)
    with closing(Store(settings.database)) as store:
        print(store.backup(to=args.file))
        rooms = [store.folder / room for room in ROOMS]
        if there := [str(room) for room in rooms if room.exists()]:
            told = f"The files of runs are not in it. Copy them, too: {' and '.join(there)}."
            print(told, file=sys.stderr)
