"""Runs of workflows, durable; works in a notebook without a web framework.

These names are the engine, imported when first asked for.  Beside them
stand `jobs`, `discovery` and `handwritten` (workflow files), `exchange`, `care`,
and for libraries `files`, `child` and `log`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipulate.engine.errors import Invalid, PipulateError
    from pipulate.engine.job import Job
    from pipulate.engine.pipeline import Pipulate
    from pipulate.engine.settings import Settings
    from pipulate.engine.store import Store
    from pipulate.engine.values import File
    from pipulate.engine.workflow import Run, Workflow

__all__ = [
    "File",
    "Invalid",
    "Job",
    "Pipulate",
    "PipulateError",
    "Run",
    "Settings",
    "Store",
    "Workflow",
]
#: Where they live, each module after those that it is built on.
HOMES = ("errors", "settings", "store", "values", "pipeline", "workflow", "job")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pipulate.engine' has no attribute {name!r}")
    homes = (import_module(f"pipulate.engine.{home}") for home in HOMES)
    return next(getattr(home, name) for home in homes if hasattr(home, name))
