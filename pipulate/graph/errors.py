"""What can be wrong with a link graph's files.  The text always names the file and the way out.

PipulateError
└── GraphError        a file of links or pages cannot be used as it is, or a query is not acceptable
    ├── GraphMissing  there is no columnar copy in that folder, or it is damaged: build it again
    ├── BadFile       a file is cut off, damaged, or not the table it should be
    └── TooLarge      a file, packed or unpacked, is larger than we are willing to take
"""

from pipulate.engine.errors import PipulateError


class GraphError(PipulateError):
    """A file of links or pages cannot be used as it is."""

    status = 422


class GraphMissing(GraphError):
    """The folder holds no (whole) columnar copy; building it again from the CSVs mends it."""

    status = 404


class BadFile(GraphError):
    """The file is cut off, damaged, or not a table with the columns that were asked for."""


class TooLarge(GraphError):
    """The file, packed or unpacked, exceeds our cap."""

    status = 413
