"""What a simulator may be told: who may come in, and how to behave where the API is not known.

Each entry of `Options`, `Dialect` and `Pace` is a point on which the public material is silent or
contradicts itself, or that depends on the account; a client must work with every value.  The
defaults are the likeliest reading.
"""

from dataclasses import dataclass
from typing import Literal

DEMO_TOKEN = "demo0000000000000000000000000000000000aa"  # noqa: S105 (public: it opens only this)


@dataclass(frozen=True)
class User:
    """Who a token belongs to, and the organisations it may see (None: all)."""

    username: str = "demo.user"
    first_name: str = "Demo"
    last_name: str = "User"
    orgs: frozenset[str] | None = None

    def may_see(self, org: str) -> bool:
        return self.orgs is None or org in self.orgs


@dataclass(frozen=True)
class Dialect:
    """How BQL is read.  The defaults refuse what the official pages do not promise."""

    allow_in: bool = False  # the predicate `in`
    sort_by_field: bool = False  # sort [{"field": ..., "order": ...}]
    metrics_in_filters: bool = False  # a metric inside `filters` acts as HAVING
    left_join: bool = False  # URLs known only to a later collection are left out
    rows_not_crawled: bool = False  # known but never fetched URLs (http_code 0) have rows
    linkless_rows: bool = False  # a page without links has one row with a null target
    empty_sum: int | None = None  # the sum over no rows


@dataclass(frozen=True)
class Pace:
    """How soon a job is done."""

    polls: int = 2  # this many are answered before
    seconds: float = 0.0  # it is at least this old
    patience: float = 5.0  # how long one poll waits for the file itself
    link_seconds: float | None = None  # after which an address of the file expires


@dataclass(frozen=True)
class Options:
    """Behaviour that is not known, or that depends on the account."""

    bql: Dialect = Dialect()
    pace: Pace = Pace()
    bad_token_status: int = 401
    bad_token_detail: bool = False  # {"detail": ...}, the framework's own body, not the envelope
    profile_names: bool = True  # the profile has more than the username
    list_size: int = 500
    query_size: int = 500
    query_size_limit: int = 2000
    next_keeps_size: bool = True  # `next` repeats the parameters of the request
    last_next: Literal["null", "absent"] = "null"
    past_end: Literal["empty", "missing"] = "empty"  # a page after the last: no results, or 404
    always_count: bool = False  # /query has `count` without being asked
    failure_in: Literal["error", "failure_reason", "results", "metadata", "nowhere"] = "error"
    results_extra: bool = False  # `results` has more than download_url
    booleans: tuple[str, str] = ("true", "false")
    refuse_bad_jobs: bool = False  # POST /jobs checks the query (400); else the job ends as FAILED
    same_day_mark: str = "-"  # crawl.20240101-2
    export_limit: int = 1_000_000
    refuse_over_limit: bool = False  # a larger export_size is refused (400), not cut to the limit
    running_jobs: int | None = None  # more at once are refused (1058)
    rate: int | None = None  # requests a second and token; more are refused (1053)
    retry_after: int | None = None  # sent with that refusal
    allowed_origins: tuple[str, ...] = ()  # CORS
    file_base: str | None = None  # where the file host is; default: /cdn beside /v1
    admin: bool = False  # GET and POST /_simulate
