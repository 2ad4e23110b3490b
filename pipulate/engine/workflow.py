"""What a workflow file is made of: `Workflow`, its steps and their `run`.

    flow = Workflow("bridge", title="The Bridge of Death")

    @flow.step("name", "What... is your name?")  a card: a form's inside
    def name(run): return Input(name="name", required=True)

    @name.accept                                 optional: check the answer
    def check(run, form): ...; return form       or raise Invalid(…, "name")

    @name.show                                   optional: the finished card
    def shown(run): return P(run["name"])

    @flow.work("export", "Export links")         done in the background
    async def export(run, job): ...; return {"rows": 12}

    @flow.result                                 the last card
    def verdict(run): return P("Right. Off you go.")

Plain functions run in a thread, so they may take their time.  A step's id
is its place: step_01, …; `version` and `upgrade` are for changing that.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipulate.engine import forms
from pipulate.engine import record as rec
from pipulate.engine.errors import Incompatible, PipulateError, Stale
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.record import Normalise, Record
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.voice import voice

Function = Callable[..., Any]


#: The workflows that the file now being read has made.
made: ContextVar[list["Workflow"]] = ContextVar("made")


async def call(function: Function, *args: Any) -> Any:
    """Call a workflow's function without blocking the event loop."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return await asyncio.to_thread(function, *args)


@dataclass
class Step:
    """One note of a workflow: an input card, or a piece of work."""

    key: str
    label: str
    function: Function
    number: int
    work: bool = False
    button: str = "Next"
    auto: bool = True  #: work begins by itself
    explain: bool = True  #: the model may say a sentence about it
    accept_function: Function | None = None
    show_function: Function | None = None

    @property
    def id(self) -> str:
        """The step's id in the record."""
        return f"step_{self.number:02d}"

    def accept(self, function: Function) -> Function:
        """Decorate `(run, form) -> form`: check and shape the answers."""
        self.accept_function = function
        return function

    def show(self, function: Function) -> Function:
        """Decorate `(run) -> component`: word the finished card."""
        self.show_function = function
        return function


@dataclass
class Workflow:
    """A named linear sequence of steps, defined in one file."""

    name: str
    title: str = ""
    version: int = 1
    about: str = ""  #: what the model is told; else the file's docstring
    id_label: str = "Run ID"
    id_hint: str = "Any name. Enter it again to go on where you were."
    normalise: Normalise = rec.normalise_id
    steps: list[Step] = field(default_factory=list)
    result_function: Function | None = None
    upgrade_function: Function | None = None

    def __post_init__(self) -> None:
        self.title = self.title or self.name.replace("_", " ").capitalize()
        made.get([]).append(self)

    def step(
        self, key: str, label: str, *, button: str = "Next", explain: bool = True
    ) -> Callable[[Function], Step]:
        """Decorate `(run) -> components`: the inside of a card's form."""
        return partial(self._add, key, label, button=button, explain=explain)

    def work(
        self,
        key: str,
        label: str,
        *,
        button: str = "Start",
        auto: bool = True,
        explain: bool = True,
    ) -> Callable[[Function], Step]:
        """Decorate `(run, job) -> result`; `auto=False` awaits its button."""
        return partial(
            self._add,
            key,
            label,
            work=True,
            button=button,
            auto=auto,
            explain=explain,
        )

    def _add(self, key: str, label: str, function: Function, **options: Any) -> Step:
        if self._step(key):
            raise PipulateError(
                f"Workflow {self.name!r} has two steps with the key {key!r}; each needs its own."
            )
        self.steps.append(Step(key, label, function, len(self.steps) + 1, **options))
        return self.steps[-1]

    def _step(self, key: str) -> Step | None:
        return next((step for step in self.steps if step.key == key), None)

    def result(self, function: Function) -> Function:
        """Decorate `(run) -> component`: the last card."""
        self.result_function = function
        return function

    def upgrade(self, function: Function) -> Function:
        """Decorate `(record, from_version) -> record`: convert an older one."""
        self.upgrade_function = function
        return function

    @property
    def tuples(self) -> list[tuple[str, str, str]]:
        """The steps as the engine takes them: (key, step_id, label)."""
        return [(step.key, step.id, step.label) for step in self.steps]

    def engine(self, store: Store) -> Pipulate:
        """Return the engine of this workflow's runs."""
        return Pipulate(store, self.name, self.normalise)

    def begin(self, engine: Pipulate, id: str) -> None:
        """Begin the run, unless it was begun already."""
        initial: Record = {}
        if self.version != 1:
            initial["version"] = self.version
        engine.initialize_if_missing(id, initial)

    def open(self, engine: Pipulate, id: str) -> tuple[Record, int]:
        """Return (record, revision), upgraded; raises Incompatible."""
        record, rev = engine.load(id)
        if record.get("version", 1) == self.version:
            return record, rev
        act = f"upgrade to {self.version}"
        return engine.change(id, act, self._upgraded, kind=Kind.UPGRADE, locked=True)

    def _upgraded(self, record: Record) -> Record:
        wrote = record.get("version", 1)
        if wrote == self.version:
            return record  # another tab was first
        if wrote > self.version or self.upgrade_function is None:
            raise Incompatible(
                f"This run was written by version {wrote} of {self.title!r}; "
                f"installed is version {self.version}, which has no way to convert "
                "it. Its answers are safe: export the run, or begin a new one "
                "under another ID."
            )
        new = self.upgrade_function(record, wrote)
        return {**rec.restore(new, record), "version": self.version}

    def load(self, store: Store, id: str, settings: Settings) -> "Run":
        """Return the run as stored; raises Unknown, Corrupt, Incompatible."""
        engine = self.engine(store)
        id = self.normalise(id)
        return Run(self, engine, id, *self.open(engine, id), settings)


