"""Paths of this machine in answers: a claim, until somebody here typed them.

AWAY      While another device of the network asks, none is taken: what is on
          this machine is named at this machine.
IMPORTED  The record of a run that came from elsewhere may name any file.  Of
          such a run nothing is opened but what was typed here since.

Files that came with a form are none of this: they are known by what is in them
(see `values`), and lie in the data folder.
"""

from contextvars import ContextVar
from pathlib import Path

from pipulate.engine.errors import Invalid
from pipulate.engine.pipeline import Kind
from pipulate.engine.store import now
from pipulate.engine.workflow import Run

#: Whether the present request is another device's; set by `pairing`.
away: ContextVar[bool] = ContextVar("away", default=False)
AWAY = (
    "Files and folders of the machine on which Pipulate runs are named there. "
    "On this device choose a file of its own."
)
_IMPORT = "SELECT 1 FROM history WHERE workflow = ? AND id = ? AND kind = ? LIMIT 1"


def typed(run: Run, text: str, field: str = "") -> Path:
    """Take a path from a form, whole; raises Invalid if another device sent it."""
    if away.get():
        raise Invalid(AWAY, field)
    path = _whole(text, field, look=True)
    if is_imported(run):
        run.engine.store[_key(path)] = now()
    return path


def named(run: Run, text: str) -> Path:
    """Return the path that an answer names, to open it; raises Invalid for a mere claim."""
    path = _whole(text)
    if is_imported(run) and _key(path) not in run.engine.store:
        raise Invalid(
            f"This run came from elsewhere and names {path} on this machine, which nobody "
            "typed here. If you mean it, change that answer and give it again."
        )
    return path


def is_imported(run: Run) -> bool:
    """Say whether the run's record came from elsewhere."""
    return bool(run.engine.store.one(_IMPORT, run.flow.name, run.id, Kind.IMPORT))


def _key(path: Path) -> str:
    return f"typed {path}"


def _whole(text: str, field: str = "", look: bool = False) -> Path:
    try:
        path = Path(text.strip()).expanduser().resolve()
        if look:
            path.exists()  # raises for what is too long, or may not be seen
        return path
    except (AttributeError, OSError, RuntimeError, ValueError) as error:
        why = f" ({error.strerror})" if isinstance(error, OSError) else ""
        words = f"{str(text)[:200]!r} cannot be a path of this machine{why}."
        raise Invalid(words, field) from error
