"""Whose work it is: the profile that runs, tasks and lists belong to.

CHOSEN  in the menu of any window, the last time; a new window shows it.
SHOWN   by the window from which the present request comes.  Without a window
        (headless, in a notebook, for an agent) it is the chosen one.

Who acts or lists asks for `shown`; nothing else reads or writes the choice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipulate.engine.errors import Refused, Unknown
from pipulate.engine.store import Store

_KEY = "profile_id"
_window: ContextVar[int] = ContextVar("window", default=0)

GONE = (
    "The profile that this window showed was deleted meanwhile, so nothing was "
    "done. Bring it back in Profiles, or go on with the one that is chosen now."
)


def chosen(store: Store) -> int:
    """The id of the profile that was chosen last."""
    return int(store.get(_KEY, 1))


def shown(store: Store) -> int:
    """The id of the profile to act for."""
    return _window.get() or chosen(store)


def named(store: Store, id: int) -> int:
    """Return the profile a window names, for 0 the chosen one; raises Refused."""
    here = chosen(store)
    if id not in {0, here, *names(store)}:
        raise Refused(GONE)
    return id or here


@contextmanager
def window(id: int) -> Iterator[None]:
    """Act for the profile that a window shows."""
    token = _window.set(id)
    try:
        yield
    finally:
        _window.reset(token)


def choose(store: Store, id: int) -> None:
    """Choose a profile; raises Unknown."""
    if id not in names(store):
        raise Unknown("There is no such profile (any more).")
    store[_KEY] = id


def names(store: Store) -> dict[int, str]:
    """What menus may show of each profile, by id."""
    rows = store.read("SELECT id, menu_name FROM profile ORDER BY priority, id")
    return {row["id"]: row["menu_name"] or f"Profile {row['id']}" for row in rows}