@dataclass(eq=False)
class Run:
    """One execution of a workflow; `run["color"]` is the answer of a step."""

    flow: Workflow
    engine: Pipulate
    id: str
    record: Record
    rev: int
    settings: Settings

    def __getitem__(self, key: str) -> Any:
        answers = self.answers()
        if key in answers:
            return answers[key]
        problem = "done yet" if self.flow._step(key) else "a step"
        raise KeyError(f"Step {key!r} of {self.flow.name!r} is not {problem}.")

    def get(self, key: str, default: Any = None) -> Any:
        """The answer of step `key`, or `default` while it is not done."""
        return self.answers().get(key, default)

    def fields(self, key: str) -> dict[str, Any]:
        """All fields of step `key`, or {} while it is not done."""
        return self._fields(self.record, key)

    def was(self, key: str) -> dict[str, Any]:
        """What step `key` held before it was reverted, or {}."""
        return self._fields(self.record.get("was", {}), key)

    def _fields(self, record: Record, key: str) -> dict[str, Any]:
        step = self.flow._step(key)
        if step and isinstance(record.get(step.id), dict):
            return dict(record[step.id])
        return {}

    def answers(self) -> dict[str, Any]:
        """All answers so far, by step key."""
        return {key: value for key, _, _, value in rec.answered(self.record, self.flow.tuples)}

    @property
    def open_index(self) -> int:
        """0-based index of the first step not done; len(steps) at the end."""
        return rec.first_open(self.record, self.flow.tuples)

    def summary(self) -> str:
        """The run so far, a line for each answer."""
        done = rec.answered(self.record, self.flow.tuples)
        return "\n".join(f"- {label}: {value}" for _, _, label, value in done)

    async def say(self, text: str) -> None:
        """Say something in the chat panel."""
        await voice.get().say(text)

    def ask(self, prompt: str) -> AsyncIterator[str]:
        """Stream the model's answer; raises PipulateError while none answers."""
        return voice.get().ask(prompt)


async def accepted(run: Run, step: Step, values: forms.Values) -> Record:
    """Return `values` as `accept` shapes them, marked if all is empty."""
    if step.accept_function:
        shaped = await call(step.accept_function, run, values)
        if isinstance(shaped, dict):
            values = shaped
    if rec.is_done({step.id: values}, step.id):
        return values
    return {**values, "answered": True}


async def answer(
    run: Run,
    step: Step,
    inside: Any,
    submitted: Mapping[str, list[Any]],
    rev: int | None = None,
) -> bool:
    """Answer the open step with what was submitted to the form `inside`.

    Updates `run`.  False for a double submit, which changes nothing.  Raises
    Invalid, Stale (another step is open, `rev` is old), what `accept` raises.
    """
    values = forms.read(forms.fields(inside), submitted)
    if run.open_index != step.number - 1:
        if _is_stored(run, step, values):
            return False
        where = "already answered" if run.open_index >= step.number else "not reached yet"
        raise Stale(
            f"“{step.label}” is {where}; nothing was changed. This page was "
            "probably open in another tab. Below is how the run stands now."
        )
    new = {step.id: await accepted(run, step, values)}
    change = partial(run.engine.change, run.id, f"set {step.id}", rev=rev)
    run.record, run.rev = await asyncio.to_thread(change, lambda old: {**old, **new})
    return True


def _is_stored(run: Run, step: Step, values: forms.Values) -> bool:
    stored = {key: value for key, value in run.fields(step.key).items() if key != "answered"}
    return stored == values and step.id in run.record and not run.record.get("finalized")
