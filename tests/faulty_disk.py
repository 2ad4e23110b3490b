"""A disk that fails on purpose, and one whose power is cut: a SQLite file system of our own.

While a `Disk` is entered, every SQLite file of the process is opened through it.  It counts writes
and syncs, can make any one of them (or all from one on) fail, and remembers which bytes were
synced.  `cut_power` writes the files as they would be found after a power cut: what was synced is
there, of what was written since then any part may be.
"""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import apsw

Pending = list[tuple[int, bytes | None]]  #: (offset, data) of a write, (size, None) of a truncation


class Disk(apsw.VFS):
    """The file system; used as `with Disk() as disk:`."""

    def __init__(self) -> None:
        super().__init__("faulty", "", makedefault=True)
        self.base = apsw.vfs_names()[1]  # the one that was the default before us
        self.calls = 0
        self.failed = 0  #: calls, since somebody set it to 0
        self.fail_at: int | None = None  #: the write or sync to fail, counted from 1
        self.fail_on = False  #: whether all later ones fail too
        self.error: type[apsw.Error] = apsw.IOError
        self.synced: dict[str, bytes] = {}
        self.pending: dict[str, Pending] = defaultdict(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def fail(
        self, at: int | None, error: type[apsw.Error] = apsw.IOError, *, on: bool = False
    ) -> None:
        """Make the `at`-th call from now fail, and all later ones if `on`; None mends the disk."""
        self.calls, self.fail_at, self.error, self.fail_on = 0, at, error, on

    def called(self) -> None:
        """Count a write or sync, and fail it if it is its turn."""
        self.calls += 1
        if self.fail_at is not None and (
            self.calls == self.fail_at or (self.fail_on and self.calls > self.fail_at)
        ):
            self.failed += 1
            raise self.error("the test's disk failed")

    def excepthook(self, *_: Any) -> None:
        """Keep quiet: SQLite reports the failure to its caller."""

    def xOpen(self, name: Any, flags: list[int]) -> "File":
        """Open a file of ours over the real one."""
        return File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete the real file and what we know of it."""
        super().xDelete(filename, syncdir)
        self.synced.pop(filename, None)
        self.pending.pop(filename, None)

    def cut_power(self, folder: Path, chance: random.Random | None = None) -> None:
        """Write into `folder` what the disk holds after a power cut: of unsynced writes none,
        or any that `chance` picks.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for path in self.synced | dict.fromkeys(self.pending):
            held = bytearray(self.synced.get(path, b""))
            for offset, data in self.pending[path]:
                if chance and chance.random() < 0.5:
                    _apply(held, offset, data)
            (folder / Path(path).name).write_bytes(held)


class File(apsw.VFSFile):
    """One open file of a `Disk`."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__(disk.base, name, flags)
        self.disk, self.path = (
            disk,
            name.filename() if isinstance(name, apsw.URIFilename) else name or "",
        )
        if (
            self.path
            and self.path not in disk.synced
            and self.path not in disk.pending
            and Path(self.path).exists()
        ):
            disk.synced[self.path] = Path(self.path).read_bytes()

    def excepthook(self, *_: Any) -> None:
        """Keep quiet: SQLite reports the failure to its caller."""

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write, unless it is this write's turn to fail."""
        self.disk.called()
        super().xWrite(data, offset)
        self.disk.pending[self.path].append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        """Truncate."""
        super().xTruncate(newsize)
        self.disk.pending[self.path].append((newsize, None))

    def xSync(self, flags: int) -> None:
        """Make all that was written to this file durable, unless it is this sync's turn to fail."""
        self.disk.called()
        super().xSync(flags)
        held = bytearray(self.disk.synced.get(self.path, b""))
        for offset, data in self.disk.pending.pop(self.path, []):
            _apply(held, offset, data)
        self.disk.synced[self.path] = bytes(held)


def _apply(held: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del held[offset:]
    else:
        held.extend(bytes(max(0, offset - len(held))))
        held[offset : offset + len(data)] = data
