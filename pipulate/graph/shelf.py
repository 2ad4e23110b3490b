"""The shelf of link graphs: where everything of each one is, and whether it is up to date.

LAYOUT    {downloads}/link-graph/{org}/{project}/   a project; each analysis in it is a `Place`:
              {project}_{analysis}_links.csv        `links`, as exported
              {project}_{analysis}_meta.csv         `meta`, the page table, if one was exported
              {project}_{analysis}.graph/           `graph`, the columnar form (see `edges`); it is
                                                    replaced as a whole when it is built anew
                  picture/                          see `picture`
                  report/                           see `report`
                  with_{earlier}/                   picture/ and report/ of the comparison with an
                                                    earlier analysis
ANALYSES  are named by their day, 20240301; further ones of that day are 20240301-2, 20240301-3, ...
          So the day is the first eight characters, never "what comes after the sixth".
NAMES     Botify's names are safe as they are.  Graphs from elsewhere stand below the organisation
          CSV, and any text becomes a project by `spelled`: two texts never share a folder.
USE       Shelf(settings.downloads).place(CSV, spelled(run.id), "20240301").graph

Loads fast: nothing here brings Polars but the question whether a columnar form is fresh.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from pipulate.engine.errors import Unknown

CSV = "csv"  #: stands where Botify's organisation stands
PICTURE_FORMAT = 1  #: of the files in picture/; the viewer reads this one
ANALYSIS = re.compile(r"\d{8}(?:-[1-9]\d{0,3})?")
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")

_LONGEST = 60  # letters of a spelled name that come from its text
_RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)\d")  # what Windows lets no file be called


def spelled(text: str) -> str:
    """Name any text so that it can be a folder and a part of an address, and never names another.

    A text of small letters, digits and single hyphens is its own name.  All others get a hash of
    their exact letters behind two hyphens, which no plain text has.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-")
    if plain == text and not _RESERVED.fullmatch(plain) and plain:
        return plain
    exact = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return f"{plain or 'graph'}--{exact}"


def is_name(text: str) -> bool:
    """Say whether it can be an organisation's or project's name; such cannot leave its folder."""
    return bool(NAME.fullmatch(text)) and ".." not in text


def in_time(analysis: str) -> tuple[str, int]:
    """Sort key that puts 20240301 before 20240301-2 before 20240301-10 before 20240302."""
    day, _, number = analysis.partition("-")
    return day, int(number or 1)


@dataclass(frozen=True)
class Place:
    """Where one analysis of a project is, or will be: nothing of it need be there."""

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
        """What it is called beside others: "acme/shop/shop_20240301"."""
        return f"{self.org}/{self.project}/{self._stem}"

    @property
    def links(self) -> Path:
        """The exported CSV of links."""
        return self.folder / f"{self._stem}_links.csv"

    @property
    def meta(self) -> Path:
        """The exported CSV of pages, whether there is one or not."""
        return self.folder / f"{self._stem}_meta.csv"

    @property
    def pages(self) -> Path | None:
        """The exported CSV of pages, if there is one."""
        return self.meta if self.meta.is_file() else None

    @property
    def graph(self) -> Path:
        """The folder of the columnar form, and of what was made of it."""
        return self.folder / f"{self._stem}.graph"

    @property
    def picture(self) -> Path:
        """The folder of the picture."""
        return picture(self.graph)

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return report(self.graph)

    def comparison(self, earlier: "Place") -> Path:
        """Return the folder of the comparison with an earlier analysis."""
        return comparison(self.graph, earlier.graph)

    def exists(self) -> bool:
        """Say whether there is a graph, or links to make it from."""
        return is_graph(self.graph) or self.links.is_file()

    def size(self) -> tuple[int, int]:
        """How many pages and links the graph has, which must be there."""
        meta = json.loads((self.graph / "meta.json").read_text("utf-8"))
        return meta["pages"], meta["links"]

    @property
    def _stem(self) -> str:
        return f"{self.project}_{self.analysis}"


