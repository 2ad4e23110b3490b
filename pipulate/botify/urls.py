"""From what a user pastes to (organisation, project, analysis).  Pure.

ADDRESSES   https://app.botify.com/{org}/{project}/                a project
            https://app.botify.com/{org}/{project}/{analysis}/...  a crawl
            .../crawl?analysisSlug={analysis}             as the app says it
NAMES       become parts of a path: `pipulate.graph.shelf` says which may.

An address is only taken apart here; no request goes to it.
"""

import re
from datetime import date
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from pipulate.botify.errors import NotBotifyUrl
from pipulate.engine.record import normalise_id, trimmed
from pipulate.graph.shelf import ANALYSIS, is_name

APP = "https://app.botify.com"

#: Botify's hosts that are not the web application.
_OTHER_HOSTS = {
    "www.botify.com",
    "api.botify.com",
    "mcp.botify.com",
    "developers.botify.com",
    "support.botify.com",
}
#: First segments of a path that are not an organisation.
OTHER_PATHS = {"account", "api", "login", "logout", "static"}
_AD_HOC = re.compile(r"ad[-_.]?hoc", re.IGNORECASE)
_PROJECT = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:www\.)?app\.botify\.com/+([^/?#]+)/+([^/?#]+)",
    re.ASCII | re.IGNORECASE,
)


class Address(NamedTuple):
    """A project of an organisation, and one of its analyses if named."""

    org: str
    project: str
    analysis: str | None = None

    @property
    def url(self) -> str:
        """The one way to write a project's address.  This is the run ID."""
        return f"{APP}/{self.org}/{self.project}/"


def parse(text: str) -> Address:
    """Take a pasted Botify address apart, or raise NotBotifyUrl.

    `https://` may be missing, a further path or `analysisSlug=` be there.
    """
    parts = _split(text.strip())
    segments = [segment for segment in parts.path.split("/") if segment]
    if len(segments) < 2 or segments[0] in OTHER_PATHS:
        raise _wrong(f"The address names no project, only {parts.path or '/'}.")
    org = check_name(segments[0], "organisation")
    project = check_name(segments[1], "project")
    asked = parse_qs(parts.query).get("analysisSlug", [])
    for analysis in [*segments[2:3], *asked[:1]]:
        if ANALYSIS.fullmatch(analysis):
            return Address(org, project, analysis)
    return Address(org, project)


def _split(text: str) -> SplitResult:
    if not text:
        raise _wrong("No address was given.")
    if not all("!" <= c <= "~" for c in text) or "\\" in text:
        raise _wrong(
            "The address contains a space or a character that Botify addresses never have."
        )
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _wrong(f"This is not a valid address ({error}).") from None
    host = parts.hostname or ""
    if parts.scheme.lower() not in ("http", "https"):
        raise _wrong(f"The address starts with {parts.scheme}:// instead of https://.")
    if "@" in parts.netloc:
        raise _wrong("The address contains an @, as forged addresses do.")
    if not host.endswith(".botify.com") or host in _OTHER_HOSTS or port not in (None, 80, 443):
        raise _wrong(f"{parts.netloc or 'This'} is not the Botify application.")
    return parts


def _wrong(why: str) -> NotBotifyUrl:
    example = f"{APP}/your-organisation/your-project/"
    return NotBotifyUrl(f"{why} A project's address looks like {example}")


def run_id(text: str) -> str:
    """The run ID that `text` names: a project's one address, or itself.

    `app.botify.com/acme/shop/20240301/crawl?x=1` and
    `https://app.botify.com/acme/shop` are the same run.  Raises Invalid for
    what cannot be an ID; whether there is such a project is not asked.
    """
    if project := _PROJECT.match(trimmed(text)):
        text = f"{APP}/{project[1]}/{project[2]}/"
    return normalise_id(text)


def check_name(name: str, what: str = "name") -> str:
    """Return `name` if a project can have it, or raise NotBotifyUrl."""
    if not is_name(name):
        raise NotBotifyUrl(
            f"{name!r} cannot be the name of a Botify {what}: letters, digits and . _ - only."
        )
    return name


def check_slug(slug: str) -> str:
    """Return `slug` if it is like 20240301-2, or raise NotBotifyUrl."""
    if not ANALYSIS.fullmatch(slug):
        raise NotBotifyUrl(
            f"{slug!r} is not the name of an analysis; those look like 20240301 or 20240301-2."
        )
    return slug


def slug_date(slug: str) -> date:
    """The day of the crawl.  Raises NotBotifyUrl when there is none."""
    digits = check_slug(slug)[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        raise NotBotifyUrl(f"The analysis {slug!r} does not begin with a date.") from None


def candidates(text: str) -> list[Address]:
    """Read a `candidates.txt`: an organisation, its projects indented.

    Blank lines, `#` comments, ad-hoc projects (one-off crawls) and names
    that could not be a project's are skipped.
    """
    found: list[Address] = []
    org = ""
    for line in text.splitlines():
        name = line.strip().strip("/")
        if not name or name.startswith("#"):
            continue
        if not is_name(name):
            name = ""
        if not line[0].isspace():
            org = name
        elif org and name and not _AD_HOC.search(name):
            found.append(Address(org, name))
    return found
