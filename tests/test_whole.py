"""A skip is a failure in CI, and nowhere else; a long form's skip is told by its table."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

@pytest.mark.skipif(True, reason="no moon")
def test_before(): pass

def test_inside(): pytest.skip("no tide")

@pytest.mark.xfail
def test_known(): assert False

@pytest.mark.trust("promise")
def test_long(): pytest.skip("no sun")
"""


@pytest.mark.parametrize(
    ("ci", "told"),
    [("true", "1 failed, 1 skipped, 1 xfailed, 1 error"), ("", "3 skipped, 1 xfailed")],
)
def test_what_is_skipped_is_not_proved(tmp_path: Path, ci: str, told: str) -> None:
    """Before a test and inside of it."""
    (tmp_path / "test_it.py").write_text(SKIPS, encoding="utf-8")
    plugin = ("-p", "tests.whole", "-p", "no:cacheprovider", "-W", "ignore")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told in found.stdout
    assert ("Left out, so not proved" in found.stdout) == bool(ci)
