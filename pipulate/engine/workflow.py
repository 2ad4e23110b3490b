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
in the record is its place: step_01, …; what it *is* is its key, and where the
file has changed, answers follow their keys (see `places`).
"""

from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pipulate.engine import record as rec
from pipulate.engine import values
from pipulate.engine.calls import Function
from pipulate.engine.errors import PipulateError
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.record import RESERVED, Normalise, Record
from pipulate.engine.settings import Settings
from pipulate.engine.store import Row, Store
from pipulate.engine.values import File
from pipulate.engine.voice import voice

if TYPE_CHECKING:
    from pipulate.engine.kept import Desk


WHOLE = "*"  #: in a step's `reads`: all earlier answers
FIELDS = ".*"  #: after a key in them: all fields of that step, not its answer alone
FILES = "/*"  #: or its files
_desks = Lock()
LONG = 1000  #: characters of an answer in a summary


#: The workflows that the file now being read has made.
made: ContextVar[list["Workflow"]] = ContextVar("made")


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
    when: Function | None = None  #: (run) -> whether the step is there
    again: bool = False  #: asked after any change before it
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
    formerly: str = ""  #: the name that it had: runs of that name are its own
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
        self,
        key: str,
        label: str,
        *,
        button: str = "Next",
        explain: bool = True,
        when: Function | None = None,
        again: bool = False,
    ) -> Callable[[Function], Step]:
        """Decorate `(run) -> components`: the inside of a card's form.

        With `when`, a quick `(run) -> bool` of earlier answers, the step is
        there only where that holds.  After a change of an earlier answer it
        is asked anew if it read that answer; with `again`, in any case.
        """
        return partial(
            self._add,
            key,
            label,
            button=button,
            explain=explain,
            when=when,
            again=again,
        )

    def work(
        self,
        key: str,
        label: str,
        *,
        button: str = "Start",
        auto: bool = True,
        explain: bool = True,
        when: Function | None = None,
        again: bool = False,
    ) -> Callable[[Function], Step]:
        """Decorate `(run, job) -> result`; `auto=False` awaits its button.

        `when` and `again` as for `step`.
        """
        return partial(
            self._add,
            key,
            label,
            work=True,
            button=button,
            auto=auto,
            explain=explain,
            when=when,
            again=again,
        )

    def _add(self, key: str, label: str, function: Function, **options: Any) -> Step:
        if key.startswith(RESERVED):
            raise PipulateError(
                f"A step of {self.name!r} has the key {key!r}; keys that begin with {RESERVED!r} "
                "are the engine's own. Give it another one."
            )
        if self.find(key):
            raise PipulateError(
                f"Workflow {self.name!r} has two steps with the key {key!r}; each needs its own."
            )
        self.steps.append(Step(key, label, function, len(self.steps) + 1, **options))
        return self.steps[-1]

    def find(self, key: str) -> Step | None:
        """Return the step of that key, or None."""
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
        """Return the engine of this workflow's runs, those of its former name too."""
        engine = Pipulate(store, self.name, self.normalise)
        if self.formerly:
            engine.take_over(self.formerly)
        return engine

    def begin(self, engine: Pipulate, id: str) -> None:
        """Begin the run, unless it was begun already."""
        initial = {"version": self.version} if self.version != 1 else {}
        engine.initialize_if_missing(id, initial)

    def open(self, engine: Pipulate, id: str) -> tuple[Record, int]:
        """Return (record, revision), its answers where this file has their steps.

        Raises Unknown, Corrupt, Incompatible.
        """
        record, rev = engine.load(id)
        same = record.get("version", 1) == self.version
        if same and rec.knows(record, self.places) and not self._others(record):
            return record, rev
        act = "the workflow changed" if same else f"upgrade to {self.version}"
        return engine.change(id, act, self._fit, kind=Kind.UPGRADE, locked=True)

    def _fit(self, record: Record) -> Record:
        from pipulate.engine.places import upgraded

        new = upgraded(record, self.places, self.version, self.upgrade_function)
        return self._fitted(new)

    def _fitted(self, record: Record) -> Record:
        from pipulate.engine.places import fitted, turned

        return fitted(turned(record, self._others(record)), self.places)

    def _others(self, record: Record) -> list[str]:
        # Where a form was asked that is work now, or the other way.
        works = {step.key: step.work for step in self.steps}
        found = []
        for place, entry in record.get("asked", {}).items():
            form = "sent" in entry
            if "read" in entry and works.get(entry["key"]) == form:
                found.append(place)
        return found

    @property
    def places(self) -> dict[str, str]:
        """The ids of its steps, by key."""
        return {step.key: step.id for step in self.steps}

    def read(self, engine: Pipulate, row: Row) -> "Run":
        """Return a row of the table `pipeline` as a run; raises Corrupt."""
        record = self._fitted(rec.loads(row["data"]))
        return Run(self, engine, row["id"], record, row["rev"], Settings())

    def load(self, store: Store, id: str, settings: Settings) -> "Run":
        """Return the run as stored; raises Unknown, Corrupt, Incompatible."""
        engine = self.engine(store)
        id = self.normalise(id)
        return Run(self, engine, id, *self.open(engine, id), settings)


