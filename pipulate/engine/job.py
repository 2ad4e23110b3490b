"""What a step's work is given: progress, and outward acts done at most once.

`jobs` says how it is run.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

from pipulate.engine.errors import PipulateError, Unsure
from pipulate.engine.record import Change, Record
from pipulate.engine.store import now
from pipulate.engine.workflow import Run, Step

Deed = Callable[[], Awaitable[Any]]

_nonce = ContextVar("nonce", default="")


@dataclass(eq=False)
class Job:
    """One try of a step's work, as its function sees it."""

    run: Run
    step: Step
    _report: Callable[[float | None, str], None]

    @property
    def nonce(self) -> str:
        """Random text to find this task's latest `once` by; on disk before it."""
        return _nonce.get()

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Move the progress bar to 0.0–1.0, or None (unknown); of any thread."""
        self._report(fraction, message)

    async def once(
        self,
        name: str,
        function: Deed,
        find: Deed | None = None,
        params: Any = None,
    ) -> Any:
        """Do an outward act at most once ever for this (run, step, `params`).

        The intention is on disk before `function` is awaited, the result
        before it is returned.  If an earlier attempt left no result, `find`
        is asked whether it happened after all; if it finds nothing (or there
        is no `find`), Unsure is raised, and only the user can decide to do it
        again. A PipulateError with `definite = True` says that nothing was
        done: the intention is taken back.
        """
        key = self._key(name, params)
        intention = {"begun": now(), "nonce": secrets.token_hex(4)}
        act = await self._note(key, lambda known: known or intention)
        _nonce.set(act.get("nonce", ""))  # of this task: acts at once share none
        if "result" in act:
            return act["result"]
        if "spoilt" in act:
            raise Unsure(act["spoilt"])
        if act is intention:
            result = await self._do(key, function)
        else:
            result = await self._found(name, act["begun"], find)
        return (await self._note(key, lambda known: {**act, "result": result}))["result"]

    async def _do(self, key: str, function: Deed) -> Any:
        try:
            return await function()
        except PipulateError as error:
            if getattr(error, "definite", False):
                await self._note(key, lambda known: {})
            raise

    async def _found(self, name: str, begun: str, find: Deed | None) -> Any:
        looked = ""
        if find:
            result = await find()
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
        await self._note(self._key(name, params), lambda known: {"begun": now(), "spoilt": why})
        raise Unsure(why)

    def _key(self, name: str, params: Any) -> str:
        digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.step.key}:{name}:{digest}"  # the id may move in a later version

    async def _note(self, key: str, function: Change) -> Record:
        def note(record: Record) -> Record:
            known = record.get("once", {})
            acts = {**known, key: function(known.get(key, {}))}
            changed = {name: act for name, act in acts.items() if act}
            return record if changed == known else {**record, "once": changed}

        noting = asyncio.to_thread(self.run.engine.checkpoint, self.run.id, note)
        record = await asyncio.shield(noting)
        return record["once"].get(key, {})
