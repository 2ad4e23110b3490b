"""What a workflow file is made of: `Workflow`, its steps, and the `run` and `job` that step functions get.

    flow = Workflow("bridge", title="The Bridge of Death")

    @flow.step("name", "What... is your name?")          a card: the inside of a form
    def name(run): return Input(name="name", required=True)

    @name.accept                                          optional: check and shape the answer
    def check(run, form): ...; return form                raise Invalid("…", "name") to refuse it

    @name.show                                            optional: the finished card's words
    def shown(run): return P(run["name"])

    @flow.work("export", "Export links")                  a step done by the machine, in the background
    async def export(run, job): ...; return {"rows": 12}

    @flow.result                                          the last card
    def verdict(run): return P("Right. Off you go.")

Functions may be plain or async; plain ones run in a thread, so they may take their time.  A step's id is its place:
step_01, step_02, …; `version` and `upgrade` are for changing that later.
"""

import asyncio
import contextvars
import hashlib
import inspect
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from pipulate.engine import forms
from pipulate.engine import record as rec
from pipulate.engine.errors import Incompatible, PipulateError, Stale, Unsure
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.record import Record
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store, now
from pipulate.engine.voice import voice

Function = Callable[..., Any]


async def call(function: Function, *args: Any) -> Any:
    """Call a workflow's function without blocking the event loop."""
    return await (
        function(*args)
        if inspect.iscoroutinefunction(function)
        else asyncio.to_thread(function, *args)
    )


@dataclass
class Step:
    """One note of a workflow: an input card, or a piece of work."""

    key: str
    label: str
    function: Function
    number: int
    work: bool = False
    button: str = "Next"
    auto: bool = True  #: work begins by itself once the card before it is answered
    explain: bool = True  #: the model may say a sentence about it
    accept_function: Function | None = None
    show_function: Function | None = None

    @property
    def id(self) -> str:
        """The step's id in the record."""
        return f"step_{self.number:02d}"

    def accept(self, function: Function) -> Function:
        """Decorate `(run, form) -> form`: check and shape the submitted answers."""
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
    about: str = ""  #: what the model is told; the file's docstring unless given (see `discovery`)
    id_label: str = "Run ID"
    id_hint: str = "Any name. Enter it again to go on where you were."
    steps: list[Step] = field(default_factory=list)
    result_function: Function | None = None
    upgrade_function: Function | None = None

    def __post_init__(self) -> None:
        self.title = self.title or self.name.replace("_", " ").capitalize()

    def step(
        self, key: str, label: str, *, button: str = "Next", explain: bool = True
    ) -> Callable[[Function], Step]:
        """Decorate `(run) -> components`: the inside of an input card's form."""
        return lambda function: self._add(key, label, function, button=button, explain=explain)

    def work(
        self,
        key: str,
        label: str,
        *,
        button: str = "Start",
        auto: bool = True,
        explain: bool = True,
    ) -> Callable[[Function], Step]:
        """Decorate `async (run, job) -> result`: a step of the machine; `auto=False` waits for its button."""
        return lambda function: self._add(
            key, label, function, work=True, button=button, auto=auto, explain=explain
        )

    def _add(self, key: str, label: str, function: Function, **options: Any) -> Step:
        if any(key == other.key for other in self.steps):
            raise PipulateError(
                f"Workflow {self.name!r} has two steps with the key {key!r}; each needs its own."
            )
        self.steps.append(Step(key, label, function, len(self.steps) + 1, **options))
        return self.steps[-1]

    def result(self, function: Function) -> Function:
        """Decorate `(run) -> component`: the last card."""
        self.result_function = function
        return function

    def upgrade(self, function: Function) -> Function:
        """Decorate `(record, from_version) -> record`: convert what an older version wrote."""
        self.upgrade_function = function
        return function

    @property
    def tuples(self) -> list[tuple[str, str, str]]:
        """The steps as (key, step_id, label), the form the engine takes."""
        return [(step.key, step.id, step.label) for step in self.steps]

    def begin(self, engine: Pipulate, id: str) -> None:
        """Begin the run, unless it was begun already; its record tells the workflow's version."""
        engine.initialize_if_missing(id, {"version": self.version} if self.version != 1 else {})

    def open(self, engine: Pipulate, id: str) -> tuple[Record, int]:
        """Return (record, revision) of a run, upgraded if an older version wrote it; raises Incompatible."""
        record, rev = engine.load(id)
        wrote, upgrade = record.get("version", 1), self.upgrade_function
        if wrote == self.version:
            return record, rev
        if wrote > self.version or upgrade is None:
            raise Incompatible(
                f"This run was written by version {wrote} of {self.title!r}; installed is version {self.version}, which "
                "has no way to convert it. Its answers are safe: export the run, or begin a new one under another ID."
            )

        def convert(record: Record) -> Record:
            wrote = record.get("version", 1)
            if wrote == self.version:
                return record  # another tab was first
            return {**rec.restore(upgrade(record, wrote), record), "version": self.version}

        return engine.change(id, f"upgrade to {self.version}", convert, locked=True)

    def load(self, store: Store, id: str, settings: Settings) -> "Run":
        """Return the run as it is stored now; raises what `open` does."""
        engine = Pipulate(store, self.name)
        return Run(self, engine, rec.normalise_id(id), *self.open(engine, id), settings)


