"""Methods that few ask for: read from another module when one first does."""

from collections.abc import Callable
from importlib import import_module
from types import MethodType
from typing import Any


class Seldom:
    """A method of a class that has more of them, in its home."""

    def __init__(self, home: str) -> None:
        self._home = home  #: "byhand.ByHand"

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        module, name = self._home.split(".")
        home = getattr(import_module(f"pipulate.engine.{module}"), name)
        function = vars(home)[self._name]
        return function if instance is None else MethodType(function, instance)
