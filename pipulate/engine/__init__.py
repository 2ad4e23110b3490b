"""Runs of workflows, durable; works in a notebook without a web framework.

These names are the engine, each imported when it is first asked for.  Beside them stand what others
need of it: `discovery` and `handwritten` (workflow files), `exchange`, `care`, and for libraries
`files`, `child` and `log`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipulate.engine.errors import Invalid, PipulateError
    from pipulate.engine.jobs import Jobs
    from pipulate.engine.pipeline import Pipulate
    from pipulate.engine.settings import Settings
    from pipulate.engine.store import Store
    from pipulate.engine.voice import chat_with_llm, chatq
    from pipulate.engine.workflow import Job, Run, Workflow

HOMES = {
    "Invalid": "errors",
    "Job": "workflow",
    "Jobs": "jobs",
    "Pipulate": "pipeline",
    "PipulateError": "errors",
    "Run": "workflow",
    "Settings": "settings",
    "Store": "store",
    "Workflow": "workflow",
    "chat_with_llm": "voice",
    "chatq": "voice",
}
__all__ = [
    "Invalid",
    "Job",
    "Jobs",
    "Pipulate",
    "PipulateError",
    "Run",
    "Settings",
    "Store",
    "Workflow",
    "chat_with_llm",
    "chatq",
]


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(f"pipulate.engine.{HOMES[name]}"), name)
    raise AttributeError(f"module 'pipulate.engine' has no attribute {name!r}")
