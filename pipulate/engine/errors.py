"""Errors raised on purpose: what happened, was expected, is to be done.

`botify`, `graph` and `chat` add their own below PipulateError.
"""


class PipulateError(Exception):
    """An error whose text may be shown as it stands; `status` is HTTP's."""

    status = 400


class Invalid(PipulateError):
    """A value is not acceptable, of form field `field` or (None) all."""

    status = 422

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Refused(PipulateError):
    """The run's present state forbids this; nothing was changed."""

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
    """Another, unconvertible version of the workflow wrote the record."""

    status = 409


class Corrupt(PipulateError):
    """A record or file cannot be read; it was set aside, not deleted."""

    status = 409


class InUse(PipulateError):
    """Another server uses this data folder, or the port."""

    status = 409


class NotSaved(PipulateError):
    """The disk, or a program that locks the database, kept it from saving."""

    status = 503


class CannotWrite(PipulateError):
    """Writing a file failed; nothing half-written has the final name."""

    status = 507


class Unsure(PipulateError):
    """An outward act may have happened; only the user may repeat it."""

    status = 409
