"""What the tests of workflows use: each is played from its first card to its result."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastcore.xml import to_xml

from pipulate.commands.run import find, finish
from pipulate.engine.calls import call
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run

Play = Callable[..., Awaitable[tuple[Run, str]]]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Give a function that plays a workflow with some answers: the run, and its result as HTML."""

    async def played(workflow: str, **answers: Any) -> tuple[Run, str]:
        settings = Settings(data=tmp_path / "data")
        flow = find(workflow, settings)
        given = {
            name: value if isinstance(value, list) else [value] for name, value in answers.items()
        }
        with closing(Store(settings.database)) as store:
            run = await finish(flow, "arthur", given, store, settings)
            assert flow.result_function
            return run, str(to_xml(await call(flow.result_function, run)))

    return played
