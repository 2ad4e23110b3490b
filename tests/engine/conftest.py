"""What the tests of the engine share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipulate.engine.pipeline import Pipulate


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Pipulate]:
    """An engine on a fresh data folder, with the run `arthur` begun."""
    engine = Pipulate.open(tmp_path / "data", "bridge")
    engine.initialize_if_missing("arthur")
    yield engine
    engine.store.close()
