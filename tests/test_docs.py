"""The documentation cannot rot: what it names exists, what exists is named."""

import re
import runpy
from pathlib import Path

import pipulate

DOCS = Path("docs")


def test_the_reference_is_what_the_code_says():
    """`make docs` would change nothing."""
    made = runpy.run_path(str(DOCS / "make_reference.py"))["reference"]()
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == made, "run `make docs`"


def test_every_public_name_has_a_docstring():
    """What a workflow file may import says what it is."""
    for name in pipulate.__all__:
        thing = getattr(pipulate, name)
        assert thing.__doc__, name
        for method, function in vars(thing).items() if isinstance(thing, type) else ():
            if callable(function) and not method.startswith("_"):
                assert function.__doc__, f"{name}.{method}"


def test_links_between_pages_lead_somewhere():
    """No page of the documentation points into nothing."""
    for page in [Path("README.md"), *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_changelog_has_the_version():
    """A release without a word to its users is none."""
    assert f"## {pipulate.__version__} " in Path("CHANGELOG.md").read_text(encoding="utf-8")
