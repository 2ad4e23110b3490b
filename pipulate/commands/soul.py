"""`pipulate soul`: facts, memories, conversations and prompts in one readable
file.

pipulate soul export FILE
pipulate soul import FILE         merges: what is here already, by content, stays
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pipulate.chat import soul
from pipulate.commands import parser
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

ACTS = {"export": soul.export, "import": soul.import_}


def main(argv: Sequence[str], settings: Settings) -> None:
    """Raises what `soul` raises."""
    reader = parser(__doc__)
    reader.add_argument("act", choices=ACTS)
    reader.add_argument("file", type=Path)
    args = reader.parse_args(argv)
    with closing(Store(settings.database)) as store:
        counts = ACTS[args.act](store, args.file)
    print(", ".join(f"{number} {what}" for what, number in counts.items()))
