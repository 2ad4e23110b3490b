"""The command `pipulate`: common options, and the table of commands."""

import argparse
import codecs
import contextlib
import gc
import io
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from pipulate.engine import private
from pipulate.engine.errors import Invalid, PipulateError
from pipulate.engine.log import log_to_terminal
from pipulate.engine.settings import LOCAL, PACKAGE, Settings

#: Each is a module of `commands`, imported when called; none is "serve".
COMMANDS = {
    "new": "copy a template to workflows/NAME.py",
    "run": "run a workflow here, without the browser",
    "runs": "list, show, delete, export or import runs",
    "model": "get, list or remove weights of the embedded model",
    "soul": "export or import the model's portable memory",
    "mcp": "print how other programs' agents connect",
    "graph": "analyse links from any source",
    "botify-simulator": "serve a simulated Botify alone",
    "context": "print the core, for a model's window",
    "backup": "write a consistent copy of the database",
    "restore": "put a backup in place of the database",
    "doctor": "what is installed, what is wrong, how to mend it",
}
FILES = 1024  #: open at once
FEW = 64  #: with fewer, libraries end the process without a word


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is printed from it."""
    about = "Local-first, step-by-step workflows with a local model in them."
    top = argparse.ArgumentParser(prog="pipulate", description=about)
    _add_options(top)
    title = "commands (without one: serve)"
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title=title)
    for name, what in COMMANDS.items():  # each parses its own arguments
        commands.add_parser(name, help=what, add_help=False)
    return top


def _add_options(top: argparse.ArgumentParser) -> None:
    add = top.add_argument
    add(
        "--data",
        type=Path,
        default=Path("data"),
        help="data folder (default: data)",
    )
    files = "folder of exported files (default: downloads)"
    add("--downloads", type=Path, default=Path("downloads"), help=files)
    workflows = "folder of workflow files, instead of ./workflows"
    add("--workflows", type=Path, action="append", help=workflows)
    add(
        "--host",
        default="127.0.0.1",
        help="address to serve on (default: 127.0.0.1)",
    )
    add("--port", type=int, default=5001, help="port to serve on (default: 5001)")
    add(
        "--lan",
        action="store_true",
        help="let other devices here pair, by a code shown here",
    )
    add(
        "--dev",
        action="store_true",
        help="read workflow files again when they change",
    )
    add(
        "--demo",
        action="store_true",
        help="Botify is a simulator with made-up sites",
    )
    model = "a model server that speaks OpenAI's protocol, ending in /v1"
    add("--model", dest="model_url", default="", metavar="URL", help=model)
    botify = "base of Botify's API, to use a stand-in on this machine"
    add("--botify", default=Settings.botify, metavar="URL", help=botify)
    add(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="do not open the browser",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    args, rest = parser().parse_known_args(argv)
    if rest and not args.command:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    name = (args.command or "serve").replace("-", "_")
    _with_streams()
    _print_anything()
    log_to_terminal("WARNING" if args.command else "INFO")
    gc.set_threshold(50_000)  # loading makes no garbage
    try:
        _open_files()
        _check(args)
        with private.process():
            _tell(private.closed_if_open(args.data))
            status = import_module(f"pipulate.commands.{name}").main(rest, _settings(args)) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has enough
        _say_no_more()
        return 1
    except Exception as error:
        _tell(f"pipulate: {_told(error)}")
        _say_no_more()
        return 1
    except KeyboardInterrupt:
        return 130


def _say_no_more() -> None:
    """What stdout does not take, as it is a file on a full disk, is let go."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(words: str) -> None:
    if words:
        print(words, file=sys.stderr)


def _told(error: Exception) -> str:
    """Return what is told of an error; raises it if nobody but us can mend it."""
    from pipulate.engine.fault import in_words, is_machines  # seldom: something failed

    if isinstance(error, PipulateError | OSError) or is_machines(error):
        return in_words(error)
    raise error


def _open_files() -> None:
    """Take as many open files as are usual; raises PipulateError if that is few."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        may, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if may < FILES:
            may = FILES if most == resource.RLIM_INFINITY else min(most, FILES)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (may, most))
        if may < FEW:
            raise PipulateError(
                f"A program may have {may} files open here, and Pipulate needs {FEW}. "
                f"Allow more (ulimit -n {FILES})."
            )


def _check(args: argparse.Namespace) -> None:
    if not 0 < args.port < 65_536:
        raise Invalid(f"--port {args.port} is none; expected 1 to 65535.")
    for name in ("data", "downloads", "workflows"):
        given = getattr(args, name)
        for path in given if isinstance(given, list) else [given]:
            if path and path.exists() and not path.is_dir():
                raise Invalid(f"--{name} {path} is a file; expected a folder.")


def _with_streams() -> None:
    """Let what a launcher started without streams read and write nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _print_anything() -> None:
    """Print what a terminal's code page lacks as JSON would write it."""
    codecs.register_error("as_json", _as_json)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):  # it is closed
                stream.reconfigure(errors="as_json")


def _as_json(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _settings(args: argparse.Namespace) -> Settings:
    chosen = {**vars(args)}  # named like the fields
    del chosen["command"]
    chosen["workflows"] = (
        PACKAGE / "workflows",
        *(args.workflows or [Path("workflows")]),
    )
    chosen["lan"] |= args.host not in LOCAL
    return Settings(**chosen)
