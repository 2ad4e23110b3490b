"""The command `pipulate`: serve, and the same workflows in the terminal."""

import argparse
import asyncio
import importlib
import json
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from pipulate.errors import InUse, Invalid, PipulateError, Unknown
from pipulate.settings import LOCAL, PACKAGE, Settings


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is printed from it."""
    top = argparse.ArgumentParser(
        prog="pipulate", description="Local-first, step-by-step workflows with a local model in them."
    )
    top.add_argument("--data", type=Path, default=Path("data"), help="data folder (default: data)")
    top.add_argument(
        "--downloads", type=Path, default=Path("downloads"), help="folder of exported files (default: downloads)"
    )
    top.add_argument("--workflows", type=Path, action="append", help="folder of workflow files, instead of ./workflows")
    top.add_argument("--host", default="127.0.0.1", help="address to serve on (default: 127.0.0.1)")
    top.add_argument("--port", type=int, default=5001, help="port to serve on (default: 5001)")
    top.add_argument("--lan", action="store_true", help="let other devices of this network pair, by a code shown here")
    top.add_argument("--dev", action="store_true", help="read workflow files again when they change")
    top.add_argument("--demo", action="store_true", help="Botify is a simulator with made-up sites")
    top.add_argument("--botify", default=Settings.botify, metavar="URL", help="base of Botify's API, to use a stand-in on this machine")
    top.add_argument("--no-browser", action="store_true", help="do not open the browser")
    sub = top.add_subparsers(dest="command", metavar="COMMAND", title="commands (without one: serve)")

    new = sub.add_parser("new", help="copy a template to workflows/NAME.py")
    new.add_argument("name")
    new.add_argument("--from", dest="template", default="bridge", help="bridge, petite, poet, work or byhand")

    run = sub.add_parser("run", help="run a workflow here, without the browser; JSON on stdout")
    run.add_argument("workflow")
    run.add_argument("--id", required=True, help="run ID")
    run.usage = "pipulate run WORKFLOW --id ID [NAME=VALUE ...]"  # argparse cannot take answers after an option

    context = sub.add_parser("context", help="print the core as one text, for a model's window")
    context.add_argument("--counts", action="store_true", help="only the token counts per file")
    for name, module, what in DELEGATED:
        sub.add_parser(name, help=what, add_help=False).set_defaults(module=module)
    return top


#: Commands that belong to a part: (name, "module:function" that takes (argv, settings), help).
DELEGATED = [
    ("runs", "pipulate.apps.runs:main", "list, show, delete, export or import runs"),
    ("model", "pipulate.chat.cli:model", "get, list or remove weights of the embedded model"),
    ("soul", "pipulate.chat.cli:soul_file", "export or import the model's portable memory"),
    ("mcp", "pipulate.chat.mcp:main", "print how other programs' agents connect"),
    ("graph", "pipulate.graph.cli:main", "analyse CSVs of links from any source"),
    ("botify-simulator", "pipulate.botify.simulator:main", "serve the simulator of Botify's API alone"),
    ("backup", "pipulate.apps.care:backup", "write a consistent copy of the database"),
    ("restore", "pipulate.apps.care:restore", "put a backup in place of the database"),
    ("doctor", "pipulate.apps.care:doctor", "what is installed, what is wrong, how to mend it"),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args, rest = parser().parse_known_args(argv)
    if args.command == "run":
        args.answers = rest
    elif rest and not getattr(args, "module", None):
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    folders = tuple(args.workflows) if args.workflows else (Path("workflows"),)
    settings = Settings(
        data=args.data, downloads=args.downloads, workflows=(PACKAGE / "workflows", *folders), host=args.host, port=args.port,
        lan=args.lan or args.host not in LOCAL, dev=args.dev, demo=args.demo, botify=args.botify,
    )  # fmt: skip
    log_to_terminal("WARNING")
    try:
        if getattr(args, "module", None):
            module, _, function = args.module.partition(":")
            return int(getattr(importlib.import_module(module), function)(rest, settings) or 0)
        commands: dict[str | None, Callable[[argparse.Namespace, Settings], int]] = {
            None: serve, "new": new, "run": run, "context": context,
        }  # fmt: skip
        return commands[args.command](args, settings)
    except PipulateError as error:
        print(f"pipulate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def log_to_terminal(level: str) -> None:
    """Log to stderr alone, and never the values of variables, as loguru does by default: one may be a secret."""
    logger.remove()
    logger.add(lambda line: print(line, end="", file=sys.stderr), format="{time:HH:mm:ss} {level: <7} {message}", level=level, diagnose=False, backtrace=False)


# -------------------------------------------------------------------- serve


def serve(args: argparse.Namespace, settings: Settings) -> int:
    """Serve on this machine and open the browser."""
    import socket

    import uvicorn

    from pipulate.app import create_app
    from pipulate.guard import Protocol
    from pipulate.store import serving

    url = f"http://{settings.host}:{settings.port}"
    settings.data.mkdir(parents=True, exist_ok=True)
    lock = serving(settings.data, url)
    log_to_terminal("INFO")
    logger.add(
        settings.data / "log" / "pipulate.log",
        rotation="5 MB",
        retention=5,
        level="INFO",
        diagnose=False,
        backtrace=False,
    )
    try:
        with socket.socket(socket.AF_INET6 if ":" in settings.listen else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.listen, settings.port))
    except OSError as error:
        lock.release()
        raise InUse(
            f"Port {settings.port} on {settings.host} is taken ({error.strerror}). Choose another with --port."
        ) from error
    config = uvicorn.Config(
        create_app(settings), host=settings.listen, port=settings.port, http=Protocol, ws="websockets-sansio", log_level="warning",
        access_log=False, server_header=False, proxy_headers=False, date_header=True, timeout_graceful_shutdown=3, ws_max_size=1 << 20,
    )  # fmt: skip
    logger.info("Pipulate serves {} (data in {}). Ctrl+C stops it.", url, settings.data.resolve())
    if not args.no_browser:
        threading.Timer(1.0, webbrowser.open, [url]).start()
    try:
        uvicorn.Server(config).run()
    finally:
        lock.release()
    return 0


# -------------------------------------------------------------------- workflows in the terminal


def new(args: argparse.Namespace, settings: Settings) -> int:
    """Copy a template under a new name."""
    import re

    templates = {path.stem: path for path in sorted((PACKAGE / "workflows").glob("*.py"))}
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", args.name):
        raise Invalid(f"{args.name!r} cannot be a workflow's name: small letters, digits and _ only, a letter first.")
    if args.template not in templates:
        raise Unknown(f"There is no template {args.template!r}. There are: {', '.join(templates)}.")
    target = settings.workflows[-1] / f"{args.name}.py"
    if target.exists():
        raise Invalid(f"{target} exists already; nothing was overwritten. Choose another name.")
    text = templates[args.template].read_text(encoding="utf-8")
    title = args.name.replace("_", " ").capitalize()
    text = re.sub(rf'Workflow\("{args.template}", title="[^"]*"', f'Workflow("{args.name}", title="{title}"', text)
    text = re.sub(r'APP_NAME = "\w+"', f'APP_NAME = "{args.name}"', text)
    text = re.sub(r'TITLE = "[^"]+"', f'TITLE = "{title}"', text)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(
        f"{target}: a copy of {args.template}. Change its steps; `pipulate --dev` shows it at /{args.name} as you save."
    )
    return 0


class Terminal:
    """The voice of a headless run: remarks go to stderr, questions to the configured model."""

    async def say(self, text: str) -> None:
        """Print a remark."""
        print(text, file=sys.stderr)

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """There is no panel here to hold a model."""
        raise Unknown("No model answers in the terminal; give the step's answer as NAME=VALUE.")
        yield ""


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run a workflow to its end, or to the first answer that is missing."""
    from pipulate import discovery
    from pipulate.store import Store
    from pipulate.workflow import Workflow

    found: dict[str, Any] = {}
    for stem, path in discovery.files(settings.workflows).items():
        if stem == args.workflow:
            found |= {item.name: item for item in discovery.load(path)}
    flow = found.get(args.workflow)
    if isinstance(flow, discovery.Broken):
        raise Invalid(f"The workflow file does not load.\n{flow.traceback}")
    if not isinstance(flow, Workflow):
        raise Unknown(
            f"There is no workflow {args.workflow!r} that can run here. There are: {', '.join(discovery.files(settings.workflows))}."
        )
    given: dict[str, list[str]] = {}
    for pair in args.answers:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Invalid(f"{pair!r} is not an answer; expected NAME=VALUE.")
        given.setdefault(name, []).append(value)
    store = Store(settings.database)
    try:
        return asyncio.run(_headless(flow, args.id, given, store, settings))
    finally:
        store.close()