@dataclass(eq=False)
class Run:
    """One execution of a workflow, as its functions see it: `run["color"]` is an answer."""

    flow: Workflow
    engine: Pipulate
    id: str
    record: Record
    rev: int
    settings: Settings

    def __getitem__(self, key: str) -> Any:
        """The answer of step `key`: its field of that name, else all fields.  KeyError until it is done."""
        step = next((step for step in self.flow.steps if step.key == key), None)
        if step and rec.is_done(self.record, step.id):
            return rec.answer(self.record[step.id], key)
        raise KeyError(
            f"Step {key!r} of {self.flow.name!r} is not {'done yet' if step else 'a step'}."
        )

    def get(self, key: str, default: Any = None) -> Any:
        """The answer of step `key`, or `default` while it is not done."""
        return self[key] if key in self.answers() else default

    def fields(self, key: str) -> dict[str, Any]:
        """All fields of step `key`, or {} while it is not done."""
        return self._fields(self.record, key)

    def was(self, key: str) -> dict[str, Any]:
        """What step `key` held before it was reverted, or {}."""
        return self._fields(self.record.get("was", {}), key)

    def _fields(self, record: Record, key: str) -> dict[str, Any]:
        data = next((record.get(step.id) for step in self.flow.steps if step.key == key), None)
        return dict(data) if isinstance(data, dict) else {}

    def answers(self) -> dict[str, Any]:
        """All answers so far, by step key."""
        return {
            step.key: self[step.key]
            for step in self.flow.steps
            if rec.is_done(self.record, step.id)
        }

    @property
    def open_index(self) -> int:
        """0-based index of the first step that is not done; len(steps) when the run is complete."""
        return rec.first_open(self.record, self.flow.tuples)

    def summary(self) -> str:
        """The run so far in a few lines, for the model and for lists."""
        return "\n".join(
            self.engine.get_step_summary(self.id, self.flow.steps[-1].id, self.flow.tuples)[1]
        )

    async def say(self, text: str) -> None:
        """Say something in the chat panel."""
        await voice.get().say(text)

    def ask(self, prompt: str) -> AsyncIterator[str]:
        """Stream the model's answer to `prompt`; raises a PipulateError while none answers."""
        return voice.get().ask(prompt)


async def accepted(run: Run, step: Step, values: forms.Values) -> Record:
    """Return what is stored for `values`: shaped by the step's `accept`, and marked if all are empty."""
    if step.accept_function:
        shaped = await call(step.accept_function, run, values)
        values = shaped if isinstance(shaped, dict) else values
    return values if rec.is_done({step.id: values}, step.id) else {**values, "answered": True}


