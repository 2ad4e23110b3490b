"""What a step's work is given: its progress, and how it survives being stopped.

WANTED  A try goes on while its step is the open one of the run that it began
        with, and all it has read of that is as it was.
ENDED   Else, and when it is cancelled, it is told so by `Cancelled`, wherever
        it uses its job next.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pipulate.engine.errors import PipulateError, Unsure
from pipulate.engine.record import Record
from pipulate.engine.workflow import Run, Step

if TYPE_CHECKING:
    from pipulate.engine.acts import Acts
    from pipulate.engine.bar import Part, Tell
    from pipulate.engine.each import Each

Item = TypeVar("Item")


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
        from pipulate.engine.acts import nonce

        return nonce.get()

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
        function: Callable[[], Any],
        find: Callable[[], Any] | None = None,
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
        return self._acts.once(name, function, find, params)

    def did(self, name: str, params: Any) -> bool:
        """Whether `once` has a result of this."""
        return self._acts.did(name, params)

    async def spoil(self, name: str, params: Any, why: str) -> NoReturn:
        """Raise Unsure, as a result of `once` became worthless; `why` is said."""
        await self._acts.spoil(name, params, why)
        raise Unsure(why)

    @cached_property
    def _acts(self) -> "Acts":
        from pipulate.engine.acts import Acts  # few works act outward

        return Acts(self.run, self.step, self.go_on, self._want)

    def _want(self, record: Record) -> None:
        if not self.is_wanted(record):
            raise Cancelled("The run has changed, so nothing new is begun for it.")
