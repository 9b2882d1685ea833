"""The script of the child process that serves the embedded model. It imports nothing of Treadle.

It reads its settings from standard input, prints its address to standard output, and ends when its
input ends.
"""

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any


def serve(settings: dict[str, Any]) -> None:
    """Serve the model until standard input ends."""
    sys.path.append(settings["packages"])  # last, so that it hides no other package
    xllamacpp: Any = import_module("xllamacpp")  # native code, which has no types
    # Ctrl-C in a terminal reaches both processes; the parent decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.api_keys = [settings["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cpuparams.n_threads = settings["generating"]
    params.cpuparams_batch.n_threads = settings["threads"]
    # Two conversations at a time, such as an agent and a child, share one pool of memory; each may
    # fill it.
    params.n_ctx = settings["context_tokens"]
    params.n_parallel = 2
    params.kv_unified = True
    params.cache_ram_mib = 1024  # keeps prompts of other conversations, 28 KB a token
    if settings["prompts"]:
        params.slot_save_path = settings["prompts"] + os.sep
    if settings["own_template"]:
        # Applies the template, and gives back what the model wrote with all its marks.
        params.use_jinja = True
        params.force_pure_content_parser = True
        params.special = True
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.cors_origins = "http://127.0.0.1"
    params.verbosity = 1  # errors; the parent shows the first one
    server = xllamacpp.Server(params)
    answer = {"url": server.listening_address, "version": xllamacpp.__version__}
    print(json.dumps(answer), flush=True)
    sys.stdin.read()
    os._exit(0)  # doesn't wait for running requests: nobody needs their replies


if __name__ == "__main__":
    serve(json.loads(sys.stdin.readline()))
