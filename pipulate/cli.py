"""The command `pipulate`: it serves; every other command belongs to a part, which is imported when it is called."""

import argparse
import importlib
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from pipulate.errors import InUse, PipulateError
from pipulate.settings import LOCAL, PACKAGE, Settings

#: (name, "module:function" that takes (argv, settings), help)
COMMANDS = [
    ("new", "pipulate.apps.terminal:new", "copy a template to workflows/NAME.py"),
    ("run", "pipulate.apps.terminal:run", "run a workflow here, without the browser; JSON on stdout"),
    ("runs", "pipulate.apps.runs:main", "list, show, delete, export or import runs"),
    ("model", "pipulate.chat.cli:model", "get, list or remove weights of the embedded model"),
    ("soul", "pipulate.chat.cli:soul_file", "export or import the model's portable memory"),
    ("mcp", "pipulate.chat.mcp:main", "print how other programs' agents connect"),
    ("graph", "pipulate.graph.cli:main", "analyse CSVs of links from any source"),
    ("botify-simulator", "pipulate.botify.simulator:main", "serve the simulator of Botify's API alone"),
    ("context", "pipulate.apps.context:main", "print the core as one text, for a model's window"),
    ("backup", "pipulate.apps.care:backup", "write a consistent copy of the database"),
    ("restore", "pipulate.apps.care:restore", "put a backup in place of the database"),
    ("doctor", "pipulate.apps.care:doctor", "what is installed, what is wrong, how to mend it"),
]


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is printed from it."""
    about = "Local-first, step-by-step workflows with a local model in them."
    top = argparse.ArgumentParser(prog="pipulate", description=about)
    add = top.add_argument
    add("--data", type=Path, default=Path("data"), help="data folder (default: data)")
    add("--downloads", type=Path, default=Path("downloads"), help="folder of exported files (default: downloads)")
    add("--workflows", type=Path, action="append", help="folder of workflow files, instead of ./workflows")
    add("--host", default="127.0.0.1", help="address to serve on (default: 127.0.0.1)")
    add("--port", type=int, default=5001, help="port to serve on (default: 5001)")
    add("--lan", action="store_true", help="let other devices of this network pair, by a code shown here")
    add("--dev", action="store_true", help="read workflow files again when they change")
    add("--demo", action="store_true", help="Botify is a simulator with made-up sites")
    add("--botify", default=Settings.botify, metavar="URL", help="base of Botify's API, to use a stand-in on this machine")
    add("--no-browser", action="store_true", help="do not open the browser")
    sub = top.add_subparsers(dest="command", metavar="COMMAND", title="commands (without one: serve)")
    for name, module, what in COMMANDS:
        sub.add_parser(name, help=what, add_help=False).set_defaults(module=module)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args, rest = parser().parse_known_args(argv)
    module, _, function = getattr(args, "module", "").partition(":")
    if rest and not module:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    folders = args.workflows or [Path("workflows")]
    settings = Settings(
        data=args.data, downloads=args.downloads, workflows=(PACKAGE / "workflows", *folders), host=args.host, port=args.port,
        lan=args.lan or args.host not in LOCAL, dev=args.dev, demo=args.demo, botify=args.botify,
    )  # fmt: skip
    log_to_terminal("WARNING")
    try:
        if module:
            return int(getattr(importlib.import_module(module), function)(rest, settings) or 0)
        serve(settings, browser=not args.no_browser)
        return 0
    except PipulateError as error:
        print(f"pipulate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def log_to_terminal(level: str) -> None:
    """Log to stderr alone, and never the values of variables, as loguru does by default: one may be a secret."""
    logger.remove()
    form = "{time:HH:mm:ss} {level: <7} {message}"
    logger.add(lambda line: print(line, end="", file=sys.stderr), format=form, level=level, diagnose=False, backtrace=False)


def serve(settings: Settings, browser: bool = True) -> None:
    """Serve on this machine and open the browser."""
    import uvicorn

    from pipulate.app import create_app
    from pipulate.guard import Protocol
    from pipulate.store import serving

    url, log = f"http://{settings.host}:{settings.port}", settings.data / "log" / "pipulate.log"
    settings.data.mkdir(parents=True, exist_ok=True)
    lock = serving(settings.data, url)
    try:
        log_to_terminal("INFO")
        logger.add(log, rotation="5 MB", retention=5, level="INFO", diagnose=False, backtrace=False)
        _probe(settings)
        config = uvicorn.Config(
            create_app(settings), host=settings.listen, port=settings.port, http=Protocol, ws="websockets-sansio",
            log_level="warning", access_log=False, server_header=False, proxy_headers=False, date_header=True,
            timeout_graceful_shutdown=3, ws_max_size=1 << 20,
        )  # fmt: skip
        logger.info("Pipulate serves {} (data in {}). Ctrl+C stops it.", url, settings.data.resolve())
        if browser:
            threading.Timer(1.0, webbrowser.open, [url]).start()
        uvicorn.Server(config).run()
    finally:
        lock.release()


def _probe(settings: Settings) -> None:
    try:
        with socket.socket(socket.AF_INET6 if ":" in settings.listen else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.listen, settings.port))
    except OSError as error:
        place = f"Port {settings.port} on {settings.host}"
        raise InUse(f"{place} is taken ({error.strerror}). Choose another with --port.") from error
