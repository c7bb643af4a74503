# Every target makes what it needs: only Python 3.11+, git and make are presumed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ANVIL  := 1.7.1
PIP    := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

.PHONY: demo test lint types docs docs-check pytest ethereum nightly check bench scale clean

demo: $(VENV)/runtime
	$(BIN)/syncfsm outage --da --json out/outage.json

test: lint types docs-check pytest

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/dev
	$(BIN)/mypy

docs: $(VENV)/dev
	$(BIN)/python -m docs.generate

docs-check: $(VENV)/dev
	$(BIN)/python -m docs.generate --check

pytest: $(VENV)/dev .anvil/ready
	$(BIN)/pytest -n 2

# Layers of Ethereum are tried on a chain of this machine, where npm is there to bring it.
ethereum: $(VENV)/dev .anvil/ready
	$(BIN)/pytest tests/adapters/test_ethereum.py tests/adapters/test_ethereum_blobs.py

.anvil/ready:
	mkdir -p .anvil
	if ! command -v npm > /dev/null; then echo "there is no npm: tests on anvil are skipped"; \
	elif npm install --silent --no-audit --no-fund --ignore-scripts --prefix .anvil @foundry-rs/anvil@$(ANVIL) \
	  && ls .anvil/node_modules/@foundry-rs/anvil-*/bin/anvil > /dev/null; \
	then touch $@; else echo "npm has not brought anvil: tests on it are skipped; the next make tries again"; fi

nightly: $(VENV)/dev .anvil/ready
	$(BIN)/pytest -n 2 --nightly

check: $(VENV)/dev
	$(BIN)/syncfsm check --json out/check.json

bench: $(VENV)-bench/ready
	$(VENV)-bench/bin/python -m benchmarks --json out/bench.json

scale: $(VENV)/dev
	$(BIN)/python -m benchmarks.scale --json out/scale.json
	$(BIN)/python -m benchmarks.scale.picture out/scale.json out/scale.svg

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "syncfsm needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[da]'
	touch $@

$(VENV)/dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/runtime

# What others do is measured beside it, in an environment apart: py-libp2p brings other types for trio.
$(VENV)-bench/ready: pyproject.toml constraints.txt
	$(MAKE) VENV=$(VENV)-bench $(VENV)-bench/dev
	PIP_CONSTRAINT=constraints.txt $(VENV)-bench/bin/python -m pip install --quiet -e '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bench .anvil out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
