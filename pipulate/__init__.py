"""Local-first, step-by-step workflows with a local language model in them.

These names, each imported when first asked for, are all that a workflow
file, a notebook or a test needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipulate.app import create_app
    from pipulate.engine import (
        File,
        Invalid,
        Job,
        Pipulate,
        PipulateError,
        Run,
        Settings,
        Workflow,
    )
    from pipulate.engine.byhand import chat_with_llm, chatq

__version__ = "0.2.0"
__all__ = [
    "File",
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


#: Where they live; the others in the engine.
HOMES = {
    "chat_with_llm": "engine.byhand",
    "chatq": "engine.byhand",
    "create_app": "app",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pipulate' has no attribute {name!r}")
    home = HOMES.get(name, "engine")
    return getattr(import_module(f"pipulate.{home}"), name)
