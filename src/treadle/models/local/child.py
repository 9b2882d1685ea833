"""The embedded model's server: what the child process runs. A script, so it imports nothing of Treadle.

It reads its settings from standard input, says where it listens on standard output, and ends when its input does.
"""

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any


def serve(settings: dict[str, Any]) -> None:
    """Serve the weights until the end of standard input."""
    sys.path.append(settings["packages"])  # last: it stands in for nothing that is found elsewhere
    xllamacpp: Any = import_module("xllamacpp")  # native: type checkers see nothing in it
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C in a terminal goes to both; the parent decides
    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.api_keys = [settings["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cpuparams.n_threads = settings["generating"]
    params.cpuparams_batch.n_threads = settings["threads"]
    # Two conversations at a time (an agent and its helper) share one pool of memory, which either may fill.
    params.n_ctx = settings["context_tokens"]
    params.n_parallel = 2
    params.kv_unified = True
    params.cache_ram_mib = 1024  # prompts of other conversations, kept aside: 28 KB a token
    if settings["prompts"]:
        params.slot_save_path = settings["prompts"] + os.sep
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.cors_origins = "http://127.0.0.1"
    params.verbosity = 1  # errors: the parent shows the first
    server = xllamacpp.Server(params)
    print(
        json.dumps({"url": server.listening_address, "version": xllamacpp.__version__}), flush=True
    )
    sys.stdin.read()
    os._exit(0)  # what runs is of no use to anybody; don't wait for it


if __name__ == "__main__":
    serve(json.loads(sys.stdin.readline()))
