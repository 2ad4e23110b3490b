"""Workflows in the terminal: `pipulate new` begins one's file, `pipulate run` runs one without a browser.

The same steps, forms, checks and jobs as in the browser: answers are NAME=VALUE, remarks and progress go to stderr, the
record goes to stdout as JSON.
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pipulate.engine import discovery, forms
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from pipulate.engine.voice import voice
from pipulate.engine.workflow import Run, Step, Workflow, answer, call


def new(argv: Sequence[str], settings: Settings) -> None:
    """Copy a template under a new name."""
    parser = argparse.ArgumentParser(
        prog="pipulate new", description="Copy a template to workflows/NAME.py."
    )
    parser.add_argument("name")
    parser.add_argument(
        "--from", dest="template", default="bridge", help="bridge, petite, poet, work or byhand"
    )
    args = parser.parse_args(argv)
    name, template = args.name, args.template
    templates = {path.stem: path for path in sorted((PACKAGE / "workflows").glob("*.py"))}
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise Invalid(
            f"{name!r} cannot be a workflow's name: small letters, digits and _ only, a letter first."
        )
    if template not in templates:
        raise Unknown(f"There is no template {template!r}. There are: {', '.join(templates)}.")
    target = settings.workflows[-1] / f"{name}.py"
    if target.exists():
        raise Invalid(f"{target} exists already; nothing was overwritten. Choose another name.")
    text, title = (
        templates[template].read_text(encoding="utf-8"),
        name.replace("_", " ").capitalize(),
    )
    text = re.sub(
        rf'Workflow\(\s*"{template}",\s*title="[^"]*"', f'Workflow("{name}", title="{title}"', text
    )
    text = re.sub(r'APP_NAME = "\w+"', f'APP_NAME = "{name}"', text)
    text = re.sub(r'TITLE = "[^"]+"', f'TITLE = "{title}"', text)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(
        f"{target}: a copy of {template}. Change its steps; `pipulate --dev` shows it at /{name} as you save."
    )


class Terminal:
    """The voice of a headless run: remarks go to stderr, and no panel holds a model to ask."""

    async def say(self, text: str) -> None:
        """Print a remark."""
        print(text, file=sys.stderr)

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Refuse, saying what to do instead."""
        raise Unknown("No model answers in the terminal; give the step's answer as NAME=VALUE.")
        yield ""


def run(argv: Sequence[str], settings: Settings) -> None:
    """Run a workflow to its end, or to the first answer that is missing."""
    parser = argparse.ArgumentParser(
        prog="pipulate run", description="Run a workflow here, without the browser; JSON on stdout."
    )
    parser.usage = "pipulate run WORKFLOW --id ID [NAME=VALUE ...]"  # argparse cannot take answers after an option
    parser.add_argument("workflow")
    parser.add_argument("--id", required=True, help="run ID")
    args, pairs = parser.parse_known_args(argv)
    name, id = args.workflow, args.id
    files = discovery.files(settings.workflows)
    flow = (
        next((item for item in discovery.load(files[name]) if item.name == name), None)
        if name in files
        else None
    )
    if isinstance(flow, discovery.Broken):
        raise Invalid(f"The workflow file does not load.\n{flow.traceback}")
    if not isinstance(flow, Workflow):
        raise Unknown(
            f"There is no workflow {name!r} that can run here. There are: {', '.join(files)}."
        )
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
    print(
        json.dumps(
            {"workflow": name, "id": run.id, "answers": run.answers(), "record": run.record},
            ensure_ascii=False,
        )
    )


async def _headless(
    flow: Workflow, id: str, given: dict[str, list[str]], store: Store, settings: Settings
) -> Run:
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


async def _fill(run: Run, step: Step, given: dict[str, list[str]]) -> None:
    """Answer a card with what is given, and else with what its form would submit untouched."""
    inside = await call(step.function, run)
    try:
        await answer(run, step, inside, {**forms.initial(inside), **given}, run.rev)
    except Invalid as error:
        names = ", ".join(f"{item.name}=…" for item in forms.fields(inside))
        what = (
            f"Step {step.key!r} ({step.label}): {error} It takes {names}. Earlier answers are kept."
        )
        raise Invalid(what) from error


async def _work(jobs: Jobs, run: Run, step: Step) -> None:
    """Do a step's work with a progress bar on stderr."""
    key, shown, live = (run.flow.name, run.id, step.id), "", sys.stderr.isatty()
    await jobs.start(run.flow, run.id, step)
    while jobs.running(key):
        now = jobs.progress(key)
        bar = (
            "…"
            if now.fraction is None
            else f"{'█' * int(now.fraction * 24):24} {now.fraction:4.0%}"
        )
        line = f"{step.label}  {bar}  {now.message}"
        if line != shown:
            print(
                f"\r\x1b[K{line}" if live else line,
                end="" if live else "\n",
                file=sys.stderr,
                flush=True,
            )
        shown = line
        await asyncio.sleep(0.1)
    if live:
        print(file=sys.stderr)
    row: dict[str, Any] = jobs.row(key) or {}
    if row.get("state") != "done":
        raise PipulateError(f"{step.label}: {row.get('error')}")