@dataclass(eq=False)
class Run:
    """One execution of a workflow; `run["color"]` is the answer of a step.

    What a step reads of it is noted: if that changes, the step is asked again.
    """

    flow: Workflow
    engine: Pipulate
    id: str
    state: Record  #: the record; a step reads it by the methods below
    rev: int
    settings: Settings
    reads: dict[str, str] | None = None  #: fingerprints of what was read, by what
    desk: "Desk | None" = None  #: where a step writes files
    large: dict[str, Any] = field(default_factory=dict)  #: data that were read of files

    def __getitem__(self, key: str) -> Any:
        data = self._data(key)
        if data is None:
            problem = "done yet" if self.flow.find(key) else "a step"
            raise KeyError(f"Step {key!r} of {self.flow.name!r} is not {problem}.")
        return rec.answer(data, key)

    def get(self, key: str, default: Any = None) -> Any:
        """The answer of step `key`, or `default` while it is not done."""
        data = self._data(key)
        return default if data is None else rec.answer(data, key)

    def fields(self, key: str) -> dict[str, Any]:
        """All fields of step `key`, or {} while it is not done."""
        data = self._data(key, FIELDS)
        return data if isinstance(data, dict) else {}

    def was(self, key: str) -> dict[str, Any]:
        """What step `key` held before it was reverted, or {}."""
        step = self.flow.find(key)
        held = self.state.get("was", {})
        if step is None or not isinstance(held.get(step.id), dict):
            return {}
        return dict(self._typed(step, held[step.id]))

    def file(self, name: str) -> Path:
        """Where to write a file, which is kept with the step's answer.

        Raises PipulateError for its name, and where no step is answered.
        """
        if self.reads is None:
            raise PipulateError(
                f"Only a step's form, accept and work can write {name!r}; what only shows "
                "finds it by run.files(key), or offers text by `download`."
            )
        return self.own_desk().file(name)

    def own_desk(self) -> "Desk":
        """Where the step writes, from now on; of any thread."""
        from pipulate.engine.kept import Desk

        with _desks:
            self.desk = self.desk or Desk(self.engine.store.folder)
        return self.desk

    def files(self, key: str) -> dict[str, File]:
        """The files that step `key` wrote, by name; {} while it is not done."""
        self._note(key + FILES)
        folder = self.engine.store.folder
        return {item["file"]: values.file_of(item, folder) for item in self._files(key)}

    def _files(self, key: str) -> list[dict[str, Any]]:
        step = self._answered(key)
        found: list[dict[str, Any]] = self.entry(step).get("files", []) if step else []
        return found

    def answers(self) -> dict[str, Any]:
        """All answers so far, by step key."""
        return {step.key: self[step.key] for step in self.done()}

    @property
    def record(self) -> Record:
        """The whole record, as stored."""
        self._note(WHOLE)
        return self.state

    def done(self) -> list[Step]:
        """The steps that are done."""
        self._note(WHOLE)
        return self._done()

    def _done(self) -> list[Step]:
        return [step for step in self.flow.steps if rec.is_done(self.state, step.id)]

    def entry(self, step: Step) -> Record:
        """What is known of the answer of `step`, see `answers`; {} while it has none."""
        entry: Record = self.state.get("asked", {}).get(step.id, {})
        return entry

    def _answered(self, key: str) -> Step | None:
        step = self.flow.find(key)
        return step if step and rec.is_done(self.state, step.id) else None

    def _data(self, key: str, what: str = "") -> Any:
        self._note(key + what)
        step = self._answered(key)
        return step and self._typed(step, self.state[step.id])

    def _typed(self, step: Step, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        folder = self.engine.store.folder
        if values.LARGE in data:
            key = rec.fingerprint(data)
            if key not in self.large:
                self.large[key] = values.whole(data, folder)
            data = self.large[key]
        return values.decode(data, self.entry(step).get("kinds", {}), folder)

    # --- dependencies

    def before(self, step: Step) -> "Run":
        """Return the run as `step` sees it: with earlier answers; it notes reads."""
        later = [other.id for other in self.flow.steps[step.number - 1 :]]
        state = rec.without(self.state, *later)
        return replace(self, state=state, reads={}, desk=None)

    def _note(self, what: str) -> None:
        if self.reads is not None:
            self.reads[what] = self.fingerprint(what)

    def fingerprint(self, what: str) -> str:
        """Return what differs if that which `reads` calls `what` does."""
        if what == WHOLE:
            return rec.fingerprint({step.key: self.state[step.id] for step in self._done()})
        if what.endswith(FILES):
            return rec.fingerprint(self._files(what.removesuffix(FILES)))
        key = what.removesuffix(FIELDS)
        step = self._answered(key)
        if step is None:
            return ""
        data = self.state[step.id]
        return rec.fingerprint(data if what != key else rec.answer(data, key))

    def has(self, step: Step) -> bool:
        """Say whether the step is there; one whose `when` fails is, to show that."""
        try:
            return step.when is None or bool(step.when(self.before(step)))
        except BaseException:
            return True

    @property
    def open_index(self) -> int:
        """0-based index of the first step that waits; len(steps) at the end."""
        for index, step in enumerate(self.flow.steps):
            if not rec.is_done(self.state, step.id) and self.has(step):
                return index
        return len(self.flow.steps)

    @property
    def length(self) -> int:
        """How many steps there are in this run, as far as that is known."""
        passed = self.flow.steps[: self.open_index]
        left_out = sum(not rec.is_done(self.state, step.id) for step in passed)
        return len(self.flow.steps) - left_out

    # --- words

    def summary(self) -> str:
        """The run so far, a line for each answer; of a long one its beginning."""
        lines = (f"- {step.label}: {self.told(step)}" for step in self.done())
        return "\n".join(line if len(line) <= LONG else f"{line[:LONG]}…" for line in lines)

    def told(self, step: Step) -> Any:
        """Return an answer as it is shown: without passwords."""
        data = self.state[step.id]
        if not isinstance(data, dict):
            return data
        if values.LARGE in data:  # not read just for that
            return values.decode(data, {}, self.engine.store.folder)
        fields = self.entry(step).get("fields", {})
        secret = {
            name: "•••" for name, kind in fields.items() if kind == "password" and data.get(name)
        }
        return rec.answer({**self.fields(step.key), **secret}, step.key)

    async def say(self, text: str) -> None:
        """Say something in the chat panel."""
        await voice.get().say(text)

    def ask(self, prompt: str) -> AsyncIterator[str]:
        """Stream the model's answer; raises PipulateError while none answers."""
        return voice.get().ask(prompt)
