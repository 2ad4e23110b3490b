"""The engine in a notebook: none of its modules needs a web framework."""

import json
import subprocess
import sys

from pipulate.engine.settings import PACKAGE

IMPORT_ALL = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted({"fasthtml", "starlette", "uvicorn"} & set(sys.modules))))
"""


def test_no_module_of_the_engine_needs_a_web_framework():
    """All of engine/, imported in one process, brings neither FastHTML nor Starlette along."""
    modules = [f"pipulate.engine.{path.stem}" for path in (PACKAGE / "engine").glob("*.py")]
    assert "pipulate.engine.pipeline" in modules
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
