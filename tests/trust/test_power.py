"""The power is cut at any moment while files are written: the old or the new, whole; and the new,
once it was said to be written.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine import files
from pipulate.engine.errors import PipulateError
from tests.deeds import DEEDS, Deed
from tests.power import Power
from tests.trust.table import tried

WRITTEN = ("export of runs", "upload", "key file", "graph", "picture", "report", "comparison")


def power_is_cut(deed: Deed, home: Path) -> int:
    """Do it; return how often the power was cut."""
    before, folder = home / "before", home / "folder"
    before.mkdir()
    deed.prepare(before)
    shutil.copytree(before, folder)
    deed.act(folder)
    old, new = deed.look(before), deed.look(folder)
    shutil.rmtree(folder)
    shutil.copytree(before, folder)
    last: list[Any] = []

    def look(found: Path, how: str) -> None:
        tried()
        last.append(deed.look(found))
        assert last[-1] in (old, new), how
        shutil.rmtree(found)

    with Power(folder, look, home) as power:
        deed.act(folder)
    assert last[-2:] == [new, new]
    return power.cuts


@pytest.mark.parametrize("name", WRITTEN[:3])
def test_a_power_cut_leaves_the_old_or_the_new(tmp_path: Path, name: str) -> None:
    """Short form: of single files."""
    assert power_is_cut(DEEDS[name], tmp_path) > 3


@pytest.mark.trust("Power cut while files are written: the old or the new, whole")
@pytest.mark.parametrize("name", WRITTEN)
def test_a_power_cut_leaves_the_old_or_the_new_at_length(tmp_path: Path, name: str) -> None:
    """Long form: of folders of many, too."""
    assert power_is_cut(DEEDS[name], tmp_path) > 3


def renamed_before_it_is_synced(part: Path, target: Path) -> None:
    """Finish a file as one should not."""
    part.replace(target)
    files.sync(target)
    files.sync(target.parent)


def never_synced(part: Path, target: Path) -> None:
    """Finish a file as one should not."""
    part.replace(target)


@pytest.mark.trust("Planted bug found: a file renamed before it is synced")
@pytest.mark.parametrize("bug", [renamed_before_it_is_synced, never_synced])
@pytest.mark.parametrize("name", WRITTEN[:3])
def test_planted_bugs_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bug: Any
) -> None:
    """What every file is finished by, spoilt."""
    tried()
    monkeypatch.setattr(files, "finish", bug)
    with pytest.raises((AssertionError, ValueError, OSError, PipulateError)):
        power_is_cut(DEEDS[name], tmp_path)
