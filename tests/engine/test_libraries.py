"""Names of libraries in a file that does not import them."""

import asyncio
import datetime
import subprocess
import sys

import pytest
from fasthtml import pico

from pipulate.engine.libraries import LIBRARIES, as_before


def test_each_name_is_there():
    """A module, or what a module has; no other."""
    assert all(LIBRARIES[name] for name in LIBRARIES) and len(LIBRARIES) == len([*LIBRARIES])
    assert LIBRARIES["asyncio"] is asyncio
    assert LIBRARIES["datetime"] is datetime.datetime and LIBRARIES["Card"] is pico.Card
    assert "Card" in LIBRARIES and "Oracle" not in LIBRARIES
    with pytest.raises(KeyError):
        LIBRARIES["Oracle"]


def test_nothing_is_imported_before_it_is_asked_for():
    """Neither with the names nor with the app: a server that starts has other things to do."""
    code = (
        "import sys, pipulate.app, pipulate.engine.libraries as made\n"
        "print('fasthtml.pico' in sys.modules, made.LIBRARIES['Card'].__module__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert said == "False fasthtml.pico\n"


def test_what_fasthtml_had_before():
    """By name; what it never had is still an error."""
    as_before()
    as_before()
    found: dict[str, object] = {}
    exec("from fasthtml.common import Card, Container, Grid, Group, Titled", found)
    assert found["Card"] is pico.Card
    with pytest.raises(ImportError, match="Oracle"):
        exec("from fasthtml.common import Oracle", found)
    exec("from fasthtml.common import *", {})
