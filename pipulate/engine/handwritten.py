"""Hand-written workflows: plain classes that register their own routes and use the engine themselves.

A class with `STEPS` (or `steps`) is made with what its constructor asks for by name: `app`, `pipulate` (the engine),
`pipeline` and `db` (table and dictionary), `app_name`, `chatq`, `chat_with_llm`.
"""

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fasthtml.common import FT, Div

from pipulate.engine.record import StepTuple
from pipulate.engine.store import Store
from pipulate.engine.voice import chat_with_llm, chatq


@dataclass
class HandWritten:
    """A plain class with its own routes."""

    name: str
    title: str
    about: str
    instance: Any


def classes(module: ModuleType) -> list[type]:
    """Return the classes of a file that look like workflows."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and (
            hasattr(value, "STEPS")
            or hasattr(value, "steps")
            or "steps" in inspect.getsource(value).lower()
        )
        and any(
            name in dir(value)
            for name in ("landing", "step_01", "init", "index", "register", "home")
        )
    ]


def offered(app: Any, engine: Any) -> dict[str, Any]:
    """Return what an app has for hand-written workflows, by the names under which they may ask for it."""
    store = app.state.store
    return {
        "app": app,
        "rt": app.route,
        "pipulate": engine,
        "db": store,
        "pipeline": Table(store, "pipeline"),
        "chatq": chatq,
        "chat_with_llm": chat_with_llm,
    }


def make(cls: type, path: Path, given: Mapping[str, Any] | None) -> HandWritten:
    """Make the workflow with those of the `given` things that it asks for; without an app (None), only describe it."""

    def named(*attributes: str) -> str:
        return next((str(value) for key in attributes if (value := getattr(cls, key, ""))), "")

    name = named("APP_NAME", "app_name") or path.stem
    offered = {**(given or {}), "app_name": name, "prefix": name}
    if "pipulate" in offered:
        offered["pipulate"] = offered["pipulate"].for_workflow(name)
    asked = inspect.signature(cls).parameters if cls.__init__ is not object.__init__ else {}  # type: ignore[misc]
    instance = (
        None if given is None else cls(**{key: offered[key] for key in asked if key in offered})
    )
    title = named("DISPLAY_NAME", "TITLE") or name.replace("_", " ").capitalize()
    about = inspect.getdoc(cls) or (sys.modules[cls.__module__].__doc__ or "")
    return HandWritten(name, title, inspect.cleandoc(about), instance)


def placeholders(steps: Sequence[StepTuple], prefix: str, start_from: int) -> list[FT]:
    """Return one empty Div a step; that of index `start_from` and those before it load themselves.

    A later one waits for the event `{step_id before it}-done` on the page body, or for the handler of the step
    before it to return it filled.
    """
    ids, base = [step[1] for step in steps], "/" + prefix.strip("/")
    triggers = [
        "load" if i <= start_from else f"{ids[i - 1]}-done from:body" for i in range(len(ids))
    ]
    return [
        Div(id=id, hx_get=f"{base}/{id}", hx_swap="outerHTML", hx_target="this", hx_trigger=trigger)
        for id, trigger in zip(ids, triggers, strict=True)
    ]


def chain(steps: Sequence[StepTuple], prefix: str, last: int) -> FT:
    """Return the placeholders that bring a run up to its first open card, the one after number `last`."""
    return Div(*placeholders(steps, prefix, last), id=f"{prefix.strip('/')}-chain")


class Table:
    """A table of the MiniDataAPI to keep: each use of it goes over the connection of the thread at hand."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._store.table(self._name), attribute)

    def __getitem__(self, key: Any) -> Any:
        return self._store.table(self._name)[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._store.table(self._name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._store.table(self._name)(*args, **named)
