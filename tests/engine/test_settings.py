"""What follows from the settings: addresses, places, and who can connect."""

from pathlib import Path

import pytest

from pipulate.engine.settings import Settings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5001"),
        ("::1", "http://[::1]:5001"),
        ("machine.local", "http://machine.local:5001"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(host: str, url: str) -> None:
    """An IPv6 address stands in brackets."""
    assert Settings(host=host).url == url


@pytest.mark.parametrize(
    ("host", "lan", "listens"),
    [
        ("127.0.0.1", False, "127.0.0.1"),
        ("localhost", True, "0.0.0.0"),
        ("192.168.1.5", True, "192.168.1.5"),
    ],
)
def test_only_lan_opens_the_other_addresses(host: str, lan: bool, listens: str) -> None:
    """And an address that is named stays the only one."""
    assert Settings(host=host, lan=lan).listen == listens


def test_all_that_is_kept_is_in_the_data_folder() -> None:
    """So that a copy of it is a copy of everything."""
    settings = Settings(data=Path("/elsewhere"))
    assert settings.database == Path("/elsewhere/pipulate.db")
    assert settings.log == Path("/elsewhere/log/pipulate.log")
