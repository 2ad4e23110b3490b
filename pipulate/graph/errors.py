"""What can be wrong with a link graph's files.  The text always names the file and the way out.

PipulateError
└── GraphError        a file of links or pages cannot be used as it is, or a query is not acceptable
    └── GraphMissing  there is no columnar copy in that folder, or it is damaged: build it again
"""

from pipulate.engine.errors import PipulateError


class GraphError(PipulateError):
    """A file of links or pages cannot be used as it is."""

    status = 422


class GraphMissing(GraphError):
    """The folder holds no (whole) columnar copy; building it again from the CSVs mends it."""

    status = 404
