"""Whose work it is: the profile that runs, tasks and lists belong to.

CHOSEN  in the menu of any window, the last time; a new window shows it.
SHOWN   by the window of the present request; without one, the chosen one.
Nothing else reads or writes the choice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipulate.engine.store import Store

_KEY = "profile_id"
_window: ContextVar[int] = ContextVar("window", default=0)


def chosen(store: Store) -> int:
    """The id of the profile that was chosen last."""
    return int(store.get(_KEY, 1))


def choose(store: Store, id: int) -> None:
    """Choose a profile."""
    store[_KEY] = id


def shown(store: Store) -> int:
    """The id of the profile to act for."""
    return _window.get() or chosen(store)


@contextmanager
def window(id: int) -> Iterator[None]:
    """Act for the profile that a window shows."""
    token = _window.set(id)
    try:
        yield
    finally:
        _window.reset(token)
