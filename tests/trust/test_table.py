"""The table counts what was tried, and hides neither a failure nor what was left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIALS = """
import pytest
from tests.trust.table import tried

@pytest.fixture
def early(): raise OSError("before")

@pytest.fixture
def late(): yield; raise OSError("after")

@pytest.mark.trust("holds")
def test_one(): tried(41)

@pytest.mark.trust("holds")
def test_two(): pass

@pytest.mark.trust("breaks")
def test_three(): assert False

@pytest.mark.trust("breaks early")
def test_four(early): pass

@pytest.mark.trust("breaks late")
def test_five(late): pass

@pytest.mark.trust("lacks")
@pytest.mark.skipif(True, reason="no moon")
def test_six(): pass

@pytest.mark.trust("lacks in the middle")
def test_seven(): pytest.skip("no tide")

def test_no_promise(): pass
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two"])
def test_what_is_told(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Trials, failures wherever they come from, and why a promise was not tried."""
    (tmp_path / "test_it.py").write_text(TRIALS, encoding="utf-8")
    plugin = ("-p", "tests.trust.table", "-p", "no:cacheprovider", "-W", "ignore")
    subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *options, "-m", "trust", "--table", "made.md"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    told = (tmp_path / "made.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[:3] for line in told.splitlines() if line.startswith("| ")]
    assert sorted(rows[2:]) == [
        ["| breaks", "1", "1"],
        ["| breaks early", "0", "1"],
        ["| breaks late", "1", "1"],
        ["| holds", "42", "0"],
        ["| lacks (not tried: no moon)", "0", "0"],
        ["| lacks in the middle (not tried: no tide)", "0", "0"],
    ]
