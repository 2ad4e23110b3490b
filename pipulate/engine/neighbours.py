"""A folder's files import one another, and nobody else sees them.

A folder is a package, under a name that nobody types.  Its modules get an
`__import__` that asks the libraries first, then the folder: whatever its
files are called, `import csv` is the library's, and no code elsewhere gets
one of them.  (`from .csv import x` is the neighbour in any case.)

Python's own loader would miss a quick edit: its caches count whole seconds.
"""

import builtins
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from pipulate.engine.libraries import as_before

#: Entered around a module's code; brings what stands behind its names.
Around = Callable[[ModuleType], AbstractContextManager[Mapping[str, Any]]]

_packages: dict[str, "Package"] = {}
_numbers = count(1)


class _Behind(dict[str, Any]):
    """A file's builtins, and behind them what is given: all its own come first."""

    def __init__(self, builtins: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        super().__init__(builtins)
        self._given = given

    def __missing__(self, name: str) -> Any:
        return self._given[name]


class Package:
    """The modules of one folder."""

    def __init__(self, folder: Path, around: Around) -> None:
        self.folder = folder
        self.around = around
        self.name = f"pipulate_workflows_{next(_numbers)}"
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._stamps: dict[Path, tuple[int, int] | None] = {}
        self._users: dict[str, set[str]] = defaultdict(set)  # of each module
        self._module = ModuleType(self.name)
        self._module.__path__ = [str(folder)]
        sys.modules[self.name] = self._module
        _packages[self.name] = self
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)

    def read(self, name: str) -> ModuleType:
        """Return the module, executed once; raises what its code raises."""
        return import_module(f"{self.name}.{name}")

    def has(self, name: str) -> bool:
        """Say whether there is a neighbour of that name."""
        return _search(str(self.folder), name) is not None

    def execute(self, module: ModuleType, path: Path) -> None:
        """Run a file's code."""
        self._stamps[path] = _stamp(path)
        code = compile(path.read_bytes(), str(path), "exec")
        with self.around(module) as given:
            vars(module)["__builtins__"] = _Behind(self._builtins, given)
            exec(code, vars(module))  # noqa: S102 - what we are for

    def forget(self) -> set[str]:
        """Forget what changed, came or went, and who imports it; return the names."""
        paths = {*self.folder.glob("*.py"), *self._stamps}
        changed = set()
        for path in paths:
            stamp = _stamp(path)
            if stamp != self._stamps.get(path):
                changed.add(path.relative_to(self.folder).parts[0].removesuffix(".py"))
            self._stamps[path] = stamp
        waiting = [*changed]
        while waiting:
            new = self._users.pop(waiting.pop(), set()) - changed
            changed |= new
            waiting += new
        if changed:
            self._drop(changed)
        return changed

    def _drop(self, names: set[str]) -> None:
        for module in [*sys.modules]:
            package, _, name = module.partition(".")
            if package == self.name and name.partition(".")[0] in names:
                del sys.modules[module]
                vars(self._module).pop(name, None)

    def _import(
        self,
        name: str,
        names: Mapping[str, Any] | None = None,
        locals: Any = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        user = (names or {}).get("__name__", "").removeprefix(f"{self.name}.")
        for used in [top] if top else fromlist or ():
            self._users[used].add(user.partition(".")[0])
        if name == "fasthtml.common":
            as_before()
        try:
            return __import__(name, names, locals, fromlist or (), level)
        except ModuleNotFoundError as error:
            if level or error.name != top or not self.has(top):
                raise
        return __import__(name, {"__package__": self.name}, None, fromlist or (), 1)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        _packages[module.__name__.partition(".")[0]].execute(module, Path(self.path))


def _search(folder: str, name: str) -> ModuleSpec | None:
    return FileFinder(folder, (_Loader, [".py"])).find_spec(name)


class _Finder:
    """Finds the modules of our packages, and no others."""

    def find_spec(self, name: str, path: Sequence[str] | None, _: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in _packages:
            return None
        specs = (_search(folder, name) for folder in path or ())
        return next(filter(None, specs), None)


_finder: Any = _Finder()
