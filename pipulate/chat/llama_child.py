"""The process that holds the embedded model: llama.cpp's server, for its parent alone.  See `embedded.py`.

Run by its path, so that none of Pipulate need be imported: `python -P llama_child.py`.  It reads one line of JSON
(model, window, key) from standard input, prints its address, and leaves when that input ends or its parent is gone.
"""

import json
import os
import sys
import threading
import time


def _leave_with_parent(parent: int) -> None:
    """Exit when our standard input ends, or (forks of the parent may hold its other end open) when we are orphaned."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def main() -> None:
    """Serve until the parent leaves."""
    parent = os.getppid()
    os.environ["OMP_WAIT_POLICY"] = (
        "passive"  # idle threads that spin slow a shared machine down tenfold
    )
    if hasattr(os, "nice"):
        os.nice(5)  # pages come first
    asked = json.loads(sys.stdin.readline())

    import xllamacpp  # here: not even its loading may happen before the line above set the policy

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = (
        asked["model"],
        asked["window"],
        1,
    )  # slots divide n_ctx
    params.api_keys, params.cors_origins, params.ui = [asked["key"]], "", False
    params.endpoint_slots, params.use_jinja, params.warmup = False, True, False
    params.n_batch = params.n_ubatch = (
        128  # it sees that we hung up between batches: 1 s, not 30, at the same speed
    )
    params.cache_ram_mib = 256  # of earlier prompts; 8 GB by default
    params.verbosity = 1  # errors only: prompts are private
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:  # it has logged why
        sys.exit(1)
    print(server.listening_address, flush=True)
    _leave_with_parent(parent)


if __name__ == "__main__":
    main()
