"""What a simulator may be told: who may come in, and how to behave.

Each entry of `Options`, `Dialect` and `Pace` is a point on which the public
material is silent or contradicts itself; a client must work with every value.
The defaults are the likeliest reading.
"""

from dataclasses import dataclass
from typing import Literal

DEMO_TOKEN = "demo0000000000000000000000000000000000aa"  # noqa: S105 (public: it opens only this)


@dataclass(frozen=True)
class User:
    """Who a token belongs to; `orgs` it may see (None: all)."""

    username: str = "demo.user"
    orgs: frozenset[str] | None = None

    def may_see(self, org: str) -> bool:
        return self.orgs is None or org in self.orgs


@dataclass(frozen=True)
class Dialect:
    """How BQL is read.  The defaults refuse what no official page promises."""

    allow_in: bool = False  # the predicate `in`
    sort_by_field: bool = False  # sort [{"field": ..., "order": ...}]
    metrics_in_filters: bool = False  # act as HAVING
    left_join: bool = False  # without URLs that only a later collection has
    rows_not_crawled: bool = False  # known but never fetched (http_code 0)
    linkless_rows: bool = False  # a null target for a page without links
    empty_sum: int | None = None  # the sum over no rows


@dataclass(frozen=True)
class Pace:
    """How soon a job is done."""

    polls: int = 2  # this many are answered before
    seconds: float = 0.0  # it is at least this old
    patience: float = 5.0  # how long one poll waits for the file itself
    link_seconds: float | None = None  # until an address of the file expires


@dataclass(frozen=True)
class Options:
    """Behaviour that is not known, or that depends on the account."""

    bql: Dialect = Dialect()
    pace: Pace = Pace()
    bad_token_status: int = 401
    bad_token_detail: bool = False  # {"detail": ...}, not the envelope
    profile_names: bool = True  # the profile has more than the username
    list_size: int = 500
    query_size: int = 500
    query_size_limit: int = 2000
    next_keeps_size: bool = True  # `next` repeats the request's parameters
    last_next: Literal["null", "absent"] = "null"
    past_end: Literal["empty", "missing"] = "empty"  # or 404
    always_count: bool = False  # /query has `count` without being asked
    failure_in: Literal["error", "failure_reason", "results", "metadata", "nowhere"] = "error"
    results_extra: bool = False  # `results` has more than download_url
    booleans: tuple[str, str] = ("true", "false")
    refuse_bad_jobs: bool = False  # at POST /jobs (400), not as FAILED
    same_day_mark: str = "-"  # crawl.20240101-2
    export_limit: int = 1_000_000
    refuse_over_limit: bool = False  # (400) a larger export_size, not cut it
    running_jobs: int | None = None  # more at once are refused (1058)
    rate: int | None = None  # requests a second and token, else 1053
    retry_after: int | None = None  # sent with that refusal
    allowed_origins: tuple[str, ...] = ()  # CORS
    file_base: str | None = None  # the file host; default: /cdn beside /v1
    admin: bool = False  # GET and POST /_simulate
