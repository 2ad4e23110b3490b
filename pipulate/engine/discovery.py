"""Finds workflow files, says what each defines, and what is wrong with one.

FILE    Holds `Workflow` values; one that holds none, hand-written classes
        (see `handwritten`); one without either is a `Helper`, which its
        neighbours may import (see `neighbours`).
BROKEN  One that cannot be loaded, shown as a card; nothing else suffers.
NAMES   A workflow is known by its name, whatever its file's.  Of two with one
        name the later folder's is served; in one folder that of the file with
        this name, and the other is told that it is in the way.  A file that
        stops loading keeps its names: no other workflow gets its runs.
"""

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pipulate.engine.fault import Fault, fault
from pipulate.engine.found import Broken as Broken
from pipulate.engine.found import Found, Helper
from pipulate.engine.found import HandWritten as HandWritten
from pipulate.engine.handwritten import NAMES, Given, workflows
from pipulate.engine.libraries import LIBRARIES
from pipulate.engine.neighbours import Package
from pipulate.engine.record import Normalise, normalise_id
from pipulate.engine.workflow import Workflow, made

NAME = r"[a-z][a-z0-9_-]{0,40}"  #: of a workflow


class File(NamedTuple):
    """A file that was read."""

    path: Path
    place: int  #: of its folder, the last first
    items: list[Found]
    names: list[str]  #: which it has, or had when it last loaded


