"""What Botify answers, as values: JSON in, dataclasses or errors out.  Pure.

What the documentation leaves open is read leniently: keys may be missing,
counts be strings, `error` be an object, a text or HTML.
"""

import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, Self

from pipulate.botify.errors import (
    BadQuery,
    BadToken,
    BotifyError,
    LimitReached,
    NoRight,
    NotThere,
    RateLimited,
    UnexpectedAnswer,
    Unreachable,
)
from pipulate.botify.token import WHERE
from pipulate.botify.urls import slug_date
from pipulate.engine import foreign
from pipulate.graph.shelf import ANALYSIS

# A quota or size limit: too many fields, a query too big, an export that runs.
_LIMITS = {"1027", "1028", "1043", "1052", "1058"}
_TOO_MANY = "1053"

BAD_TOKEN = (
    "Botify did not accept the token. It may have been regenerated since: "
    f"copy the present one from {WHERE}."
)


@dataclass(frozen=True)
class Profile:
    """Whose token it is."""

    username: str
    name: str  #: First Last

    @classmethod
    def read(cls, answer: Any) -> Self:
        """Raises BadToken if the token is none."""
        if isinstance(answer, dict) and answer.get("success", True) is not True:
            raise BadToken(BAD_TOKEN)
        data = at(answer, "data")
        username = text(data, "username").strip()
        if not username:
            raise UnexpectedAnswer(
                "Botify's answer about the token names no user. Is the address of the API right?"
            )
        name = f"{text(data, 'first_name').strip()} {text(data, 'last_name').strip()}".strip()
        return cls(username, name or re.sub(r"[._\s]+", " ", username).title())


@dataclass(frozen=True)
class Project:
    """A project; `owner` is the organisation (or user) for further calls."""

    owner: str
    slug: str
    name: str

    @classmethod
    def read(cls, entry: Any, owner: str) -> Self | None:
        """None for an entry without a slug."""
        slug = text(entry, "slug")
        if not slug:
            return None
        whose = text(entry, "user", "login") or text(entry, "organization", "slug") or owner
        return cls(whose, slug, text(entry, "name") or slug)


@dataclass(frozen=True)
class Analysis:
    """A crawl; `urls` counts the pages it fetched, where that is told."""

    slug: str
    name: str
    status: str
    date: date
    urls: int | None

    @classmethod
    def read(cls, entry: Any, status: str) -> Self | None:
        """None for an entry that no day names; `status` if none is told."""
        slug = text(entry, "slug")
        if not ANALYSIS.fullmatch(slug) or not day(slug[:8]):
            return None
        return cls(
            slug,
            text(entry, "name") or slug,
            text(entry, "status") or status,
            slug_date(slug),
            whole_number(at(entry, "urls_done")),
        )

    @property
    def done(self) -> bool:
        """Whether its data can be queried."""
        return self.status == "success"


@dataclass(frozen=True)
class AnalysisDetail:
    """What matters to an export; None where that is not told."""

    slug: str
    links_graph: bool | None  #: whether the crawl has the link graph
    export_limit: int | None  #: rows that the account may export at once

    @classmethod
    def read(cls, answer: Any, slug: str) -> Self:
        """Raises UnexpectedAnswer for anything but an object."""
        if not isinstance(answer, dict):
            raise UnexpectedAnswer(f"Botify's answer about the analysis {slug} is no object.")
        graph = at(answer, "features", "links", "links_graph")
        return cls(
            slug,
            graph if isinstance(graph, bool) else None,
            whole_number(at(answer, "config", "export_limit")),
        )


@dataclass(frozen=True)
class Collection:
    """A set of data; `first` and `last` bound the days of a dated one."""

    id: str
    name: str
    timestamped: bool
    first: date | None
    last: date | None

    @classmethod
    def read(cls, entry: Any) -> Self | None:
        """None for an entry without an id."""
        id = text(entry, "id")
        if not id:
            return None
        return cls(
            id,
            text(entry, "name"),
            at(entry, "timestamped") is True,
            day(at(entry, "date_start")),
            day(at(entry, "date_end")),
        )


def read_fields(answer: Any, collection: str) -> frozenset[str]:
    """A collection's fields, without its own name before them."""
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(f"Botify's answer about the fields of {collection} is no object.")
    groups = [answer, *entries(answer.get("datasets"))]
    names = (text(entry, "id") for group in groups for entry in entries(at(group, "fields")))
    return frozenset(name.removeprefix(f"{collection}.") for name in names if name)


