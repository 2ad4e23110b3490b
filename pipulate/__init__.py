"""Local-first, step-by-step workflows with a local language model in them.

These names are all that a workflow file, a notebook or a test needs; each is imported when it is
first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipulate.app import create_app
    from pipulate.engine.errors import Invalid, PipulateError
    from pipulate.engine.pipeline import Pipulate
    from pipulate.engine.settings import Settings
    from pipulate.engine.voice import chat_with_llm, chatq
    from pipulate.engine.workflow import Job, Run, Workflow

__version__ = "0.2.0"
__all__ = [
    "Invalid",
    "Job",
    "Pipulate",
    "PipulateError",
    "Run",
    "Settings",
    "Workflow",
    "chat_with_llm",
    "chatq",
    "create_app",
]

_HOMES = {
    "Invalid": "engine.errors",
    "Job": "engine.workflow",
    "Pipulate": "engine.pipeline",
    "PipulateError": "engine.errors",
    "Run": "engine.workflow",
    "Settings": "engine.settings",
    "Workflow": "engine.workflow",
    "chat_with_llm": "engine.voice",
    "chatq": "engine.voice",
    "create_app": "app",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"pipulate.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'pipulate' has no attribute {name!r}")
