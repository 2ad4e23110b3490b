"""A faithful local stand-in of Botify's API: a newcomer's demo, and a test double."""

import json
from pathlib import Path
from typing import Any


def constants(name: str) -> Any:
    """The simulator's table `name`, a JSON file beside this one."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text("utf-8"))
