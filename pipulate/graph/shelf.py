"""Where everything of one link graph is, and whether it is up to date.  Loads fast: no Polars at the top.

{project}_{analysis}.graph/   the columnar form (`edges`), which replaces the whole folder when it is rebuilt
    picture/                  `picture`; with force.f32 once that was asked for
    report/                   `report`
    with_{earlier}/           picture/ and report/ of the comparison with an earlier analysis
"""

import json
from pathlib import Path

PICTURE_FORMAT = 1  # of the files in picture/; the viewer reads this one


def picture(folder: Path) -> Path:
    """Where a graph's picture is."""
    return folder / "picture"


def report(folder: Path) -> Path:
    """Where a graph's report is."""
    return folder / "report"


def comparison(folder: Path, earlier: Path) -> Path:
    """Where a graph's comparison with an earlier one is."""
    return folder / f"with_{earlier.stem.rpartition('_')[2]}"


def columnar_is_fresh(links: Path, pages: Path | None, folder: Path) -> bool:
    """Say whether the columnar form is that of these files; without the links file, whatever is there counts."""
    if not links.is_file():
        return (folder / "meta.json").is_file()
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
        when = (report(made) / "report.json").stat().st_mtime_ns
        built = (earlier / "meta.json").stat().st_mtime_ns
    except OSError:
        return False
    return when > built and picture_is_readable(made)
