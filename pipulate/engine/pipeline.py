"""The engine: `Pipulate` reads and changes the records of one workflow's runs.  It needs no web server.

CHANGE   Every change of a record goes through `change`: one transaction reads the newest record, checks the revision that
         the page showed and the lock, applies, writes with revision + 1 and appends to history.
HISTORY  Append-only; each row holds the whole record after the act.  *Undo* restores the record as it was before the
         latest act that is not undone yet, and is itself an act.
STEPS    A list of (key, step_id, label).

In a notebook:  engine = Pipulate.open("data", "bridge"); engine.get_state("arthur")
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from fastcore.xml import FT, Div

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, Finalized, Invalid, OutOfOrder, Stale, Unknown
from pipulate.engine.record import Record, StepTuple
from pipulate.engine.store import Store, now, plainly

_STALE = (
    "This page was older than the run: it was changed in another tab or program. Nothing was overwritten. Below is how "
    "it stands now; send your answer again if it still fits."
)


class Pipulate:
    """The runs of one workflow.  Every method takes the run ID as the user typed it."""

    def __init__(self, store: Store, workflow: str = "") -> None:
        self.store, self.workflow = store, workflow

    @classmethod
    def open(cls, folder: Path | str = "data", workflow: str = "") -> Self:
        """Open the engine on a data folder, as notebooks and scripts do."""
        return cls(Store(Path(folder) / "pipulate.db"), workflow)

    def for_workflow(self, workflow: str) -> "Pipulate":
        """Return an engine for another workflow on the same store."""
        return Pipulate(self.store, workflow)

    def row(self, id: str) -> dict[str, Any] | None:
        """Return the stored row (data as text, rev, created, updated, profile_id), or None."""
        select = "SELECT * FROM pipeline WHERE workflow = ? AND id = ?"
        return self.store.one(select, self.workflow, rec.normalise_id(id))

    def load(self, id: str) -> tuple[Record, int]:
        """Return (record, revision).  Raises Unknown; a damaged record is quarantined, and Corrupt says so."""
        return self._load(rec.normalise_id(id))

    def _load(self, id: str) -> tuple[Record, int]:
        select = "SELECT data, rev FROM pipeline WHERE workflow = ? AND id = ?"
        with plainly(self.store.path):
            row = self.store.connection.execute(select, (self.workflow, id)).fetchone()
        if row is None:
            raise Unknown(f"There is no run {id!r} in {self.workflow!r} yet.")
        try:
            return rec.loads(row[0]), row[1]
        except Corrupt as error:
            self._quarantine(id, row[0])
            cure = "Nothing else is affected; restore the last good state from its history."
            raise Corrupt(
                f"The record of {id!r} is damaged: {error} Its text is kept in the quarantine table. {cure}"
            ) from error

    def get_state(self, id: str) -> Record:
        """Return the run's record; {} when there is no such run."""
        with suppress(Unknown):
            return self.load(id)[0]
        return {}

    def get_step_data(self, id: str, step_id: str, default: Any = None) -> Any:
        """Return what is stored under the step, or `default` ({} when none is given)."""
        return self.get_state(id).get(step_id, {} if default is None else default)

    def get_all_step_data(
        self, id: str, steps: Sequence[StepTuple], exclude_final: bool = True
    ) -> dict[str, Any]:
        """Return {key: answer} of the done steps, without the last one (finalize) unless asked for."""
        state = self.get_state(id)
        wanted = steps[:-1] if exclude_final else steps
        return {s[0]: rec.answer(state[s[1]], s[0]) for s in wanted if rec.is_done(state, s[1])}

    def get_last_completed_step_number(self, id: str, steps: Sequence[StepTuple]) -> int:
        """Return the 1-based number of the highest done step, 0 when none is done."""
        return rec.last_done(self.get_state(id), steps)

    def should_advance(self, id: str, step_id: str, condition: dict[str, Any]) -> bool:
        """Say whether the step is done and its data has all of `condition`'s values."""
        state = self.get_state(id)
        held = state[step_id] if isinstance(state.get(step_id), dict) else {}
        return rec.is_done(state, step_id) and all(
            held.get(key) == value for key, value in condition.items()
        )

    def get_step_summary(
        self, id: str, step_id: str, steps: Sequence[StepTuple]
    ) -> tuple[dict[str, Any], list[str]]:
        """Return (this step's answer as {key: value}, a line for each done step up to this one)."""
        state, ids = self.get_state(id), [step[1] for step in steps]
        so_far = steps[: ids.index(step_id) + 1] if step_id in ids else steps
        done = [
            (*step[:3], rec.answer(state[step[1]], step[0]))
            for step in so_far
            if rec.is_done(state, step[1])
        ]
        current = {key: value for key, id, _, value in done if id == step_id}
        return current, [f"- {label}: {value}" for _, _, label, value in done]

    def history(self, id: str) -> list[dict[str, Any]]:
        """Return every act on the run, oldest first: seq, rev, at, act, undoes, data (JSON text)."""
        select = "SELECT * FROM history WHERE workflow = ? AND id = ? ORDER BY seq"
        return self.store.read(select, self.workflow, rec.normalise_id(id))

    def runs(
        self, search: str = "", limit: int = 20, profile_id: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest rows of `pipeline` whose ID contains `search`."""
        return self.store.read(
            """SELECT * FROM pipeline WHERE instr(lower(id), lower(?1)) AND ?2 IN ('', workflow)
               AND coalesce(?3, profile_id) IS profile_id ORDER BY updated DESC, rowid DESC LIMIT ?4""",
            search,
            self.workflow,
            profile_id,
            limit,
        )

    def change(
        self,
        id: str,
        act: str,
        function: Callable[[Record], Record],
        *,
        rev: int | None = None,
        locked: bool = False,
        count: int = 1,
        undoes: int | None = None,
    ) -> tuple[Record, int]:
        """Apply `function` to the record in one durable transaction; returns (new record, revision).

        Raises Stale when `rev` is not the present one, Finalized unless `locked` allows that, Unknown.  `function`
        returning its argument means no change.  The revision rises by `count`; `undoes` is the number of an act.
        """
        id = rec.normalise_id(id)
        with self.store.transaction():
            record, present = self._load(id)
            if rev is not None and rev != present:
                raise Stale(_STALE)
            if record.get("finalized") and not locked:
                raise Finalized(
                    "This run is finalized, so nothing in it can change. Unlock it first."
                )
            new = function(record)
            if new is record:
                return record, present
            return new, self._write(id, new, present + count, act, undoes)

    def _write(self, id: str, record: Record, rev: int, act: str, undoes: int | None = None) -> int:
        record["updated"] = at = now()
        text = rec.dumps(record)
        update = "UPDATE pipeline SET data = ?, rev = ?, updated = ? WHERE workflow = ? AND id = ?"
        self.store.connection.execute(update, (text, rev, at, self.workflow, id))
        self._log(id, rev, act, text, undoes, at=at)
        return rev

    def _log(
        self,
        id: str,
        rev: int,
        act: str,
        text: str,
        undoes: int | None = None,
        profile: int | None = None,
        at: str = "",
    ) -> None:
        insert = "INSERT INTO history VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
        self.store.connection.execute(
            insert, (self.workflow, id, rev, at or now(), act, undoes, text, profile)
        )

    def initialize_if_missing(
        self, id: str, initial: Record | None = None, profile_id: int | None = None
    ) -> Record:
        """Return the run's record, beginning the run (with `initial` in its record) if there is none.

        A run deleted earlier keeps its outward acts: begun again under the same ID, it repeats none.
        """
        id = rec.normalise_id(id)
        with self.store.transaction():
            if self.row(id):
                return self.load(id)[0]
            at = now()
            return self.insert(
                id, "begin", {**(initial or {}), "created": at, "updated": at}, profile_id
            )

    def insert(self, id: str, act: str, record: Record, profile: int | None = None) -> Record:
        """Add the row of a run that has none.  If it had one before, revisions go on, and outward acts stay known."""
        acts = self.history(id)
        record = rec.restore(
            record, {"once": {**record.get("once", {}), **_last_good(acts).get("once", {})}}
        )
        rev, text = acts[-1]["rev"] + 1 if acts else 1, rec.dumps(record)
        profile = self.store.get("profile_id", 1) if profile is None else profile
        values = (self.workflow, id, text, rev, profile, str(record.get("created") or now()), now())
        self.store.write("INSERT INTO pipeline VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
        self._log(id, rev, act, text)
        return record

    def set_step_data(self, id: str, step_id: str, data: Any, rev: int | None = None) -> Record:
        """Store a step's answers (replacing what was there) and return the new record."""
        if step_id in rec.NOT_STEPS:
            raise Invalid(
                f"{step_id!r} is kept by the engine; a step needs another id, such as 'step_01'."
            )
        return self.change(id, f"set {step_id}", lambda record: {**record, step_id: data}, rev=rev)[
            0
        ]

    def clear_steps_from(
        self, id: str, step_id: str, steps: Sequence[StepTuple], rev: int | None = None
    ) -> Record:
        """Revert: undo the step and all later ones; their answers stay as prefilled values and in history."""
        if step_id not in [step[1] for step in steps]:
            raise OutOfOrder(f"There is no step {step_id!r} here.")
        return self.change(
            id, f"revert {step_id}", lambda record: rec.clear_from(record, step_id, steps), rev=rev
        )[0]

    def finalize(self, id: str, rev: int | None = None) -> Record:
        """Lock the run: every later change is refused until it is unfinalized."""

        def lock(record: Record) -> Record:
            return record if record.get("finalized") else {**record, "finalized": now()}

        return self.change(id, "finalize", lock, rev=rev, locked=True)[0]

    def unfinalize(self, id: str, rev: int | None = None) -> Record:
        """Open a finalized run again."""

        def unlock(record: Record) -> Record:
            open = {key: value for key, value in record.items() if key != "finalized"}
            return open if record.get("finalized") else record

        return self.change(id, "unfinalize", unlock, rev=rev, locked=True)[0]

    def undoable(self, id: str) -> str | None:
        """Return the act that `undo` would take back ("revert step_02"), or None."""
        return self._undo_target(id)["act"] or None

    def _undo_target(self, id: str) -> dict[str, Any]:
        return self.store.one(
            """WITH run AS (SELECT seq, act, undoes FROM history WHERE workflow = ? AND id = ?)
               SELECT act, seq, (SELECT data FROM history WHERE seq = (SELECT max(seq) FROM run older WHERE older.seq < run.seq)) AS before
               FROM run WHERE undoes IS NULL AND seq NOT IN (SELECT undoes FROM run WHERE undoes)
               AND act NOT IN ('begin', 'delete', 'undelete', 'import', 'repair', 'finalize', 'unfinalize')
               AND act NOT LIKE 'job %' AND act NOT LIKE 'upgrade %'
               AND seq > (SELECT ifnull(max(seq), 0) FROM run WHERE act IN ('begin', 'import', 'repair'))
               ORDER BY seq DESC LIMIT 1""",
            self.workflow,
            rec.normalise_id(id),
        ) or {"act": "", "seq": None, "before": None}

    def undo(self, id: str, rev: int | None = None) -> Record:
        """Take back the latest revert or answer that is not undone yet; returns the record."""
        with self.store.transaction():
            target = self._undo_target(id)

            def restore(record: Record) -> Record:
                if not target["before"]:
                    raise OutOfOrder("There is nothing left to undo in this run.")
                return rec.restore(rec.loads(target["before"]), record)

            return self.change(id, f"undo {target['act']}", restore, rev=rev, undoes=target["seq"])[
                0
            ]

    def checkpoint(self, id: str, function: Callable[[Record], Record]) -> Record:
        """Durably note a job's progress in the record without outdating open pages (the revision stays)."""
        return self.change(id, "job checkpoint", function, locked=True, count=0)[0]

    def delete(self, id: str) -> None:
        """Delete the run; `undelete` brings it back from history."""
        id = rec.normalise_id(id)
        with self.store.transaction():
            row = self.row(id)
            if row is None:
                raise Unknown(f"There is no run {id!r} in {self.workflow!r}.")
            self.store.write(
                "DELETE FROM pipeline WHERE workflow = ? AND id = ?", self.workflow, id
            )
            self._log(id, row["rev"] + 1, "delete", row["data"], profile=row["profile_id"])

    def undelete(self, id: str) -> Record:
        """Bring a deleted run back as it was, to the profile that it belonged to."""
        id = rec.normalise_id(id)
        with self.store.transaction():
            acts = self.history(id)
            if not acts or acts[-1]["act"] != "delete":
                raise Unknown(f"There is no deleted run {id!r} to bring back.")
            return self.insert(id, "undelete", _last_good(acts), acts[-1]["profile_id"])

    def repair(self, id: str) -> Record:
        """Replace a damaged record by its last good state in history; a sound one is left as it is."""
        id = rec.normalise_id(id)
        with self.store.transaction():
            row, good = self.row(id), _last_good(self.history(id))
            if row is None or not good:
                raise Unknown(f"There is no run {id!r} with a history to restore it from.")
            with suppress(Corrupt):
                return rec.loads(row["data"])
            self._quarantine(id, row["data"])
            self._write(id, good, row["rev"] + 1, "repair")
        return good

    def _quarantine(self, id: str, text: str) -> None:
        insert = "INSERT INTO quarantine SELECT ?1, ?2, ?3, ?4 WHERE ?4 NOT IN (SELECT data FROM quarantine)"
        self.store.write(insert, self.workflow, id, now(), text)

    def generate_step_placeholders(
        self, steps: Sequence[StepTuple], prefix: str, start_from: int = 0
    ) -> list[FT]:
        """Return one empty Div a step; that of index `start_from` and those before it load themselves.

        A later one waits for the event `{step_id before it}-done` on the page body, or for the handler
        of the step before it to return it filled.
        """
        base = "/" + prefix.strip("/")
        ids = [step[1] for step in steps]
        waits = [f"{step_id}-done from:body" for step_id in ids]
        triggers = ["load"] * (start_from + 1) + waits[start_from:]
        return [
            Div(
                id=step_id,
                hx_get=f"{base}/{step_id}",
                hx_swap="outerHTML",
                hx_target="this",
                hx_trigger=trigger,
            )
            for step_id, trigger in zip(ids, triggers, strict=False)
        ]

    def generate_step_chain(self, prefix: str, id: str, steps: Sequence[StepTuple]) -> FT:
        """Return the placeholders that bring a run up to its first open card."""
        last = self.get_last_completed_step_number(id, steps)
        cards = self.generate_step_placeholders(steps, prefix, last)
        return Div(*cards, id=f"{prefix.strip('/')}-chain")


def _last_good(acts: list[dict[str, Any]]) -> Record:
    for act in reversed(acts):
        with suppress(Corrupt):
            return rec.loads(act["data"])
    return {}
