"""Faults: what the simulator does wrong on purpose, in one small language.

TEXT    `500 times=2; truncated on=/cdn; slow=0.5 on=/query method=POST`
        Rules are separated by ";": a kind, with "=value" where it takes
        one, then conditions: on=TEXT (occurs in the path), method=VERB,
        token=TOKEN, skip=N (let the first N matching requests pass),
        times=N (then do it N times; without it always).
PLACES  `create_simulator(faults=...)`, `--faults`, a request's header
        `X-Simulate` (for it, and the job it creates), POST /_simulate.
KINDS   {kind: (moment, description)}, in `faults.json`.
"""

from dataclasses import dataclass

from pipulate.engine.errors import Invalid
from pipulate.simulator import constants

# moments
REQUEST = "request"  # before it is looked at
AFTER = "after"  # it was carried out
LIST = "list"  # is answered
JOB = "job"  # is created
FILE = "file"  # is fetched

KINDS: dict[str, tuple[str, str]] = constants("faults")


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
        """If so, counts it."""
        fits = self.on in path and self.method in (None, method)
        if not fits or self.token not in (None, token) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The rules in force.  Not thread-safe: for the event loop only."""

    def __init__(self, text: str = "") -> None:
        self.set(text)

    def set(self, text: str) -> None:
        """Replace all rules.  Raises Invalid."""
        self.rules = parse_faults(text)

    def take(self, moment: str, method: str, path: str, token: str | None) -> list[Fault]:
        """Those to commit; counts them."""
        due = (rule for rule in self.rules if KINDS[rule.kind][0] == moment)
        return [rule for rule in due if rule.strikes(method, path, token)]

    def __str__(self) -> str:
        return "; ".join(rule.kind for rule in self.rules)


def parse_faults(text: str) -> list[Fault]:
    """The rules of a text.  Raises Invalid with the one that is wrong."""
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
                f'"{condition}" in the fault "{kind}": expected on=, method=, '
                "token= with a word, or skip=, times= with a whole number."
            )
    return fault


def _check_value(kind: str, value: str) -> None:
    if kind != "slow" and not value:
        return
    if kind not in ("slow", "429", "503"):
        raise Invalid(f'The fault "{kind}" takes no value.')
    try:
        fits = 0 <= float(value) < 3600
    except ValueError:
        fits = False
    if not fits:
        raise Invalid(
            f'The fault "{kind}" needs a number of seconds, such as {kind}=2; "{value}" is none.'
        )


def describe_faults() -> str:
    """All kinds, one a line."""
    return "\n".join(f"  {kind:<20}{text}" for kind, (_, text) in KINDS.items())