async def _headless(flow: Any, id: str, given: dict[str, list[str]], store: Any, settings: Settings) -> int:
    from pipulate import forms
    from pipulate import record as rec
    from pipulate.chat.voice import voice
    from pipulate.jobs import Jobs
    from pipulate.pipeline import Pipulate
    from pipulate.workflow import Run, call

    engine, terminal = Pipulate(store, flow.name), Terminal()
    voice.set(terminal)
    id = rec.normalise_id(id)
    engine.initialize_if_missing(id, {"version": flow.version} if flow.version != 1 else {})
    jobs = Jobs(store, settings, terminal)
    try:
        while True:
            record, rev = flow.open(engine, id)
            now = Run(flow, engine, id, record, rev, settings)
            if now.open_index >= len(flow.steps):
                break
            step = flow.steps[now.open_index]
            if step.work:
                await _work_here(jobs, flow, id, step)
                continue
            inside = await call(step.function, now)
            wanted = forms.fields(inside)
            submitted = {**forms.initial(inside), **given}
            try:
                values = forms.read(wanted, submitted)
                if step.accept_function:
                    accepted = await call(step.accept_function, now, values)
                    values = accepted if isinstance(accepted, dict) else values
            except Invalid as error:
                names = ", ".join(f"{item.name}=…" for item in wanted)
                raise Invalid(f"Step {step.key!r} ({step.label}): {error} It takes {names}. Earlier answers are kept.") from error
            data = values if rec.is_done({step.id: values}, step.id) else {**values, "answered": True}
            engine.set_step_data(id, step.id, data, rev)
        print(
            json.dumps(
                {"workflow": flow.name, "id": id, "answers": now.answers(), "record": record}, ensure_ascii=False
            )
        )
        return 0
    finally:
        await jobs.close()


