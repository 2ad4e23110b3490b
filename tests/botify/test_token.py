"""The token is kept for its owner alone and never shows itself."""

import json
import logging
import os
import pickle
import stat
import traceback
from pathlib import Path

import pytest

from pipulate.botify import token
from pipulate.botify.errors import BadToken
from pipulate.botify.token import Token
from pipulate.engine.errors import CannotWrite

SECRET = "0123456789abcdef0123456789abcdef01234567"


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_saved_token_comes_back_from_a_private_file(tmp_path: Path) -> None:
    """Mode 600 whatever the umask, also where an older file was looser; no other file is there."""
    old = os.umask(0)
    try:
        token.path(tmp_path).write_text("older")
        token.save(tmp_path, Token(SECRET))
    finally:
        os.umask(old)
    assert token.load(tmp_path) == Token(SECRET)
    assert mode(token.path(tmp_path)) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["botify_token"]


def test_loose_modes_are_mended_when_read(tmp_path: Path) -> None:
    """A file that others could read is closed to them."""
    token.save(tmp_path, Token(SECRET))
    token.path(tmp_path).chmod(0o644)
    assert token.load(tmp_path) == Token(SECRET)
    assert mode(token.path(tmp_path)) == 0o600


def test_a_link_is_not_believed(tmp_path: Path) -> None:
    """A symbolic link in the token's place may come from someone else."""
    (tmp_path / "elsewhere").write_text(SECRET)
    token.path(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadToken, match="connect again"):
        token.load(tmp_path)


@pytest.mark.parametrize("content", ["", "a b", "\u00e9" * 40])
def test_file_without_a_token_says_so(tmp_path: Path, content: str) -> None:
    """An emptied or foreign file is a clear message, and does not repeat the content."""
    token.path(tmp_path).write_text(content, encoding="utf-8")
    with pytest.raises(BadToken, match="holds no token"):
        token.load(tmp_path)


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    """Neither the token nor the leftover of a killed writer; forgetting twice is fine."""
    token.save(tmp_path, Token(SECRET))
    (tmp_path / ".botify_token.0000.part").write_text(SECRET)
    token.forget(tmp_path)
    token.forget(tmp_path)
    assert token.load(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_a_clear_message(tmp_path: Path) -> None:
    """The reason is the system's, the advice ours."""
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(CannotWrite, match="botify_token could not be written"):
        token.save(tmp_path / "data", Token(SECRET))


@pytest.mark.parametrize(
    "text",
    [SECRET, f" {SECRET}\n", f"Token {SECRET}", f"Authorization: token  {SECRET}", f'"{SECRET}"'],
)
def test_pasted_forms_are_understood(text: str) -> None:
    """People paste the header, quotes or a line end with it."""
    assert Token(text).reveal() == SECRET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "Token ",
        "short",
        "two words here",
        "line\nbreak-in-it",
        "x" * 257,
        "caf\u00e9caf\u00e9",
    ],
)
def test_what_cannot_be_a_token_is_refused_without_repeating_it(text: str) -> None:
    """A header could not carry it, or it is no token at all."""
    with pytest.raises(BadToken) as error:
        Token(text)
    assert not text.strip() or text not in str(error.value)


def test_token_never_shows_itself(caplog: pytest.LogCaptureFixture) -> None:
    """In no repr, format, log, traceback, JSON or pickle."""
    secret = Token(SECRET)
    logging.getLogger("test").warning("%s %r", secret, secret)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>30}",
        repr({"token": secret}),
        caplog.text,
    ]
    try:
        raise RuntimeError(secret)
    except RuntimeError:
        shown.append(traceback.format_exc())
    assert all(SECRET not in text for text in shown)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
