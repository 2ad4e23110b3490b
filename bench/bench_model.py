"""The embedded model against the bare runtime: what do the child process, HTTP and our client cost?

LIMIT  llama.cpp in this process, asked through its callback.  Beside it `Embedded`: the same
       engine behind a process, HTTP and `Remote`.  Same parameters and, in turns, the same new
       prompts (neither profits from what the other has read).
With a tiny model, whose own work is next to nothing, the cost of each token shows; with a real one
(PIPULATE_MODEL names its GGUF file), what a user feels.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipulate.chat.embedded import Embedded
from tests.chat import tiny_gguf

WINDOW, ROUNDS = 2048, 5


def bare_server(weights: Path) -> Any:
    """Return llama.cpp in this process, set as in llama_child.py."""
    os.environ["OMP_WAIT_POLICY"] = (
        "passive"  # read when the library is loaded: the import must come after it
    )
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = str(weights), WINDOW, 1
    params.ui, params.warmup, params.use_jinja, params.verbosity = False, False, True, 1
    params.n_batch = params.n_ubatch = 128
    params.cache_ram_mib = 256
    return xllamacpp.Server(params)


def ask_bare(server: Any, prompt: str, count: int) -> tuple[float, float]:
    """Return (seconds to the first token, tokens per second after it)."""
    times: list[float] = []

    def heard(chunk: Any) -> bool:
        if any((choice.get("delta") or {}).get("content") for choice in chunk.get("choices", [])):
            times.append(time.perf_counter())
        return False

    start = time.perf_counter()
    body = {"messages": [{"role": "user", "content": prompt}], "stream": True, "max_tokens": count}
    server.handle_chat_completions(body, heard)
    return times[0] - start, (len(times) - 1) / (times[-1] - times[0])


async def ask_embedded(model: Embedded, prompt: str, count: int) -> tuple[float, float]:
    """Return the same, through our client."""
    start, times = time.perf_counter(), []
    async for _ in model.stream([{"role": "user", "content": prompt}], max_tokens=count):
        times.append(time.perf_counter())
    return times[0] - start, (len(times) - 1) / (times[-1] - times[0])


async def compare(
    name: str, weights: Path, prompt: Callable[[int], str], count: int, real: bool
) -> None:
    """Ask both in turns and print the medians."""
    model = Embedded(weights, WINDOW)
    await model.start()
    if hasattr(os, "nice"):
        os.nice(5)  # as polite as the child, or a busy machine would decide the race
    server = bare_server(weights)
    found: dict[str, list[tuple[float, float]]] = {"bare": [], "embedded": []}
    for number in range(ROUNDS):
        found["bare"].append(await asyncio.to_thread(ask_bare, server, prompt(number), count))
        found["embedded"].append(await ask_embedded(model, prompt(number), count))
    await model.stop()
    medians = {
        way: [statistics.median(column) for column in zip(*rows, strict=True)]
        for way, rows in found.items()
    }
    (bare_first, bare_rate), (first, rate) = medians["bare"], medians["embedded"]
    rates = f"bare {bare_rate:.1f} tokens/s, embedded {rate:.1f}"
    print(f"  {name}, {count} tokens, median of {ROUNDS}: {rates}")
    added = (first - bare_first) * 1000
    print(
        f"    first token {bare_first * 1000:.0f} ms bare, added {added:+.0f} ms   <= 50", end="  "
    )
    print(verdict(added <= 50))
    ratio = rate / bare_rate
    each = 1e6 / rate - 1e6 / bare_rate
    print(f"    throughput ratio {ratio:.3f} ({each:+.0f} µs a token)", end="")
    print(f"   >= 0.95  {verdict(ratio >= 0.95)}" if real else "")


def verdict(kept: bool) -> str:
    """Say whether a limit was kept."""
    return "ok" if kept else "MISSED"


async def main() -> None:
    """Run the comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = tiny_gguf.write(Path(folder) / "tiny.gguf")
        await compare("tiny model", tiny, lambda number: f"{number} sing!", 1000, real=False)
    if given := os.environ.get("PIPULATE_MODEL"):
        await compare(
            Path(given).stem,
            Path(given),
            lambda number: f"{number} is my number. Tell a long tale.",
            30,
            real=True,
        )


if __name__ == "__main__":
    asyncio.run(main())
