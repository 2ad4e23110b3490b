"""Faults: what the simulator does wrong on purpose, in one small language.

TEXT    `500 times=2; truncated on=/cdn; slow=0.5 on=/query method=POST`
        Rules are separated by ";".  A rule is a kind, with "=value" where it takes one, then
        conditions: on=TEXT (occurs in the request's path), method=VERB, token=TOKEN, skip=N (let
        the first N matching requests pass), times=N (then do it N times; without it always).
PLACES  `create_simulator(faults=...)`, `--faults`, a request's header `X-Simulate` (for it, and for
        the job it creates) and, where it is enabled, POST /_simulate.
KINDS   `KINDS` has the moment that each acts: before a request is looked at, after it was carried
        out, in a list's answer, when a job is created, or when a file is fetched.
"""

from dataclasses import dataclass

from pipulate.engine.errors import Invalid

REQUEST = "request"
AFTER = "after"
LIST = "list"
JOB = "job"
FILE = "file"

KINDS = {
    "401": (REQUEST, "refuse the token"),
    "403": (REQUEST, "deny permission"),
    "404": (REQUEST, "know nothing of it"),
    "429": (REQUEST, "too many requests; a value is sent as Retry-After"),
    "500": (REQUEST, "an HTML error page"),
    "502": (REQUEST, "an HTML error page of a proxy"),
    "503": (REQUEST, "an HTML error page; a value is sent as Retry-After"),
    "html": (REQUEST, "an HTML page with status 200"),
    "slow": (REQUEST, "wait that many seconds before answering"),
    "drop": (REQUEST, "drop the connection, having done nothing"),
    "lost": (AFTER, "do what was asked, then drop the connection"),
    "next-repeats": (LIST, "the next page is always this page"),
    "next-foreign": (LIST, "the next page is on another host"),
    "job-fails": (JOB, "FAILED, with a reason"),
    "job-fails-silently": (JOB, "FAILED, without a reason"),
    "job-stuck": (JOB, "PROCESSING for ever"),
    "job-no-processing": (JOB, "CREATED, then DONE"),
    "job-gone": (JOB, "404 when it is polled"),
    "job-url-foreign": (JOB, "job_url is on another host"),
    "zip": (JOB, "the file is a zip whatever was asked for"),
    "plain": (JOB, "the file is a plain CSV"),
    "sep": (JOB, "the file begins with a line sep=,"),
    "v1-header": (JOB, "the file begins with sep=, and the labels of the old export"),
    "empty": (JOB, "the file has no rows"),
    "expired": (FILE, "403 as for an expired link; the next look at the job gives a fresh one"),
    "truncated": (FILE, "only the first part of the file, as if it were all"),
    "cut": (FILE, "the connection drops in the midst of the file"),
    "corrupt": (FILE, "one byte in the middle is wrong"),
}


@dataclass
class Fault:
    """One rule; `skip` and `times` count down as it is met."""

    kind: str
    value: str | None = None
    on: str = ""
    method: str | None = None
    token: str | None = None
    skip: int = 0
    times: int | None = None

    def strikes(self, method: str, path: str, token: str | None) -> bool:
        """Whether this request meets the rule; counts it."""
        if not (self.on in path and self.method in (None, method) and self.token in (None, token)):
            return False
        if self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The rules in force.  Not thread-safe: asked only on the event loop."""

    def __init__(self, text: str = "") -> None:
        self.rules = parse_faults(text)

    def set(self, text: str) -> None:
        """Replace all rules."""
        self.rules = parse_faults(text)

    def take(self, moment: str, method: str, path: str, token: str | None) -> list[Fault]:
        """The faults to commit at this moment of this request; counts them as done."""
        due = (rule for rule in self.rules if KINDS[rule.kind][0] == moment)
        return [rule for rule in due if rule.strikes(method, path, token)]

    def __str__(self) -> str:
        return "; ".join(rule.kind for rule in self.rules)


def parse_faults(text: str) -> list[Fault]:
    """Read the rules of a text.  Raises Invalid with the rule that is wrong and what is known."""
    return [_rule(part) for part in text.split(";") if part.strip()]


def _rule(text: str) -> Fault:
    head, *conditions = text.split()
    kind, _, value = head.partition("=")
    if kind not in KINDS:
        raise Invalid(f'There is no fault "{kind}". Known: {", ".join(KINDS)}.')
    _check_value(kind, value)
    fault = Fault(kind, value or None)
    for condition in conditions:
        name, _, wanted = condition.partition("=")
        if name in ("on", "method", "token") and wanted:
            setattr(fault, name, wanted)
        elif name in ("skip", "times") and wanted.isdecimal():
            setattr(fault, name, int(wanted))
        else:
            raise Invalid(
                f'"{condition}" in the fault "{kind}": expected on=, method=, token= with a word, '
                "or skip=, times= with a whole number."
            )
    return fault


def _check_value(kind: str, value: str) -> None:
    if kind == "slow" or (value and kind in ("429", "503")):
        try:
            fits = 0 <= float(value) < 3600
        except ValueError:
            fits = False
        if not fits:
            raise Invalid(
                f'The fault "{kind}" needs a number of seconds, such as {kind}=2; '
                f'"{value}" is none.'
            )
    elif value:
        raise Invalid(f'The fault "{kind}" takes no value.')


def describe_faults() -> str:
    """All kinds, one a line, for the command line's help."""
    return "\n".join(f"  {kind:<20}{text}" for kind, (_, text) in KINDS.items())
