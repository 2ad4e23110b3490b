"""Every error we raise on purpose.  A message says what happened, what was expected, what to do next.

PipulateError
├── Invalid            a submitted value is not acceptable; nothing was stored
├── Refused            a correct request that the run's state forbids; nothing was changed
│   ├── Stale          the page is older than the record
│   ├── Finalized      the run is locked
│   └── OutOfOrder     an earlier step is still open, or the step does not exist
├── Unknown            no such run, workflow, step, file, ...
├── Incompatible       a record written by a newer or older, unconvertible version
├── Corrupt            a record or file that cannot be read; it was set aside, not deleted
├── InUse              another server has this data folder
├── NotSaved           the disk, or another program that locks the database, kept a change from being saved
└── Unsure             an outward act may or may not have happened: ask before repeating it

`botify`, `graph` and `chat` add their own below PipulateError, each in its own package.
"""


class PipulateError(Exception):
    """Base of all errors whose text may be shown to the user as it stands; `status` is the HTTP status."""

    status = 400


class Invalid(PipulateError):
    """A submitted value is not acceptable.  `field` names the form field, or None for the whole form."""

    status = 422

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Refused(PipulateError):
    """The run's present state forbids this change."""

    status = 409


class Stale(Refused):
    """The page shows an older revision of the record."""


class Finalized(Refused):
    """The run is locked."""


class OutOfOrder(Refused):
    """The step is not the one that comes next."""


class Unknown(PipulateError):
    """There is nothing of that name."""

    status = 404


class Incompatible(PipulateError):
    """Another version of the workflow wrote the record."""

    status = 409


class Corrupt(PipulateError):
    """The record or file cannot be read."""

    status = 409


class InUse(PipulateError):
    """Another server uses this data folder, or the port."""

    status = 409


class NotSaved(PipulateError):
    """The database could not be read or written just now."""

    status = 503


class Unsure(PipulateError):
    """Only the user can decide to repeat an outward act."""

    status = 409
