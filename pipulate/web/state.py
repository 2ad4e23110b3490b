"""What the parts of one app share: `app.state`, made before any is added.

Parts come in any order: the menu and Settings have their own, and no part asks
another for something while the app is being built; `part` refuses.
"""

from collections.abc import (
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fasthtml.common import FT, FastHTML
from starlette.requests import Request

from pipulate.engine.found import Found, Helper
from pipulate.engine.jobs import Jobs
from pipulate.engine.record import Normalise, normalise_id
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run

MOST_ABOUT = 200  #: pages shown whose meaning is kept

Hook = Callable[[], Awaitable[None]]
Section = Callable[[FastHTML], FT]
Kind = TypeVar("Kind")


@dataclass(slots=True)
class State:
    """One app's state: what `create_app` makes, what parts add."""

    settings: Settings
    store: Store
    jobs: Jobs  #: and their speaker, who speaks in requests as well
    order: Sequence[str] = ()  #: of the menu and of Settings; others follow, by name
    normalise: Normalise = normalise_id  #: of IDs, where a workflow has none
    found: dict[str, Found] = field(default_factory=dict)  #: workflows, by name
    #: what hand-written workflows find in an app, for a file
    given: Callable[[Path], Any] = lambda path: None
    names: dict[str, Callable[[], Any]] = field(default_factory=dict)  #: of parts, among it
    reload: Callable[[], None] = lambda: None  #: of workflow files that changed
    built: bool = False  #: every part was added
    reserved: frozenset[str] = frozenset()  #: first segments of the parts' own addresses

    #: attributes of <html>
    theme: dict[str, str] = field(default_factory=lambda: {"lang": "en"})
    begin: list[Hook] = field(default_factory=list)  #: awaited before the first request
    end: list[Hook] = field(default_factory=list)  #: awaited after the last one
    #: (title, what the model is told) of pages that were shown last, by path
    about: dict[str, tuple[str, str]] = field(default_factory=dict)

    explain: Callable[[Run], None] | None = None  #: the step that comes next
    chat_panel: Callable[[Request], FT] | None = None  #: right of each page
    profile_switcher: Callable[[FastHTML], FT | None] | None = None  #: above the menu

    _pages: dict[str, dict[str, str]] = field(default_factory=lambda: {"Pages": {}, "Apps": {}})
    _sections: dict[str, Section] = field(default_factory=dict)
    _offered: list[object] = field(default_factory=list)

    def add_page(self, title: str, address: str, group: str = "Pages") -> None:
        """Show a page in the menu."""
        self._pages[group][title] = address

    def add_settings(self, title: str, section: Section) -> None:
        """Show a card on the page Settings."""
        self._sections[title] = section

    def remember(self, path: str, title: str, about: str) -> None:
        """Keep what a shown page is about; readers cannot fill the memory."""
        self.about.pop(path, None)
        self.about[path] = title, about
        for oldest in list(self.about)[:-MOST_ABOUT]:
            self.about.pop(oldest, None)

    @property
    def menu(self) -> dict[str, list[tuple[str, str]]]:
        """(title, address) of each page, by groups."""
        return {group: self._ordered(pages) for group, pages in self._pages.items()}

    @property
    def workflows(self) -> list[Found]:
        """What workflow files define, in the menu's order."""
        return [flow for _, flow in self._ordered(self.found) if not isinstance(flow, Helper)]

    @property
    def settings_sections(self) -> list[Section]:
        """The cards of the page Settings."""
        return [section for _, section in self._ordered(self._sections)]

    def _ordered(self, things: Mapping[str, Kind]) -> list[tuple[str, Kind]]:
        places = {name: place for place, name in enumerate(self.order)}
        return sorted(
            things.items(),
            key=lambda item: (places.get(item[0], len(places)), item[0]),
        )

    def offer(self, thing: object) -> None:
        """Let the other parts have `thing`; they ask for it by its class."""
        self._offered.append(thing)

    def part(self, kind: type[Kind]) -> Kind:
        """Return what a part offers; LookupError if none does, or can yet."""
        if not self.built:
            raise LookupError(
                f"A part asked for {kind.__name__} while the app was being built: "
                "whether it is there would depend on the order of the parts. "
                "Ask in the handler."
            )
        for thing in self._offered:
            if isinstance(thing, kind):
                return thing
        raise LookupError(f"No part of this app offers {kind.__name__}; see `parts` of create_app.")
