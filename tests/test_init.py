"""The package itself: its names come when they are asked for, and not before."""

import subprocess
import sys

import pytest

import pipulate


@pytest.mark.parametrize("name", pipulate.__all__)
def test_every_public_name_is_there(name):
    """And it is the thing of that name."""
    assert getattr(pipulate, name).__name__ == name


def test_what_is_not_public_is_not_there():
    """The message is Python's own."""
    with pytest.raises(AttributeError, match="module 'pipulate' has no attribute 'Nothing'"):
        _ = pipulate.Nothing


def test_importing_the_package_imports_nothing_else_of_it():
    """A child process or `--help` does not wait for a web framework."""
    code = "import pipulate, sys; print(*[m for m in sys.modules if m.startswith('pipulate.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
