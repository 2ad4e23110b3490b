"""Hand-written workflows: plain classes that register their own routes.

WHICH     A class of the file, no dataclass, that declares its steps (a list
          `STEPS` or `steps`) or its name (`APP_NAME`, `app_name`), or whose
          constructor takes `app` and no more than NAMES.
MAKING    Its constructor gets what it asks for by name, of NAMES.
"""

import inspect
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipulate.engine.found import HandWritten
from pipulate.engine.store import Store

#: What a constructor may ask for.
NAMES = {
    "app",
    "rt",
    "pipulate",
    "db",
    "pipeline",
    "chatq",
    "chat_with_llm",
    "app_name",
    "prefix",
}


def classes(module: ModuleType) -> list[type]:
    """Return the classes defined in a file that are workflows."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and _is_workflow(value)
    ]


def _is_workflow(cls: type) -> bool:
    if is_dataclass(cls):
        return False
    steps = getattr(cls, "STEPS", getattr(cls, "steps", None))
    if isinstance(steps, (list, tuple)) or _declared(cls, "APP_NAME", "app_name"):
        return True
    asked = _parameters(cls)
    needed = {name for name, asks in asked.items() if asks.default is asks.empty}
    return "app" in asked and needed <= NAMES


def _declared(cls: type, *attributes: str) -> str:
    values = (getattr(cls, name, None) for name in attributes)
    return next((value for value in values if isinstance(value, str) and value), "")


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    if not inspect.isfunction(cls.__init__):  # type: ignore[misc]
        return {}
    asked = inspect.signature(cls).parameters
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: asks for name, asks in asked.items() if asks.kind not in rest}


def make(cls: type, path: Path, given: Mapping[str, Any] | None) -> HandWritten:
    """Make the workflow with what it asks for; given None, only describe it."""
    name = _declared(cls, "APP_NAME", "app_name") or path.stem
    title = _declared(cls, "DISPLAY_NAME", "TITLE") or name.replace("_", " ").capitalize()
    about = inspect.getdoc(cls) or inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "")
    if given is None:
        return HandWritten(name, title, about, None)
    given = {**given, "app_name": name, "prefix": name}
    if "pipulate" in given:
        given["pipulate"] = given["pipulate"].for_workflow(name)
    asked = {key: given[key] for key in _parameters(cls) if key in given}
    return HandWritten(name, title, about, cls(**asked))


class Table:
    """A MiniDataAPI table to keep: each use takes its thread's connection."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._store.table(self._name), attribute)

    def __getitem__(self, key: Any) -> Any:
        return self._store.table(self._name)[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._store.table(self._name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._store.table(self._name)(*args, **named)