class Row(NamedTuple):
    """One row of a query's answer: values in the order of the request."""

    dimensions: tuple[Any, ...]
    metrics: tuple[Any, ...]

    @classmethod
    def read(cls, entry: Any) -> Self:
        """Of the two lists one may be missing; else UnexpectedAnswer."""
        values = [at(entry, "dimensions"), at(entry, "metrics")]
        if values == [None, None] or not all(isinstance(v, list | None) for v in values):
            raise UnexpectedAnswer(
                f"Botify's answer to a query has a row of an unknown form: {str(entry)[:100]}"
            )
        return cls(*(tuple(value or ()) for value in values))


@dataclass(frozen=True)
class Job:
    """An export job; `url` when it is done, `reason` if it failed and said."""

    id: str
    status: str
    name: str = ""
    url: str = ""
    reason: str = ""

    @classmethod
    def read(cls, data: Any) -> Self:
        """Raises UnexpectedAnswer if it has no id (a number or a string)."""
        id = at(data, "job_id")
        if isinstance(id, bool) or not isinstance(id, int | str) or id == "":
            raise UnexpectedAnswer("Botify's answer about an export job names no job.")
        return cls(
            str(id),
            text(data, "job_status").upper() or "CREATED",
            text(data, "payload", "export_job_name"),
            text(data, "results", "download_url"),
            _reason(data),
        )

    @property
    def done(self) -> bool:
        """Whether the file can be fetched."""
        return self.status in ("DONE", "COMPLETE")

    @property
    def failed(self) -> bool:
        """Whether it ended without a file."""
        return self.status == "FAILED"


def _reason(data: Any) -> str:
    for place in (data, at(data, "results"), at(data, "metadata")):
        for said in (at(place, "error"), at(place, "failure_reason")):
            words = text(said).strip() or text(said, "message").strip()
            if words and words.lower() != "unknown":
                return words[:500]
    return ""


def refusal(status: int, body: bytes, headers: Mapping[str, str], what: str) -> BotifyError:
    """The error that an answer means; `what` was asked for."""
    code, words = _error(body)
    said = words and f" Botify says: {words}"
    if words and code:
        said += f" (code {code})"
    if status >= 500:
        return Unreachable(
            f"Botify answered {status} to {what}: it is out of order or "
            "overloaded. Try again later."
        )
    if status == 429 or code == _TOO_MANY:
        return RateLimited(
            f"Botify got too many requests for this account, and refused {what}. "
            f"Wait a minute, then try again.{said}",
            retry_after(headers),
        )
    if status == 401:
        return BadToken(BAD_TOKEN)
    if code in _LIMITS or status == 402:
        return LimitReached(
            f"A limit of this Botify account was reached with {what}. Wait, or ask for less.{said}"
        )
    if status == 403:
        return NoRight(
            f"This token has no right to {what}. Ask the organisation's owner for "
            f"access, or connect with another token.{said}"
        )
    if status == 404:
        return NotThere(
            f"Botify does not know {what}. Check the address; "
            f"it may have been renamed or deleted.{said}"
        )
    if 400 <= status < 500:
        return BadQuery(f"Botify refused {what} ({status}).{said}", code, words)
    return UnexpectedAnswer(
        f"Botify answered {status} to {what}, a redirect or the like, which is not followed."
    )


def _error(body: bytes) -> tuple[str, str]:
    """The error code and message in an answer, "" where it has none."""
    try:
        data = foreign.loads(body)
    except ValueError:
        plain = body.decode("utf-8", "replace").strip()
        return "", "" if plain.startswith("<") else plain[:300]
    error = data
    if isinstance(data, dict):
        error = data.get("error", data.get("detail"))
    if not isinstance(error, dict):
        return "", text(error)[:500]
    words = text(error, "message")
    if detail := error.get("error_detail"):
        words += f" {detail if isinstance(detail, str) else json.dumps(detail)}"
    return text(error, "error_code"), words.strip()[:500]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that Retry-After asks for, if it is there."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if not when.tzinfo:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def at(data: Any, *keys: str) -> Any:
    """What stands under these keys, one in another, or None."""
    for key in keys:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def text(data: Any, *keys: str) -> str:
    """The scalar under these keys as text, "" for anything else."""
    value = at(data, *keys)
    if value is None or isinstance(value, dict | list | bool):
        return ""
    return str(value)


def entries(value: Any) -> list[Any]:
    """A list as it is, nothing for anything else."""
    return value if isinstance(value, list) else []


def whole_number(value: Any) -> int | None:
    """A count, also one that comes as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def day(value: Any) -> date | None:
    """A day written 2024-03-01, 20240301, or with a time behind it."""
    match = re.match(r"(\d{4})-?(\d\d)-?(\d\d)", text(value))
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
