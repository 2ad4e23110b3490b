"""Names of libraries that a file of a one-file app takes for granted.

In the one file they were imported at the top; in older versions of FastHTML
some were where they are no more.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

#: Names by home; "" is for modules.
_HOMES = {
    "": (
        "asyncio",
        "json",
        "os",
        "random",
        "re",
        "sys",
        "time",
    ),
    "apswutils.db": ("NotFoundError",),
    "datetime": ("datetime", "timedelta", "timezone"),
    "fasthtml.common": ("Titled",),
    "fasthtml.pico": ("Card", "Container", "Grid", "Group"),
    "loguru": ("logger",),
    "pathlib": ("Path",),
    "starlette.requests": ("Request",),
    "starlette.responses": (
        "FileResponse",
        "HTMLResponse",
        "JSONResponse",
        "PlainTextResponse",
        "RedirectResponse",
        "Response",
        "StreamingResponse",
    ),
    "typing": (
        "Any",
        "Dict",
        "List",
        "Optional",
        "Tuple",
        "Union",
    ),
}


class Libraries(Mapping[str, Any]):
    """These names; a library is imported when one is first asked for."""

    def __init__(self) -> None:
        self._homes = {name: home for home, names in _HOMES.items() for name in names}

    def __getitem__(self, name: str) -> Any:
        home = self._homes[name]
        if not home:
            return import_module(name)
        return getattr(import_module(home), name)

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


LIBRARIES = Libraries()


def as_before() -> None:
    """Let `from fasthtml.common import Card` work."""

    def moved(name: str) -> Any:
        if name not in _HOMES["fasthtml.pico"]:
            raise AttributeError(f"module 'fasthtml.common' has no attribute {name!r}")
        return LIBRARIES[name]

    common = import_module("fasthtml.common")
    vars(common).setdefault("__getattr__", moved)
