"""The engine: `Pipulate` reads and changes the records of one workflow's runs.  It needs no web server.

CHANGE   Every change of a record goes through `change`: BEGIN IMMEDIATE, read the newest record, check the
         revision the page showed and the lock, apply, write with revision + 1, append to history, COMMIT.
HISTORY  Append-only; each row holds the whole record after the act.  *Undo* restores the record as it was
         before the latest act that is not undone yet, and is itself an act.
STEPS    A list of (key, step_id, label).

In a notebook:  engine = Pipulate.open("data", "bridge"); engine.get_state("arthur")
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import apsw
from fasthtml.common import FT, Div

from pipulate import record as rec
from pipulate.errors import Corrupt, Finalized, Invalid, OutOfOrder, Stale, Unknown
from pipulate.record import Record, StepTuple
from pipulate.store import Store, now


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

    # ---------------------------------------------------------------- reading

    def row(self, id: str) -> dict[str, Any] | None:
        """Return the stored row (data as text, rev, created, updated, profile_id), or None."""
        return self.store.one(
            "SELECT * FROM pipeline WHERE workflow = ? AND id = ?", self.workflow, rec.normalise_id(id)
        )

    def load(self, id: str) -> tuple[Record, int]:
        """Return (record, revision).  Raises Unknown; a damaged record is quarantined, and Corrupt says so."""
        row = self.row(id)
        if row is None:
            raise Unknown(f"There is no run {id!r} in {self.workflow!r} yet.")
        try:
            return rec.loads(row["data"]), row["rev"]
        except Corrupt as error:
            self._quarantine(row)
            raise Corrupt(
                f"The record of {id!r} is damaged: {error} Its text is kept in the quarantine table. "
                "Nothing else is affected; restore the last good state from its history."
            ) from error

    def get_state(self, id: str) -> Record:
        """Return the run's record; {} when there is no such run."""
        try:
            return self.load(id)[0]
        except Unknown:
            return {}

    def get_step_data(self, id: str, step_id: str, default: Any = None) -> Any:
        """Return what is stored under the step, or `default` ({} when none is given)."""
        return self.get_state(id).get(step_id, {} if default is None else default)

    def get_all_step_data(self, id: str, steps: Sequence[StepTuple], exclude_final: bool = True) -> dict[str, Any]:
        """Return {key: answer} of the done steps; the last step (finalize) is left out unless asked for.

        The answer is the field named like the step's key when there is one, else the whole step's data.
        """
        state = self.get_state(id)
        wanted = steps[:-1] if exclude_final else steps
        return {s[0]: _answer(state[s[1]], s[0]) for s in wanted if rec.is_done(state, s[1])}

    def get_last_completed_step_number(self, id: str, steps: Sequence[StepTuple]) -> int:
        """Return the 1-based number of the highest done step, 0 when none is done."""
        return rec.last_done(self.get_state(id), steps)

    def should_advance(self, id: str, step_id: str, condition: dict[str, Any]) -> bool:
        """Say whether the step is done and its data has all of `condition`'s values."""
        state = self.get_state(id)
        data = state.get(step_id)
        held = data if isinstance(data, dict) else {}
        return rec.is_done(state, step_id) and all(held.get(k) == v for k, v in condition.items())

    def get_step_summary(self, id: str, step_id: str, steps: Sequence[StepTuple]) -> tuple[dict[str, Any], list[str]]:
        """Return (this step's answer as {key: value}, one line for each done step up to and with this one)."""
        state, lines, current = self.get_state(id), [], {}
        for key, sid, label, *_ in steps:
            if rec.is_done(state, sid):
                value = _answer(state[sid], key)
                lines.append(f"- {label}: {value}")
                if sid == step_id:
                    current = {key: value}
            if sid == step_id:
                break
        return current, lines

    def history(self, id: str) -> list[dict[str, Any]]:
        """Return every act on the run, oldest first: seq, rev, at, act, undoes, data (JSON text)."""
        return self.store.read(
            "SELECT * FROM history WHERE workflow = ? AND id = ? ORDER BY seq", self.workflow, rec.normalise_id(id)
        )

    def _latest(self, id: str) -> dict[str, Any] | None:
        return self.store.one(
            "SELECT * FROM history WHERE workflow = ? AND id = ? ORDER BY seq DESC LIMIT 1", self.workflow, id
        )

    def _last_good(self, id: str) -> Record:
        for row in reversed(self.history(id)):
            with suppress(Corrupt):
                return rec.loads(row["data"])
        return {}

    def runs(self, search: str = "", limit: int = 20, profile_id: int | None = None) -> list[dict[str, Any]]:
        """Return the newest runs (workflow, id, data, updated, profile_id) whose ID contains `search`."""
        where, values = ["instr(lower(id), lower(?))"], [search]
        if self.workflow:
            where.append("workflow = ?")
            values.append(self.workflow)
        if profile_id is not None:
            where.append("profile_id = ?")
            values.append(str(profile_id))
        sql = f"SELECT * FROM pipeline WHERE {' AND '.join(where)} ORDER BY updated DESC, rowid DESC LIMIT {int(limit)}"  # noqa: S608
        return self.store.read(sql, *values)

    # ---------------------------------------------------------------- changing

    def change(
        self, id: str, act: str, function: Callable[[Record], Record], *, rev: int | None = None, locked: bool = False
    ) -> tuple[Record, int]:
        """Apply `function` to the record in one durable transaction; returns (new record, revision).

        Raises Stale when `rev` is given and is not the present one, Finalized unless `locked` allows a
        finalized run, Unknown for a missing run.  `function` returning its argument means no change.
        """
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            record, present = self.load(id)
            if rev is not None and rev != present:
                raise Stale(
                    "This page was older than the run: it was changed in another tab or program. "
                    "Nothing was overwritten. Below is how it stands now; send your answer again if it still fits."
                )
            if record.get("finalized") and not locked:
                raise Finalized("This run is finalized, so nothing in it can change. Unlock it first.")
            new = function(record)
            if new is record:
                return record, present
            return new, self._write(db, id, new, present + 1, act)

    def _write(
        self, db: apsw.Connection, id: str, record: Record, rev: int, act: str, undoes: int | None = None
    ) -> int:
        record["updated"] = at = now()
        text = rec.dumps(record)
        db.execute(
            "UPDATE pipeline SET data = ?, rev = ?, updated = ? WHERE workflow = ? AND id = ?",
            (text, rev, at, self.workflow, id),
        )
        self._log(db, id, rev, act, text, undoes)
        return rev

    def _log(
        self, db: apsw.Connection, id: str, rev: int, act: str, text: str,
        undoes: int | None = None, profile_id: int | None = None,
    ) -> None:  # fmt: skip
        db.execute(
            "INSERT INTO history (workflow, id, rev, at, act, undoes, data, profile_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self.workflow, id, rev, now(), act, undoes, text, profile_id),
        )

    def initialize_if_missing(self, id: str, initial: Record | None = None, profile_id: int | None = None) -> Record:
        """Return the run's record, beginning the run (with `initial` in its record) if there is none.

        A run deleted earlier keeps its outward acts: begun again under the same ID, it repeats none.
        """
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            if self.row(id):
                return self.load(id)[0]
            at = now()
            return self._insert(db, id, "begin", {**(initial or {}), "created": at, "updated": at}, profile_id)

    def _insert(self, db: apsw.Connection, id: str, act: str, record: Record, profile_id: int | None) -> Record:
        """Add the row of a run that has none.  Revisions go on, and outward acts stay known, if it had one before."""
        known = {**record.get("once", {}), **self._last_good(id).get("once", {})}
        record, last = rec.restore(record, {"once": known}), self._latest(id)
        rev, text = last["rev"] + 1 if last else 1, rec.dumps(record)
        profile = profile_id if profile_id is not None else self.store.get("profile_id", 1)
        values = (self.workflow, id, text, rev, profile, str(record.get("created") or now()), now())
        db.execute("INSERT INTO pipeline VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        self._log(db, id, rev, act, text)
        return record

    def set_step_data(self, id: str, step_id: str, data: Any, rev: int | None = None) -> Record:
        """Store a step's answers (replacing what was there) and return the new record."""
        if step_id in rec.NOT_STEPS:
            raise Invalid(f"{step_id!r} is kept by the engine; a step needs another id, such as 'step_01'.")
        return self.change(id, f"set {step_id}", lambda record: {**record, step_id: data}, rev=rev)[0]

    def clear_steps_from(self, id: str, step_id: str, steps: Sequence[StepTuple], rev: int | None = None) -> Record:
        """Revert: undo the step and all later ones; their answers stay as prefilled values and in history."""
        if step_id not in [step[1] for step in steps]:
            raise OutOfOrder(f"There is no step {step_id!r} here.")
        return self.change(id, f"revert {step_id}", lambda record: rec.clear_from(record, step_id, steps), rev=rev)[0]

    def finalize(self, id: str, rev: int | None = None) -> Record:
        """Lock the run: every later change is refused until it is unfinalized."""
        return self.change(
            id, "finalize", lambda r: r if r.get("finalized") else {**r, "finalized": now()}, rev=rev, locked=True
        )[0]

    def unfinalize(self, id: str, rev: int | None = None) -> Record:
        """Open a finalized run again."""

        def unlock(record: Record) -> Record:
            return {k: v for k, v in record.items() if k != "finalized"} if record.get("finalized") else record

        return self.change(id, "unfinalize", unlock, rev=rev, locked=True)[0]

    def undoable(self, id: str) -> str | None:
        """Return the act that `undo` would take back ("revert step_02"), or None."""
        found = self._undo_target(rec.normalise_id(id))
        return found["act"] if found else None

    def _undo_target(self, id: str) -> dict[str, Any] | None:
        return self.store.one(
            """SELECT * FROM history h WHERE workflow = ?1 AND id = ?2 AND undoes IS NULL
               AND act NOT IN ('begin', 'delete', 'undelete', 'import', 'repair', 'finalize', 'unfinalize')
               AND act NOT LIKE 'job %' AND act NOT LIKE 'upgrade %'
               AND seq > coalesce((SELECT max(seq) FROM history WHERE workflow = ?1 AND id = ?2
                                   AND act IN ('begin', 'import', 'repair')), 0)
               AND NOT EXISTS (SELECT 1 FROM history u WHERE u.workflow = ?1 AND u.id = ?2 AND u.undoes = h.seq)
               ORDER BY seq DESC LIMIT 1""",
            self.workflow, id,
        )  # fmt: skip

    def undo(self, id: str, rev: int | None = None) -> Record:
        """Take back the latest revert or answer that is not undone yet; returns the record."""
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            record, present = self.load(id)
            if rev is not None and rev != present:
                raise Stale("This page was older than the run, so nothing was undone. Below is how it stands now.")
            target = self._undo_target(id)
            before = target and self.store.one(
                "SELECT data FROM history WHERE workflow = ? AND id = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
                self.workflow, id, target["seq"],
            )  # fmt: skip
            if not target or not before:
                raise OutOfOrder("There is nothing left to undo in this run.")
            if record.get("finalized"):
                raise Finalized("This run is finalized, so nothing in it can change. Unlock it first.")
            new = rec.restore(rec.loads(before["data"]), record)
            self._write(db, id, new, present + 1, f"undo {target['act']}", target["seq"])
        return new

    def checkpoint(self, id: str, function: Callable[[Record], Record]) -> Record:
        """Durably note a job's progress in the record without outdating open pages (the revision stays)."""
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            record, present = self.load(id)
            new = function(record)
            if new is not record:
                self._write(db, id, new, present, "job checkpoint")
        return new

    # ---------------------------------------------------------------- whole runs

    def delete(self, id: str) -> None:
        """Delete the run; `undelete` brings it back from history."""
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            row = self.row(id)
            if row is None:
                raise Unknown(f"There is no run {id!r} in {self.workflow!r}.")
            db.execute("DELETE FROM pipeline WHERE workflow = ? AND id = ?", (self.workflow, id))
            self._log(db, id, row["rev"] + 1, "delete", row["data"], profile_id=row["profile_id"])

    def undelete(self, id: str) -> Record:
        """Bring a deleted run back as it was, to the profile that it belonged to."""
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            last = self._latest(id)
            if last is None or last["act"] != "delete":
                raise Unknown(f"There is no deleted run {id!r} to bring back.")
            return self._insert(db, id, "undelete", self._last_good(id), last["profile_id"])

    def repair(self, id: str) -> Record:
        """Replace a damaged record by its last good state in history; a sound one is left as it is."""
        id = rec.normalise_id(id)
        with self.store.transaction() as db:
            row, good = self.row(id), self._last_good(id)
            if row is None or not good:
                raise Unknown(f"There is no run {id!r} with a history to restore it from.")
            with suppress(Corrupt):
                return rec.loads(row["data"])
            self._quarantine(row)
            self._write(db, id, good, row["rev"] + 1, "repair")
        return good

    def export(self, id: str) -> dict[str, Any]:
        """Return the run as one JSON object for `import_run`."""
        record, rev = self.load(id)
        return {"pipulate": 1, "workflow": self.workflow, "id": rec.normalise_id(id), "rev": rev, "record": record}

    def import_run(self, data: Any) -> str:
        """Store an exported run under its own ID and return that; refuses to overwrite a different one."""
        if not (
            isinstance(data, dict) and data.get("pipulate", 1) == 1 and isinstance(data.get("id"), str)
            and isinstance(data.get("record"), dict) and (data.get("workflow") or self.workflow)
        ):  # fmt: skip
            raise Invalid('This is not an exported run: expected {"workflow": ..., "id": ..., "record": {...}}.')
        id, engine = rec.normalise_id(data["id"]), self.for_workflow(str(data.get("workflow") or self.workflow))
        record = rec.loads(rec.dumps(data["record"]))
        with self.store.transaction() as db:
            if row := engine.row(id):
                if rec.loads(row["data"]) == record:
                    return id
                raise Invalid(f"A different run {id!r} exists already. Delete it first, or change the ID in the file.")
            engine._insert(db, id, "import", record, None)
        return id

    def _quarantine(self, row: dict[str, Any]) -> None:
        self.store.write(
            "INSERT INTO quarantine SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE data IS ?4)",
            row["workflow"], row["id"], now(), row["data"],
        )  # fmt: skip

    # ---------------------------------------------------------------- cards of hand-written workflows

    def generate_step_placeholders(self, steps: Sequence[StepTuple], prefix: str, start_from: int = 0) -> list[FT]:
        """Return one empty Div a step; that of index `start_from` and those before it load themselves.

        A later one waits for the event `{step_id before it}-done` on the page body, or for the
        handler of the step before it to return it filled.
        """
        base = "/" + prefix.strip("/")
        return [
            Div(
                id=step_id, hx_get=f"{base}/{step_id}", hx_swap="outerHTML", hx_target="this",
                hx_trigger="load" if index <= start_from else f"{steps[index - 1][1]}-done from:body",
            )
            for index, (_, step_id, *_) in enumerate(steps)
        ]  # fmt: skip

    def generate_step_chain(self, prefix: str, id: str, steps: Sequence[StepTuple]) -> FT:
        """Return the placeholders that bring a run up to its first open card."""
        last = self.get_last_completed_step_number(id, steps)
        return Div(*self.generate_step_placeholders(steps, prefix, start_from=last), id=f"{prefix.strip('/')}-chain")


def _answer(data: Any, key: str) -> Any:
    return data[key] if isinstance(data, dict) and key in data else data
