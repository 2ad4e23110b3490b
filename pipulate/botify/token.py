"""The API token and the one file that holds it.

FILE      {data}/botify_token: the token and a line end, mode 600 from its first byte on, replaced by renaming.
          A file that others may read is mended when it is read; one that belongs to someone else, or is a link, is
          not believed.  (Windows has no such modes; there the user's profile folder protects it.)
SECRECY   A Token shows itself only by `reveal()`, which is called where the Authorization header is made, nowhere
          else.  Its repr, str, format, and therefore logs, tracebacks and f-strings, show `Token(hidden)`; it does
          not pickle and is no JSON.
"""

import os
import re
import secrets
import stat
from pathlib import Path
from typing import NoReturn

from pipulate.botify.errors import BadToken
from pipulate.engine.files import explained

WHERE = "https://app.botify.com/account"


class Token:
    """An API token that does not tell itself to whoever prints it.  Raises BadToken if it cannot be one."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        text = re.sub(
            r"^(authorization:\s*)?token\s+", "", text.strip().strip("\"'"), flags=re.IGNORECASE
        ).strip()
        if not text:
            raise BadToken(f"No token was given. You find yours at {WHERE}.")
        # Botify's are 40 hexadecimal digits, but that is not documented: only what no header may carry is refused.
        if not re.fullmatch(r"[!-~]{8,256}", text):
            raise BadToken(
                f"This is not a token: it has spaces or odd characters, or a strange length. Copy it from {WHERE}."
            )
        self._text = text

    def reveal(self) -> str:
        """The token itself, for the Authorization header."""
        return self._text

    def __repr__(self) -> str:
        return "Token(hidden)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and secrets.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(("Token", self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Token is not to be pickled")


def path(data: Path) -> Path:
    """Where the token of this data folder is kept."""
    return data / "botify_token"


def save(data: Path, token: Token) -> None:
    """Keep the token.  Raises CannotWrite."""
    target = path(data)
    with explained(target):
        data.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token.reveal() + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def load(data: Path) -> Token | None:
    """The kept token, or None.  Mends loose modes; raises BadToken for a file that cannot be trusted or understood."""
    target = path(data)
    try:
        descriptor = os.open(target, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    except OSError as e:
        raise BadToken(
            f"{target.name} cannot be read ({e.strerror}). Remove it and connect again."
        ) from e
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or (
            os.name == "posix" and about.st_uid not in (os.geteuid(), 0)
        ):
            raise BadToken(
                f"{target.name} is not a file of yours, so it is not used. Remove it and connect again."
            )
        if os.name == "posix" and about.st_mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
        text = file.read(4096)
    try:
        return Token(text.decode("ascii"))
    except (BadToken, UnicodeDecodeError):
        raise BadToken(f"{target.name} holds no token. Connect to Botify again.") from None


def forget(data: Path) -> None:
    """Remove the token and what a killed `save` may have left.  Raises CannotWrite."""
    target = path(data)
    with explained(target):
        target.unlink(missing_ok=True)
        for part in data.glob(f".{target.name}.*.part"):
            part.unlink(missing_ok=True)
