"""What a step's work is given: its progress, and how it survives being stopped.

WANTED  A try goes on while its step is the open one of the run that it began
        with, and all it has read of that is as it was.
ENDED   Else, and when it is cancelled, it is told so by `Cancelled`, wherever
        it uses its job next.  No new outward act is begun before its run was
        asked whether it is wanted.
"""

import asyncio
import hashlib
import inspect
import json
import secrets
from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pipulate.engine.errors import PipulateError, Stale, Unsure
from pipulate.engine.record import Change, Record
from pipulate.engine.store import now
from pipulate.engine.workflow import Run, Step

if TYPE_CHECKING:
    from pipulate.engine.bar import Part, Tell
    from pipulate.engine.each import Each
    from pipulate.engine.kept import Stand

Deed = Callable[[], Any]  #: plain or async
Item = TypeVar("Item")

_nonce = ContextVar("nonce", default="")


class Cancelled(asyncio.CancelledError):
    """This try has to end now: no Exception, so that none catches it."""


@dataclass(eq=False)
class Job:
    """One try of a step's work, as its function sees it.

    Once the try is to end, all but what it notes raises Cancelled.
    """

    run: Run
    step: Step
    _report: "Tell"

    def __post_init__(self) -> None:
        from pipulate.engine.bar import Part

        self._bar = Part(None, self._report)
        self._loops: dict[str, Each[Any]] = {}
        self._halted = False

    def halt(self) -> None:
        """Let whatever uses this job from now on raise Cancelled."""
        self._halted = True

    def go_on(self) -> None:
        """Raise Cancelled if the work was cancelled; of any thread."""
        if self._halted:
            raise Cancelled("This job was cancelled.")

    def is_wanted(self, record: Record) -> bool:
        """Say whether the run, as it is now, still wants this work."""
        from pipulate.engine.answers import rests  # no part of what a notebook reads

        if record.get("finalized") or not rests(self.run, self.step, record):
            return False
        run = replace(self.run, state=record, reads=None)
        return run.open_index == self.step.number - 1

    @property
    def nonce(self) -> str:
        """Random text to find this task's latest `once` by; on disk before it."""
        return _nonce.get()

    # --- progress

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Move the progress bar to 0.0–1.0, or None (unknown); of any thread.

        Within a part, or a loop over `each`, it is the bar of that part.
        """
        self.go_on()
        self._bar.present().progress(fraction, message)

    def part(self, size: float, message: str = "") -> "Part":
        """Return a part of the bar: `with job.part(0.35, "Reading"):`.

        What is reported inside, from 0.0 to 1.0, moves the bar through its
        next 35 %.  A thread pool's threads report to the part by its name:
        `with job.part(0.35) as reading:`, `reading.progress(0.5)`.
        """
        self.go_on()
        return self._bar.present().part(size, message)

    def each(
        self,
        items: Iterable[Item],
        name: str = "",
        *,
        key: Callable[[Item], Any] | None = None,
        tries: int = 3,
    ) -> "Each[Item]":
        """Return the items to loop over, `for` or `async for`, as `Each`.

        It moves the bar, and a later try goes on without those it finished.
        Each further loop of a step needs a `name`.  An item is known by its
        JSON, or that of `key(item)`.
        """
        from pipulate.engine.each import Each

        self.go_on()
        if name in self._loops:
            raise PipulateError(
                f"Step {self.step.key!r} has two loops over job.each "
                f"of the name {name!r}. Give each its own: job.each(items, 'pages')."
            )
        self._loops[name] = Each(
            self.run, self.step, self.go_on, self._bar.present(), items, name, key, tries
        )
        return self._loops[name]

    def flush(self) -> None:
        """Make durable what the loops have finished; raises NotSaved."""
        for loop in list(self._loops.values()):
            loop.flush()

    # --- outward acts

    def once(
        self,
        name: str,
        function: Deed,
        find: Deed | None = None,
        params: Any = None,
    ) -> Any:
        """Do an outward act at most once ever for this (run, step, `params`).

        To be awaited, but in a plain function or a thread, where it returns
        the result.  The intention is on disk before `function` is called, the
        result before it is returned.  If an earlier attempt left no result,
        `find` is asked whether it happened after all; if it finds nothing (or
        there is no `find`), Unsure is raised, and only the user can decide to
        do it again. A PipulateError with `definite = True` says that nothing
        was done: the intention is taken back.
        """
        act = self._once(name, function, find, params)
        return act if _on_loop() else _at_once(act)

    async def _once(self, name: str, function: Deed, find: Deed | None, params: Any) -> Any:
        self.go_on()
        key = self._key(name, params)
        intention = {"begun": now(), "nonce": secrets.token_hex(4)}
        act = await self._begun(key, intention)
        _nonce.set(act.get("nonce", ""))  # of this task: acts at once share none
        if "result" in act:
            return await self._again(act)
        if "spoilt" in act:
            raise Unsure(act["spoilt"])
        desk = self.run.desk
        before = desk.stand() if desk else {}
        if act is intention:
            result = await self._do(key, function)
        else:
            result = await self._found(name, act["begun"], find)
        return await self._again(await _aside(self._keep, key, act, result, before))

    def _keep(self, key: str, act: Record, result: Any, before: "Stand") -> Record:
        from pipulate.engine.kept import acted

        noted = acted(result, self.run.desk, before, self.run.engine.store.folder)
        return self._note(key, lambda known: {**act, **noted})

    async def _again(self, act: Record) -> Any:
        """Return an act's result; the files that it wrote are there again."""
        from pipulate.engine.kept import again

        if "files" in act:
            self.run.own_desk()
        return await _aside(again, act, self.run.desk, self.run.engine.store.folder)

    async def _begun(self, key: str, intention: Record) -> Record:
        while True:
            record, rev = await _aside(self.run.engine.load, self.run.id)
            if key not in record.get("once", {}) and not self.is_wanted(record):
                raise Cancelled("The run has changed, so nothing new is begun for it.")
            try:
                return await _aside(self._note, key, lambda known: known or intention, rev)
            except Stale:
                continue  # look again
            except asyncio.CancelledError:  # the act was not begun, for certain
                await _aside(self._note, key, lambda known: {} if known == intention else known)
                raise

    async def _do(self, key: str, function: Deed) -> Any:
        try:
            return await _done(function)
        except PipulateError as error:
            if getattr(error, "definite", False):
                await _aside(self._note, key, lambda known: {})
            raise

    async def _found(self, name: str, begun: str, find: Deed | None) -> Any:
        looked = ""
        if find:
            result = await _done(find)
            if result is not None:
                return result
            looked = "It is not in the service's list, but that may lag behind. "
        raise Unsure(
            f"{name!r} was begun at {begun} and interrupted "
            f"before its answer arrived. {looked}It may have been done. "
            "Do it again only if you are sure, or accept that it may be done twice."
        )

    def did(self, name: str, params: Any) -> bool:
        """Whether `once` has a result of this."""
        acts = self.run.engine.get_state(self.run.id).get("once", {})
        return "result" in acts.get(self._key(name, params), {})

    async def spoil(self, name: str, params: Any, why: str) -> NoReturn:
        """Raise Unsure, as a result of `once` became worthless; `why` is said."""
        spoilt = {"begun": now(), "spoilt": why}
        await _aside(self._note, self._key(name, params), lambda known: spoilt)
        raise Unsure(why)

    def _key(self, name: str, params: Any) -> str:
        digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.step.key}:{name}:{digest}"  # the id may move in a later version

    def _note(self, key: str, function: Change, rev: int | None = None) -> Record:
        def note(record: Record) -> Record:
            known = record.get("once", {})
            acts = {**known, key: function(known.get(key, {}))}
            changed = {name: act for name, act in acts.items() if act}
            return record if changed == known else {**record, "once": changed}

        record = self.run.engine.checkpoint(self.run.id, note, rev)
        return record.get("once", {}).get(key, {})


def _on_loop() -> bool:
    """Say whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _aside(function: Callable[..., Any], *args: Any) -> Any:
    """Call what waits for the disk, to its end even when cancelled."""
    if not _on_loop():
        return function(*args)
    work = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


async def _done(function: Deed) -> Any:
    result = function()
    if not inspect.isawaitable(result):
        return result
    return await result if _on_loop() else asyncio.run(_awaited(result))


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
