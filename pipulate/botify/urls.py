"""From what a user pastes to (organisation, project, analysis), and from that to file names.  Pure.

ADDRESSES   https://app.botify.com/{org}/{project}/                               a project
            https://app.botify.com/{org}/{project}/{analysis}/...                 one of its crawls
            https://app.botify.com/{org}/{project}/crawl?analysisSlug={analysis}  the same, as the app itself writes it
ANALYSES    are named by their day: 20240301; further crawls of that day are 20240301-2, 20240301-3, ...
            So the day is the first eight characters, never "what comes after the sixth".
FILES       {downloads}/link-graph/{org}/{project}/{project}_{analysis}_links.csv   and   ..._meta.csv

The names become parts of a path, hence the narrow alphabet: a name that passes `check_name` cannot leave its folder.
A pasted address is only ever taken apart here; no request goes to it.
"""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from pipulate.botify.errors import NotBotifyUrl

APP = "https://app.botify.com"
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
SLUG = re.compile(r"\d{8}(?:-[1-9]\d{0,3})?")

_EXAMPLE = f"A project's address looks like {APP}/your-organisation/your-project/"
# Botify's hosts that are not the web application, and first path segments that are not an organisation.
_OTHER_HOSTS = {
    "www.botify.com",
    "api.botify.com",
    "mcp.botify.com",
    "developers.botify.com",
    "support.botify.com",
}
_OTHER_PATHS = {"account", "api", "login", "logout", "static"}


class Place(NamedTuple):
    """A project of an organisation, and one of its analyses when the address named one."""

    org: str
    project: str
    analysis: str | None = None


class Paths(NamedTuple):
    """Where the two files of one analysis are kept."""

    links: Path
    meta: Path


class OnDisk(NamedTuple):
    """One analysis that has been exported before."""

    analysis: str
    links: Path
    meta: Path | None

    @property
    def label(self) -> str:
        """How the user is told: "links & meta" or "links only"."""
        return "links & meta" if self.meta else "links only"


def parse(text: str) -> Place:
    """Take a pasted Botify address apart.

    Accepts a missing `https://`, `http://`, any further path, and an analysis in the path or in `analysisSlug=`.
    Raises NotBotifyUrl, with the reason and an example, for anything else.
    """
    text = text.strip()
    if not text:
        raise NotBotifyUrl(f"No address was given. {_EXAMPLE}")
    if not all("!" <= c <= "~" for c in text) or "\\" in text:
        raise NotBotifyUrl(
            f"The address contains a space or a character that Botify addresses never have. {_EXAMPLE}"
        )
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as e:
        raise NotBotifyUrl(f"This is not a valid address ({e}). {_EXAMPLE}") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise NotBotifyUrl(
            f"The address starts with {parts.scheme}:// instead of https://. {_EXAMPLE}"
        )
    if "@" in parts.netloc:
        raise NotBotifyUrl(f"The address contains an @, as forged addresses do. {_EXAMPLE}")
    if not host.endswith(".botify.com") or host in _OTHER_HOSTS or port not in (None, 80, 443):
        raise NotBotifyUrl(f"{parts.netloc or 'This'} is not the Botify application. {_EXAMPLE}")

    segments = [s for s in parts.path.split("/") if s]
    if len(segments) < 2 or segments[0] in _OTHER_PATHS:
        raise NotBotifyUrl(f"The address names no project, only {parts.path or '/'}. {_EXAMPLE}")
    org, project = check_name(segments[0], "organisation"), check_name(segments[1], "project")
    analysis = segments[2] if len(segments) > 2 else ""
    if not SLUG.fullmatch(analysis):
        analysis = parse_qs(parts.query).get("analysisSlug", [""])[0]
    return Place(org, project, analysis if SLUG.fullmatch(analysis) else None)


def clean(text: str) -> str:
    """The one way to write a project's address: `https://app.botify.com/{org}/{project}/`.  This is the run ID."""
    place = parse(text)
    return f"{APP}/{place.org}/{place.project}/"


def check_name(name: str, what: str = "name") -> str:
    """Return `name` if it can be an organisation's or project's name and a folder; else raise NotBotifyUrl."""
    if not NAME.fullmatch(name) or ".." in name:
        raise NotBotifyUrl(
            f"{name!r} cannot be the name of a Botify {what}: letters, digits and . _ - only."
        )
    return name


def check_slug(slug: str) -> str:
    """Return `slug` if it is an analysis name such as 20240301 or 20240301-2; else raise NotBotifyUrl."""
    if not SLUG.fullmatch(slug):
        raise NotBotifyUrl(
            f"{slug!r} is not the name of an analysis; those look like 20240301 or 20240301-2."
        )
    return slug


def slug_date(slug: str) -> date:
    """The day of the crawl.  Raises NotBotifyUrl when the digits are no date."""
    digits = check_slug(slug)[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise NotBotifyUrl(f"The analysis {slug!r} does not begin with a date.") from None


def slug_order(slug: str) -> tuple[str, int]:
    """Sort key that puts 20240301 before 20240301-2 before 20240301-10 before 20240302."""
    day, _, number = slug.partition("-")
    return day, int(number or 1)


def folder(downloads: Path, org: str, project: str) -> Path:
    """The folder of a project's link graphs; it need not exist yet."""
    return (
        downloads / "link-graph" / check_name(org, "organisation") / check_name(project, "project")
    )


def paths(downloads: Path, org: str, project: str, analysis: str) -> Paths:
    """The two files of one analysis; they need not exist yet."""
    stem = folder(downloads, org, project) / f"{project}_{check_slug(analysis)}"
    return Paths(stem.with_name(f"{stem.name}_links.csv"), stem.with_name(f"{stem.name}_meta.csv"))


def existing(downloads: Path, org: str, project: str) -> dict[str, OnDisk]:
    """The analyses whose links are on disk, newest first, by their names."""
    found: dict[str, OnDisk] = {}
    prefix, suffix = f"{project}_", "_links.csv"
    for path in folder(downloads, org, project).glob(f"*{suffix}"):
        analysis = path.name.removeprefix(prefix).removesuffix(suffix)
        if (
            path.is_file()
            and SLUG.fullmatch(analysis)
            and path.name == f"{prefix}{analysis}{suffix}"
        ):
            meta = paths(downloads, org, project, analysis).meta
            found[analysis] = OnDisk(analysis, path, meta if meta.is_file() else None)
    return {a: found[a] for a in sorted(found, key=slug_order, reverse=True)}


def candidates(text: str) -> list[Place]:
    """Read a `candidates.txt`: lines with an organisation, below each its projects, indented.

    Blank lines and `#` comments are skipped, and so are ad-hoc projects (one-off crawls, whose names say "ad-hoc"),
    and names that could not be a project's.  A line may carry trailing slashes.
    """
    found: list[Place] = []
    org = ""
    for line in text.splitlines():
        name = line.strip().strip("/")
        if not name or name.startswith("#"):
            continue
        valid = bool(NAME.fullmatch(name)) and ".." not in name
        if not line[0].isspace():
            org = name if valid else ""
        elif org and valid and not re.search(r"ad[-_.]?hoc", name, re.IGNORECASE):
            found.append(Place(org, name))
    return found
