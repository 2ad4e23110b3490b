"""The shelf of link graphs: where each one is, and whether it is up to date.

LAYOUT    {downloads}/link-graph/{org}/{project}/   its analyses are `Place`s:
              {project}_{analysis}_asked.json   `asked`: what was exported
              {project}_{analysis}_links.csv    `links`, as exported
              {project}_{analysis}_meta.csv     `meta`, the page table, if any
              {project}_{analysis}.graph/       `graph` (see `edges`); built
                                                anew it is replaced whole
                  picture/                      see `picture`
                  report/                       see `report`
                  with_{earlier}/               both of the comparison
ANALYSES  are named by their day, 20240301, further ones 20240301-2, ...: the
          day is the first eight characters, never "what comes after".
          Another choice of one (a depth, columns) is 20240301.2, ...
NAMES     Botify's are safe as they are.  Graphs from elsewhere stand below
          CSV, their projects `spelled`: two texts never share a folder.

Loads fast: only the question whether a columnar form is fresh brings Polars.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipulate.engine.errors import Unknown

CSV = "csv"  #: stands where Botify's organisation stands
PICTURE_FORMAT = 1  #: of the files in picture/; the viewer reads this one
ANALYSIS = re.compile(r"\d{8}(?:-[1-9]\d{0,3})?")  #: as Botify names it
CHOICE = re.compile(rf"({ANALYSIS.pattern})(?:\.([1-9]\d{{0,3}}))?")
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")

_LONGEST = 60  # letters of a spelled name that come from its text
_RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)\d")  # no file's name on Windows


def spelled(text: str) -> str:
    """Name a folder, and a part of an address, for any text, and no other.

    Small letters, digits and single hyphens are their own name.  All others
    get a hash behind two hyphens, which no plain text has.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-")
    if plain and plain == text and not _RESERVED.fullmatch(plain):
        return plain
    exact = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5)
    return f"{plain or 'graph'}--{exact.hexdigest()}"


def is_name(text: str) -> bool:
    """Can it name an organisation or project, and not leave its folder?"""
    return bool(NAME.fullmatch(text)) and ".." not in text


def in_time(analysis: str) -> tuple[str, int, int]:
    """Sort key: 20240301, 20240301.2, 20240301-2, 20240301-10, 20240302."""
    analysis, _, choice = analysis.partition(".")
    day, _, number = analysis.partition("-")
    return day, int(number or 1), int(choice or 1)


@dataclass(frozen=True)
class Place:
    """Where an analysis is, or will be: nothing of it need be there."""

    folder: Path
    analysis: str

    @property
    def org(self) -> str:
        """The organisation, or CSV."""
        return self.folder.parent.name

    @property
    def project(self) -> str:
        """The project."""
        return self.folder.name

    @property
    def name(self) -> str:
        """Its name beside others: "acme/shop/shop_20240301"."""
        return f"{self.org}/{self.project}/{self._file('').name}"

    @property
    def slug(self) -> str:
        """The analysis as Botify names it, whichever choice of it this is."""
        return self.analysis.partition(".")[0]

    @property
    def asked(self) -> Path:
        """What was exported, as JSON."""
        return self._file("_asked.json")

    @property
    def links(self) -> Path:
        """The exported CSV of links, whether there is one or not."""
        return self._file("_links.csv")

    @property
    def exported(self) -> Path | None:
        """The exported CSV of links, if there is one."""
        return self.links if self.links.is_file() else None

    @property
    def meta(self) -> Path:
        """The exported CSV of pages, whether there is one or not."""
        return self._file("_meta.csv")

    @property
    def pages(self) -> Path | None:
        """The exported CSV of pages, if there is one."""
        return self.meta if self.meta.is_file() else None

    @property
    def graph(self) -> Path:
        """The folder of the columnar form, and of what was made of it."""
        return self._file(".graph")

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return report(self.graph)

    def choice(self) -> dict[str, Any] | None:
        """What `asked` says, {"depth": 3, "columns": [...]}, if it is there."""
        if not self.asked.is_file():
            return None
        held: dict[str, Any] = json.loads(self.asked.read_text("utf-8"))
        return held

    def exists(self) -> bool:
        """Is there a graph, or links to make it from?"""
        return is_graph(self.graph) or self.links.is_file()

    def size(self) -> tuple[int, int]:
        """How many pages and links the graph has, which must be there."""
        meta = json.loads((self.graph / "meta.json").read_text("utf-8"))
        return meta["pages"], meta["links"]

    def _file(self, ending: str) -> Path:
        return self.folder / f"{self.project}_{self.analysis}{ending}"