@dataclass(frozen=True)
class Shelf:
    """All link graphs below a downloads folder."""

    downloads: Path

    @property
    def home(self) -> Path:
        """The folder of all organisations."""
        return self.downloads / "link-graph"

    def project(self, org: str, project: str) -> Path:
        """Return a project's folder; it need not be there.  Raises Unknown for impossible names."""
        if not (is_name(org) and is_name(project)):
            raise Unknown(f"There can be no link graphs of {org}/{project}.")
        return self.home / org / project

    def place(self, org: str, project: str, analysis: str) -> Place:
        """Return the place of an analysis.  Raises Unknown for impossible names."""
        if not ANALYSIS.fullmatch(analysis):
            raise Unknown(
                f"{analysis!r} names no analysis; they are called 20240301 or 20240301-2."
            )
        return Place(self.project(org, project), analysis)

    def csv(self, org: str, project: str, name: str) -> Path:
        """Return the exported CSV of that file name.  Raises Unknown for any other file."""
        path = self.project(org, project) / name
        exported = re.fullmatch(rf"{re.escape(project)}_{ANALYSIS.pattern}_(links|meta)\.csv", name)
        if exported and path.is_file() and not path.is_symlink() and self._holds(path):
            return path
        raise Unknown(f"There is no exported file {name} of {org}/{project}.")

    def analyses(self, org: str, project: str) -> list[Place]:
        """Return a project's graphs, and the links for some, newest first."""
        folder = self.project(org, project)
        found = set()
        for path in folder.glob(f"{project}_*"):
            analysis = re.sub(r"_links\.csv$|\.graph$", "", path.name).removeprefix(f"{project}_")
            if ANALYSIS.fullmatch(analysis) and Place(folder, analysis).exists():
                found.add(analysis)
        return [Place(folder, analysis) for analysis in sorted(found, key=in_time, reverse=True)]

    def new(self, org: str, project: str, day: str) -> Place:
        """Return the first place of that day, 20240301, at which there is nothing yet."""
        number = 1
        place = self.place(org, project, day)
        while place.exists():
            number += 1
            place = self.place(org, project, f"{day}-{number}")
        return place

    def places(self) -> list[Place]:
        """Return all of them, by organisation and project."""
        return [
            place
            for folder in sorted(self.home.glob("*/*/"))
            if is_name(folder.parent.name) and is_name(folder.name)
            for place in self.analyses(folder.parent.name, folder.name)
        ]

    def built(self) -> list[Place]:
        """Return those whose columnar form is there, the one built last first."""
        there = [place for place in self.places() if is_graph(place.graph)]
        return sorted(there, key=lambda place: _built_at(place.graph), reverse=True)

    def _holds(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.home.resolve())


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
    """Say whether the folder holds a columnar form."""
    return (folder / "meta.json").is_file()


def pages_beside(links: Path) -> Path | None:
    """Return the page table beside a file `x_links.*`: `x_meta.csv` or `x_pages.csv`, if any."""
    start, found, _ = links.name.partition("_links.")
    tables = [links.with_name(f"{start}_{kind}.csv") for kind in ("meta", "pages")]
    return next((table for table in tables if found and table.is_file()), None)


def columnar_is_fresh(links: Path, pages: Path | None, folder: Path) -> bool:
    """Say whether the columnar form is of these files; without links, whatever is there counts."""
    if not links.is_file():
        return is_graph(folder)
    from pipulate.graph import edges

    return edges.fresh(folder, links, pages)


def picture_is_fresh(links: Path, pages: Path | None, folder: Path) -> bool:
    """Say whether there is a picture, and nothing has changed since."""
    return picture_is_readable(folder) and columnar_is_fresh(links, pages, folder)


def picture_is_readable(folder: Path) -> bool:
    """Say whether the folder holds a picture that this version's viewer can read."""
    try:
        meta = json.loads((picture(folder) / "meta.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(meta, dict) and meta.get("format") == PICTURE_FORMAT


def comparison_is_fresh(folder: Path, earlier: Path) -> bool:
    """Say whether there is a comparison, made after both graphs."""
    made = comparison(folder, earlier)
    try:
        when = report_file(made).stat().st_mtime_ns
        return when > _built_at(earlier) and picture_is_readable(made)
    except OSError:
        return False


def _built_at(folder: Path) -> int:
    return (folder / "meta.json").stat().st_mtime_ns
