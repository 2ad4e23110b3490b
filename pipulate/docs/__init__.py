"""The manual: the Markdown pages of this folder, their sections, a search.

`howto/lan.md` is the page `howto/lan`; `index` lists all.  The app shows
them at /docs, Ctrl+K finds sections by title, the model reads them.
"""

import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import apsw

FOLDER = Path(__file__).parent
# Pages that name everything come after those that explain.
_BEST = """SELECT page, title, body FROM part WHERE part MATCH ?
    ORDER BY page IN ('index', 'reference'), bm25(part, 0, 4, 1) LIMIT ?"""
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


class Section(NamedTuple):
    """A heading of a page, and the text up to the next one."""

    page: str
    title: str
    text: str

    @property
    def address(self) -> str:
        """Where the app shows it."""
        return f"/docs/{self.page}#{anchor(self.title)}"


@dataclass(frozen=True)
class Page:
    """One file of the manual."""

    name: str  #: its path in the folder, without .md
    text: str

    @property
    def title(self) -> str:
        """The first heading."""
        return self.sections[0].title

    @property
    def lead(self) -> str:
        """The first paragraph."""
        return self.sections[0].text.partition("\n\n")[0].replace("\n", " ")

    @property
    def sections(self) -> list[Section]:
        """The page cut at its headings."""
        blanked = _FENCED.sub(lambda block: " " * len(block[0]), self.text)
        heads = list(_HEADING.finditer(blanked))
        ends = [head.start() for head in heads[1:]] + [len(self.text)]
        found = []
        for head, end in zip(heads, ends, strict=True):
            text = self.text[head.end() : end].strip()
            found.append(Section(self.name, head[1].replace("`", ""), text))
        return found


@cache
def pages(folder: Path = FOLDER) -> dict[str, Page]:
    """Return all pages by name, read once."""
    found = {}
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        found[name] = Page(name, path.read_text(encoding="utf-8"))
    return found


def sections(folder: Path = FOLDER) -> list[Section]:
    """Return all sections of all pages."""
    return [section for page in pages(folder).values() for section in page.sections]


def search(words: str, limit: int = 3, folder: Path = FOLDER) -> list[Section]:
    """Return the sections that fit best, by stems of words, titles first."""
    asked = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", words))
    if not asked:
        return []
    index, lock = _index(folder)
    with lock:
        return [Section(*row) for row in index.execute(_BEST, (asked, limit))]


@cache
def _index(folder: Path) -> tuple[apsw.Connection, threading.Lock]:
    # Threads share it, and hold the lock while they ask.
    index = apsw.Connection(":memory:")
    index.execute(
        "CREATE VIRTUAL TABLE part USING fts5(page UNINDEXED, title, body, tokenize = 'porter')"
    )
    index.executemany("INSERT INTO part VALUES (?, ?, ?)", sections(folder))
    return index, threading.Lock()


def anchor(title: str) -> str:
    """Return a heading's name within its page, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