@dataclass(frozen=True)
class Shelf:
    """All link graphs below a downloads folder."""

    downloads: Path

    @property
    def home(self) -> Path:
        """The folder of all organisations."""
        return self.downloads / "link-graph"

    def project(self, org: str, project: str) -> Path:
        """A project's folder.  Raises Unknown for impossible names."""
        if not (is_name(org) and is_name(project)):
            raise Unknown(f"There can be no link graphs of {org}/{project}.")
        return self.home / org / project

    def place(self, org: str, project: str, analysis: str) -> Place:
        """An analysis's place.  Raises Unknown for impossible names."""
        if not CHOICE.fullmatch(analysis):
            raise Unknown(
                f"{analysis!r} names no analysis; they are called 20240301 or 20240301-2."
            )
        return Place(self.project(org, project), analysis)

    def csv(self, org: str, project: str, name: str) -> Path:
        """The exported CSV of that name.  Raises Unknown for any other."""
        path = self.project(org, project) / name
        exported = re.fullmatch(rf"{re.escape(project)}_{CHOICE.pattern}_(links|meta)\.csv", name)
        real = self.home.resolve() / org / project / name  # no link leads away
        if exported and path.is_file() and path.resolve() == real:
            return path
        raise Unknown(f"There is no exported file {name} of {org}/{project}.")

    def analyses(self, org: str, project: str) -> list[Place]:
        """A project's graphs, and the links for some, newest first."""
        folder = self.project(org, project)
        found = set()
        for path in folder.glob(f"{project}_*"):
            analysis = re.sub(r"_links\.csv$|\.graph$", "", path.name).removeprefix(f"{project}_")
            if CHOICE.fullmatch(analysis) and Place(folder, analysis).exists():
                found.add(analysis)
        return [Place(folder, analysis) for analysis in sorted(found, key=in_time, reverse=True)]

    def new(self, org: str, project: str, day: str) -> Place:
        """The first place of that day, 20240301, where nothing is yet."""
        number = 1
        place = self.place(org, project, day)
        while place.graph.exists() or place.links.exists():
            number += 1
            place = self.place(org, project, f"{day}-{number}")
        return place

    def reserve(self, org: str, project: str, day: str) -> Place:
        """The same, for a graph that comes later: its folder is made."""
        while True:
            place = self.new(org, project, day)
            with suppress(FileExistsError):
                place.graph.mkdir(parents=True)
                return place

    def choices(self, org: str, project: str, analysis: str) -> Iterator[Place]:
        """The places of an analysis, whatever is there, one for each choice."""
        yield self.place(org, project, analysis)
        for number in range(2, 10_000):
            yield self.place(org, project, f"{analysis}.{number}")

    def places(self) -> list[Place]:
        """All of them, by organisation and project."""
        return [
            place
            for folder in sorted(self.home.glob("*/*/"))
            if is_name(folder.parent.name) and is_name(folder.name)
            for place in self.analyses(folder.parent.name, folder.name)
        ]

    def built(self) -> list[Place]:
        """Those whose columnar form is there, the one built last first."""
        there = [place for place in self.places() if is_graph(place.graph)]
        return sorted(there, key=lambda place: _built_at(place.graph), reverse=True)


# --- inside a graph's folder, wherever that is ---


def picture(folder: Path) -> Path:
    """Where the picture of a graph or a comparison is."""
    return folder / "picture"


def report(folder: Path) -> Path:
    """Where the report on a graph or a comparison is."""
    return folder / "report"


def report_file(folder: Path) -> Path:
    """Where the report itself is, without its tables."""
    return report(folder) / "report.json"


def force_file(folder: Path) -> Path:
    """Where the picture's Force layout is, once it was asked for."""
    return picture(folder) / "force.f32"


def comparison(folder: Path, earlier: Path) -> Path:
    """Where a graph's comparison with an earlier one is."""
    return folder / f"with_{earlier.stem.rpartition('_')[2]}"


def is_graph(folder: Path) -> bool:
    """Does the folder hold a columnar form?"""
    return (folder / "meta.json").is_file()


def pages_beside(links: Path) -> Path | None:
    """For a file `x_links.*` its `x_meta.csv` or `x_pages.csv`, if any."""
    start, found, _ = links.name.partition("_links.")
    tables = [links.with_name(f"{start}_{kind}.csv") for kind in ("meta", "pages")]
    return next((table for table in tables if found and table.is_file()), None)


def columnar_is_fresh(links: Path | None, pages: Path | None, folder: Path) -> bool:
    """Is it of these files?  If no links are named, whatever is there counts."""
    if links is None:
        return is_graph(folder)
    from pipulate.graph import edges

    return edges.fresh(folder, links, pages)


def picture_is_fresh(links: Path | None, pages: Path | None, folder: Path) -> bool:
    """Is there a picture, and has nothing changed since?"""
    return picture_is_readable(folder) and columnar_is_fresh(links, pages, folder)


def picture_is_readable(folder: Path) -> bool:
    """Is there a picture that this version's viewer can read?"""
    try:
        meta = json.loads((picture(folder) / "meta.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(meta, dict) and meta.get("format") == PICTURE_FORMAT


def comparison_is_fresh(folder: Path, earlier: Path) -> bool:
    """Is there a comparison, made after both graphs?"""
    made = comparison(folder, earlier)
    try:
        when = report_file(made).stat().st_mtime_ns
        return when > _built_at(earlier) and picture_is_readable(made)
    except OSError:
        return False


def _built_at(folder: Path) -> int:
    return (folder / "meta.json").stat().st_mtime_ns
