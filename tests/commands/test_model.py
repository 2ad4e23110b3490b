"""`pipulate model`: weights are got, listed and removed."""

import hashlib
from dataclasses import replace

import pytest

from pipulate.chat import weights

DATA = b"weights" * 1000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the smallest model a small one, without a source on the net."""
    recipe = replace(
        weights.RECIPES["minilm"],
        size=len(DATA),
        sha256=hashlib.sha256(DATA).hexdigest(),
        wheels=(),
    )
    monkeypatch.setitem(weights.RECIPES, "minilm", recipe)


def test_weights_come_from_a_file_and_go_again(cli, tmp_path):
    """The file's path is the result; the list says what is here."""
    given = tmp_path / "given"
    given.write_bytes(DATA)
    status, out, _ = cli("model", "get", "minilm", "--file", str(given))
    path = tmp_path / "data" / "models" / weights.RECIPES["minilm"].file
    assert (status, out) == (0, f"{path}\n") and path.read_bytes() == DATA
    (line,) = [line for line in cli("model", "list")[1].splitlines() if "minilm" in line]
    assert line.endswith("here")
    assert cli("model", "remove", "minilm")[0] == 0 and not path.exists()


def test_what_cannot_be_had_is_told(cli):
    """A name without a recipe lists the others; a model without a source says how to bring
    a file.
    """
    status, _, err = cli("model", "get", "gpt")
    assert status == 1 and "qwen-0.5b" in err
    status, _, err = cli("model", "get", "minilm")
    assert status == 1 and "--file" in err
