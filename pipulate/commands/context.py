"""`pipulate context`: print engine and web as one text, for a model's window.

The engine is what the names of `pipulate.engine` pull in, the web what its
modules pull in further; what a function imports is pulled in by none.  A token
is four characters, without indentation.
"""

import ast
import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipulate import engine
from pipulate.commands import parser
from pipulate.engine.settings import PACKAGE, Settings

LATER = (ast.FunctionDef, ast.AsyncFunctionDef)  #: what they import is read when needed


def main(argv: Sequence[str], settings: Settings) -> None:
    """Print the core."""
    reader = parser(__doc__)
    reader.add_argument("--counts", action="store_true", help="only the token counts per file")
    counts = reader.parse_args(argv).counts
    total = 0
    for title, paths in core().items():
        for path in paths:
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(PACKAGE.parent)
            total += tokens(text)
            if counts:
                print(f"{tokens(text):>7,}  {name}")
            else:
                print(f"\n# ==== {name} ({tokens(text):,} tokens)\n\n{text}")
        note = f"{total:>7,}  tokens of {title} (characters without indentation / 4)"
        print(note, file=sys.stdout if counts else sys.stderr)


def core() -> dict[str, list[Path]]:
    """Return the files of each part."""
    homes = ("__init__", *engine.HOMES)
    inner = pulled_in(PACKAGE / "engine" / f"{home}.py" for home in homes)
    outer = pulled_in(PACKAGE.glob("web/*.py"))
    return {"the engine": sorted(inner), "engine and web": sorted(outer - inner)}


def pulled_in(start: Iterable[Path]) -> set[Path]:
    """Return these files and all of ours that they import, and so on."""
    found: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path)
    return found


def imported(path: Path) -> Iterator[Path]:
    """Yield the files of ours that a file imports when it is loaded."""
    waiting: list[ast.AST] = [parsed(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                yield from _file(node.module, name.name)
        if not (isinstance(node, LATER) or _is_for_types(node)):
            waiting += ast.iter_child_nodes(node)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def parsed(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    gc.disable()  # CPython 3.11 may fail when a collection comes in between
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def _file(module: str, name: str) -> Iterator[Path]:
    # Of the name in the module, where that is a module itself.
    folder = PACKAGE.parent.joinpath(*module.split("."))
    for path in (folder / f"{name}.py", folder.with_suffix(".py")):
        if path.is_file() and path.is_relative_to(PACKAGE):
            yield path
            return


def tokens(text: str) -> int:
    """Return the cost of reading."""
    return sum(len(line.lstrip(" ")) for line in text.splitlines(keepends=True)) // 4
