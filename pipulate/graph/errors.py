"""What can be wrong with a link graph's files: its name and the way out.

PipulateError
└── GraphError        a file or a query cannot be used as it is
    ├── GraphMissing  there is no whole columnar form: build it again
    ├── BadFile       a file is cut off, damaged, or not the right table
    └── TooLarge      a file, packed or unpacked, is more than we take
"""

from pipulate.engine.errors import PipulateError


class GraphError(PipulateError):
    """A file of links or pages cannot be used as it is."""

    status = 422


class GraphMissing(GraphError):
    """The folder holds no (whole) columnar form."""

    status = 404


class BadFile(GraphError):
    """The file is cut off, damaged, or not the table it should be."""


class TooLarge(GraphError):
    """The file, packed or unpacked, exceeds our cap."""

    status = 413
