"""What may be found in a workflow file, beside a `Workflow`; see `discovery`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipulate.engine.workflow import Workflow

if TYPE_CHECKING:
    from pipulate.engine.fault import Fault


@dataclass(frozen=True)
class Broken:
    """A file that does not load, or a workflow that cannot be served."""

    name: str
    path: Path
    fault: "Fault"

    @property
    def title(self) -> str:
        """What the menu shows."""
        return f"{self.name} (broken)"

    def __str__(self) -> str:
        if self.fault.line:
            return f"{self.path.name} cannot be loaded. {self.fault}"
        return f"{self.path.name}: {self.fault}"


@dataclass
class HandWritten:
    """A plain class with its own routes."""

    name: str
    title: str
    about: str
    instance: Any


@dataclass(frozen=True)
class Helper:
    """A file that defines no workflow."""

    name: str
    path: Path

    @property
    def title(self) -> str:
        """What it is."""
        return f"{self.name} (no workflow)"

    def __str__(self) -> str:
        return (
            f"{self.path.name} defines no workflow; others in its folder may import it. To be "
            f'one it takes `flow = Workflow("{self.name}")`, or a class with STEPS.'
        )


Found = Workflow | Broken | HandWritten | Helper
