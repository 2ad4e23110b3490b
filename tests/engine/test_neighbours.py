"""A folder's modules import one another; the rest of the process never sees them."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.engine.neighbours import Package


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Package]:
    """Give a function that makes a folder of these files ("a__b" is "a/b") a package."""

    def made(**files: str) -> Package:
        write(tmp_path, **files)
        return Package(tmp_path, lambda module: nullcontext({}))

    return made


def write(folder: Path, **files: str) -> None:
    """Write files, "lib__x" as lib/x.py."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


WAYS = {
    "a name of it": "from helpers import x",
    "the module": "import helpers; x = helpers.x",
    "another name": "import helpers as h; x = h.x",
    "relative": "from .helpers import x",
    "relative module": "from . import helpers; x = helpers.x",
    "all names": "from helpers import *",
    "late": "def f():\n    from helpers import x\n    return x\nx = f()",
    "in a folder": "from lib.deep import x",
    "a folder": "import lib.deep; x = lib.deep.x",
    "out of a folder": "from lib.back import x",
}


@pytest.mark.parametrize("line", WAYS.values(), ids=list(WAYS))
def test_a_neighbour_is_imported(folder, line):
    """In whatever way Python knows."""
    deep = {"lib__deep": "x = 1", "lib__back": "from helpers import x"}
    package = folder(mine=line, helpers="x = 1", **deep)
    assert package.read("mine").x == 1
    assert "helpers" not in sys.modules and find_spec("helpers") is None


def test_nothing_else_sees_the_folder(folder, tmp_path):
    """Not code outside it, not what a library tries to import, not another folder."""
    name = "surely_no_library"
    package = folder(**{name: "x = 1", "mine": f"import {name}", "io": "x = 1"})
    package.read("mine")
    with pytest.raises(ModuleNotFoundError):
        import_module(name)
    assert str(tmp_path) not in sys.path
    (tmp_path / "other").mkdir()
    other = Package(tmp_path / "other", lambda module: nullcontext({}))
    write(tmp_path / "other", mine=f"import {name}")
    with pytest.raises(ModuleNotFoundError, match=name):
        other.read("mine")


@pytest.mark.parametrize("library", ["csv", "json", "apsw", "fasthtml", "pipulate"])
def test_a_file_with_a_librarys_name_is_in_nobodys_way(folder, library):
    """Its neighbours get the library, itself too; `from .csv` is the file."""
    package = folder(
        **{library: f"import {library} as real; mine = 1", "user": f"import {library}"}
    )
    real = import_module(library)
    assert package.read(library).real is real
    assert getattr(package.read("user"), library) is real
    write(package.folder, other=f"from .{library} import mine")
    assert package.read("other").mine == 1


def test_a_module_runs_once(folder):
    """However many import it, and also when they import one another."""
    package = folder(
        count="ran = []",
        a="import count, b; count.ran.append('a')",
        b="import count, a; count.ran.append('b')",
    )
    package.read("a")
    package.read("b")
    assert package.read("count").ran == ["b", "a"]


def test_what_fails_below_is_told_and_tried_again(folder):
    """With the error of the neighbour itself; mended, all is well."""
    package = folder(mine="from helpers import x", helpers="1 / 0")
    package.forget()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            package.read("mine")
    write(package.folder, helpers="x = 100")
    assert package.forget() == {"mine", "helpers"}
    assert package.read("mine").x == 100


def test_a_missing_neighbour_that_comes_is_found(folder):
    """Who asked for it is read again, though its own file did not change."""
    package = folder(mine="from helpers import x")
    package.forget()
    with pytest.raises(ModuleNotFoundError, match="No module named 'helpers'"):
        package.read("mine")
    write(package.folder, helpers="x = 2")
    assert package.forget() == {"mine", "helpers"} and package.read("mine").x == 2
    (package.folder / "helpers.py").unlink()
    assert package.forget() == {"mine", "helpers"}
    with pytest.raises(ModuleNotFoundError):
        package.read("mine")


def test_a_file_in_a_folder_is_watched_too(folder):
    """A change deep below is one of the folder's."""
    package = folder(mine="from lib.deep import x", lib__deep="x = 1", other="")
    package.forget()
    assert package.read("mine").x == 1
    write(package.folder, lib__deep="x = 22")
    assert package.forget() == {"mine", "lib"} and package.read("mine").x == 22


NAMES = "abcde"
links = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), max_size=5)


@given(links=links, changed=st.sets(st.sampled_from(NAMES)))
@settings(max_examples=60, deadline=None)
def test_read_again_is_what_changed_and_all_that_is_built_on_it(tmp_path_factory, links, changed):
    """And nothing else: what the others hold stays."""
    folder = tmp_path_factory.mktemp("flows")
    imports = {
        name: "\n".join(f"import {n}" for n in sorted(links.get(name, ()))) for name in NAMES
    }
    write(folder, **imports)
    package = Package(folder, lambda module: nullcontext({}))
    package.forget()
    before = {name: package.read(name) for name in NAMES}
    write(folder, **{name: f"{imports[name]}\nchanged = 1\n" for name in changed})
    due = set(changed)
    while more := {name for name in NAMES if links.get(name, set()) & due} - due:
        due |= more
    assert package.forget() == due
    assert {name for name in NAMES if package.read(name) is not before[name]} == due
    assert package.forget() == set()


def test_a_quick_edit_is_seen(folder):
    """Of the same length, within the same second; no bytecode is left behind."""
    package = folder(mine="x = 1")
    package.forget()
    for number in range(2, 9):
        before = (package.folder / "mine.py").stat().st_mtime_ns
        while (package.folder / "mine.py").stat().st_mtime_ns == before:
            write(package.folder, mine=f"x = {number}")
        package.forget()
        assert package.read("mine").x == number
    assert not list(package.folder.rglob("__pycache__"))
