"""Methods of a class that are read from another module."""

import subprocess
import sys
from pathlib import Path

from pipulate.engine.care import Copied
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.revival import Revival
from pipulate.engine.store import Store


def test_a_method_is_that_of_its_home(tmp_path: Path):
    """Of an instance it is bound, of the class it is the function."""
    store = Store(tmp_path / "pipulate.db")
    assert Store.backup is vars(Copied)["backup"]
    assert Pipulate.delete is vars(Revival)["delete"]
    assert store.backup.__self__ is store
    assert store.backup.__func__ is Store.backup


def test_a_home_is_read_when_it_is_first_asked_for():
    """Not when the class is."""
    ask = (
        "import sys\nfrom pipulate.engine.store import Store\n"
        "home = 'pipulate.engine.care'\nbefore = home in sys.modules\n"
        "Store.backup\nprint(before, home in sys.modules)"
    )
    command = [sys.executable, "-P", "-c", ask]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "True"]
