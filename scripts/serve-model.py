#!/usr/bin/env python3
"""Serve a small real language model for the end-to-end test, with the API of OpenAI.

Usage: PYTHONPATH=.tools/xllamacpp python3 scripts/serve-model.py MODEL.gguf PORT

PORT 0 takes a free port. When the server answers, one line `ready http://127.0.0.1:PORT` goes to
standard output; everything else goes to standard error. The server ends on SIGTERM, on Ctrl-C, and
when its standard input is closed, so that it never outlives the test that started it.
"""

import os
import signal
import sys
import threading
import urllib.request


def main() -> None:
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    model, port = sys.argv[1], int(sys.argv[2])
    if not os.path.isfile(model):
        sys.exit(f"serve-model: there is no file {model}; run `make tools`")

    # The library writes its log to both outputs: keep the real one for the line that counts.
    announce = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=wait_for_end_of_input, args=(stop,), daemon=True).start()

    server = start(model, port)
    address = server.listening_address
    # Without proxies: the environment may name one, and it cannot reach this machine's loopback.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(f"{address}/health", timeout=60).close()
    print(f"ready {address}", file=announce, flush=True)
    stop.wait()
    # The system takes everything back at once; an orderly end would wait for open answers.
    os._exit(0)


def wait_for_end_of_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


def start(model: str, port: int):
    try:
        import xllamacpp
    except ImportError as error:
        sys.exit(f"serve-model: {error}; run `make tools` and set PYTHONPATH=.tools/xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = {"smollm2-135m"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    # The context is divided over the parallel answers.
    parameters.n_ctx, parameters.n_parallel = 4096, 2
    threads = os.cpu_count() or 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = min(threads, 4)
    parameters.n_threads_http = 4
    parameters.offline, parameters.ui = True, False
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        sys.exit(f"serve-model: cannot serve {model} on port {port}: {error}")


if __name__ == "__main__":
    main()
