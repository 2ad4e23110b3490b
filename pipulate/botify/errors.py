"""What can go wrong between us and Botify.

Each message says what happened and what to do next.
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
    """An address that our requests must not go to."""

    status = 400


class BadToken(BotifyError):
    """No token, a wrong one, or one that was regenerated since (401)."""

    status = 400


class NoRight(BotifyError):
    """The token is good, but not for this organisation or project (403)."""

    status = 403


class NotThere(BotifyError, Unknown):
    """No such project, analysis, collection or job (404)."""

    status = 404


class BadQuery(BotifyError):
    """The API refused the request (400 and other 4xx).

    `code` is its error code ("1029", or ""), `words` its own message.
    """

    status = 400

    def __init__(self, message: str, code: str = "", words: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.words = words


class RateLimited(BotifyError):
    """Too many requests (429); `retry_after`: seconds to wait, if told."""

    status = 429

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LimitReached(BotifyError):
    """A quota or size limit of the account."""

    status = 409


class Unreachable(BotifyError):
    """No connection, a time-out, or 5xx; nothing was changed."""

    status = 503


class AnswerLost(BotifyError, Unsure):
    """A paid request was sent, no answer came: it may be carried out.

    Look for the job with `Botify.find_export`; never just send it again.
    """

    status = 409


class UnexpectedAnswer(BotifyError):
    """The answer does not have the form that Botify documents."""


class JobFailed(BotifyError):
    """The export job ended in FAILED; `reason` is often empty."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class JobRunning(BotifyError):
    """The job still ran when our patience ended; wait for it again."""

    status = 503


class LinkExpired(BotifyError):
    """The download address no longer works, nor does a fresh one."""


class IngestStopped(BotifyError):
    """The process that reads downloads was killed, or out of memory."""

    status = 500
