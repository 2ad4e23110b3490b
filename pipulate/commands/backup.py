"""`pipulate backup`: copy the database, also while a server runs."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print where it is."""
    reader = parser(__doc__)
    place = "where to write it (default: among the backups of the data folder)"
    reader.add_argument("file", nargs="?", type=Path, help=place)
    args = reader.parse_args(argv)
    with closing(Store(settings.database)) as store:
        print(store.backup(to=args.file))
