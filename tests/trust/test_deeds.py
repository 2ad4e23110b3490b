"""A process that ends at any change of a file, and one whose change fails, leaves the old or the
new, whole; the next try does it all, and what was left lying about is collected.
"""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine.collecting import DAY, collect, tidy
from tests.chat.test_weights import hub as hub  # a fixture
from tests.deeds import DEEDS, Deed, data, store
from tests.engine_child import Child, end_at, fail_at
from tests.trust.table import tried

NEVER = -1
Child.preload = ("tests.deeds",)
LEFT = ("*.part*", "*.old", "*-journal", "*.scratch*")


def leftovers(folder: Path) -> list[Path]:
    """Return what nobody would take for a result."""
    return [path for pattern in LEFT for path in folder.rglob(pattern)]


def tidied(folder: Path) -> None:
    """Let two days pass, and the daily care of them."""
    for path in (left for top in leftovers(folder) for left in (top, *top.rglob("*"))):
        os.utime(path, (0, time.time() - 2 * DAY))
    if (data(folder) / "pipulate.db").exists():
        opened = store(folder)
        collect(opened)
        opened.close()
    tidy(folder)


def at_every_change(deed: Deed, home: Path, step: int, error: int = 0) -> int:
    """Kill it at its first, second, ... change, or let that fail; return how many it makes."""
    before, after = home / "before", home / "after"
    before.mkdir()
    deed.prepare(before)
    shutil.copytree(before, after)
    (changes,) = Child(end_at, NEVER, deed.act, after).rest()
    old, new = deed.look(before), deed.look(after)
    for moment in range(1, changes + 1, step):
        folder = home / str(moment)
        shutil.copytree(before, folder)
        tried()
        if error:
            (told,) = Child(fail_at, moment, error, deed.act, folder).rest()
            assert isinstance(told, int) or is_in_words(told)
        elif Child(end_at, moment, deed.act, folder).rest():
            break  # what it does but once was done
        is_found(deed, folder, old, new)
        shutil.rmtree(folder)
    return changes


def is_in_words(told: str) -> bool:
    """Say whether it is a sentence that says what to do, and nothing of Python."""
    return "try again" in told or "send this again" in told


def is_found(deed: Deed, folder: Path, old: Any, new: Any) -> None:
    """Look for the old or the new; the next try does it all."""
    assert deed.look(folder) in (old, new)
    deed.act(folder)
    assert deed.look(folder) == new
    tidied(folder)
    assert leftovers(folder) == []
    assert deed.look(folder) == new


def deeds(step: int) -> Any:
    """Run a test for every deed."""
    return pytest.mark.parametrize(("name", "step"), [(name, step) for name in DEEDS])


@deeds(29)
@pytest.mark.usefixtures("hub")
def test_what_is_killed_leaves_the_old_or_the_new(tmp_path: Path, name: str, step: int) -> None:
    """Short form: at some changes."""
    assert at_every_change(DEEDS[name], tmp_path, step) > 2


@pytest.mark.trust("Killed at any change of a file, whatever it does: the old or the new, whole")
@deeds(1)
@pytest.mark.usefixtures("hub")
def test_what_is_killed_leaves_the_old_or_the_new_at_length(
    tmp_path: Path, name: str, step: int
) -> None:
    """Long form: at every one."""
    assert at_every_change(DEEDS[name], tmp_path, step) > 2


FULL = ("backup", "import of runs", "export of runs", "upload", "key file", "picture")


@pytest.mark.parametrize("name", FULL)
@pytest.mark.usefixtures("hub")
def test_what_fails_leaves_the_old_or_the_new(tmp_path: Path, name: str) -> None:
    """Short form: some changes."""
    assert at_every_change(DEEDS[name], tmp_path, 29, errno.ENOSPC) > 2


@pytest.mark.trust(
    "Any change of a file fails, whatever it does: told in words, the next try works"
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("name", DEEDS)
@pytest.mark.usefixtures("hub")
def test_what_fails_leaves_the_old_or_the_new_at_length(
    tmp_path: Path, name: str, error: int
) -> None:
    """Long form: every fifth, by a full disk, missing rights, too many files."""
    assert at_every_change(DEEDS[name], tmp_path, 5, error) > 2
