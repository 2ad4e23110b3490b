"""Finds workflow files, says what each defines, and what is wrong with one.

FILE    Holds `Workflow` values; one that holds none, hand-written classes
        (see `handwritten`); one without either is a `Helper`, which its
        neighbours may import (see `neighbours`).
BROKEN  One that cannot be loaded, shown as a card; nothing else suffers.
NAMES   What is served, `names` decides.  A file that stops loading keeps its
        names: no other workflow gets its runs.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pipulate.engine.errors import Invalid
from pipulate.engine.fault import Fault, fault
from pipulate.engine.found import Broken as Broken
from pipulate.engine.found import Found, Helper
from pipulate.engine.found import HandWritten as HandWritten
from pipulate.engine.handwritten import NAMES, Given, workflows
from pipulate.engine.libraries import LIBRARIES
from pipulate.engine.names import File, check, free, settle
from pipulate.engine.neighbours import Package
from pipulate.engine.record import Normalise, normalise_id
from pipulate.engine.workflow import Workflow, made


class Folders:
    """The workflow files of these folders, the last of which has the last word.

    `given` is what the app offers to hand-written classes, and behind the
    names of each file; without an app (None) they are not made.  No workflow
    may take a `reserved` name.  `normalise` is for workflows that bring none.
    `around` is entered while a file's code runs.
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
        """Read what is new or changed, and who imports it.

        Says whether anything was.
        """
        changed = False
        for place, package in enumerate(self._packages):
            names = package.forget()
            changed = changed or bool(names)
            for path in self._listed(package):
                if path.stem in names or path not in self._files:
                    self._read(package, path, place)
                    changed = True
        for path in [*self._files]:
            if not path.exists():
                del self._files[path]
        if changed:
            self._settle()
        return changed

    def find(self, name: str) -> Found | None:
        """Return what has the name, having read no more files than that takes."""
        flow = self._first(name)
        self._settle()
        if flow is None or flow.formerly:
            self.refresh()
        return self.found.get(name)

    def _first(self, name: str) -> Workflow | None:
        """Read up to the file whose claim is the best."""
        for place, package in enumerate(self._packages):
            package.forget()
            for path in self._listed(package, name):
                for item in self._read(package, path, place):
                    if isinstance(item, Workflow) and item.name == name:
                        return item
        return None

    def only(self, path: Path) -> list[Found]:
        """Return what one file of the last folder defines."""
        self._files = {}
        self._read(self._packages[0], path.resolve(), 0)
        self._settle()
        return [*self.found.values()]

    def _listed(self, package: Package, first: str = "") -> list[Path]:
        paths = filter(self._is_listed, package.folder.glob("*.py"))
        return sorted(
            paths,
            key=lambda path: (path.stem != first, path.name),
        )

    def _is_listed(self, path: Path) -> bool:
        if path.name.startswith(("_", ".")):
            return False
        return path.parent in [package.folder for package in self._packages]

    # --- one file

    def _read(self, package: Package, path: Path, place: int) -> list[Found]:
        known = self._files.get(path)
        held = known.names if known else []
        try:
            items = self._loaded(package, path)
            if held and not items:
                raise Invalid("It defines no workflow any more. Restart if that is meant.")
            names = [item.name for item in items]
            check(names, self.reserved)
            held = names
        except BaseException as error:  # the author's, to read, whatever it is
            told = _told(error, package)
            names = held or [free(path, self.reserved)]
            items = [Broken(name, path, told) for name in names]
        items = items or [Helper(path.stem, path)]
        self._files[path] = File(path, place, items, held)
        return items

    def _loaded(self, package: Package, path: Path) -> list[Found]:
        if "." in path.stem:
            raise Invalid("A workflow file has no dot in its name but that of .py.")
        module = package.read(path.stem)
        if module.__file__ != str(path):
            raise Invalid("A folder beside it has its name, and is taken for it.")
        return self._made[path][0]

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
        known = set(map(id, flows))
        for value in vars(module).values():
            if isinstance(value, Workflow) and id(value) not in known:
                known.add(id(value))
                flows.append(value)
        for flow in flows:
            if flow.normalise is normalise_id:
                flow.normalise = self.normalise
        path = Path(module.__file__ or "")
        if flows or not self._is_listed(path):
            return [*flows]  # beside a Workflow, classes are helpers
        return [*workflows(module, path, given, self.reserved)]

    def _settle(self) -> None:
        served = settle(self._files.values(), self.reserved)
        for file, item in served.claims.values():
            if isinstance(item, Workflow) and not item.about:
                item.about = self._made[file.path][1]
        claims = served.claims.items()
        self.found = {name: claim.item for name, claim in claims}
        self.homes = {name: claim.file.path for name, claim in claims}
        self.replaced = served.replaced


def _told(error: BaseException, package: Package) -> Fault:
    told = fault(error)
    if not isinstance(error, ImportError) or not error.name:
        return told
    if not package.has(error.name):
        return told
    way = f"A library has that name: write `from .{error.name} import …`"
    return replace(told, way=way)


def load(
    path: Path,
    given: Given | None = None,
    reserved: Collection[str] = frozenset(),
    normalise: Normalise = normalise_id,
) -> list[Found]:
    """Return what one file defines, see `Folders`."""
    give = None if given is None else (lambda path: given)
    return Folders([path.parent], give, reserved, normalise).only(path)
