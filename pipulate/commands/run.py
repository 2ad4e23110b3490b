"""`pipulate run`: run a workflow here, to its end or first missing answer.

The same steps, forms, checks and jobs as in the browser.  A field that is
not named gets what its form would submit untouched; a run that exists goes
on where it was.  The record goes to stdout as JSON.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import closing

from pipulate.botify.urls import run_id
from pipulate.commands import parser, progress
from pipulate.engine import forms
from pipulate.engine.discovery import Folders
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.fault import fault
from pipulate.engine.found import Broken, HandWritten, Helper
from pipulate.engine.jobs import Jobs
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.voice import Silent, voice
from pipulate.engine.workflow import Run, Step, Workflow, answer, call

Given = dict[str, list[str]]  #: the values of each field, as a form would send them
PACE = 0.1  # seconds between two looks at a job


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print the record."""
    reader = parser(__doc__)
    reader.add_argument("workflow", metavar="WORKFLOW")
    reader.add_argument("answers", metavar="NAME=VALUE", nargs="*")
    reader.add_argument("--id", required=True, help="run ID")
    args = reader.parse_intermixed_args(argv)
    flow = find(args.workflow, settings)
    given = read(args.answers)
    with closing(Store(settings.database)) as store:
        run = asyncio.run(finish(flow, args.id, given, store, settings))
    made = {
        "workflow": flow.name,
        "id": run.id,
        "answers": run.answers(),
        "record": run.record,
    }
    print(json.dumps(made, ensure_ascii=False))


def find(name: str, settings: Settings) -> Workflow:
    """Raises Invalid for a broken file, Unknown for none."""
    folders = Folders(settings.workflows, normalise=run_id)
    folders.refresh()
    match folders.found.get(name):
        case Workflow() as flow:
            return flow
        case Broken() as broken:
            raise Invalid(f"{broken}\n{broken.fault.traceback}".strip())
        case Helper() as helper:
            raise Unknown(str(helper))
        case HandWritten():
            raise Unknown(f"{name!r} is written by hand: it runs in the browser alone.")
    flows = [name for name, item in folders.found.items() if isinstance(item, Workflow)]
    raise Unknown(f"There is no workflow {name!r} here. There are: {', '.join(sorted(flows))}.")


def read(answers: Sequence[str]) -> Given:
    """Return the values by field; raises Invalid."""
    given: Given = {}
    for pair in answers:
        field, equals, value = pair.partition("=")
        if not equals:
            raise Invalid(f"{pair!r} is not an answer; expected NAME=VALUE.")
        given.setdefault(field, []).append(value)
    return given


async def finish(flow: Workflow, id: str, given: Given, store: Store, settings: Settings) -> Run:
    """Begin or resume a run and take every step that is open."""
    terminal = Terminal()
    voice.set(terminal)
    flow.begin(flow.engine(store), id)
    jobs = Jobs(store, settings, terminal)
    try:
        while (run := flow.load(store, id, settings)).open_index < len(flow.steps):
            step = flow.steps[run.open_index]
            if step.work:
                await _work(jobs, run, step)
            else:
                await _fill(run, step, given)
        return run
    except PipulateError:
        raise
    except Exception as error:
        told = fault(error)
        if not told.line:
            raise
        way = "Mend it and run this again: earlier answers are kept."
        raise PipulateError(f"{told}. {way}") from error
    finally:
        await jobs.close()


async def _fill(run: Run, step: Step, given: Given) -> None:
    inside = await call(step.function, run)
    try:
        await answer(run, step, inside, {**forms.initial(inside), **given}, run.rev)
    except Invalid as error:
        names = ", ".join(f"{item.name}=…" for item in forms.fields(inside))
        raise Invalid(
            f"Step {step.key!r} ({step.label}): {error} It takes {names}. Earlier answers are kept."
        ) from error


async def _work(jobs: Jobs, run: Run, step: Step) -> None:
    key = (run.flow.name, run.id, step.id)
    await jobs.start(run.flow, run.id, step)
    with progress(step.label) as tell:
        while jobs.running(key):
            now = jobs.progress(key)
            tell(now.fraction, now.message)
            await asyncio.sleep(PACE)
    row = jobs.row(key) or {
        "state": "gone",
        "error": "It ended without a result.",
    }
    if row["state"] != "done":
        raise PipulateError(f"{step.label}: {row['error']}")


class Terminal(Silent):
    """The voice of a run without a browser, on stderr; it has no model."""

    why = "No model answers in the terminal; give the step's answer as NAME=VALUE."

    async def say(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr)
