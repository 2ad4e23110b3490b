"""Finds workflow files and says what is wrong with one.

A file holds `Workflow` values; one that holds none, hand-written classes (see
`handwritten`).
One that cannot be loaded becomes a `Broken`, shown as a card with its
traceback; nothing else suffers.
"""

import inspect
import re
import sys
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipulate.engine.handwritten import HandWritten as HandWritten
from pipulate.engine.handwritten import classes, make
from pipulate.engine.record import Normalise, normalise_id
from pipulate.engine.workflow import Workflow


@dataclass
class Broken:
    """A workflow file that does not load."""

    name: str
    path: Path
    traceback: str

    @property
    def title(self) -> str:
        """What the menu shows."""
        return f"{self.name} (broken)"


Found = Workflow | Broken | HandWritten


def files(folders: tuple[Path, ...]) -> dict[str, Path]:
    """Return the workflow files by name; of two, the later folder's."""
    paths = (path for folder in folders for path in sorted(folder.glob("*.py")))
    return {path.stem: path for path in paths if not path.name.startswith(("_", "."))}


def load(
    path: Path,
    given: Mapping[str, Any] | None = None,
    reserved: Collection[str] = frozenset(),
    normalise: Normalise = normalise_id,
) -> list[Found]:
    """Return what one file defines; a Broken if it cannot, or nothing.

    `given` is what the app offers to hand-written classes, and as globals to
    the file; without an app (None) they are not made.  No workflow may take a
    `reserved` name.  `normalise` is for workflows that bring none.
    """
    try:
        module = _execute(path, given)
        found = _workflows(module, normalise)
        if not found:  # else its classes are helpers
            found = [make(cls, path, given) for cls in classes(module)]
        if not found:
            raise ImportError(
                "It defines no workflow: expected `flow = Workflow(...)`, or a class with STEPS."
            )
        for flow in found:
            _check_name(flow.name, reserved)
        return found
    except (Exception, SystemExit):  # the author's, to read
        return [Broken(path.stem, path, _shortened(path))]


def _workflows(module: ModuleType, normalise: Normalise) -> list[Found]:
    flows = [value for value in vars(module).values() if isinstance(value, Workflow)]
    for flow in flows:
        if flow.normalise is normalise_id:
            flow.normalise = normalise
        flow.about = flow.about or inspect.cleandoc(module.__doc__ or "")
    return [*flows]


def _check_name(name: str, reserved: Collection[str]) -> None:
    if name in reserved or not re.fullmatch(r"[a-z][a-z0-9_-]{0,40}", name):
        raise ImportError(
            f"{name!r} cannot be a workflow's name: small letters, digits, _ and no page's name."
        )


def _shortened(path: Path) -> str:
    # From the author's own file on: what comes before is ours.
    kind, error, tb = sys.exc_info()
    while tb and tb.tb_frame.f_code.co_filename != str(path):
        tb = tb.tb_next
    return "".join(traceback.format_exception(kind, error, tb))


def _execute(path: Path, given: Mapping[str, Any] | None) -> ModuleType:
    # Not imported: bytecode caches, by whole seconds, would miss a quick edit.
    module = ModuleType(f"pipulate_workflow_{path.stem}")
    module.__file__ = str(path)
    vars(module).update(given or {})
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    sys.modules[module.__name__] = module
    exec(code, vars(module))  # noqa: S102 - what we are for
    return module
