"""The process of the embedded model: llama.cpp's server for its parent.

Run by its path: it imports none of Pipulate.  It reads a line of JSON
(model, window, key), prints its address, and leaves when its input ends.
"""

import json
import os
import sys
import threading
import time
from typing import Any

NICE = 5  # pages come first
LOOK = 0.5  # seconds between two looks for the parent
BATCH = 128  # tokens; it sees that we hung up between batches: 1 s, not 30, at the same speed
PROMPTS = 256  # MB of earlier prompts that it keeps; 8 GB by default


def _leave_at_end() -> None:
    sys.stdin.read()
    os._exit(0)


def _parameters(asked: dict[str, Any]) -> Any:
    import xllamacpp  # here: not even its loading may happen before `main` has set the policy

    params = xllamacpp.CommonParams()
    params.model.path = asked["model"]
    params.n_ctx = asked["window"]
    params.n_parallel = 1  # slots divide n_ctx
    params.api_keys = [asked["key"]]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.use_jinja = True
    params.warmup = False
    params.n_batch = BATCH
    params.n_ubatch = BATCH
    params.cache_ram_mib = PROMPTS
    params.verbosity = 1  # errors only: prompts are private
    return params


def main() -> None:
    """Serve until the parent leaves."""
    parent = os.getppid()
    # Idle threads that spin slow a shared machine down tenfold.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    if hasattr(os, "nice"):
        os.nice(NICE)
    params = _parameters(json.loads(sys.stdin.readline()))

    import xllamacpp

    try:
        server = xllamacpp.Server(params)
    except RuntimeError:  # it has logged why
        sys.exit(1)
    print(server.listening_address, flush=True)
    threading.Thread(target=_leave_at_end, daemon=True).start()
    while os.getppid() == parent:  # forks of it may hold our input open
        time.sleep(LOOK)
    os._exit(0)


if __name__ == "__main__":
    main()
