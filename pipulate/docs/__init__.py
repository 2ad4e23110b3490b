"""The manual: the Markdown pages of this folder, their sections, finding in them.

PAGES     `howto/lan.md` is the page `howto/lan`; its first heading is its title.
          `index` lists all.
SECTIONS  A page is cut at its headings; a # inside a block of code is none.
FINDING   By words and their stems, titles first: a full-text index in memory.

Imports nothing of ours.  The app shows pages at /docs, Ctrl+K finds sections by
title, the model's `search_docs` reads them.
"""

import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import apsw

FOLDER = Path(__file__).parent
#: Pages that name everything, found after those that explain.
LISTINGS = ("index", "reference")
_BEST = """SELECT number FROM part WHERE part MATCH ?
    ORDER BY listing, bm25(part, 0, 0, 4, 1) LIMIT ?"""
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A heading of a page, and the text up to the next one."""

    page: str  #: name of the page
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
    """Return the sections that fit the words best, in this order."""
    asked = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", words))
    if not asked:
        return []
    index, lock = _index(folder)
    with lock:
        numbers = [number for (number,) in index.execute(_BEST, (asked, limit))]
    every = sections(folder)
    return [every[number] for number in numbers]


@cache
def _index(folder: Path) -> tuple[apsw.Connection, threading.Lock]:
    """Return the index, and the lock to hold while asking: threads share it."""
    index = apsw.Connection(":memory:")
    columns = "number UNINDEXED, listing UNINDEXED, title, body, tokenize = 'porter'"
    index.execute(f"CREATE VIRTUAL TABLE part USING fts5 ({columns})")
    for number, section in enumerate(sections(folder)):
        values = (number, section.page in LISTINGS, section.title, section.text)
        index.execute("INSERT INTO part VALUES (?, ?, ?, ?)", values)
    return index, threading.Lock()


def anchor(title: str) -> str:
    """Return a heading's name within its page, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