async def _work_here(jobs: Any, flow: Any, id: str, step: Any) -> None:
    """Do a step's work with a progress bar on stderr."""
    key = (flow.name, id, step.id)
    await jobs.start(flow, id, step)
    shown = ""
    while jobs.running(key):
        now = jobs.progress(key)
        bar = "…" if now.fraction is None else f"{'█' * int(now.fraction * 24):24} {now.fraction:4.0%}"
        line = f"{step.label}  {bar}  {now.message}"
        if line != shown and sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif line != shown and now.message != shown:
            print(line, file=sys.stderr)
        shown = line
        await asyncio.sleep(0.1)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    row = jobs.row(key)
    if row["state"] != "done":
        raise PipulateError(f"{step.label}: {row['error']}")


# -------------------------------------------------------------------- care


def core_files() -> list[Path]:
    """Return the files of the core: every module of the package's first level."""
    return sorted(PACKAGE.glob("*.py"))


def context(args: argparse.Namespace, settings: Settings) -> int:
    """Print the core as one text; token = four characters."""
    total = 0
    for path in core_files():
        text = path.read_text(encoding="utf-8")
        total += len(text)
        if args.counts:
            print(f"{len(text) // 4:>7,}  {path.relative_to(PACKAGE.parent)}")
        else:
            print(f"\n# ==== {path.relative_to(PACKAGE.parent)} ({len(text) // 4:,} tokens)\n\n{text}")
    print(f"{total // 4:>7,}  tokens in all (characters / 4)", file=sys.stderr if not args.counts else sys.stdout)
    return 0
