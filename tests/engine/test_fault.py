"""A failure is told by its author's line, whatever stands above and below it."""

import errno
import json
from pathlib import Path

import pytest

from pipulate.engine.errors import Invalid
from pipulate.engine.fault import Fault, fault, in_words, is_machines
from pipulate.engine.settings import PACKAGE

CODE = """import json
def low(text):
    return json.loads(text)
def high():
    return low("{")
"""


def raised(code: str, path: Path | str = "mine.py", call: str = "high") -> Fault:
    """Run code as of a file, call one of its functions; return the fault."""
    names: dict[str, object] = {}
    try:
        exec(compile(code, str(path), "exec"), names)
        names[call]()  # type: ignore[operator]
    except Exception as error:
        return fault(error)
    raise AssertionError("it did not fail")


def test_the_authors_innermost_line_is_told(tmp_path):
    """Not the library's below it, nor ours above."""
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    found = raised(CODE, path)
    assert found.what.startswith("JSONDecodeError: Expecting property name")
    assert (found.file, found.line, found.code) == ("mine.py", 3, "return json.loads(text)")
    assert str(found).endswith(" (mine.py, line 3: “return json.loads(text)”)")
    assert "json/decoder.py" in found.traceback.replace("\\", "/")


def test_what_comes_before_the_authors_file_is_left_out():
    """It is ours, and of no use to them."""
    ours = "def run(function):\n    function()\n"
    names: dict = {}
    exec(compile(ours, str(PACKAGE / "web" / "routes.py"), "exec"), names)
    theirs: dict = {}
    exec(compile("def bad():\n    1 / 0\n", "/home/me/mine.py", "exec"), theirs)
    with pytest.raises(ZeroDivisionError) as caught:
        names["run"](theirs["bad"])
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # not this test
    found = fault(error)
    assert (found.file, found.line) == ("mine.py", 2)
    assert "routes.py" not in found.traceback and "mine.py" in found.traceback


def test_a_file_that_is_no_python_is_told_by_its_line(tmp_path):
    """The error says where, no frame does."""
    found = raised("x = 1\nthis is no Python\n", tmp_path / "mine.py")
    assert (found.file, found.line, found.code) == ("mine.py", 2, "this is no Python")
    assert found.what == "SyntaxError: invalid syntax"


@pytest.mark.parametrize(
    "path",
    [
        PACKAGE / "web" / "cards.py",
        "/x/.venv/lib/python3.12/site-packages/polars/frame.py",
        "/usr/lib/python3/dist-packages/yaml/__init__.py",
        json.__file__,
        "<frozen importlib._bootstrap>",
    ],
)
def test_ours_and_a_librarys_are_no_authors(path):
    """Where no author's code was at work, no place is told, and nothing of the traceback."""
    code = "def high():\n    1 / 0\n"
    names: dict = {}
    exec(compile(code, str(path), "exec"), names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["high"]()
    alone = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    assert fault(alone) == Fault("ZeroDivisionError: division by zero")
    assert str(fault(alone)) == "ZeroDivisionError: division by zero"


def test_our_flagships_count_as_an_authors():
    """They are what people begin with."""
    found = raised("def high():\n    1 / 0\n", PACKAGE / "workflows" / "bridge.py")
    assert (found.file, found.line) == ("bridge.py", 2)


def test_what_was_raised_on_purpose_is_told_as_it_stands():
    """Its text is a sentence already; an error without words is told by its kind."""
    assert fault(Invalid("That is no date.")).what == "That is no date."
    assert fault(AssertionError()).what == "AssertionError"


@pytest.mark.parametrize(
    ("code", "way"),
    [
        ("return oracle", "Import 'oracle' in the file"),
        ("import no_such_library.at_all", "If 'no_such_library' is a library, install it"),
        ("1 / 0", ""),
        ("x = x", ""),
    ],
)
def test_the_way_out_of_a_missing_name(code, way):
    """Said after the line that asks for it."""
    found = raised(f"def high():\n    {code}\n")
    assert found.way.startswith(way) and bool(found.way) == bool(way)
    assert str(found).endswith(found.way or f"line 2: “{found.code}”)")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left", "a.csv"),
            "The disk is full. Make room, then try again. (a.csv: No space left)",
        ),
        (PermissionError(errno.EACCES, "Denied", "a.csv"), "The system does not allow it."),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), "FileNotFoundError: [Errno 2]"),
        (Invalid("That is no date."), "That is no date."),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_the_machines_failures_are_told_in_words(error, says):
    """Whose file it was, and what to do; a file that is not there is its code's fault."""
    assert in_words(error).startswith(says)


def test_the_machines_errors_are_known_within_others():
    """Polars has a class of its own for a full disk; of memory Python has one."""
    told = "parquet: File out of specification: underlying IO error: No space left (os error 28)"
    assert in_words(RuntimeError(told)).startswith("The disk is full. Make room, then try again. (")
    assert is_machines(MemoryError()) and in_words(MemoryError()).endswith("again. (MemoryError)")
    assert not is_machines(RuntimeError("of the year (os error 99999)"))
