"""`pipulate restore`: put a backup in place of the database.

The server must be stopped.  The database that it replaces is kept beside it.
The files of runs are in no backup: those that are not there any more are told.  A job that was
at work then waits for its button: what it did since is known to nobody here.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine.care import put_back
from pipulate.engine.collecting import bring_back
from pipulate.engine.exchange import lost
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

EVERY = 1_000_000  #: runs
#: A job that went on by itself would do again what it did after the backup.
STOP = """
    UPDATE job SET state = 'cancelled', error = ?
    WHERE state IN ('running', 'ending')"""
SINCE = (
    "This was at work when the backup was made that is in place again. What it did to the "
    "world since then is not known here: look whether it is done, before you go on."
)


def main(argv: Sequence[str], settings: Settings) -> None:
    """Say what replaced what."""
    reader = parser(__doc__)
    reader.add_argument("file", nargs="?", type=Path, help="the backup (default: the newest)")
    args = reader.parse_args(argv)
    used, replaced = put_back(settings.data, args.file)
    print(f"{used} is in place again.")
    if replaced:
        print(f"The database it replaced is kept as {replaced}.")
    with closing(Store(settings.database)) as store:
        store.write(STOP, SINCE)
        bring_back(store)
        for row in Pipulate(store).runs(limit=EVERY):
            for name in lost(row, store):
                print(f"Not there any more: {name} of {row['workflow']} {row['id']}")
