"""The engine: `Pipulate` reads and changes the records of a workflow's runs.

IDS      As the user typed them; `normalise` says which run they name.
CHANGE   One transaction reads the newest record, checks lock and revision,
         applies, writes with revision + 1, appends to history.
HISTORY  Append-only: an act's `Kind`, its words, the record after it as
         the module `history` tells it.
         *Undo* restores the record before the latest act that can be
         undone and is not yet, and is itself an act.

In a notebook: Pipulate.open("data", "bridge").get_state("arthur")
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Self

from pipulate.engine import history, profiles
from pipulate.engine import record as rec
from pipulate.engine.errors import (
    Corrupt,
    Finalized,
    Invalid,
    OutOfOrder,
    Stale,
    Unknown,
)
from pipulate.engine.history import Act, RunKey
from pipulate.engine.record import Change, Normalise, Record, Steps, normalise_id
from pipulate.engine.seldom import Seldom
from pipulate.engine.store import Row, Store, now, plainly

STALE = (
    "This page was older than the run: it was changed in another tab or program. "
    "Nothing was overwritten. Below is how it stands now; "
    "send your answer again if it still fits."
)
LOCKED = "This run is finalized, so nothing in it can change. Unlock it first."


#: Characters of a record whose pages are freed before it is written anew, so
#: that the file need not hold it twice.
LONG = 100_000


class Kind(StrEnum):
    """What an act on a run was."""

    BEGIN = "begin"  #: nothing before this or the next two can be undone
    IMPORT = "import"
    REPAIR = "repair"  #: a damaged record gave way to its last good state
    ANSWER = "answer"  #: this and the next can be undone
    REVERT = "revert"
    UNDO = "undo"
    JOB = "job"  #: work noted what it has done
    UPGRADE = "upgrade"  #: the workflow's newer version converted the record
    FINALIZE = "finalize"
    UNFINALIZE = "unfinalize"
    DELETE = "delete"
    UNDELETE = "undelete"


_RUN = "SELECT data, rev, last FROM pipeline WHERE workflow = ? AND id = ?"
_FREE = "UPDATE pipeline SET data = '' WHERE workflow = ? AND id = ?"
_UPDATE = """
    UPDATE pipeline SET last = last_insert_rowid(), data = ?, rev = ?, updated = ?
    WHERE workflow = ? AND id = ?"""
#: Within a second the index of `updated` is left alone.
_UPDATE_AGAIN = """
    UPDATE pipeline SET last = last_insert_rowid(), data = ?, rev = ?
    WHERE workflow = ? AND id = ?"""
_INSERT = "INSERT INTO pipeline VALUES (?, ?, ?, ?, ?, ?, ?, last_insert_rowid())"
#: Nothing before these can be undone.
_ORIGINS = (Kind.BEGIN, Kind.IMPORT, Kind.REPAIR)


@dataclass(eq=False)
class Pipulate:
    """The runs of one workflow."""

    store: Store
    workflow: str = ""
    normalise: Normalise = normalise_id

    @classmethod
    def open(
        cls,
        folder: Path | str = "data",
        workflow: str = "",
        normalise: Normalise = normalise_id,
    ) -> Self:
        """Open the engine on a data folder, as notebooks and scripts do."""
        return cls(Store(Path(folder) / "pipulate.db"), workflow, normalise)

    def for_workflow(self, workflow: str) -> "Pipulate":
        """Return an engine for another workflow of the same store."""
        return Pipulate(self.store, workflow, self.normalise)

    def row(self, id: str) -> Row | None:
        """Return the row of the table `pipeline`, its record as text, or None."""
        select = "SELECT * FROM pipeline WHERE workflow = ? AND id = ?"
        return self.store.one(select, *self._run(id))

    def load(self, id: str) -> tuple[Record, int]:
        """Return (record, revision); raises Unknown, Corrupt."""
        return self._load(self._run(id))[:2]

    def _run(self, id: str) -> RunKey:
        return self.workflow, self.normalise(id)

    def _load(self, run: RunKey) -> tuple[Record, int, str, int | None]:
        row = self.store.one(_RUN, *run)
        if row is None:
            raise Unknown(f"There is no run {run[1]!r} in {self.workflow!r} yet.")
        text, rev, last = row.values()
        try:
            return rec.loads(text), rev, text, last
        except Corrupt as error:
            raise Corrupt(
                f"The record of {run[1]!r} is damaged: {error} "
                "Restore the last good state from its history; "
                "its text is then kept in the quarantine table."
            ) from error

    def get_state(self, id: str) -> Record:
        """Return the run's record; {} when there is no such run."""
        with suppress(Unknown):
            return self.load(id)[0]
        return {}

    # What workflows written by hand ask for, too.
    _get_state = get_state
    _save_state = Seldom("byhand.ByHand")
    get_all_step_data = Seldom("byhand.ByHand")
    get_last_completed_step_number = Seldom("byhand.ByHand")
    get_step_summary = Seldom("byhand.ByHand")
    should_advance = Seldom("byhand.ByHand")
    generate_step_placeholders = Seldom("byhand.ByHand")
    generate_step_chain = Seldom("byhand.ByHand")

    delete = Seldom("revival.Revival")
    history = Seldom("revival.Revival")
    undo = Seldom("revival.Revival")
    undelete = Seldom("revival.Revival")
    repair = Seldom("revival.Revival")
    take_over = Seldom("revival.Revival")

    def get_step_data(self, id: str, step_id: str, default: Any = None) -> Any:
        """Return what is stored under the step; `default` is {} unless given."""
        return self.get_state(id).get(step_id, {} if default is None else default)

    def runs(self, search: str = "", limit: int = 20, profile_id: int | None = None) -> list[Row]:
        """Return the newest rows of `pipeline` whose ID contains `search`."""
        select = """
            SELECT * FROM pipeline WHERE instr(lower(id), lower(?1)) AND ?2 IN ('', workflow)
            AND coalesce(?3, profile_id) IS profile_id
            ORDER BY updated DESC, rowid DESC LIMIT ?4"""
        return self.store.read(select, search, self.workflow, profile_id, limit)

    def change(
        self,
        id: str,
        act: str,
        function: Change,
        *,
        kind: Kind = Kind.ANSWER,
        rev: int | None = None,
        locked: bool = False,
        count: int = 1,
        undoes: int | None = None,
    ) -> tuple[Record, int]:
        """Apply `function` in one durable transaction; return (record, rev).

        Raises Unknown, Stale when `rev` is not the present one, Finalized
        unless `locked`.  To change nothing, `function` returns its argument.
        """
        run = self._run(id)
        with self.store.transaction() as db:
            record, present, before, last = self._load(run)
            if rev is not None and rev != present:
                raise Stale(STALE)
            if record.get("finalized") and not locked:
                raise Finalized(LOCKED)
            seal = history.seal(record, before)
            new = function(record)
            if new is record:
                return record, present
            rev = present + count
            new["updated"] = at = now()
            text = rec.dumps(new)
            told = None
            if seal and seal == history.seal(record, before):
                told = history.told(db, run, last, before, record, new, text)
            history.add(db, run, last, rev, at, kind, text, act=act, undoes=undoes, told=told)
            self._write(run, rev, at, text, record.get("updated"))
            return new, rev

    def _write(self, run: RunKey, rev: int, at: str, text: str, before: str | None) -> None:
        db = self.store.connection
        if len(text) > LONG:
            db.execute(_FREE, run)
        if at == before:
            db.execute(_UPDATE_AGAIN, (text, rev, *run))
        else:
            db.execute(_UPDATE, (text, rev, at, *run))

    def initialize_if_missing(
        self,
        id: str,
        initial: Record | None = None,
        profile_id: int | None = None,
    ) -> Record:
        """Return the run's record, begun with `initial` if there is none."""
        run = self._run(id)
        with self.store.transaction():
            with suppress(Unknown):
                return self._load(run)[0]
            at = now()
            record = {**(initial or {}), "created": at, "updated": at}
            return self._insert(run, Kind.BEGIN, record, profile_id)

    def add(self, id: str, record: Record) -> None:
        """Store a record from elsewhere; there must be no run of that ID."""
        self._insert(self._run(id), Kind.IMPORT, record)

    def _insert(
        self, run: RunKey, kind: Kind, record: Record, profile: int | None = None
    ) -> Record:
        db = self.store.connection
        prior, rev, _ = history.deleted(db, run) or (None, 0, None)
        if prior:  # revisions go on, and no outward act is forgotten
            from pipulate.engine import past  # seldom: it was deleted

            known = past.last_good(past.rows(db, run)).get("once", {})
            record = rec.restore(record, {"once": {**record.get("once", {}), **known}})
        text = rec.dumps(record)
        if profile is None:
            profile = profiles.shown(self.store)
        at = now()
        created = str(record.get("created") or at)
        with self.store.transaction():
            history.add(db, run, prior, rev + 1, at, kind, text)
            db.execute(_INSERT, (*run, text, rev + 1, profile, created, at))
        return record

    def set_step_data(self, id: str, step_id: str, data: Any, rev: int | None = None) -> Record:
        """Replace what the step holds by `data`; returns the record."""
        if step_id in rec.NOT_STEPS:
            raise Invalid(
                f"{step_id!r} is kept by the engine; a step needs another id, such as 'step_01'."
            )

        def put(record: Record) -> Record:
            new = {**record, step_id: data}
            known = record.get("asked", {})
            if step_id in known:  # now by hand: of no form that is known
                new["asked"] = rec.without(known, step_id)
            return new

        return self.change(id, f"set {step_id}", put, rev=rev)[0]

    def clear_steps_from(
        self, id: str, step_id: str, steps: Steps, rev: int | None = None
    ) -> Record:
        """Revert the step and all later ones; their answers are kept in `was`."""
        if step_id not in [step[1] for step in steps]:
            raise OutOfOrder(f"There is no step {step_id!r} here.")
        clear = partial(rec.clear_from, step_id=step_id, steps=steps)
        return self.change(id, f"revert {step_id}", clear, kind=Kind.REVERT, rev=rev)[0]

    def finalize(self, id: str, rev: int | None = None) -> Record:
        """Lock the run: changes are refused until it is unfinalized."""
        return self._lock(id, Kind.FINALIZE, {"finalized": now()}, rev)

    def unfinalize(self, id: str, rev: int | None = None) -> Record:
        """Open a finalized run again."""
        return self._lock(id, Kind.UNFINALIZE, {}, rev)

    def _lock(self, id: str, kind: Kind, lock: Record, rev: int | None) -> Record:
        def put(record: Record) -> Record:
            if bool(record.get("finalized")) == bool(lock):
                return record
            return rec.without(record, "finalized") | lock

        return self.change(id, kind, put, kind=kind, rev=rev, locked=True)[0]

    def undoable(self, id: str) -> Act | None:
        """Return the act that `undo` would take back, or None."""
        undone: set[int | None] = set()
        run = self._run(id)
        db = self.store.connection
        with plainly(self.store.path):
            last = db.execute(_RUN, run).fetchone()
            for act in history.back(db, run, last and last[2]):
                if act.kind in _ORIGINS:
                    break
                if act.kind in (Kind.ANSWER, Kind.REVERT) and act.seq not in undone:
                    return act
                undone.add(act.undoes)
        return None

    def checkpoint(self, id: str, function: Change, rev: int | None = None) -> Record:
        """Note what a job has done; the revision stays, and so do open pages."""
        noted = partial(self.change, kind=Kind.JOB, locked=True, count=0)
        return noted(id, "job checkpoint", function, rev=rev)[0]
