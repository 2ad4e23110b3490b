"""Writes pipulate/docs/reference.md from the code: commands, settings, names, tables, addresses.

`make docs` writes it; tests/test_docs.py fails when it is not what this would write.
"""

import ast
import contextlib
import dataclasses
import inspect
import io
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["COLUMNS"] = "100"  # argparse wraps at the terminal's width, which must not matter here

LEAD = "Commands, settings, names, tables, addresses, tools and measures, as the code has them."
HOW = "[//]: # (Made from the code by `make docs`; do not edit.)"  # nobody sees it

TABLES = """
    SELECT name FROM sqlite_master
    WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*'
    ORDER BY name
"""


def first(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


def signature(function: Callable[..., Any]) -> str:
    """Return a method's parameters and result as its source has them, without self."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    assert definition.returns
    arguments = re.sub(r"^(?:self|cls)(?:, )?", "", ast.unparse(definition.args))
    returns = ast.unparse(definition.returns).strip("'")
    return f"({arguments.replace('=', ' = ')}) -> {returns}"


def commands() -> Iterator[str]:
    """Yield the commands as argparse prints them."""
    from pipulate.cli import COMMANDS, main, parser

    top = parser()
    yield f"```\n{top.format_help().rstrip()}\n```\n"
    for name, what in COMMANDS.items():
        yield f"- `pipulate {name}`: {what}. `pipulate {name} --help` has its options."
    for name in ("new", "run"):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([name, "--help"])
        yield f"\n```\n{said.getvalue().rstrip()}\n```"


def settings() -> Iterator[str]:
    """Yield the fields of Settings with their comments."""
    from pipulate.engine.settings import Settings

    source = inspect.getsource(Settings)
    for item in dataclasses.fields(Settings):
        comment = re.search(rf"^    {item.name}: .*?#: (.*)$", source, re.MULTILINE)
        yield f"- `{item.name}`: {comment[1] if comment else ''}"


def public() -> Iterator[str]:
    """Yield the names of the package's list, with the public methods of its classes."""
    import pipulate

    for name in pipulate.__all__:
        thing = getattr(pipulate, name)
        yield f"\n### `{name}`\n\n{first(thing.__doc__)}\n"
        if inspect.isclass(thing):
            yield from methods(thing)


def methods(thing: type) -> Iterator[str]:
    """Yield the public methods of a class that are ours."""
    for name, function in inspect.getmembers(thing, inspect.isroutine):
        ours = getattr(function, "__module__", None) or ""
        if ours.startswith("pipulate") and not name.startswith("_"):
            yield f"- `{name}{signature(function)}`: {first(function.__doc__)}"


@contextlib.contextmanager
def scratch_app() -> Iterator[Any]:
    """Give an app on a scratch folder."""
    from pipulate import Settings, create_app
    from pipulate.engine.settings import PACKAGE

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        app = create_app(Settings(data=path, downloads=path, workflows=(PACKAGE / "workflows",)))
        yield app
        app.state.store.close()


def tables(app: Any) -> Iterator[str]:
    """Yield the tables with their columns."""
    read = app.state.store.read
    for row in read(TABLES):
        table = row["name"]
        if not re.search(r"_text_\w+$", table):
            columns = [column["name"] for column in read(f"PRAGMA table_info('{table}')")]
            yield f"- `{table}`: {', '.join(columns)}"


def addresses(app: Any) -> Iterator[str]:
    """Yield the addresses with their methods."""
    seen: dict[str, set[str]] = {}
    for route in app.router.routes:
        methods = seen.setdefault(getattr(route, "path", ""), set())
        methods.update(method.upper() for method in route_methods(route))
    for path, methods in sorted(seen.items()):
        yield f"- `{path}` ({', '.join(sorted(methods - {'HEAD', 'OPTIONS'}))})"


def route_methods(route: Any) -> Iterator[str]:
    """Yield how an address is asked; WS is a socket."""
    if "WebSocket" in type(route).__name__:
        yield "WS"
    else:
        yield from getattr(route, "methods", None) or ["GET"]


def tools() -> Iterator[str]:
    """Yield the tools of the model, slash commands and MCP."""
    from pipulate.chat.proposals import usage
    from pipulate.chat.tools import TOOLS

    for name, function in TOOLS.items():
        changes = "changes, so it asks first" if inspect.isgeneratorfunction(function) else "reads"
        yield f"- `{usage(name)}` ({changes}): {first(function.__doc__)}"


def measures() -> Iterator[str]:
    """Yield the measures of a link graph with their definitions and sources."""
    from pipulate.graph import measures as module

    yield f"{inspect.cleandoc(module.__doc__ or '')}\n"
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == module.__name__:
            yield f"\n### `{name}`\n\n{inspect.cleandoc(function.__doc__ or '')}\n"


def reference() -> str:
    """Return the page."""
    with scratch_app() as app:
        sections = {
            "Commands": commands(),
            "Settings": settings(),
            "What a workflow file may import from `pipulate`": public(),
            "Tables": tables(app),
            "Addresses": addresses(app),
            "Tools and slash commands": tools(),
            "Measures of a link graph": measures(),
        }
        text = f"# Reference\n\n{LEAD}\n\n{HOW}\n"
        for title, lines in sections.items():
            text += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    return text


if __name__ == "__main__":
    (ROOT / "pipulate" / "docs" / "reference.md").write_text(reference(), encoding="utf-8")
