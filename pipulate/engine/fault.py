"""What failed in an author's code, and where, or in the machine: the one way to say it.

An author's is what is neither ours nor a library's; the flagships in
`workflows/` count as theirs.  Of a traceback, the innermost such line is told.
"""

import errno
import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from pipulate.engine.errors import PipulateError
from pipulate.engine.settings import PACKAGE

_FULL = "The disk is full. Make room"
_RIGHTS = "The system does not allow it. Look at the rights of the file and its folder"
_MANY = "Too many files are open at once. Close other programs, or allow more (ulimit -n)"
_MACHINE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "The disk may only be read. Choose another folder, or allow writing",
    errno.EMFILE: _MANY,
    errno.ENFILE: _MANY,
    errno.EIO: "The disk did not do its part. Check it",
    errno.EFBIG: "No file may be so large here. Choose another disk, or allow more (ulimit -f)",
    errno.ENOMEM: "There is not enough memory. Close other programs",
}
_POLARS = re.compile(r"\(os error (\d+)\)")  #: its errors name the system's so


@dataclass(frozen=True)
class Fault:
    """A failure, to be shown; without a file, no author's code was at work."""

    what: str  #: "ZeroDivisionError: division by zero"
    file: str = ""  #: its name
    line: int = 0
    code: str = ""  #: the text of the line
    traceback: str = ""  #: from the author's file on: what comes before is ours
    way: str = ""  #: out of it: "Import it …"

    def __str__(self) -> str:
        if not self.line:
            return self.what
        told = f"{self.what} ({self.file}, line {self.line}: “{self.code}”)"
        return f"{told}. {self.way}".removesuffix(". ")


def fault(error: BaseException) -> Fault:
    """Return what is to be told of an error."""
    what = in_words(error)
    if isinstance(error, SyntaxError) and _is_authors(error.filename or ""):
        what = f"{type(error).__name__}: {error.msg}"
        file, line = error.filename or "", error.lineno or 0
        code, told = error.text or "", traceback.format_exception_only(error)
    else:
        places = [place for place in _places(error.__traceback__) if _is_authors(place[0])]
        if not places:
            return Fault(what)
        file, line, _ = places[-1]
        code = linecache.getline(file, line)
        told = traceback.format_exception(type(error), error, places[0][2])
    return Fault(
        what,
        Path(file).name,
        line,
        code.strip(),
        "".join(told),
        _way(error),
    )


def in_words(error: BaseException) -> str:
    """Return what is told of an error, wherever it came from."""
    if isinstance(error, PipulateError):
        return str(error)
    if machines := _MACHINE.get(_number(error)):
        return f"{machines}, then try again. ({_named(error)})"
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def is_machines(error: BaseException) -> bool:
    """Did the machine fail, and no code?"""
    return _number(error) in _MACHINE


def _number(error: BaseException) -> int:
    if isinstance(error, OSError):
        return error.errno or 0
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    told = _POLARS.search(str(error)) if isinstance(error, Exception) else None
    return int(told[1]) if told else 0


def _named(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    return ": ".join(str(part) for part in (error.filename, error.strerror) if part)


def _way(error: BaseException) -> str:
    name = getattr(error, "name", None)
    if name and isinstance(error, NameError):
        return (
            f"Import {name!r} in the file, or define it. "
            "The manual, “Classic workflows”, lists what is there by itself"
        )
    if name and isinstance(error, ModuleNotFoundError):
        return f"If {name!r} is a library, install it where Pipulate is"
    return ""


def _places(tb: TracebackType | None) -> Iterator[tuple[str, int, TracebackType]]:
    while tb:
        yield tb.tb_frame.f_code.co_filename, tb.tb_lineno, tb
        tb = tb.tb_next


@cache
def _is_authors(file: str) -> bool:
    path = Path(file)
    if path.is_relative_to(PACKAGE):
        return path.is_relative_to(PACKAGE / "workflows")
    library = {"site-packages", "dist-packages"} & set(path.parts)
    standard = path.is_relative_to(sysconfig.get_path("stdlib"))
    return not (library or standard or file.startswith(("<frozen", "<string", "<unknown")))
