"""Hand-written workflows: plain classes that register their own routes.

WHICH   A class of the file, no dataclass and no base of another, that
        declares its steps (a list `STEPS` or `steps`) or its name (`APP_NAME`,
        `app_name`), or whose constructor takes `app` and no more than NAMES
        and WORDS.  One that the file itself has made, whatever it takes, is
        not made again.
MAKING  A constructor gets what it asks for by name; its own defaults win.
GIVEN   What an app has for them.  These names stand behind Python's own, so
        whatever the file defines or imports comes first.
"""

import inspect
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipulate.engine.found import HandWritten

#: What a constructor may ask for.
NAMES = (
    *("app", "rt", "pipulate", "pipeline", "db", "store"),
    *("tasks", "profiles", "clients"),
    *("chat", "chatq", "chat_with_llm", "model", "limiter"),
    *("endpoint_messages", "logger", "username", "api_key"),
)
#: Further ones, and what they are for a workflow's name.
WORDS = {
    "app_name": "{}",
    "prefix": "/{}",
    "route_prefix": "/{}",
    "url_prefix": "/{}",
    "id_suffix": "",
}
_NAME = re.compile("[a-z][a-z0-9_-]{0,40}")
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Given(Mapping[str, Any]):
    """What an app has for the classes of a file, by name."""

    def own(self, workflow: str) -> "Given":
        """Return the same for one workflow of several in the file."""
        raise NotImplementedError

    def call(self, workflow: str) -> None:
        """Say which workflow's runs these names mean."""
        raise NotImplementedError

    def serve(self, module: ModuleType, flows: list[HandWritten]) -> None:
        """Take what the classes of a file have registered."""


def workflows(
    module: ModuleType,
    path: Path,
    given: Given | None,
    reserved: Collection[str] = (),
) -> list[HandWritten]:
    """Return the workflows of a file, made; given None, only described.

    None takes a `reserved` name.
    """
    things = [*_things(module)]
    names = _names(things, path.stem, reserved)
    flows = []
    for thing, name in zip(things, names, strict=True):
        flow = _described(thing, name)
        flows.append(flow)
        if given is None:
            continue
        own = given if len(things) == 1 else given.own(name)
        own.call(name)
        flow.instance = _made(thing, name, given, own)
    if given is not None:
        given.serve(module, flows)
    return flows


def _things(module: ModuleType) -> Iterator[Any]:
    """Yield what the file has made, then the classes to be made."""
    every = {id(value): value for value in vars(module).values()}
    values = [*every.values()]
    kinds = [value for value in values if _is_own(value, module)]
    flows = [cls for cls in kinds if _is_workflow(cls)]
    made = [value for value in values if type(value) in flows]
    if not flows:
        apps = [cls for cls in kinds if "app" in _parameters(cls)]
        made = [value for value in values if type(value) in apps]
    yield from made
    for cls in flows:
        heirs = [other for other in flows if issubclass(other, cls)]
        if heirs == [cls] and cls not in map(type, made):
            yield cls


def _is_own(value: Any, module: ModuleType) -> bool:
    if not inspect.isclass(value) or is_dataclass(value):
        return False
    return value.__module__ == module.__name__


def _is_workflow(cls: type) -> bool:
    steps = getattr(cls, "STEPS", getattr(cls, "steps", None))
    if isinstance(steps, (list, tuple)):
        return True
    if _declared(cls, "APP_NAME", "app_name"):
        return True
    asked = _parameters(cls)
    needed = [name for name, asks in asked.items() if asks.default is asks.empty]
    return "app" in asked and {*needed} <= {*NAMES, *WORDS}


def _declared(thing: Any, *attributes: str) -> str:
    return _text(getattr(thing, name, None) for name in attributes)


def _text(values: Iterable[Any]) -> str:
    return next((value for value in values if value and isinstance(value, str)), "")


def _class(thing: Any) -> type:
    return thing if inspect.isclass(thing) else type(thing)


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    if not inspect.isfunction(cls.__init__):  # type: ignore[misc]
        return {}
    asked = inspect.signature(cls).parameters
    return {name: asks for name, asks in asked.items() if asks.kind not in _REST}


def _names(things: list[Any], stem: str, reserved: Collection[str]) -> list[str]:
    """Return a name for each: its own, else the file's."""
    names: list[str] = []
    taken = {*reserved}
    for thing in things:
        could_be = [
            _declared(thing, "APP_NAME", "app_name"),
            *([stem] if len(things) == 1 else []),
            prefix(thing).strip("/"),
            _class(thing).__name__.lower(),
            f"{stem}_classic",
        ]
        free = [name for name in could_be if _NAME.fullmatch(name) and name not in taken]
        names.append([*free, stem][0])
        taken.add(names[-1])
    return names


def prefix(thing: Any) -> str:
    """Return where a class or its instance begins its routes, or ""."""
    asked = _parameters(_class(thing)).items()
    defaults = (asks.default for name, asks in asked if name.endswith("prefix"))
    return _declared(thing, "prefix", "route_prefix", "url_prefix") or _text(defaults)


def _described(thing: Any, name: str) -> HandWritten:
    cls = _class(thing)
    title = _declared(thing, "DISPLAY_NAME", "TITLE")
    module = sys.modules[cls.__module__]
    title = title or name.replace("_", " ").capitalize()
    about = inspect.getdoc(cls) or module.__doc__ or f"{title}, a workflow."
    return HandWritten(name, title, inspect.cleandoc(about), None)


def _made(thing: Any, name: str, given: Given, own: Given) -> Any:
    """Return the instance; its engine is its own, whoever made it."""
    if inspect.isclass(thing):
        return thing(**_asked(thing, name, own))
    shared = {id(given[key]): own[key] for key in ("pipulate", "pipeline")}
    for attribute, value in [*getattr(thing, "__dict__", {}).items()]:
        if id(value) in shared:
            setattr(thing, attribute, shared[id(value)])
    return thing


def _asked(cls: type, name: str, given: Given) -> dict[str, Any]:
    """Return what the constructor asks for."""
    found: dict[str, Any] = {}
    for key, asks in _parameters(cls).items():
        is_needed = asks.default is asks.empty
        if key in given and (is_needed or asks.default is None):
            found[key] = given[key]
        elif key in WORDS and is_needed:
            found[key] = WORDS[key].format(name)
    return found
