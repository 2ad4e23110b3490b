"""What can go wrong between us and Botify.  Each message says what happened and what to do next.

PipulateError
└── BotifyError
    ├── NotBotifyUrl        (also Invalid) the text is not the address of a Botify project
    ├── ForeignAddress      an address that our requests must not go to
    ├── BadToken            no token, a wrong one, or one that was regenerated since
    ├── NoRight             the token is good, but not for this organisation or project
    ├── NotThere            (also Unknown) no such project, analysis, collection or job
    ├── BadQuery            the API refused the request; its own words are in the message
    ├── RateLimited         too many requests, also after waiting
    ├── LimitReached        a quota or size limit of the account
    ├── Unreachable         no connection, or the server is down; nothing was changed
    ├── AnswerLost          (also Unsure) a paid request was sent, no answer came: perhaps it was
    │                       carried out
    ├── UnexpectedAnswer    an answer that does not have the documented form
    ├── JobFailed           the export job ended in FAILED
    ├── JobRunning          the export job was still running when our patience ended
    ├── LinkExpired         the download address no longer works, nor does a fresh one
    └── IngestStopped       the process that reads downloaded files ended without an answer

An error that `Botify.create_export` raises has `definite = True` when it is certain that nothing
was started (and paid), which is so for every one but AnswerLost.
"""

from pipulate.engine.errors import Invalid, PipulateError, Unknown, Unsure


class BotifyError(PipulateError):
    """Base of everything that can go wrong with Botify."""

    status = 502
    definite = False  #: the paid request that failed was certainly not carried out


class NotBotifyUrl(BotifyError, Invalid):
    """The text is not the address of a Botify project."""

    status = 422


class ForeignAddress(BotifyError):
    """The address is not one that our requests may go to."""

    status = 400


class BadToken(BotifyError):
    """The API did not accept the token (HTTP 401; 403 when only the token is being checked)."""

    status = 400


class NoRight(BotifyError):
    """The token's user has no right to this organisation or project (HTTP 403)."""

    status = 403


class NotThere(BotifyError, Unknown):
    """The API knows no such project, analysis, collection or job (HTTP 404)."""

    status = 404


class BadQuery(BotifyError):
    """The API refused the request (HTTP 400 and other 4xx).

    `code` is the API's error code as a string ("1029"), or "" when it gave none; `words` is its own
    message.
    """

    status = 400

    def __init__(self, message: str, code: str = "", words: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.words = words


class RateLimited(BotifyError):
    """HTTP 429.  `retry_after` is the wait in seconds that the server asked for, if it did."""

    status = 429

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LimitReached(BotifyError):
    """A quota or size limit of the account (error codes 1027, 1028, 1043, 1052, 1058)."""

    status = 409


class Unreachable(BotifyError):
    """No connection, a time-out, or HTTP 5xx.

    The request may safely be repeated, or was never sent.
    """

    status = 503


class AnswerLost(BotifyError, Unsure):
    """A POST that costs credits was sent, and no usable answer came back.

    The job may exist.  Look for it with `Botify.find_export` before anything else; never just send
    it again.
    """

    status = 409


class UnexpectedAnswer(BotifyError):
    """The answer does not have the form that Botify documents."""


class JobFailed(BotifyError):
    """The export job ended in FAILED.

    `reason` is what the job object says, often nothing; see `Botify.diagnose`.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class JobRunning(BotifyError):
    """The export job was still running at our deadline.

    It goes on at Botify and can be waited for again.
    """

    status = 503


class LinkExpired(BotifyError):
    """The file host refuses the download address (403, 404, 410), and a fresh address too."""


class IngestStopped(BotifyError):
    """The process that reads downloaded files ended without an answer: out of memory, or killed."""

    status = 500
