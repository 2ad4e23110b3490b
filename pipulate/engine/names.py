"""Whose a name is, where several workflow files want it.

A workflow is known by its name, whatever its file's.  Of two with one name
the later folder's is served; in one folder that of the file with this name.
The other is told that it is in the way.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

from pipulate.engine.errors import Invalid
from pipulate.engine.fault import Fault
from pipulate.engine.found import Broken, Found, Helper
from pipulate.engine.workflow import Workflow

NAME = r"[a-z][a-z0-9_-]{0,40}"  #: of a workflow


class File(NamedTuple):
    """A file that was read."""

    path: Path
    place: int  #: of its folder, the last first
    items: list[Found]
    names: list[str]  #: which it has, or had when it last loaded


class Claim(NamedTuple):
    """What a file has for its name."""

    file: File
    item: Found

    @property
    def rank(self) -> tuple[Any, ...]:
        """The first is served."""
        return (
            isinstance(self.item, Helper),
            self.file.place,
            isinstance(self.item, Broken),
            self.file.path.stem != self.item.name,
            self.file.path.name,
        )

    def refused(self, why: str) -> "Claim":
        """The same as a file that is broken."""
        name = self.item.name
        return Claim(
            self.file,
            Broken(name, self.file.path, Fault(why)),
        )


class Served(NamedTuple):
    """What there is."""

    claims: dict[str, Claim]  #: by name
    replaced: list[str]  #: what gave way to a later folder's, in words


def check(names: list[str], reserved: Collection[str]) -> None:
    """Raise Invalid for names that no file may give."""
    for name in names:
        if name in reserved or not re.fullmatch(NAME, name):
            raise Invalid(
                f"{name!r} cannot be a workflow's name: "
                "small letters, digits, _ and no page's name."
            )
        if names.count(name) > 1:
            raise Invalid(f"Two workflows of this file have the name {name!r}.")


def free(path: Path, taken: Collection[str]) -> str:
    """Return a name for a file that has none."""
    more = (f"{path.name}-{number}" for number in count(2))
    return next(name for name in chain((path.stem, path.name), more) if name not in taken)


def settle(files: Iterable[File], reserved: Collection[str]) -> Served:
    """Give each name to one of those who want it."""
    claims = [Claim(file, item) for file in files for item in file.items]
    served: dict[str, Claim] = {}
    replaced = []
    others = []
    for claim in sorted(claims, key=lambda claim: claim.rank):
        name = claim.item.name
        holder = served.setdefault(name, claim)
        if holder.item is claim.item or isinstance(claim.item, Helper):
            continue  # one file may import another's
        path = holder.file.path
        if holder.file.place != claim.file.place:
            replaced.append(f"{name}: {path}, not {claim.file.path}")
        elif isinstance(claim.item, Broken):
            others.append(claim)
        else:
            why = (
                f"It defines the workflow {name!r}, and so does {path.name}, "
                "whose is served. Give one of them another name, "
                "or delete one of the files."
            )
            others.append(claim.refused(why))
    _refuse_heirs(served)
    for file, item in others:
        name = free(file.path, {*served, *reserved})
        served[name] = Claim(file, replace(item, name=name))
    return Served(served, replaced)


def _refuse_heirs(served: dict[str, Claim]) -> None:
    """Refuse the workflows whose former name is another's, too."""
    holders = {name: claim for name, claim in served.items() if not isinstance(claim.item, Helper)}
    for name, claim in [*holders.items()]:
        if not isinstance(claim.item, Workflow) or not claim.item.formerly:
            continue
        former = claim.item.formerly
        rival = holders.setdefault(former, claim)
        if rival is not claim:
            why = (
                f"{name!r} says that it was {former!r} formerly, "
                f"and {rival.file.path.name} has that name, too. Whose "
                "are its runs? Drop `formerly` there, or one of the files."
            )
            served[name] = claim.refused(why)
