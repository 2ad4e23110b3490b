"""What is skipped is not proved: with CI set, a test that is left out fails, and says why.

Long forms may lack what few machines have; their table says so (tests/trust/table.py).
"""

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure."""
    report = yield
    hidden = report.skipped and not hasattr(report, "wasxfail")
    if hidden and os.environ.get("CI") and not item.get_closest_marker("trust"):
        report.outcome = "failed"
        report.longrepr = f"Left out, so not proved: {report.longrepr}"
    return report
