"""`pipulate mcp`: let other programs' agents in, by what their configuration
needs.

The key is in it, and is made if there is none.
"""

from collections.abc import Sequence

from pipulate.chat import agents
from pipulate.commands import parser
from pipulate.engine.settings import Settings
from pipulate.guard import AGENTS


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print the configuration."""
    reader = parser(__doc__)
    forget = "throw the key away: agents are shut out at once"
    reader.add_argument("--forget", action="store_true", help=forget)
    if reader.parse_args(argv).forget:
        agents.forget_key(settings.data)
        print("Agents are shut out.")
    else:
        print(agents.configuration(settings, AGENTS))
