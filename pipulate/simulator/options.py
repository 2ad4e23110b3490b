"""What a simulator may be told: who may come in, and how to behave where nobody outside knows the real API.

Each entry of `Options` is a point on which the public material is silent or contradicts itself; a client must work
with every value.  The defaults are the likeliest reading.
"""

from dataclasses import dataclass, field
from typing import Literal

from pipulate.simulator.bql import Dialect
from pipulate.simulator.jobs import Pace


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
class Options:
    """Behaviour that is not known, or that depends on the account."""

    bql: Dialect = field(default_factory=Dialect)
    pace: Pace = field(default_factory=Pace)
    bad_token_status: int = 401
    bad_token_detail: bool = (
        False  # {"detail": ...}, the framework's own body, in place of the error envelope
    )
    profile_names: bool = True  # the profile has more than the username
    list_size: int = 500
    query_size: int = 500
    query_size_limit: int = 2000
    next_keeps_size: bool = True  # `next` repeats the parameters of the request
    last_next: Literal["null", "absent"] = "null"
    past_end: Literal["empty", "missing"] = (
        "empty"  # a page after the last one of a list: no results, or 404
    )
    always_count: bool = False  # /query has `count` without being asked
    failure_in: Literal["error", "failure_reason", "results", "metadata", "nowhere"] = "error"
    results_extra: bool = False  # `results` has more than download_url
    booleans: tuple[str, str] = ("true", "false")
    refuse_bad_jobs: bool = (
        False  # POST /jobs checks the query (400); otherwise such a job ends as FAILED
    )
    same_day_mark: str = "-"  # crawl.20240101-2
    export_limit: int = 1_000_000
    refuse_over_limit: bool = (
        False  # 400 for a larger export_size; otherwise it is cut to the limit
    )
    running_jobs: int | None = None  # more at once are refused (1058)
    rate: int | None = None  # requests a second and token; more are refused (1053)
    retry_after: int | None = None  # sent with that refusal
    allowed_origins: tuple[str, ...] = ()  # CORS
    file_base: str | None = None  # where the file host is; default: /cdn beside /v1
    admin: bool = False  # GET and POST /_simulate
