"""Every error we raise on purpose: what happened, what was expected, what to do next.

PipulateError: Invalid, Unknown, Incompatible, Corrupt, InUse, NotSaved, CannotWrite, Unsure, and
Refused:       Stale, Finalized, OutOfOrder

`botify`, `graph` and `chat` add their own below PipulateError, each in its own package.
"""


class PipulateError(Exception):
    """Base of all errors whose text may be shown to the user as it stands; `status` is HTTP's."""

    status = 400


class Invalid(PipulateError):
    """A submitted value is not acceptable; `field` names the form field, None the whole form."""

    status = 422

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Refused(PipulateError):
    """A correct request that the run's present state forbids; nothing was changed."""

    status = 409


class Stale(Refused):
    """The page shows an older revision of the record."""


class Finalized(Refused):
    """The run is locked."""


class OutOfOrder(Refused):
    """An earlier step is still open, or there is no such step."""


class Unknown(PipulateError):
    """There is no run, workflow, step, file, ... of that name."""

    status = 404


class Incompatible(PipulateError):
    """A newer or older, unconvertible version of the workflow wrote the record."""

    status = 409


class Corrupt(PipulateError):
    """A record or file cannot be read; it was set aside, not deleted."""

    status = 409


class InUse(PipulateError):
    """Another server uses this data folder, or the port."""

    status = 409


class NotSaved(PipulateError):
    """The disk, or another program that locks the database, kept a change from being saved."""

    status = 503


class CannotWrite(PipulateError):
    """Writing a file failed.  Nothing half-written is left under the final name."""

    status = 507


class Unsure(PipulateError):
    """An outward act may or may not have happened; only the user can decide to repeat it."""

    status = 409
