"""The API token and the one file that holds it.

FILE      {data}/botify_token, mode 600 from its first byte on.  Loose modes
          are mended; a file of someone else's, or a link, is not believed.
          (On Windows the user's profile folder protects it.)
SECRECY   Only `reveal()` shows a Token, where the Authorization header is
          made.  Its repr, str and format say `Token(hidden)`, and thus
          logs and tracebacks; it does not pickle and is no JSON.
"""

import os
import re
import secrets
import stat
from pathlib import Path
from typing import NoReturn

from pipulate.botify.errors import BadToken
from pipulate.engine import files, private

WHERE = "https://app.botify.com/account"
_PASTED_HEADER = re.compile(r"(authorization:\s*)?token\s+", re.IGNORECASE)


class Token:
    """An API token that tells itself to nobody; BadToken if it is none."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        text = text.strip().strip("\"'")
        if header := _PASTED_HEADER.match(text):
            text = text[header.end() :]
        text = text.strip()
        if not text:
            raise BadToken(f"No token was given. You find yours at {WHERE}.")
        # Botify's are 40 hexadecimal digits, but that is not documented.
        if not re.fullmatch(r"[!-~]{8,256}", text):
            raise BadToken(
                "This is not a token: it has spaces or odd characters, or a "
                f"strange length. Copy it from {WHERE}."
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
    files.write(path(data), token.reveal() + "\n")


def load(data: Path) -> Token | None:
    """The kept token, or None; BadToken for a file not to be trusted."""
    target = path(data)
    try:
        descriptor = os.open(target, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadToken(
            f"{target.name} cannot be read ({error.strerror}). Remove it and connect again."
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        _check_owner(file.fileno(), target.name)
        text = file.read(4096)
    try:
        return Token(text.decode("ascii"))
    except (BadToken, UnicodeDecodeError):
        raise BadToken(f"{target.name} holds no token. Connect to Botify again.") from None


def _check_owner(descriptor: int, name: str) -> None:
    about = os.fstat(descriptor)
    ours = os.name != "posix" or about.st_uid in (os.geteuid(), 0)
    if not (ours and stat.S_ISREG(about.st_mode)):
        raise BadToken(
            f"{name} is not a file of yours, so it is not used. Remove it and connect again."
        )
    if os.name == "posix" and about.st_mode & private.OTHERS:
        os.fchmod(descriptor, private.FILE)


def forget(data: Path) -> None:
    """Remove the token and what a killed `save` left, or raise CannotWrite."""
    target = path(data)
    with files.explained(target):
        target.unlink(missing_ok=True)
        files.sweep(target)
