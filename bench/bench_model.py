"""The embedded model against the bare runtime: what do child process, HTTP and our client cost?

LIMIT  llama.cpp in this process, asked through its callback.  Beside it `Embedded`: the same engine
       behind a process, HTTP and `Remote`.  Same parameters and, in turns, the same new prompts
       (neither profits from what the other has read).
With a tiny model, whose own work is next to nothing, the cost of each token shows; with a real one
(PIPULATE_MODEL names its GGUF file), what a user feels.
"""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.outcome import verdict
from pipulate.chat.embedded import Embedded
from tests.chat import tiny_gguf

WINDOW = 2048
ROUNDS = 5
LATER = 50  # ms that the first token may come later
SLOWER = 0.95  # of the throughput must be left


@dataclass(frozen=True)
class Subject:
    """A model: its weights, what it is asked, for how many tokens."""

    name: str
    weights: Path
    prompt: str
    count: int


@dataclass
class Speed:
    """Of some answers: the seconds to the first token, and the tokens per second after it."""

    first: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)

    def note(self, start: float, times: list[float]) -> None:
        """Keep an answer, by the times of its tokens."""
        self.first.append(times[0] - start)
        self.rate.append((len(times) - 1) / (times[-1] - times[0]))

    def median(self) -> tuple[float, float]:
        """Return the medians."""
        return statistics.median(self.first), statistics.median(self.rate)


def bare_server(weights: Path) -> Any:
    """Return llama.cpp in this process, set as in llama_child.py."""
    os.environ["OMP_WAIT_POLICY"] = "passive"  # it is read when the library is loaded
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = WINDOW
    params.n_parallel = 1
    params.n_batch = 128
    params.n_ubatch = 128
    params.cache_ram_mib = 256
    params.ui = False
    params.warmup = False
    params.use_jinja = True
    params.verbosity = 1
    return xllamacpp.Server(params)


def ask_bare(server: Any, prompt: str, count: int, speed: Speed) -> None:
    """Ask the bare model, and note when its tokens came."""
    times: list[float] = []

    def heard(chunk: Any) -> bool:
        choices = chunk.get("choices", [])
        if any((choice.get("delta") or {}).get("content") for choice in choices):
            times.append(time.perf_counter())
        return False

    start = time.perf_counter()
    body = {"messages": [{"role": "user", "content": prompt}], "stream": True, "max_tokens": count}
    server.handle_chat_completions(body, heard)
    speed.note(start, times)


async def ask_embedded(model: Embedded, prompt: str, count: int, speed: Speed) -> None:
    """The same, through our client."""
    times = []
    start = time.perf_counter()
    async for _ in model.stream([{"role": "user", "content": prompt}], max_tokens=count):
        times.append(time.perf_counter())
    speed.note(start, times)


async def compare(subject: Subject) -> float:
    """Ask both in turns and print the medians; return the ratio of throughput."""
    model = Embedded(subject.weights, WINDOW)
    await model.start()
    if hasattr(os, "nice"):
        os.nice(5)  # as polite as the child, or a busy machine would decide the race
    server = bare_server(subject.weights)
    bare = Speed()
    embedded = Speed()
    for number in range(ROUNDS):
        prompt = f"{number} {subject.prompt}"
        await asyncio.to_thread(ask_bare, server, prompt, subject.count, bare)
        await ask_embedded(model, prompt, subject.count, embedded)
    await model.stop()
    return tell(subject, bare, embedded)


def tell(subject: Subject, bare: Speed, embedded: Speed) -> float:
    """Print what the answers took; return the ratio of throughput."""
    bare_first, bare_rate = bare.median()
    first, rate = embedded.median()
    added = (first - bare_first) * 1000
    print(f"  {subject.name}, {subject.count} tokens, median of {ROUNDS}")
    print(f"    tokens a second: bare {bare_rate:.1f}, embedded {rate:.1f}")
    print(f"    first token: bare {bare_first * 1000:.0f} ms, added {added:+.0f} ms", end="")
    print(f"   <= {LATER}  {verdict(added <= LATER)}")
    each = 1e6 / rate - 1e6 / bare_rate
    print(f"    throughput ratio {rate / bare_rate:.3f} ({each:+.0f} µs a token)")
    return rate / bare_rate


async def main() -> None:
    """Run the comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = tiny_gguf.write(Path(folder) / "tiny.gguf")
        await compare(Subject("tiny model", tiny, "sing!", 1000))
    given = os.environ.get("PIPULATE_MODEL")
    if given:
        prompt = "is my number. Tell a long tale."
        left = await compare(Subject(Path(given).stem, Path(given), prompt, 30))
        print(f"    throughput ratio >= {SLOWER}  {verdict(left >= SLOWER)}")


if __name__ == "__main__":
    asyncio.run(main())
