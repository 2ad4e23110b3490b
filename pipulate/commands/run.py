"""`pipulate run`: run a workflow here, to its end or first missing answer.

The same steps, forms, checks and jobs as in the browser.  A field that is
not named gets what its form would submit untouched, one of a file is named
with a path; a run that exists goes on where it was.  The record goes to
stdout as JSON.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pipulate.botify.urls import run_id
from pipulate.commands import parser, progress
from pipulate.engine import forms
from pipulate.engine.answers import Question, answer, question
from pipulate.engine.calls import call
from pipulate.engine.changed import former, opened, take
from pipulate.engine.discovery import Folders
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.fault import fault
from pipulate.engine.found import Broken, HandWritten, Helper
from pipulate.engine.jobs import Jobs
from pipulate.engine.kept import keep, plain_name
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.values import File, as_json
from pipulate.engine.voice import Silent, voice
from pipulate.engine.workflow import Run, Step, Workflow

Given = dict[str, list[str]]  #: the values of each field, as a form would send them
BY_HAND = (
    "{0!r} is written by hand: only its own pages know its steps, so it runs in the "
    "browser alone, at /{0}. `pipulate runs` lists, shows and exports its runs."
)
PACE = 0.1  # seconds between two looks at a job


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print the record."""
    reader = parser(__doc__)
    reader.add_argument("workflow", metavar="WORKFLOW")
    reader.add_argument("answers", metavar="NAME=VALUE", nargs="*")
    reader.add_argument("--id", required=True, help="run ID")
    take = "a renamed step: take the answer of FORMER; nothing for none"
    reader.add_argument("--take", metavar="STEP=FORMER", action="append", default=[], help=take)
    args = reader.parse_intermixed_args(argv)
    flow = find(args.workflow, settings)
    given = read(args.answers)
    taken = {step: former[-1] for step, former in read(args.take).items()}
    with closing(Store(settings.database)) as store:
        run = asyncio.run(finish(flow, args.id, given, store, settings, taken))
    made = {
        "workflow": flow.name,
        "id": run.id,
        "answers": run.answers(),
        "record": run.state,
    }
    plainly = partial(as_json, folder=settings.data)
    print(json.dumps(made, ensure_ascii=False, default=plainly))


def find(name: str, settings: Settings) -> Workflow:
    """Raises Invalid for a broken file, Unknown for none."""
    folders = Folders(settings.workflows, normalise=run_id)
    match folders.find(name):
        case Workflow() as flow:
            return flow
        case Broken() as broken:
            raise Invalid(f"{broken}\n{broken.fault.traceback}".strip())
        case Helper() as helper:
            raise Unknown(str(helper))
        case HandWritten():
            raise Unknown(BY_HAND.format(name))
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


async def finish(
    flow: Workflow,
    id: str,
    given: Given,
    store: Store,
    settings: Settings,
    taken: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    """Begin or resume a run and take every step that is open.

    `taken` says of steps which former one they are, "" for none.
    """
    terminal = Terminal()
    voice.set(terminal)
    flow.begin(flow.engine(store), id)
    jobs = Jobs(store, settings, terminal)
    try:
        while True:
            run = await opened(flow, store, id, settings)
            if run.open_index == len(flow.steps):
                await _tell_unknown(run, given)
                return run
            step = flow.steps[run.open_index]
            if step.when:
                await call(step.when, run.before(step))  # if it fails, that is told, as on its card
            if ("gone" in run.state or step.work) and await _is_former(run, step, given, taken):
                continue
            if step.work:
                await _work(jobs, run, step)
            else:
                await _fill(run, step, given)
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


async def _tell_unknown(run: Run, given: Given) -> None:
    """Say which answers no step takes; of those left out, too."""
    left = {*given}
    for step in run.flow.steps:
        entry = run.state.get("asked", {}).get(step.id)
        if entry:
            left.difference_update(entry["fields"])
        elif left and not step.work:
            try:
                inside = (await question(run, step)).inside
            except Exception:  # its fields are not known, then
                return
            left.difference_update(item.name for item in forms.fields(inside))
    for name in sorted(left):
        print(f"No step has a field {name!r}, so that was not taken.", file=sys.stderr)


async def _is_former(run: Run, step: Step, given: Given, taken: Mapping[str, str]) -> bool:
    """Take a gone answer for the step, if that is said; raises Invalid if not."""
    inside = () if step.work else (await question(run, step)).inside
    candidates = former(run, step, inside)
    if taken.get(step.key) in candidates:
        take(run, step, inside, taken[step.key])
        return True
    is_new = step.key in taken or any(item.name in given for item in forms.fields(inside))
    if candidates and not is_new:
        key = candidates[0]
        raise Invalid(
            f"The workflow has changed: is {step.key!r} the former {key!r}? "
            f"If so, add --take {step.key}={key}; if not, --take {step.key}= and its answer."
        )
    return False


async def _fill(run: Run, step: Step, given: Given) -> None:
    asked = await question(run, step)
    try:
        await answer(asked, {**forms.initial(asked.inside), **given, **_chosen(asked, given)})
    except Invalid as error:
        names = ", ".join(f"{item.name}=…" for item in forms.fields(asked.inside))
        raise Invalid(
            f"Step {step.key!r} ({step.label}): {error} It takes {names}. Earlier answers are kept."
        ) from error


def _chosen(asked: Question, given: Given) -> dict[str, list[File]]:
    """Return the files that are given by their paths; none for an empty one."""
    chosen = {}
    for item in forms.fields(asked.inside):
        if item.kind == "file" and item.name in given:
            paths = [Path(text).expanduser() for text in given[item.name] if text]
            chosen[item.name] = [_kept(asked.run, path, item.name) for path in paths]
            asked.known = {**asked.known, item.name: None}
    return chosen


def _kept(run: Run, path: Path, field: str) -> File:
    try:
        with path.open("rb") as source:
            return keep(source, plain_name(path.name), run.engine.store.folder)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", field) from error


async def _work(jobs: Jobs, run: Run, step: Step) -> None:
    key = (run.flow.name, run.id, step.key)
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
