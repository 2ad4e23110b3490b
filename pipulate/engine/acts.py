"""Outward acts of a step's work: each at most once ever.

INTENDED  That is on disk before the act is begun, its result before that is
          given.  No new one is begun before its run was asked whether the
          work is wanted.
UNSURE    Where an intention has no result, nobody knows whether it was
          carried out: `find` is asked, or else the user.
AT ONCE   Of equal ones in one try, each waits for the one before it.
"""

import asyncio
import hashlib
import inspect
import json
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pipulate.engine.errors import PipulateError, Stale, Unsure
from pipulate.engine.record import Change, Record
from pipulate.engine.store import now, on_loop
from pipulate.engine.workflow import Run, Step

if TYPE_CHECKING:
    from pipulate.engine.kept import Stand

Deed = Callable[[], Any]  #: plain or async
#: Of this task's latest act: acts at once share none.
nonce: ContextVar[str] = ContextVar("nonce", default="")


class Acts:
    """The outward acts of one try; see `Job.once`.

    `go_on` raises if the try is to end, `want` if the run, as it is now, does
    not want it.
    """

    def __init__(
        self, run: Run, step: Step, go_on: Callable[[], None], want: Callable[[Record], None]
    ) -> None:
        self.run = run
        self.step = step
        self.go_on = go_on
        self.want = want
        self._tasks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._threads: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def once(self, name: str, function: Deed, find: Deed | None, params: Any) -> Any:
        """Return the result, or in a task what awaits it."""
        act = self._once(name, function, find, params)
        return act if on_loop() else _at_once(act)

    async def _once(self, name: str, function: Deed, find: Deed | None, params: Any) -> Any:
        key = self._key(name, params)
        if not on_loop():
            with self._threads[key]:
                return await self._act(key, name, function, find)
        async with self._tasks[key]:
            return await self._act(key, name, function, find)

    async def _act(self, key: str, name: str, function: Deed, find: Deed | None) -> Any:
        self.go_on()
        intention = {"begun": now(), "nonce": secrets.token_hex(4)}
        act = await self._begun(key, intention)
        nonce.set(act.get("nonce", ""))
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
            if key not in record.get("once", {}):
                self.want(record)
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

    async def spoil(self, name: str, params: Any, why: str) -> None:
        """Note that a result became worthless."""
        spoilt = {"begun": now(), "spoilt": why}
        await _aside(self._note, self._key(name, params), lambda known: spoilt)

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


def forget(run: Run, step: Step) -> None:
    """Let the acts of a step that have no result be as if never begun."""
    mine = f"{step.key}:"

    def note(record: Record) -> Record:
        acts = record.get("once", {}).items()
        kept = {key: act for key, act in acts if "result" in act or not key.startswith(mine)}
        return {**record, "once": kept}

    run.engine.checkpoint(run.id, note)


async def _aside(function: Callable[..., Any], *args: Any) -> Any:
    """Call what waits for the disk, to its end even when cancelled."""
    if not on_loop():
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
    return await result if on_loop() else asyncio.run(_awaited(result))


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
