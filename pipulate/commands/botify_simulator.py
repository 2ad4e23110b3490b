"""`pipulate botify-simulator`: a local stand-in of the Botify API with demo
data.

No account, no network.  It serves until Ctrl+C.
"""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from pipulate.commands import parser
from pipulate.engine.settings import Settings
from pipulate.simulator.demo import DEMO_PACE, demo_projects
from pipulate.simulator.faults import describe_faults
from pipulate.simulator.options import DEMO_TOKEN, Options, User
from pipulate.simulator.server import create_simulator, running

FAULTS = "faults (KIND[=VALUE] on=PATH method=VERB skip=N times=N; ...):"
WELCOME = """\
A simulation of the Botify API with demo data: nothing here is real, \
and no account is needed.
  API       {base}
  token     {token}"""


def main(argv: Sequence[str], settings: Settings) -> None:
    """Serve until interrupted."""
    reader = parser(__doc__)
    reader.epilog = f"{FAULTS}\n{describe_faults()}"
    add = reader.add_argument
    add("--port", type=int, default=8765, help="on 127.0.0.1 (default: 8765)")
    add("--links", type=int, help="add a generated site with this many links")
    add(
        "--html",
        type=Path,
        action="append",
        default=[],
        help="add a folder of HTML (repeatable)",
    )
    add("--token", default=DEMO_TOKEN, help="the token to accept")
    add(
        "--faults",
        default="",
        help="what to do wrong, for example: 500 times=2; truncated",
    )
    add("--folder", type=Path, help="remember jobs and their files here")
    args = reader.parse_args(argv)
    projects = demo_projects(args.links, args.html)
    app = create_simulator(
        projects,
        tokens={args.token: User()},
        options=Options(rate=5, admin=True, pace=DEMO_PACE),
        faults=args.faults,
        folder=args.folder,
    )
    with running(app, args.port) as base, contextlib.suppress(KeyboardInterrupt):
        print(WELCOME.format(base=base, token=args.token))
        for project in projects:
            print(f"  project   {project.url}   {project.name}")
        print("Stop it with Ctrl+C.", flush=True)
        while True:
            time.sleep(3600)
