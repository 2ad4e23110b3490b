"""A disk whose power may be cut at any moment, under Python's own writing of files.

While a `Power` is entered, it knows of every file below a folder what was synced.  Whenever a name
changes, or something is synced, it asks to look at the two extremes of what a disk may hold then:
NAMES FIRST  every name as it is, with what was synced of each file (the rest is lost),
NAMES LAST   only the names that were there when their folder was synced.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
Entries = dict[str, int]  #: what a folder holds, by inode


class Power:
    """Used as `with Power(folder, look, scratch):`."""

    def __init__(self, folder: Path, look: Callable[[Path, str], None], scratch: Path) -> None:
        self.folder, self.look, self.scratch = folder, look, scratch
        self.content: dict[int, bytes] = {}  #: of files, as synced
        self.entries: dict[int, Entries] = {}  #: of folders, as synced
        self.held: list[int] = []  #: open, so that no inode is given away again
        self.seen: set[int] = set()
        self.files: set[int] = set()
        self.cuts = 0
        self.on = False

    def __enter__(self) -> Self:
        for place in (self.folder, *self.folder.rglob("*")):
            self._sync(place)
        self.fsync = os.fsync
        os.fsync = self._fsync  # type: ignore[assignment]
        sys.addaudithook(self._audit)
        self.on = True
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: TracebackType | object) -> None:
        self.on = False
        os.fsync = self.fsync
        if kind is None:
            self.cut()
        for descriptor in self.held:
            os.close(descriptor)

    def _audit(self, event: str, _: Any) -> None:
        if self.on and event in NAMES:
            self.cut()

    def _fsync(self, descriptor: int) -> None:
        self.cut()
        self.fsync(descriptor)
        self._sync(Path(f"/proc/self/fd/{descriptor}").readlink())
        self.cut()

    def _sync(self, path: Path) -> None:
        inode = self._inode(path)
        if path.is_dir():
            self.entries[inode] = {item.name: self._inode(item) for item in path.iterdir()}
        else:
            self.content[inode] = path.read_bytes()

    def _inode(self, path: Path) -> int:
        inode = path.stat().st_ino
        if inode not in self.seen:
            self.seen.add(inode)
            self.held.append(os.open(path, os.O_RDONLY))
            if not path.is_dir():
                self.files.add(inode)
        return inode

    def cut(self) -> None:
        """Look at what there would be after a power cut now."""
        was, self.on = self.on, False
        self.cuts += 1
        for how, make in {"names first": self._first, "names last": self._last}.items():
            found = self.scratch / f"{self.cuts} {how}"
            make(found)
            self.look(found, how)
        self.on = was

    def _first(self, target: Path) -> None:
        for path in (self.folder, *self.folder.rglob("*")):
            there = target / path.relative_to(self.folder)
            if path.is_dir():
                there.mkdir(parents=True)
            else:
                there.write_bytes(self.content.get(self._inode(path), b""))

    def _last(self, target: Path) -> None:
        self._build(target, self._inode(self.folder))

    def _build(self, target: Path, inode: int) -> None:
        if inode in self.content:
            target.write_bytes(self.content[inode])
            return
        if inode in self.files:
            target.touch()
            return
        target.mkdir(parents=True)
        for name, inside in self.entries.get(inode, {}).items():
            self._build(target / name, inside)
