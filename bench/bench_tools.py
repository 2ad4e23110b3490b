"""Does the small model choose the right tool, with the right arguments?  On our own requests, by
the
real 0.5B model.

    python -m bench.bench_tools [GGUF file] [tuned|tested|held_out]

A choice is right if the tool is (talking, too, is a choice); its arguments are right if each holds
the words expected. "by examples": what the examples alone would choose, without the model.
"asked": requests for which the model was asked.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from pipulate.chat.embedded import Embedded
from pipulate.chat.providers import Model
from pipulate.chat.router import TALK, choose, rank
from pipulate.chat.weights import RECIPES
from pipulate.engine.settings import Settings

REQUESTS = Path(__file__).parent.parent / "tests" / "chat" / "requests.json"


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
        begin = time.perf_counter()
        call = await choose(model, text)
        took = time.perf_counter() - begin
        spent, asked = spent + took, asked + (took > 0.1)
        name, arguments = (call.name, call.arguments) if call else ("", {})
        fits = name == tool and all(
            word in str(arguments.get(key, "")).lower() for key, word in words.items()
        )
        right += name == tool
        full += fits
        guessed += rank(text)[0][0] == (tool or TALK)
        if show and not fits:
            expected = f"{tool or TALK} {words or ''}"
            print(
                f"  {text!r}: expected {expected}, got {name or TALK} {arguments or ''}", flush=True
            )
    return {
        "requests": len(requests),
        "choice": right,
        "with arguments": full,
        "by examples": guessed,
        "asked": asked,
        "seconds each": round(spent / max(asked, 1), 2),
    }


async def main() -> None:
    """Print a line for each list."""
    file = (
        Path(sys.argv[1])
        if len(sys.argv) > 1
        else Settings().data / "models" / RECIPES["qwen-0.5b"].file
    )
    model = Embedded(file)
    try:
        for name, requests in lists().items():
            if len(sys.argv) < 3 or name in sys.argv[2:]:
                print(name, await measure(model, requests), flush=True)
    finally:
        await model.stop()


if __name__ == "__main__":
    asyncio.run(main())
