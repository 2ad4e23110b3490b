"""The table counts what was tried, and hides neither a failure nor what was left out."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIALS = """
import pytest
from tests.trust.table import found, tried

@pytest.fixture
def early(): raise OSError("before")

@pytest.fixture
def late(): yield; raise OSError("after")

@pytest.mark.trust("holds")
def test_one():
    tried(41)
    found("41 at once")

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


def played(folder: Path, tests: str, *options: str, file: str) -> list[str]:
    """Run tests in a process of their own; return the lines of a file that they leave."""
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    plugin = ("-p", "tests.trust.table", "-p", "no:cacheprovider", "-W", "ignore")
    subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *options, "-m", "trust", "--table", "made.md"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return (folder / file).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two"])
def test_what_is_told(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Trials, failures wherever they come from, and why a promise was not tried."""
    told = played(tmp_path, TRIALS, *options, file="made.md")
    rows = [line.split(" | ")[:3] for line in told if line.startswith("| ")]
    assert sorted(rows[2:]) == [
        ["| breaks", "1", "1"],
        ["| breaks early", "0", "1"],
        ["| breaks late", "1", "1"],
        ["| holds (41 at once)", "42", "0"],
        ["| lacks (not tried: no moon)", "0", "0"],
        ["| lacks in the middle (not tried: no tide)", "0", "0"],
    ]


TURNS = """
import os
import pytest

def note(word):
    with open("turns.txt", "a") as file:
        file.write(f"{word} {os.environ['PYTEST_XDIST_WORKER']}\\n")

def work(name):
    note("begins " + name)
    for _ in range(200):
        open("turns.txt").read()
    note("ends " + name)

@pytest.mark.trust("shares")
@pytest.mark.parametrize("number", range(30))
def test_shared(number): work("shared")

@pytest.mark.trust("alone", alone=True)
@pytest.mark.parametrize("number", range(4))
def test_alone(number): work("alone")
"""


def test_what_measures_time_has_the_machine_to_itself(tmp_path: Path) -> None:
    """Others share it: they overlap."""
    lines = played(tmp_path, TURNS, "-n", "2", "--dist", "load", file="turns.txt")
    words = [line.split()[:2] for line in lines]
    after: dict[str, list[list[str]]] = {"shared": [], "alone": []}
    for (act, name), following in itertools.pairwise(words):
        if act == "begins":
            after[name].append(following)
    assert after["alone"] == [["ends", "alone"]] * 4
    assert ["begins", "shared"] in after["shared"]
