"""What failed in an author's code, and where: the one way to say it.

An author's is what is neither ours nor a library's; the flagships in
`workflows/` count as theirs.  Of a traceback, the innermost such line is told.
"""

import linecache
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from pipulate.engine.errors import PipulateError
from pipulate.engine.settings import PACKAGE


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
    what = str(error)
    if not isinstance(error, PipulateError):
        what = f"{type(error).__name__}: {what}".removesuffix(": ")
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
