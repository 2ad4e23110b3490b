"""Loops over `job.each(items)`: what a try has finished, the next one skips.

    each = job.each(run["urls"])
    async for url in each:
        each.keep(await status(url))
    return {"broken": [url for url, status in each.kept if status >= 400]}

IDENTITY  An item is what its JSON says, not its place.  Equal ones are told
          apart by their number among their equals.
FINISHED  An item is when the loop asks for the next one.  An error that
          leaves the loop, `break` and `each.fail` do not finish it.
DURABLE   Finished items wait in memory until `Jobs` has them written, five
          times a second, a row of `checkpoint` for all of that time; with
          them what the step had read of the run by then.  They count while
          that is as it was, and until the step's result is stored.
WORKERS   Several tasks or threads may loop over one `Each`; each item goes to
          one of them.
"""

import asyncio
import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

from pipulate.engine.answers import holds
from pipulate.engine.bar import Part, scope
from pipulate.engine.errors import PipulateError
from pipulate.engine.kept import DESK
from pipulate.engine.store import Row
from pipulate.engine.workflow import Run, Step

Item = TypeVar("Item")
BREATH = 200  #: items skipped at a time, lest they keep the event loop
_LIFE = "SELECT created FROM pipeline WHERE workflow = ? AND id = ?"
_READ = """
    SELECT read, items FROM checkpoint
    WHERE workflow = ? AND id = ? AND step = ? AND loop = ? ORDER BY rowid"""
_dumps = json.JSONEncoder(separators=(",", ":")).encode
_WRITE = "INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)"


class Each(Generic[Item]):
    """The items of one loop of a step's work; see `Job.each`."""

    def __init__(
        self,
        run: Run,
        step: Step,
        go_on: Callable[[], None],
        part: Part,
        items: Iterable[Item],
        name: str,
        key: Callable[[Item], Any] | None,
        tries: int,
    ) -> None:
        self.part = part
        self.total = len(items) if isinstance(items, Sized) else None
        self._go_on = go_on
        self._run = run
        self._items = items
        self._loop = (run.flow.name, run.id, step.key, name)
        self._key = key
        self._tries = tries
        self._lock = threading.Lock()
        self._todo = self._slots()
        self._life: list[Row] = []
        self._earlier: dict[str, list[Any]] | None = None
        self._results: dict[int, tuple[Item, list[Any]]] = {}
        self._failed: list[Slot[Item]] = []
        self._unwritten: dict[str, list[Any]] = {}

    # --- what its loop says and asks

    def keep(self, value: Any) -> None:
        """Keep a value, plain JSON, for the present item; raises PipulateError."""
        try:
            kept = json.loads(_dumps(value))
        except (TypeError, ValueError, RecursionError) as error:
            raise PipulateError(
                f"What is kept of an item has to be plain JSON, so that a later try has it: {error}"
            ) from error
        self._present().kept = [kept]

    def fail(self, why: object = "") -> None:
        """Say that the present item failed: it comes again after all others."""
        self._present().why = str(why) or "It failed."

    @property
    def kept(self) -> list[tuple[Item, Any]]:
        """The (item, value) of all items so far, those of earlier tries too."""
        results = sorted(self._results.items())
        return [(item, value) for _, (item, values) in results for value in values]

    @property
    def failed(self) -> list[tuple[Item, str]]:
        """The (item, why) of those that failed each time."""
        return [(slot.item, slot.why) for slot in self._failed]

    def _present(self) -> "Slot[Item]":
        part = scope.get()
        while part:
            if isinstance(part, Slot) and part.each is self and part.open:
                return part
            part = part.above
        raise PipulateError("`keep` and `fail` belong into the loop over the items.")

    # --- the loop

    def __iter__(self) -> Iterator[Item]:
        while slot := self._next():
            if slot.name:
                with slot:
                    yield slot.item

    async def __aiter__(self) -> AsyncIterator[Item]:
        if self._earlier is None:
            self._earlier = await asyncio.to_thread(self._read)
        while slot := self._next():
            if slot.name:
                with slot:
                    yield slot.item
            await asyncio.sleep(0)  # a loop that waits for nothing stops no page

    def _next(self) -> "Slot[Item] | None":
        self._go_on()
        with self._lock:
            return next(self._todo, None)

    def _slots(self) -> "Iterator[Slot[Item]]":
        if self._earlier is None:
            self._earlier = self._read()
        equals: Counter[str] = Counter()
        share = self.part.rest() / self.total if self.total else 0.0
        for number, item in enumerate(self._items):
            name = self._named(item, equals)
            if name not in self._earlier:
                yield Slot(self, share, number, item, name)
                continue
            self._results[number] = (item, self._earlier[name])
            self.part.advance(share)
            if number % BREATH == 0:
                yield Slot(self, share, number, item, "")
        for _ in range(1, self._tries):
            again = self._failed
            self._failed = []
            for slot in again:
                yield Slot(self, share, slot.number, slot.item, slot.name)

    def _named(self, item: Item, equals: Counter[str]) -> str:
        known_by = self._key(item) if self._key else item
        try:
            text = json.dumps(known_by, sort_keys=True, default=os.fspath)
        except (TypeError, ValueError) as error:
            raise PipulateError(
                f"An item has to be plain JSON or a path, to be known again: {error}. "
                "Or say what it is known by: job.each(items, key=function)."
            ) from error
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        equals[name] += 1
        return f"{name}/{equals[name]}" if equals[name] > 1 else name

    def end(self, slot: "Slot[Item]") -> None:
        """Note that the loop is through with an item."""
        with self._lock:
            if slot.why:
                self._failed.append(slot)
            else:
                self._results[slot.number] = (slot.item, slot.kept)
                self._unwritten[slot.name] = slot.kept

    # --- what is on disk

    def _read(self) -> dict[str, list[Any]]:
        store = self._run.engine.store
        self._life = store.read(_LIFE, *self._loop[:2])
        earlier: dict[str, list[Any]] = {}
        for row in store.read(_READ, *self._loop):
            if holds(self._run, json.loads(row["read"])):
                earlier |= json.loads(row["items"])
        return earlier

    def flush(self) -> None:
        """Write what was finished since the last time; raises NotSaved."""
        with self._lock:
            items = self._unwritten
            self._unwritten = {}
        if not items:
            return
        reads = json.dumps(self._run.reads)
        store = self._run.engine.store
        try:
            values = (*self._loop, reads, _dumps(items | self._desk()))
            with store.transaction() as db:
                if store.read(_LIFE, *self._loop[:2]) == self._life:
                    db.execute(_WRITE, values)
        except BaseException:
            with self._lock:
                self._unwritten = items | self._unwritten
            raise

    def _desk(self) -> dict[str, list[Any]]:
        desk = self._run.desk
        if desk is None:
            return {}
        desk.sync()
        return {DESK: [desk.token]}


class Slot(Part, Generic[Item]):
    """An item in the midst of the loop; a part of the bar."""

    def __init__(self, each: Each[Item], size: float, number: int, item: Item, name: str) -> None:
        above = each.part
        counted = f"{number + 1:,}"
        if each.total:
            counted += f" of {each.total:,}"
        words = ", ".join(filter(None, [above.words(), counted]))
        super().__init__(above, above.tell_whole, size, words)
        self.size = size
        self.each = each
        self.number = number
        self.item = item
        self.name = name  #: what it is known by; "" only says that others were skipped
        self.kept: list[Any] = []
        self.why = ""

    def __exit__(self, *error: object) -> None:
        left = any(error)  # by an exception, or `break`
        if not left:
            self.each.end(self)
        failed = left or self.why
        self.close(0.0 if failed else self.size)
