"""Where a graph's things are; and that the server can ask without loading Polars."""

import subprocess
import sys
from pathlib import Path

from pipulate.graph import shelf as folders


def test_a_comparison_is_named_after_the_earlier_analysis() -> None:
    """Further crawls of a day keep their number."""
    later = Path("shop_20261101.graph")
    assert folders.comparison(later, Path("my_shop_20261001-2.graph")) == later / "with_20261001-2"


def test_without_csvs_what_is_there_counts(tmp_path: Path) -> None:
    """A graph whose CSVs were removed can still be looked at; one that never was there is not fresh."""
    links, folder = tmp_path / "shop_20261101_links.csv", tmp_path / "shop_20261101.graph"
    assert not folders.columnar_is_fresh(links, None, folder)
    folder.mkdir()
    (folder / "meta.json").write_text("{}")
    assert folders.columnar_is_fresh(links, None, folder)


def test_a_picture_of_another_version_is_not_readable(tmp_path: Path) -> None:
    """Other formats, damaged and missing files count as no picture."""
    assert not folders.picture_is_readable(tmp_path)
    (tmp_path / "picture").mkdir()
    for text, readable in (
        ("{", False),
        ("[]", False),
        ('{"format": 0}', False),
        ('{"format": 1}', True),
    ):
        (tmp_path / "picture" / "meta.json").write_text(text)
        assert folders.picture_is_readable(tmp_path) is readable


def test_the_pages_load_without_polars() -> None:
    """The server's start does not pay for what only a report needs."""
    code = (
        "import sys, pipulate.pages.graphs; sys.exit(bool({'polars', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
