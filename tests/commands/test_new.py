"""`pipulate new`: a copy of a template loads, under its own name."""

import pytest

from pipulate.engine import discovery


@pytest.mark.parametrize("template", ["bridge", "petite", "poet", "work", "byhand"])
def test_new_copies_each_template_and_the_copy_loads(cli, tmp_path, template):
    """A copy is a workflow of its own name, and nothing is overwritten."""
    name = f"my_{template}"
    status, out, _ = cli("new", name, "--from", template)
    path = tmp_path / "workflows" / f"{name}.py"
    assert status == 0 and str(path) in out
    if template != "byhand":
        (found,) = discovery.load(path, {})
        assert found.name == name, found
    else:
        assert f'APP_NAME = "{name}"' in path.read_text()
    again, _, err = cli("new", name, "--from", template)
    assert again == 1 and "exists already" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Has Space"], "small letters"),
        (["../x"], "small letters"),
        (["tasks"], "address of a page"),
        (["static"], "address of a page"),
        (["ok", "--from", "none"], "no template"),
        (["petite"], "has the workflow 'petite' already"),
    ],
)
def test_new_refuses_bad_names_and_templates(cli, tmp_path, arguments, says):
    """The name becomes a file and an address; a refusal makes neither."""
    status, _, err = cli("new", *arguments)
    assert status == 1 and says in err
    assert not (tmp_path / "workflows").exists()
