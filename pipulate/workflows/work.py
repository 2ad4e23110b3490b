"""Work: a background job with a progress bar, the template for anything that
takes long.

It counts the words of a folder's text files. Close the tab, kill the server,
come back: the job goes on.
"""

import asyncio
import re
from collections import Counter
from pathlib import Path

from fasthtml.common import H3, Input, Label, Li, Ol, P

from pipulate import Invalid, Workflow
from pipulate.engine import host

flow = Workflow("work", title="Work in the background")


@flow.step("folder", "Which folder's text files shall be counted?", button="Count")
def folder(run):
    return (
        Label(
            "Folder on this machine",
            Input(name="folder", value=str(Path(__file__).parent), required=True),
        ),
        Label(
            "Pause after each file, in seconds",
            Input(name="pause", type="number", min=0, max=10, step=0.1, value=0.2),
        ),
    )


@folder.accept
def check_folder(run, form):
    if not host.typed(run, form["folder"], "folder").is_dir():
        raise Invalid(f"There is no folder {form['folder']} on this machine.", "folder")
    return form


@flow.work("count", "Count the words")
async def count(run, job):
    answers = run.fields("folder")
    named = await asyncio.to_thread(host.named, run, answers["folder"])
    files = await asyncio.to_thread(text_files, named)
    each = job.each(files)  # after a stop, the files that were counted are not counted again
    async for path in each:
        each.keep(await words(path))
        await asyncio.sleep(answers["pause"] or 0)
    total: Counter[str] = Counter()
    for _, counted in each.kept:
        total.update(counted)
    await run.say(f"Counted {total.total():,} words in {len(files)} files.")
    return {
        "files": len(files),
        "words": total.total(),
        "most": total.most_common(5),
    }


def text_files(folder):
    """Return the first 500 files of a folder that hold text."""
    paths = sorted(folder.iterdir())
    return [path for path in paths if path.suffix in (".py", ".txt", ".md", ".csv")][:500]


async def words(path):
    """Return how often each word stands in the file, the 200 most frequent ones."""
    text = await asyncio.to_thread(path.read_text, encoding="utf-8", errors="replace")
    return dict(Counter(re.findall(r"[a-z]{3,}", text.lower())).most_common(200))


@count.show
def shown(run):
    return f"{run['count']['words']:,} words in {run['count']['files']} files"


@flow.result
def result(run):
    most = run["count"]["most"]
    if not most:
        return P("No text files there.")
    return H3("The most frequent words"), Ol(*[Li(f"{word}: {number:,}") for word, number in most])
