"""A job's progress bar, in parts: each moves it through its own share.

The whole bar is a part, too.  Parts may be nested, or go on side by side, in
tasks and threads: what each has done adds up.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Self

from pipulate.engine.errors import PipulateError

Tell = Callable[[float | None, str], None]


class Part:
    """A part of the progress bar: `with job.part(0.35, "Reading"):`."""

    def __init__(
        self, above: "Part | None", tell: Tell, size: float = 1, message: str = ""
    ) -> None:
        self.above = above
        self.message = message
        self.open = True
        self.whole: Part = above.whole if above else self
        self.tell_whole = tell
        self._size = size
        self._done: float | None = None  # by itself, without the parts in it
        self._parts: set[Part] = set()
        self._lock: threading.RLock = above._lock if above else threading.RLock()

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Move to 0.0–1.0 of this part; None tells the message alone."""
        with self._lock:
            if fraction is not None or self is self.whole:
                self._done = fraction
            self.tell(message)

    def present(self) -> "Part":
        """Return the innermost open part in it that this task or thread is in."""
        part = scope.get()
        while part and not part.open:
            part = part.above
        return part if part and part.whole is self else self

    def part(self, size: float, message: str = "") -> "Part":
        """Return the next part: `size` is its share of this one, 0.0–1.0."""
        if not 0 <= size <= 1:
            raise PipulateError(f"A part is a share of the bar, such as 0.35; this is {size}.")
        return Part(self, self.tell_whole, size, message)

    def __enter__(self) -> Self:
        with self._lock:
            if self.above:
                self.above._parts.add(self)
        scope.set(self)
        self.tell()
        return self

    def __exit__(self, *error: object) -> None:
        self.close(self._size)

    def close(self, size: float) -> None:
        """End this part; the bar has moved on by `size`."""
        with self._lock:
            if self.above and self.open:
                self.above._parts.discard(self)
                self.above.advance(size)
            self.open = False

    def advance(self, size: float) -> None:
        """Move on by `size`, without a word."""
        with self._lock:
            if size:
                self._done = (self._done or 0.0) + size

    def rest(self) -> float:
        """Return how much is to come; a full part begins anew."""
        with self._lock:
            if (self._filled() or 0.0) >= 1:
                self._done = 0.0
            return 1 - (self._filled() or 0.0)

    def words(self) -> str:
        """Return what this part is, or else the one around it."""
        return self.message or (self.above.words() if self.above else "")

    def tell(self, message: str = "") -> None:
        """Tell how far the whole bar is."""
        with self._lock:
            self.tell_whole(self.whole._filled(), message or self.words())

    def _filled(self) -> float | None:
        inside = [part._size * (part._filled() or 0.0) for part in self._parts if part._size]
        if self._done is None and not inside:
            return None
        return min(max((self._done or 0.0) + sum(inside), 0.0), 1.0)


#: Where what `job.progress` says belongs, in the present task or thread.
scope: ContextVar[Part | None] = ContextVar("scope", default=None)
