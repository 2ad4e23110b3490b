"""The command `pipulate`: serve, and the same workflows in the terminal."""

import argparse
import asyncio
import importlib
import json
import re
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from pipulate.errors import InUse, Invalid, PipulateError, Unknown
from pipulate.settings import LOCAL, PACKAGE, Settings

if TYPE_CHECKING:  # each command imports what it needs when it runs
    from pipulate.jobs import Jobs
    from pipulate.store import Store
    from pipulate.workflow import Run, Step, Workflow

#: Commands that belong to a part: (name, "module:function" that takes (argv, settings), help).
DELEGATED = [
    ("runs", "pipulate.apps.runs:main", "list, show, delete, export or import runs"),
    ("model", "pipulate.chat.cli:model", "get, list or remove weights of the embedded model"),
    ("soul", "pipulate.chat.cli:soul_file", "export or import the model's portable memory"),
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

    new = sub.add_parser("new", help="copy a template to workflows/NAME.py")
    new.add_argument("name")
    new.add_argument("--from", dest="template", default="bridge", help="bridge, petite, poet, work or byhand")

    run = sub.add_parser("run", help="run a workflow here, without the browser; JSON on stdout")
    run.add_argument("workflow")
    run.add_argument("--id", required=True, help="run ID")
    run.usage = "pipulate run WORKFLOW --id ID [NAME=VALUE ...]"  # argparse cannot take answers after an option
    for name, module, what in DELEGATED:
        sub.add_parser(name, help=what, add_help=False).set_defaults(module=module)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args, rest = parser().parse_known_args(argv)
    module, _, function = getattr(args, "module", "").partition(":")
    if rest and not module and args.command != "run":
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    folders = args.workflows or [Path("workflows")]
    settings = Settings(
        data=args.data, downloads=args.downloads, workflows=(PACKAGE / "workflows", *folders), host=args.host, port=args.port,
        lan=args.lan or args.host not in LOCAL, dev=args.dev, demo=args.demo, botify=args.botify,
    )  # fmt: skip
    log_to_terminal("WARNING")
    try:
        match args.command:
            case None:
                serve(settings, browser=not args.no_browser)
            case "new":
                new(args.name, args.template, settings)
            case "run":
                run(args.workflow, args.id, rest, settings)
            case _:
                return int(getattr(importlib.import_module(module), function)(rest, settings) or 0)
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


def new(name: str, template: str, settings: Settings) -> None:
    """Copy a template under a new name."""
    templates = {path.stem: path for path in sorted((PACKAGE / "workflows").glob("*.py"))}
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise Invalid(f"{name!r} cannot be a workflow's name: small letters, digits and _ only, a letter first.")
    if template not in templates:
        raise Unknown(f"There is no template {template!r}. There are: {', '.join(templates)}.")
    target = settings.workflows[-1] / f"{name}.py"
    if target.exists():
        raise Invalid(f"{target} exists already; nothing was overwritten. Choose another name.")
    text, title = templates[template].read_text(encoding="utf-8"), name.replace("_", " ").capitalize()
    text = re.sub(rf'Workflow\("{template}", title="[^"]*"', f'Workflow("{name}", title="{title}"', text)
    text = re.sub(r'APP_NAME = "\w+"', f'APP_NAME = "{name}"', text)
    text = re.sub(r'TITLE = "[^"]+"', f'TITLE = "{title}"', text)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(f"{target}: a copy of {template}. Change its steps; `pipulate --dev` shows it at /{name} as you save.")


# -------------------------------------------------------------------- workflows in the terminal


class Terminal:
    """The voice of a headless run: remarks go to stderr, and no panel holds a model to ask."""

    async def say(self, text: str) -> None:
        """Print a remark."""
        print(text, file=sys.stderr)

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Refuse, saying what to do instead."""
        raise Unknown("No model answers in the terminal; give the step's answer as NAME=VALUE.")
        yield ""


def run(name: str, id: str, pairs: Sequence[str], settings: Settings) -> None:
    """Run a workflow to its end, or to the first answer that is missing; `pairs` are NAME=VALUE."""
    from pipulate import discovery
    from pipulate.store import Store
    from pipulate.workflow import Workflow

    files = discovery.files(settings.workflows)
    flow = next((item for item in discovery.load(files[name]) if item.name == name), None) if name in files else None
    if isinstance(flow, discovery.Broken):
        raise Invalid(f"The workflow file does not load.\n{flow.traceback}")
    if not isinstance(flow, Workflow):
        raise Unknown(f"There is no workflow {name!r} that can run here. There are: {', '.join(files)}.")
    given: dict[str, list[str]] = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not equals:
            raise Invalid(f"{pair!r} is not an answer; expected NAME=VALUE.")
        given.setdefault(field, []).append(value)
    store = Store(settings.database)
    try:
        run = asyncio.run(_headless(flow, id, given, store, settings))
    finally:
        store.close()
    print(json.dumps({"workflow": name, "id": run.id, "answers": run.answers(), "record": run.record}, ensure_ascii=False))


async def _headless(flow: "Workflow", id: str, given: dict[str, list[str]], store: "Store", settings: Settings) -> "Run":
    from pipulate.chat.voice import voice
    from pipulate.jobs import Jobs
    from pipulate.pipeline import Pipulate

    terminal = Terminal()
    voice.set(terminal)
    flow.begin(Pipulate(store, flow.name), id)
    jobs = Jobs(store, settings, terminal)
    try:
        while (run := flow.load(store, id, settings)).open_index < len(flow.steps):
            step = flow.steps[run.open_index]
            await (_work(jobs, run, step) if step.work else _fill(run, step, given))
        return run
    finally:
        await jobs.close()


async def _fill(run: "Run", step: "Step", given: dict[str, list[str]]) -> None:
    """Answer a card with what is given, and else with what its form would submit untouched."""
    from pipulate import forms
    from pipulate.workflow import answer, call

    inside = await call(step.function, run)
    try:
        await answer(run, step, inside, {**forms.initial(inside), **given}, run.rev)
    except Invalid as error:
        names = ", ".join(f"{item.name}=…" for item in forms.fields(inside))
        what = f"Step {step.key!r} ({step.label}): {error} It takes {names}. Earlier answers are kept."
        raise Invalid(what) from error


async def _work(jobs: "Jobs", run: "Run", step: "Step") -> None:
    """Do a step's work with a progress bar on stderr."""
    key, shown, live = (run.flow.name, run.id, step.id), "", sys.stderr.isatty()
    await jobs.start(run.flow, run.id, step)
    while jobs.running(key):
        now = jobs.progress(key)
        bar = "…" if now.fraction is None else f"{'█' * int(now.fraction * 24):24} {now.fraction:4.0%}"
        line = f"{step.label}  {bar}  {now.message}"
        if line != shown:
            print(f"\r\x1b[K{line}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
        shown = line
        await asyncio.sleep(0.1)
    if live:
        print(file=sys.stderr)
    row: dict[str, Any] = jobs.row(key) or {}
    if row.get("state") != "done":
        raise PipulateError(f"{step.label}: {row.get('error')}")