class Folders:
    """The workflow files of these folders, the last of which has the last word.

    `given` is what the app offers to hand-written classes, and behind the
    names of each file; without an app (None) they are not made.  No workflow may take a
    `reserved` name.  `normalise` is for workflows that bring none.  `around`
    is entered while a file's code runs.
    """

    def __init__(
        self,
        folders: Collection[Path],
        given: Callable[[Path], Given] | None = None,
        reserved: Collection[str] = frozenset(),
        normalise: Normalise = normalise_id,
        around: Callable[[Path], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.given = given
        self.reserved = reserved
        self.normalise = normalise
        self.around = around
        places = dict.fromkeys(folder.resolve() for folder in reversed([*folders]))
        self._packages = [Package(folder, self._running) for folder in places]
        self._made: dict[Path, tuple[list[Found], str]] = {}  # by its code; its docstring
        self._files: dict[Path, File] = {}
        self.found: dict[str, Found] = {}  #: what is served, by name
        self.homes: dict[str, Path] = {}  #: the file of each
        self.replaced: list[str] = []  #: what gave way to a later folder's, in words

    def refresh(self) -> bool:
        """Read what is new or changed, and who imports it; say whether anything was."""
        changed = False
        for place, package in enumerate(self._packages):
            names = package.forget()
            changed = changed or bool(names)
            for path in self._listed(package):
                if path.stem in names or path not in self._files:
                    self._files[path] = self._read(package, path, place)
                    changed = True
        self._files = {path: file for path, file in self._files.items() if path.exists()}
        if changed:
            self._settle()
        return changed

    def find(self, name: str) -> Found | None:
        """Return what has the name, having read no more files than that takes."""
        found = None
        for place, package in enumerate(self._packages):
            package.forget()
            for path in self._listed(package, name):
                self._files[path] = self._read(package, path, place)
                named = [item for item in self._files[path].items if item.name == name]
                found = next((item for item in named if isinstance(item, Workflow)), None)
                if found:  # of all files this one has the best claim
                    break
            if found:
                break
        self._settle()
        if found is None or found.formerly:
            self.refresh()
        return self.found.get(name)

    def _listed(self, package: Package, first: str = "") -> list[Path]:
        paths = filter(self._is_listed, package.folder.glob("*.py"))
        return sorted(paths, key=lambda path: (path.stem != first, path.name))

    def only(self, path: Path) -> list[Found]:
        """Return what one file of the last folder defines."""
        path = path.resolve()
        self._files = {path: self._read(self._packages[0], path, 0)}
        self._settle()
        return [*self.found.values()]

    def _is_listed(self, path: Path) -> bool:
        folders = [package.folder for package in self._packages]
        return path.parent in folders and not path.name.startswith(("_", "."))

    # --- one file

    def _read(self, package: Package, path: Path, place: int) -> File:
        held = self._files[path].names if path in self._files else []
        try:
            if "." in path.stem:
                raise ImportError("A workflow file has no dot in its name but that of .py.")
            if package.read(path.stem).__file__ != str(path):
                raise ImportError("A folder beside it has its name, and is taken for it.")
            items = self._made[path][0]
            if held and not items:
                raise ImportError("It defines no workflow any more. Restart if that is meant.")
            names = [item.name for item in items]
            self._check(names)
            held = names
        except (Exception, SystemExit) as error:  # the author's, to read
            told = fault(error)
            if isinstance(error, ImportError) and package.has(error.name or "."):
                way = f"A library has that name: write `from .{error.name} import …`"
                told = replace(told, way=way)
            items = [Broken(name, path, told) for name in held or [self._free(path, ())]]
        return File(path, place, items or [Helper(path.stem, path)], held)

    @contextmanager
    def _running(self, module: ModuleType) -> Iterator[Mapping[str, Any]]:
        path = Path(module.__file__ or "")
        given = self.given(path) if self.given else None
        flows: list[Workflow] = []
        token = made.set(flows)  # also those whose variable soon holds another
        try:
            with self.around(path):
                try:
                    yield LIBRARIES if given is None else given
                except NameError as error:
                    # Without an app, one that makes itself gets so far.
                    if given is not None or error.name not in NAMES:
                        raise
                about = inspect.cleandoc(module.__doc__ or "")
                self._made[path] = self._defined(module, flows, given), about
        finally:
            made.reset(token)

    def _defined(
        self, module: ModuleType, flows: list[Workflow], given: Given | None
    ) -> list[Found]:
        for value in vars(module).values():
            if isinstance(value, Workflow) and not any(value is flow for flow in flows):
                flows.append(value)
        for flow in flows:
            if flow.normalise is normalise_id:
                flow.normalise = self.normalise
        path = Path(module.__file__ or "")
        if flows or not self._is_listed(path):  # beside a Workflow, classes are helpers
            return [*flows]
        return [*workflows(module, path, given, self.reserved)]

    # --- names

    def _check(self, names: list[str]) -> None:
        for name in names:
            if name in self.reserved or not re.fullmatch(NAME, name):
                raise ImportError(
                    f"{name!r} cannot be a workflow's name: small letters, digits, _ "
                    "and no page's name."
                )
            if names.count(name) > 1:
                raise ImportError(f"Two workflows of this file have the name {name!r}.")

    def _free(self, path: Path, taken: Collection[str]) -> str:
        return path.name if path.stem in self.reserved or path.stem in taken else path.stem

    def _settle(self) -> None:
        served: dict[str, tuple[File, Found]] = {}
        others: list[tuple[File, Broken]] = []
        self.replaced = []
        claims = [(file, item) for file in self._files.values() for item in file.items]
        for file, item in sorted(claims, key=_rank):
            holder, held = served.setdefault(item.name, (file, item))
            if held is item or isinstance(item, Helper):
                continue  # the same one may be imported by another file
            if holder.place != file.place:
                self.replaced.append(f"{item.name}: {holder.path}, not {file.path}")
            elif isinstance(item, Broken):
                others.append((file, item))
            else:
                others.append((file, _second(item.name, file, holder)))
        _refuse_heirs(served)
        for file, broken in others:
            name = self._free(file.path, served)
            served[name] = file, replace(broken, name=name)
        for file, item in served.values():
            if isinstance(item, Workflow):
                item.about = item.about or self._made[file.path][1]
        self.found = {name: item for name, (_, item) in served.items()}
        self.homes = {name: file.path for name, (file, _) in served.items()}


def _rank(claim: tuple[File, Found]) -> tuple[Any, ...]:
    file, item = claim
    last = isinstance(item, Helper), file.place, isinstance(item, Broken)
    return *last, file.path.stem != item.name, file.path.name


def _second(name: str, file: File, holder: File) -> Broken:
    told = (
        f"It defines the workflow {name!r}, and so does {holder.path.name}, whose is served. "
        "Give one of them another name, or delete one of the files."
    )
    return Broken(name, file.path, Fault(told))


def _refuse_heirs(served: dict[str, tuple[File, Found]]) -> None:
    """Refuse the workflows whose former name is another's, too."""
    names = {name: claim for name, claim in served.items() if not isinstance(claim[1], Helper)}
    for name, claim in [*names.items()]:
        former = claim[1].formerly if isinstance(claim[1], Workflow) else ""
        rival = names.setdefault(former or name, claim)
        if rival is not claim:
            told = (
                f"{name!r} says that it was {former!r} formerly, and {rival[0].path.name} has "
                "that name, too. Whose are its runs? Drop `formerly` there, or one of the files."
            )
            served[name] = claim[0], Broken(name, claim[0].path, Fault(told))


def load(
    path: Path,
    given: Given | None = None,
    reserved: Collection[str] = frozenset(),
    normalise: Normalise = normalise_id,
) -> list[Found]:
    """Return what one file defines, see `Folders`."""
    give = None if given is None else (lambda path: given)
    return Folders([path.parent], give, reserved, normalise).only(path)
