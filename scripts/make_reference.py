"""Writes pipulate/docs/reference.md from the code: commands, settings, public names, tables, addresses, tools.

`make docs` writes it; tests/test_docs.py fails when it is not what this would write.
"""

import contextlib
import dataclasses
import inspect
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["COLUMNS"] = "100"  # argparse wraps at the terminal's width, which must not matter here


def first(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


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
        for method, function in (
            inspect.getmembers(thing, lambda m: inspect.isfunction(m) or inspect.ismethod(m))
            if inspect.isclass(thing)
            else ()
        ):
            if not method.startswith("_") and function.__module__.startswith("pipulate"):
                signature = re.sub(
                    r"pipulate\.(?:\w+\.)+|<function .*?>", "", str(inspect.signature(function))
                ).replace("'", "")
                yield f"- `{method}{signature}`: {first(function.__doc__)}"


def scratch_app() -> tuple[Any, tempfile.TemporaryDirectory[str]]:
    """Return an app on a scratch folder."""
    from pipulate import Settings, create_app
    from pipulate.engine.settings import PACKAGE

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name)
    return create_app(
        Settings(data=path, downloads=path, workflows=(PACKAGE / "workflows",))
    ), folder


def tables(app: Any) -> Iterator[str]:
    """Yield the tables with their columns."""
    rows = app.state.store.read(
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*' ORDER BY name"
    )
    for row in rows:
        if not re.search(r"_text_\w+$", row["name"]):
            columns = app.state.store.read(f"SELECT name FROM pragma_table_info('{row['name']}')")
            yield f"- `{row['name']}`: {', '.join(column['name'] for column in columns)}"


def addresses(app: Any) -> Iterator[str]:
    """Yield the addresses with their methods."""
    seen: dict[str, set[str]] = {}
    for route in app.router.routes:
        methods = set(
            getattr(route, "methods", None)
            or ["WS" if "WebSocket" in type(route).__name__ else "GET"]
        )
        seen.setdefault(getattr(route, "path", ""), set()).update(
            m for m in methods if m not in ("HEAD", "OPTIONS")
        )
    for path, methods in sorted(seen.items()):
        yield f"- `{path}` ({', '.join(sorted(m.upper() for m in methods))})"


def tools() -> Iterator[str]:
    """Yield the tools of the model, slash commands and MCP."""
    from pipulate.chat.proposals import usage
    from pipulate.chat.tools import TOOLS

    for name, function in TOOLS.items():
        changes = "changes, so it asks first" if inspect.isgeneratorfunction(function) else "reads"
        yield f"- `{usage(name)}` ({changes}): {first(function.__doc__)}"


def measures() -> Iterator[str]:
    """Yield the measures of a link graph with their definitions and sources, from their docstrings."""
    from pipulate.graph import measures as module

    yield f"{inspect.cleandoc(module.__doc__ or '')}\n"
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == module.__name__:
            yield f"\n### `{name}`\n\n{inspect.cleandoc(function.__doc__ or '')}\n"


def reference() -> str:
    """Return the page."""
    app, folder = scratch_app()
    sections = {
        "Commands": commands(),
        "Settings": settings(),
        "What a workflow file may import from `pipulate`": public(),
        "Tables": tables(app),
        "Addresses": addresses(app),
        "Tools and slash commands": tools(),
        "Measures of a link graph": measures(),
    }
    text = "# Reference\n\nMade from the code by `make docs`; do not edit.\n"
    for title, lines in sections.items():
        text += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    app.state.store.close()
    folder.cleanup()
    return text


if __name__ == "__main__":
    (ROOT / "pipulate" / "docs" / "reference.md").write_text(reference(), encoding="utf-8")
