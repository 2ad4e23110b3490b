"""What the tests of all endpoints use."""

from collections.abc import AsyncIterator

import pytest

from tests.simulator.examples import QUICK, Api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A simulator whose jobs are done at once."""
    found = Api(options=QUICK)
    yield found
    await found.http.aclose()
