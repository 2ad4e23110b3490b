"""What was comes back: acts are undone, runs deleted, revived, repaired, taken over.

`Pipulate` has these methods, too: it takes them from here when one is first
asked for.
"""

from contextlib import suppress
from functools import partial

from pipulate.engine import history, past
from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, OutOfOrder, Unknown
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.record import Record
from pipulate.engine.store import Row, now


class Revival(Pipulate):
    """The engine, with all its methods."""

    def history(self, id: str) -> list[Row]:
        """Return every act on the run, oldest first, as rows of `history`.

        `data` is the whole record after the act, as text; where damage in
        history leaves it uncertain, what the row itself holds.
        """
        select = "SELECT * FROM history WHERE workflow = ? AND id = ? ORDER BY seq"
        rows = self.store.read(select, *self._run(id))
        texts = list(past.texts((row["data"], row["crc"]) for row in rows))
        for row, text in zip(rows, texts, strict=True):
            row["data"] = text or row["data"]
        return rows

    def undo(self, id: str, rev: int | None = None) -> Record:
        """Take back the latest revert or answer; raises OutOfOrder, Corrupt."""
        with self.store.transaction() as db:
            act = self.undoable(id)

            def restore(record: Record) -> Record:
                if act is None:
                    raise OutOfOrder("There is nothing left to undo in this run.")
                text = past.before(db, self._run(id), act.seq)
                if text is None:
                    raise Corrupt(
                        f"What was before “{act.words}” is damaged in the run's history, "
                        "so it cannot be undone. Change the step instead."
                    )
                return rec.restore(rec.loads(text), record)

            done = partial(self.change, kind=Kind.UNDO, undoes=act and act.seq, rev=rev)
            return done(id, f"undo {act and act.words}", restore)[0]

    def delete(self, id: str) -> None:
        """Delete the run; `undelete` brings it back from history."""
        run = self._run(id)
        with self.store.transaction() as db:
            row = self.row(id)
            if row is None:
                raise Unknown(f"There is no run {id!r} in {self.workflow!r}.")
            db.execute("DELETE FROM pipeline WHERE workflow = ? AND id = ?", run)
            kept = (row["last"], row["rev"] + 1, now(), Kind.DELETE, row["data"])
            history.add(db, run, *kept, profile=row["profile_id"])

    def undelete(self, id: str) -> Record:
        """Bring a deleted run back as it was, to the profile it belonged to."""
        run = self._run(id)
        with self.store.transaction() as db:
            gone = history.deleted(db, run)
            if gone is None or self.row(id):
                raise Unknown(f"There is no deleted run {run[1]!r} to bring back.")
            good = past.last_good(past.rows(db, run))
            return self._insert(run, Kind.UNDELETE, good, gone[2])

    def repair(self, id: str) -> Record:
        """Replace a damaged record by its last good state in history."""
        run = self._run(id)
        with self.store.transaction() as db:
            row = self.row(id)
            good = past.last_good(past.rows(db, run))
            if row is None or not good:
                raise Unknown(f"There is no run {run[1]!r} with a history to restore it from.")
            with suppress(Corrupt):
                return rec.loads(row["data"])
            aside = "INSERT INTO quarantine VALUES (?, ?, ?, ?)"
            db.execute(aside, (*run, now(), row["data"]))
            good["updated"] = at = now()
            text = rec.dumps(good)
            history.add(db, run, row["last"], row["rev"] + 1, at, Kind.REPAIR, text)
            self._write(run, row["rev"] + 1, at, text, None)
        return good

    def take_over(self, former: str) -> bool:
        """Make the runs of a workflow's former name its own; False for none."""
        found = """
            SELECT id FROM pipeline WHERE workflow = ?2
            EXCEPT SELECT id FROM pipeline WHERE workflow = ?1"""
        if not self.store.one(found, self.workflow, former):
            return False
        with self.store.transaction() as db:
            for table in ("history", "checkpoint", "job", "pipeline"):
                update = f"UPDATE {table} SET workflow = ?1"  # noqa: S608
                names = (self.workflow, former)
                db.execute(f"{update} WHERE workflow = ?2 AND id IN ({found})", names)
            return bool(db.changes())
