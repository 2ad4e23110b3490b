"""Local-first, step-by-step workflows with a local language model in them.

These names are all that a workflow file, a notebook or a test needs.
"""

from pipulate.app import chat_with_llm, chatq, create_app
from pipulate.errors import Invalid, PipulateError
from pipulate.pipeline import Pipulate
from pipulate.settings import Settings
from pipulate.workflow import Job, Run, Workflow

__version__ = "0.1.0"
__all__ = [
    "Invalid", "Job", "Pipulate", "PipulateError", "Run", "Settings", "Workflow", "chat_with_llm", "chatq", "create_app",
]  # fmt: skip