async def answer(
    run: Run, step: Step, inside: Any, submitted: Mapping[str, list[Any]], rev: int | None = None
) -> bool:
    """Answer the open step with what was submitted to the form `inside` of its card; `run` is then as stored.

    False for a double submit, which changes nothing.  Raises Invalid, Stale (another step is open, or `rev` is an older
    revision), and whatever `accept` raises.
    """
    values = forms.read(forms.fields(inside), submitted)
    if run.open_index != step.number - 1:
        stored = {key: value for key, value in run.fields(step.key).items() if key != "answered"}
        if stored == values and step.id in run.record and not run.record.get("finalized"):
            return False
        where = "already answered" if run.open_index >= step.number else "not reached yet"
        hint = "This page was probably open in another tab. Below is how the run stands now."
        raise Stale(f"“{step.label}” is {where}; nothing was changed. {hint}")
    data = await accepted(run, step, values)
    run.record, run.rev = await asyncio.to_thread(
        run.engine.change,
        run.id,
        f"set {step.id}",
        lambda record: {**record, step.id: data},
        rev=rev,
    )
    return True


_nonce: contextvars.ContextVar[str] = contextvars.ContextVar("nonce", default="")


class Job:
    """What a step's work reports to; see `jobs` for how it is run."""

    def __init__(self, run: Run, step: Step, report: Callable[[float | None, str], None]) -> None:
        self.run, self.step, self._report = run, step, report

    @property
    def nonce(self) -> str:
        """Random text of the act that this task's latest `once` does, on disk before it: a name to find it by."""
        return _nonce.get()

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Move the progress bar: 0.0–1.0, or None while the length is unknown.  May be called from a thread."""
        self._report(fraction, message)

    async def once(
        self,
        name: str,
        function: Callable[[], Awaitable[Any]],
        find: Callable[[], Awaitable[Any]] | None = None,
        params: Any = None,
    ) -> Any:
        """Do an outward act at most once ever for this (run, step, `params`) and return its JSON-able result.

        The intention is on disk before `function` is awaited, the result before `once` returns.  If an earlier attempt
        left no result, `find` is asked whether it happened after all; if it finds nothing (or there is no `find`),
        Unsure is raised and only the user can decide to do it again.  A PipulateError with `definite = True` says that
        nothing was done: the intention is taken back.
        """
        key, intention = self._key(name, params), {"begun": now(), "nonce": secrets.token_hex(4)}
        act = await self._note(key, lambda known: known or intention)
        _nonce.set(act.get("nonce", ""))  # of this task alone: two acts at once never share one
        if "result" in act:
            return act["result"]
        if "spoilt" in act:
            raise Unsure(act["spoilt"])
        if act is not intention:
            result = await find() if find else None
            if result is None:
                looked = (
                    "It is not in the service's list, but that may lag behind. " if find else ""
                )
                raise Unsure(
                    f"{name!r} was begun at {act['begun']} and interrupted before its answer arrived. {looked}It may have "
                    "been done. Do it again only if you are sure, or accept that it may be done twice."
                )
        else:
            try:
                result = await function()
            except PipulateError as error:
                if getattr(error, "definite", False):
                    await self._note(key, lambda known: {})
                raise
        return (await self._note(key, lambda known: {**act, "result": result}))["result"]

    async def spoil(self, name: str, params: Any, why: str) -> NoReturn:
        """The result of a `once` became worthless (it expired, say): raise Unsure, so the user decides on another."""
        await self._note(self._key(name, params), lambda known: {"begun": now(), "spoilt": why})
        raise Unsure(why)

    def _key(self, name: str, params: Any) -> str:
        digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.step.key}:{name}:{digest}"  # the step's key, as its id may move in a later version

    async def _note(self, key: str, function: Callable[[Record], Record]) -> Record:
        """Change what is known of one act, in one transaction, so that two processes never both begin it."""

        def note(record: Record) -> Record:
            known = record.get("once", {})
            changed = {
                name: act
                for name, act in {**known, key: function(known.get(key, {}))}.items()
                if act
            }
            return record if changed == known else {**record, "once": changed}

        record = await asyncio.shield(
            asyncio.to_thread(self.run.engine.checkpoint, self.run.id, note)
        )
        return record["once"].get(key, {})
