"""Does the small model choose the right tool, with the right arguments?  On our own requests.

    python -m bench.bench_tools [GGUF file] [tuned|tested|held_out]

By the real 0.5B model.  A choice is right if the tool is (talking, too, is a choice); its arguments
are right if each holds the words expected.  "by examples": what the examples alone would choose,
without the model.  "asked": requests for which the model was asked.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.outcome import not_run
from pipulate.chat.embedded import Embedded
from pipulate.chat.providers import Model, ToolCall
from pipulate.chat.router import TALK, choose, rank
from pipulate.chat.weights import RECIPES
from pipulate.engine.settings import Settings

REQUESTS = Path(__file__).parent.parent / "tests" / "chat" / "requests.json"
THOUGHT = 0.1  # seconds: a choice that took longer was the model's


def lists() -> dict[str, list[Any]]:
    """Return the lists of requests by their part."""
    data = json.loads(REQUESTS.read_text("utf-8"))
    return {
        "tuned": data["requests"][::2],
        "tested": data["requests"][1::2],
        "held_out": data["held_out"],
    }


async def measure(model: Model, requests: list[Any], show: bool = True) -> dict[str, float]:
    """Return counts of right choices and arguments, and the seconds per question to the model."""
    right = full = guessed = asked = 0
    spent = 0.0
    for text, tool, words in requests:
        began = time.perf_counter()
        call = await choose(model, text) or ToolCall("", {})
        took = time.perf_counter() - began
        spent += took
        asked += took > THOUGHT
        fits = call.name == tool and holds(call.arguments, words)
        right += call.name == tool
        full += fits
        guessed += rank(text)[0][0] == (tool or TALK)
        if show and not fits:
            got = f"{call.name or TALK} {call.arguments or ''}"
            print(f"  {text!r}: expected {tool or TALK} {words or ''}, got {got}", flush=True)
    return {
        "requests": len(requests),
        "choice": right,
        "with arguments": full,
        "by examples": guessed,
        "asked": asked,
        "seconds each": round(spent / max(asked, 1), 2),
    }


def holds(arguments: dict[str, Any], words: dict[str, str]) -> bool:
    """Say whether each argument has the word that it should."""
    return all(word in str(arguments.get(key, "")).lower() for key, word in words.items())


async def main() -> None:
    """Print a line for each list."""
    file, *wanted = sys.argv[1:] or [Settings().data / "models" / RECIPES["qwen-0.5b"].file]
    if not Path(file).is_file():
        not_run(f"there are no weights {file}: pipulate model get")
    model = Embedded(Path(file))
    try:
        for name, requests in lists().items():
            if name in wanted or not wanted:
                print(name, await measure(model, requests), flush=True)
    finally:
        await model.stop()


if __name__ == "__main__":
    asyncio.run(main())
