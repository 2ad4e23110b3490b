"""What can be wrong with a link graph's files: the text names file and way out."""

from pipulate.engine.errors import PipulateError


class GraphError(PipulateError):
    """A file or a query cannot be used as it is."""

    status = 422


class GraphMissing(GraphError):
    """There is no whole columnar form: build it again."""

    status = 404


class BadFile(GraphError):
    """The file is cut off, damaged, or not the table it should be."""


class TooLarge(GraphError):
    """The file, packed or unpacked, exceeds our cap."""

    status = 413
